import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HELLO, OpenAI, client, gather } from './stand.mjs';

/** Asks, expects the SDK's exception of this kind and gives it back. */
async function refused(kind, { key, ...body } = {}) {
  try {
    await client(key).chat.completions.create({ model: 'chat', messages: HELLO, ...body });
  } catch (error) {
    assert.ok(error instanceof kind, `expected ${kind.name}, found ${error}`);
    return error;
  }
  return assert.fail('it was answered');
}

test('a wrong key', async () => {
  const error = await refused(OpenAI.AuthenticationError, { key: 'sk-nobody-has-this-key-0000' });
  assert.equal(error.code, '401');
});

test('a key that has run out or is blocked', async () => {
  assert.equal((await refused(OpenAI.AuthenticationError, { key: 'expired' })).type, 'expired_key');
  assert.equal((await refused(OpenAI.AuthenticationError, { key: 'blocked' })).type, 'auth_error');
});

test('a model that is not configured', async () => {
  const error = await refused(OpenAI.BadRequestError, { model: 'nowhere' });
  assert.equal(error.type, 'invalid_request_error');
});

test('a model that the key may not call', async () => {
  const error = await refused(OpenAI.PermissionDeniedError, { key: 'narrow', model: 'steady' });
  assert.equal(error.type, 'key_model_access_denied');
});

test('requests beyond the limit', async () => {
  await client('once').chat.completions.create({ model: 'chat', messages: HELLO });
  const error = await refused(OpenAI.RateLimitError, { key: 'once' });
  const wait = Number(error.headers.get('retry-after'));
  assert.ok(wait >= 1 && wait <= 60, `${wait}`);
});

test('a budget that is spent', async () => {
  const error = await refused(OpenAI.UnprocessableEntityError, { key: 'poor' });
  assert.equal(error.type, 'budget_exceeded');
});

for (const [status, kind] of [
  [400, OpenAI.BadRequestError],
  [401, OpenAI.AuthenticationError],
  [403, OpenAI.PermissionDeniedError],
  [404, OpenAI.NotFoundError],
  [429, OpenAI.RateLimitError],
  [500, OpenAI.InternalServerError],
  [503, OpenAI.InternalServerError],
]) {
  test(`a provider that answers ${status}`, async () => {
    assert.equal((await refused(kind, { mock: { status } })).status, status);
  });
}

test('a provider that cannot be reached', async () => {
  assert.equal((await refused(OpenAI.InternalServerError, { model: 'gone' })).status, 500);
});

test('a failure in the middle of a stream', async () => {
  const stream = client().chat.completions.create({
    model: 'chat',
    messages: HELLO,
    stream: true,
    mock: { chunks: 20, cut_after: 4 },
  });
  await assert.rejects(gather(stream), OpenAI.APIError);
});
