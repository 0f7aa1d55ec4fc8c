import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HELLO, WEATHER, client, gather } from './stand.mjs';

const openai = client();
const QUESTION = [{ role: 'user', content: 'What is the weather in Oslo?' }];

test('an answer carries the name that was asked for', async () => {
  const answer = await openai.chat.completions.create({ model: 'chat', messages: HELLO });
  assert.equal(answer.object, 'chat.completion');
  assert.equal(answer.model, 'chat');
  assert.ok(answer.choices[0].message.content);
  assert.equal(answer.choices[0].finish_reason, 'stop');
});

test('usage is what the provider reported, and headers tell call, deployment and cost', async () => {
  const { data, response } = await openai.chat.completions
    .create({ model: 'chat', messages: HELLO, mock: { prompt_tokens: 11, completion_tokens: 7 } })
    .withResponse();
  assert.equal(data.usage.total_tokens, 18);
  assert.ok(response.headers.get('x-litellm-call-id'));
  assert.equal(response.headers.get('x-litellm-model-id'), 'chat-deployment');
  const cost = Number(response.headers.get('x-litellm-response-cost'));
  assert.ok(Math.abs(cost - 25e-6) < 1e-12, `${cost}`);
  assert.equal(data._request_id, response.headers.get('x-request-id'));
});

test('every chunk of a stream carries one id and the name that was asked for', async () => {
  const chunks = await gather(
    openai.chat.completions.create({ model: 'chat', messages: HELLO, stream: true, mock: { chunks: 12 } }),
  );
  assert.deepEqual([...new Set(chunks.map((chunk) => chunk.model))], ['chat']);
  assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
  assert.ok(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''));
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
});

test('usage that was not asked for is not seen', async () => {
  const chunks = await gather(
    openai.chat.completions.create({ model: 'chat', messages: HELLO, stream: true, mock: { chunks: 3 } }),
  );
  for (const chunk of chunks) {
    assert.ok(chunk.choices.length > 0);
    assert.ok(!('usage' in chunk));
  }
});

test('usage that was asked for comes last', async () => {
  const chunks = await gather(
    openai.chat.completions.create({
      model: 'chat',
      messages: HELLO,
      stream: true,
      stream_options: { include_usage: true },
      mock: { chunks: 3, prompt_tokens: 11, completion_tokens: 7 },
    }),
  );
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.equal(chunks.at(-1).usage.total_tokens, 18);
});

test('a stream may be left and the client used again', async () => {
  const stream = await openai.chat.completions.create({
    model: 'chat',
    messages: HELLO,
    stream: true,
    mock: { chunks: 200, gap_ms: 5 },
  });
  for await (const chunk of stream) {
    assert.equal(chunk.model, 'chat');
    break;
  }
  const answer = await openai.chat.completions.create({ model: 'chat', messages: HELLO });
  assert.ok(answer.id);
});

test('many streams at once', async () => {
  const texts = await Promise.all(
    Array.from({ length: 32 }, async () => {
      const chunks = await gather(
        openai.chat.completions.create({
          model: 'chat',
          messages: HELLO,
          stream: true,
          mock: { chunks: 10, gap_ms: 2 },
        }),
      );
      return chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join('');
    }),
  );
  assert.equal(new Set(texts).size, 1);
  assert.ok(texts[0]);
});

test('a tool is called and its result taken', async () => {
  const asked = await openai.chat.completions.create({ model: 'chat', messages: QUESTION, tools: [WEATHER] });
  assert.equal(asked.choices[0].finish_reason, 'tool_calls');
  const [call] = asked.choices[0].message.tool_calls;
  assert.equal(call.function.name, 'get_weather');
  assert.equal(typeof JSON.parse(call.function.arguments), 'object');

  const result = { role: 'tool', tool_call_id: call.id, content: '7 degrees, rain' };
  const answer = await openai.chat.completions.create({
    model: 'chat',
    messages: [...QUESTION, asked.choices[0].message, result],
    tools: [WEATHER],
  });
  assert.equal(answer.choices[0].finish_reason, 'stop');
});

test('a streamed call of a tool comes together', async () => {
  const runner = openai.chat.completions.stream({ model: 'chat', messages: QUESTION, tools: [WEATHER] });
  const whole = await runner.finalChatCompletion();
  const [call] = whole.choices[0].message.tool_calls;
  assert.equal(call.function.name, 'get_weather');
  assert.equal(typeof JSON.parse(call.function.arguments), 'object');
});
