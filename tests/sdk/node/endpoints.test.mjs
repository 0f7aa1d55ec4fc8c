import assert from 'node:assert/strict';
import { test } from 'node:test';

import { OpenAI, client, gather } from './stand.mjs';

const openai = client();

test('a prompt is completed, whole and as a stream', async () => {
  const answer = await openai.completions.create({ model: 'instruct', prompt: 'Once upon a time' });
  assert.equal(answer.model, 'instruct');
  assert.ok(answer.choices[0].text);
  const chunks = await gather(openai.completions.create({ model: 'instruct', prompt: 'Once', stream: true }));
  assert.ok(chunks.map((chunk) => chunk.choices[0].text).join(''));
});

test('one vector however it is encoded', async () => {
  const packed = await openai.embeddings.create({ model: 'embed', input: 'hello' });
  const plain = await openai.embeddings.create({ model: 'embed', input: 'hello', encoding_format: 'float' });
  assert.equal(packed.data[0].embedding.length, plain.data[0].embedding.length);
  packed.data[0].embedding.forEach((value, at) => {
    assert.ok(Math.abs(value - plain.data[0].embedding[at]) < 1e-5);
  });
});

test('one vector for each input', async () => {
  const answer = await openai.embeddings.create({ model: 'embed', input: ['a', 'b', 'c'] });
  assert.deepEqual(
    answer.data.map((entry) => entry.index),
    [0, 1, 2],
  );
});

test('a key sees the models it may call', async () => {
  const names = (await gather(openai.models.list())).map((model) => model.id);
  for (const name of ['chat', 'instruct', 'embed']) assert.ok(names.includes(name), name);
  const narrow = await gather(client('narrow').models.list());
  assert.deepEqual(
    narrow.map((model) => model.id),
    ['chat'],
  );
});

test('one model, and one that is not there', async () => {
  assert.equal((await openai.models.retrieve('chat')).id, 'chat');
  await assert.rejects(openai.models.retrieve('nowhere'), OpenAI.NotFoundError);
});
