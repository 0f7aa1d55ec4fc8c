// Anthropic's SDK, with Claude behind the gateway and with others in Claude's place.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FINAL, HELLO, SIGNATURE, TEXT, WEATHER, keys, load, received, upstream, url } from './stand.mjs';

const { default: Anthropic } = load('@anthropic-ai/sdk');
const options = { baseURL: url, maxRetries: 0, timeout: 30_000 };
const claude = new Anthropic({ ...options, apiKey: keys.everything });
const TOOL = { name: 'get_weather', input_schema: WEATHER.function.parameters };
const QUESTION = { role: 'user', content: 'What is the weather in Oslo?' };
const USAGE = { claude: [12, 9], plain: [10, 6], gemini: [7, 6], nova: [14, 8] };

const create = (model, more) => claude.messages.create({ model, max_tokens: 2000, messages: HELLO, ...more });
const stream = (model, more) =>
  claude.messages.stream({ model, max_tokens: 2000, messages: HELLO, ...more }).finalMessage();

for (const ask of [create, stream]) {
  for (const [model, usage] of Object.entries(USAGE)) {
    test(`an answer of ${model}, by ${ask.name}`, async () => {
      const answer = await ask(model);
      assert.equal(answer.model, model);
      assert.deepEqual(answer.content.map((block) => block.text), [TEXT]);
      assert.equal(answer.stop_reason, 'end_turn');
      assert.deepEqual([answer.usage.input_tokens, answer.usage.output_tokens], usage);
    });

    test(`a tool for ${model} and its result, by ${ask.name}`, async () => {
      const asked = await ask(model, { messages: [QUESTION], tools: [TOOL] });
      assert.equal(asked.stop_reason, 'tool_use');
      const call = asked.content.find((block) => block.type === 'tool_use');
      assert.deepEqual([call.name, call.input], ['get_weather', { place: 'Oslo' }]);
      const result = { type: 'tool_result', tool_use_id: call.id, content: '7 degrees, rain' };
      const turns = [QUESTION, { role: 'assistant', content: asked.content }, { role: 'user', content: [result] }];
      const answer = await ask(model, { messages: turns, tools: [TOOL] });
      assert.equal(answer.content[0].text, FINAL);
      const sent = await upstream();
      assert.ok(JSON.stringify(sent).includes('7 degrees, rain'));
      if (model === 'claude') assert.equal(sent.messages[1].content[0].signature, SIGNATURE);
    });
  }
}

test('betas reach the provider, and tokens are counted there', async () => {
  await received();
  await claude.beta.messages.create({ model: 'claude', max_tokens: 5, messages: HELLO, betas: ['files-api-2025-04-14'] });
  assert.equal((await received())[0].headers['anthropic-beta'], 'files-api-2025-04-14');
  const counted = await claude.messages.countTokens({ model: 'claude', messages: HELLO });
  assert.equal(counted.input_tokens, 33);
});

test('failures are the exceptions that Anthropic would cause', async () => {
  const nobody = new Anthropic({ ...options, apiKey: 'sk-nobody-has-this-key-0000' });
  const ask = (client, model) => client.messages.create({ model, max_tokens: 5, messages: HELLO });
  await assert.rejects(ask(nobody, 'claude'), Anthropic.AuthenticationError);
  await assert.rejects(ask(claude, 'nowhere'), (error) => error instanceof Anthropic.APIError && error.status < 500);
  await assert.rejects(ask(claude, 'claude-busy'), Anthropic.InternalServerError);
  await assert.rejects(stream('claude-broken'), Anthropic.APIError);
});
