// Google's SDK, with Gemini behind the gateway and with others in its place.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FINAL, TEXT, WEATHER, gather, keys, load, received, upstream, url } from './stand.mjs';

const { GoogleGenAI, FinishReason } = load('@google/genai');
const { models } = new GoogleGenAI({ apiKey: keys.everything, httpOptions: { baseUrl: url, timeout: 30_000 } });
const { name, description, parameters } = WEATHER.function;
const tools = [{ functionDeclarations: [{ name, description, parametersJsonSchema: parameters }] }];
const question = { role: 'user', parts: [{ text: 'What is the weather in Oslo?' }] };

/** The parts of an answer, whole or streamed, and its last piece. */
async function ask(how, request) {
  if (how === 'whole') {
    const answer = await models.generateContent(request);
    return { parts: answer.candidates[0].content.parts, last: answer };
  }
  const chunks = await gather(models.generateContentStream(request));
  const parts = chunks.flatMap((chunk) => chunk.candidates[0].content?.parts ?? []);
  return { parts, last: chunks.at(-1) };
}

const text = (parts) => parts.filter((part) => !part.thought).map((part) => part.text ?? '').join('');

for (const model of ['gemini', 'plain', 'claude']) {
  for (const how of ['whole', 'streamed']) {
    test(`${model}: a text, ${how}`, async () => {
      const config = { systemInstruction: 'Be brief.', maxOutputTokens: 50 };
      const { parts, last } = await ask(how, { model, contents: 'Say hello.', config });
      assert.deepEqual([text(parts), last.candidates[0].finishReason], [TEXT, FinishReason.STOP]);
      assert.ok(last.usageMetadata.promptTokenCount > 5 && last.usageMetadata.candidatesTokenCount > 5);
      assert.ok(JSON.stringify(await upstream()).includes('Be brief.'));
    });

    test(`${model}: a tool is called and its result taken, ${how}`, async () => {
      await received();
      const { parts } = await ask(how, { model, contents: [question], config: { tools } });
      const call = parts.find((part) => part.functionCall).functionCall;
      assert.deepEqual([call.name, call.args], ['get_weather', { place: 'Oslo' }]);
      const result = { id: call.id, name: call.name, response: { output: '7 degrees, rain in Oslo' } };
      const contents = [
        question,
        { role: 'model', parts },
        { role: 'user', parts: [{ functionResponse: result }] },
      ];
      const answer = await ask(how, { model, contents, config: { tools } });
      assert.equal(text(answer.parts), FINAL);
      assert.ok(JSON.stringify(await upstream()).includes('7 degrees, rain in Oslo'));
    });
  }
}

test('tokens are counted and a failure is an error with its status', async () => {
  const counted = await models.countTokens({ model: 'gemini', contents: 'Say hello.' });
  assert.ok(counted.totalTokens > 0);
  await assert.rejects(models.generateContent({ model: 'nobody', contents: 'x' }), { name: 'ApiError', status: 400 });
});
