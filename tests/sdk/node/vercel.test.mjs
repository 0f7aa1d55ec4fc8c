// Vercel's SDK in each of its three dialects, to each kind of provider.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FINAL, TEXT, keys, load, upstream, url } from './stand.mjs';

const { generateObject, generateText, stepCountIs, streamText, tool } = load('ai');
const { z } = load('zod');
const apiKey = keys.everything;
const openai = load('@ai-sdk/openai').createOpenAI({ baseURL: `${url}/v1`, apiKey });
const anthropic = load('@ai-sdk/anthropic').createAnthropic({ baseURL: `${url}/v1`, apiKey });
const google = load('@ai-sdk/google').createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey });

const MODELS = {
  'responses to openai': openai.responses('gpt'),
  'responses to claude': openai.responses('claude'),
  'chat to claude': openai.chat('claude'),
  'chat to gemini': openai.chat('gemini'),
  'messages to claude': anthropic('claude'),
  'messages to gemini': anthropic('gemini'),
  'messages to a compatible one': anthropic('plain'),
  'contents to gemini': google('gemini'),
  'contents to claude': google('claude'),
};
const tools = {
  get_weather: tool({
    description: 'The weather at a place',
    inputSchema: z.object({ place: z.string() }),
    execute: async ({ place }) => `7 degrees, rain in ${place}`,
  }),
};
const shared = { maxRetries: 0, providerOptions: { openai: { store: false } } };
// Throws what would else be printed and forgotten.
const onError = ({ error }) => {
  throw error;
};

for (const [name, model] of Object.entries(MODELS)) {
  test(`${name}: a text, whole and streamed`, async () => {
    const answer = await generateText({ ...shared, model, prompt: 'Say hello.' });
    assert.deepEqual([answer.text, answer.finishReason], [TEXT, 'stop']);
    const streamed = streamText({ ...shared, model, prompt: 'Say hello.', onError });
    assert.equal(await streamed.text, TEXT);
    const [one, other] = [answer.usage, await streamed.usage];
    assert.ok(one.inputTokens > 5 && one.outputTokens > 5);
    assert.deepEqual([one.inputTokens, one.outputTokens], [other.inputTokens, other.outputTokens]);
  });

  test(`${name}: a tool is called and its result taken`, async () => {
    const ask = { ...shared, model, tools, prompt: 'What is the weather?', stopWhen: stepCountIs(3) };
    const streamed = streamText({ ...ask, onError });
    for (const answer of [
      await generateText(ask),
      { text: await streamed.text, steps: await streamed.steps },
    ]) {
      assert.equal(answer.text, FINAL);
      assert.equal(answer.steps.length, 2);
      const [call] = answer.steps[0].toolCalls;
      assert.deepEqual([call.toolName, call.input], ['get_weather', { place: 'Oslo' }]);
    }
    assert.ok(JSON.stringify(await upstream()).includes('7 degrees, rain in Oslo'));
  });
}

for (const name of ['responses to claude', 'chat to gemini', 'contents to gemini']) {
  test(`${name}: an answer that follows a schema`, async () => {
    const schema = z.object({ place: z.string(), degrees: z.number() });
    const { object } = await generateObject({ ...shared, model: MODELS[name], schema, prompt: 'Say hello.' });
    assert.deepEqual(object, { place: 'Oslo', degrees: 7 });
  });
}
