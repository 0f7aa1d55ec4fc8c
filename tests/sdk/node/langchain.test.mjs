// LangChain's chats, with every kind of provider behind the gateway.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FINAL, TEXT, gather, keys, load, upstream, url } from './stand.mjs';

const { ChatOpenAI } = load('@langchain/openai');
const { ChatAnthropic } = load('@langchain/anthropic');
const { HumanMessage, ToolMessage } = load('@langchain/core/messages');
const { tool } = load('@langchain/core/tools');
const { z } = load('zod');

const apiKey = keys.everything;
const shared = { apiKey, maxRetries: 0 };
const openai = (model, options) =>
  new ChatOpenAI({ ...shared, model, configuration: { baseURL: `${url}/v1` }, streamUsage: true, ...options });
const claude = (model) => new ChatAnthropic({ ...shared, model, anthropicApiUrl: url, maxTokens: 100 });
const CHATS = {
  'openai to openai': openai('gpt'),
  'openai to claude': openai('claude'),
  'openai to gemini': openai('gemini'),
  'responses to claude': openai('claude', { useResponsesApi: true }),
  'claude to claude': claude('claude'),
  'claude to gemini': claude('gemini'),
  'claude to openai': claude('plain'),
};
const weather = tool(({ place }) => `7 degrees, rain in ${place}`, {
  name: 'get_weather',
  description: 'The weather at a place',
  schema: z.object({ place: z.string() }),
});

const streamed = async (chat, messages) => (await gather(chat.stream(messages))).reduce((all, chunk) => all.concat(chunk));

for (const [name, chat] of Object.entries(CHATS)) {
  test(`${name}: a text, whole and streamed`, async () => {
    const answer = await chat.invoke('Say hello.');
    const whole = await streamed(chat, 'Say hello.');
    assert.deepEqual([answer.text, whole.text], [TEXT, TEXT]);
    assert.ok(answer.usage_metadata.input_tokens > 5 && answer.usage_metadata.output_tokens > 5);
    // Of Claude's streams LangChain adds up what the beginning and the end count, and takes the prompt from the beginning.
    const of = (message) => message.usage_metadata[name.startsWith('claude') ? 'output_tokens' : 'total_tokens'];
    assert.ok(of(whole) - of(answer) === 0 || (name === 'claude to claude' && of(whole) - of(answer) === 1));
  });

  test(`${name}: a tool is called and its result taken`, async () => {
    const bound = chat.bindTools([weather]);
    const question = new HumanMessage('What is the weather in Oslo?');
    for (const ask of [(messages) => bound.invoke(messages), (messages) => streamed(bound, messages)]) {
      const answer = await ask([question]);
      const [call] = answer.tool_calls;
      assert.deepEqual([call.name, call.args], ['get_weather', { place: 'Oslo' }]);
      const result = new ToolMessage({ content: await weather.invoke(call.args), tool_call_id: call.id });
      assert.equal((await ask([question, answer, result])).text, FINAL);
      assert.ok(JSON.stringify(await upstream()).includes('7 degrees, rain in Oslo'));
    }
  });
}
