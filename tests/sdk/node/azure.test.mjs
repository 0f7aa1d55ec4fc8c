import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AzureOpenAI, HELLO, OpenAI, gather, keys, url } from './stand.mjs';

// Azure's client puts the model into the path and the key into `api-key`.
const azure = (key = 'everything', more = {}) =>
  new AzureOpenAI({ endpoint: url, apiVersion: '2024-10-21', apiKey: keys[key] ?? key, maxRetries: 0, ...more });

test('chat, whole and as a stream', async () => {
  const answer = await azure().chat.completions.create({ model: 'chat', messages: HELLO });
  assert.equal(answer.model, 'chat');
  const chunks = await gather(azure().chat.completions.create({ model: 'chat', messages: HELLO, stream: true }));
  assert.deepEqual([...new Set(chunks.map((chunk) => chunk.model))], ['chat']);
});

test('a deployment fixed in the client', async () => {
  const fixed = azure('everything', { deployment: 'embed' });
  assert.ok((await fixed.embeddings.create({ model: 'embed', input: 'hello' })).data[0].embedding.length > 0);
});

test('a wrong key and a model off the list', async () => {
  const ask = (openai, model) => openai.chat.completions.create({ model, messages: HELLO });
  await assert.rejects(ask(azure('sk-nobody-has-this-key-0000'), 'chat'), OpenAI.AuthenticationError);
  await assert.rejects(ask(azure('narrow'), 'steady'), OpenAI.PermissionDeniedError);
});
