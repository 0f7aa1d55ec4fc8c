// OpenAI's SDK with vendors of other APIs: responses and chats.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FINAL, GEMINI_SIGNATURE, HELLO, OpenAI, SIGNATURE, TEXT, WEATHER, client, gather, upstream } from './stand.mjs';

const openai = client();
const TOOL = { type: 'function', ...WEATHER.function, strict: false };
const QUESTION = { role: 'user', content: 'What is the weather in Oslo?' };
const USAGE = { gpt: [18, 7], plain: [10, 6], claude: [17, 9], gemini: [7, 6] };

const stream = (model, input, more) => openai.responses.stream({ model, input, store: false, ...more }).finalResponse();

for (const [model, usage] of Object.entries(USAGE)) {
  test(`a response of ${model}`, async () => {
    const answer = await stream(model, 'Say hello.');
    assert.equal(answer.output_text, TEXT);
    assert.equal(answer.status, 'completed');
    assert.deepEqual([answer.usage.input_tokens, answer.usage.output_tokens], usage);
  });

  test(`a tool for ${model} and its result`, async () => {
    const more = { tools: [TOOL], include: ['reasoning.encrypted_content'] };
    const asked = await stream(model, [QUESTION], more);
    const call = asked.output.find((item) => item.type === 'function_call');
    assert.deepEqual([call.name, JSON.parse(call.arguments)], ['get_weather', { place: 'Oslo' }]);
    const result = { type: 'function_call_output', call_id: call.call_id, output: '7 degrees, rain' };
    const answer = await stream(model, [QUESTION, ...asked.output, result], more);
    assert.equal(answer.output_text, FINAL);
    const sent = JSON.stringify(await upstream());
    assert.ok(sent.includes('7 degrees, rain'));
    if (model === 'claude') assert.ok(sent.includes(SIGNATURE), sent);
    if (model === 'gemini') assert.ok(sent.includes(GEMINI_SIGNATURE), sent);
  });
}

for (const model of ['claude', 'gemini', 'nova']) {
  test(`a chat with ${model}, whole and streamed`, async () => {
    const answer = await openai.chat.completions.create({ model, messages: HELLO });
    assert.equal(answer.choices[0].message.content, TEXT);
    const chunks = await gather(openai.chat.completions.create({ model, messages: HELLO, stream: true }));
    assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''), TEXT);
    assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
  });

  test(`a chat with a tool for ${model}`, async () => {
    const runner = openai.chat.completions.stream({ model, messages: [QUESTION], tools: [WEATHER] });
    const { message } = (await runner.finalChatCompletion()).choices[0];
    const [call] = message.tool_calls;
    assert.deepEqual([call.function.name, JSON.parse(call.function.arguments)], ['get_weather', { place: 'Oslo' }]);
    const result = { role: 'tool', tool_call_id: call.id, content: '7 degrees, rain' };
    const messages = [QUESTION, message, result];
    const answer = await openai.chat.completions.create({ model, messages, tools: [WEATHER] });
    assert.equal(answer.choices[0].message.content, FINAL);
    assert.ok(JSON.stringify(await upstream()).includes('7 degrees, rain'));
  });
}

test('a provider that is overloaded, and a stream that breaks off', async () => {
  await assert.rejects(openai.responses.create({ model: 'claude-busy', input: 'Hi' }), OpenAI.InternalServerError);
  await assert.rejects(gather(openai.responses.create({ model: 'claude-broken', input: 'Hi', stream: true })), OpenAI.APIError);
});
