import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { HELLO, OpenAI, client } from './stand.mjs';

/** A provider that fails so many times, for this call alone, and then answers. */
const fails = (times, status) => ({ status, fail_times: times, id: randomUUID() });

const ask = (openai, body) => openai.chat.completions.create({ model: 'chat', messages: HELLO, ...body });

for (const status of [429, 500, 503]) {
  test(`the client tries again after ${status} until it is answered`, async () => {
    const answer = await ask(client('everything', { maxRetries: 1 }), { mock: fails(1, status) });
    assert.ok(answer.choices[0].message.content);
  });
}

test('the client gives up', async () => {
  await assert.rejects(ask(client('everything', { maxRetries: 1 }), { mock: fails(5, 500) }), OpenAI.InternalServerError);
});

test('what cannot succeed is not tried again', async () => {
  // It would be answered at the second try.
  await assert.rejects(ask(client('everything', { maxRetries: 2 }), { mock: fails(1, 400) }), OpenAI.BadRequestError);
});

test('the gateway tries again by itself', async () => {
  const { response } = await ask(client(), { model: 'steady', mock: fails(1, 500) }).withResponse();
  assert.equal(response.headers.get('x-litellm-attempted-retries'), '1');
});

test("the client's own timeout", async () => {
  const hasty = client('everything', { timeout: 300 });
  await assert.rejects(ask(hasty, { mock: { latency_ms: 20_000 } }), OpenAI.APIConnectionTimeoutError);
});

test('a call that is given up leaves the client whole', async () => {
  const openai = client();
  const given = new AbortController();
  const slow = openai.chat.completions.create(
    { model: 'chat', messages: HELLO, mock: { latency_ms: 20_000 } },
    { signal: given.signal },
  );
  setTimeout(() => given.abort(), 200);
  await assert.rejects(slow, OpenAI.APIUserAbortError);
  assert.ok((await ask(openai)).id);
});
