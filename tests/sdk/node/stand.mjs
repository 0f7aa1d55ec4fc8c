// The gateway that the tests talk to, and clients for it.
import { createRequire } from 'node:module';
import path from 'node:path';

// The SDK lies in target/, beside nothing that Node's own search would find.
const require = createRequire(path.join(process.env.TOLLGATE_SDK_NODE, 'package.json'));
export const { default: OpenAI, AzureOpenAI } = require('openai');

const stand = JSON.parse(process.env.TOLLGATE_STAND);
export const { url, keys } = stand;
export const load = require;

export const HELLO = [{ role: 'user', content: 'Say hello.' }];
export const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather at a place',
    parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
  },
};

// What the providers of tests/sdk/answers say, and what Claude and Gemini prove their thoughts with.
export const TEXT = 'The sea is calm today.';
export const FINAL = 'It rains in Oslo at 7 degrees.';
export const SIGNATURE = 'c2lnbmF0dXJlIG9mIGNsYXVkZQ==';
export const GEMINI_SIGNATURE = 'c2lnbmF0dXJlIG9mIGdlbWluaQ==';

/** What those providers were sent since this was asked last. */
export async function received() {
  return (await fetch(`${stand.playback}/received`)).json();
}

/** The body of the last request that a provider was sent. */
export async function upstream() {
  return (await received()).at(-1).body;
}

/** A client that retries nothing unless told to. */
export function client(key = 'everything', options = {}) {
  return new OpenAI({
    baseURL: `${url}/v1`,
    apiKey: keys[key] ?? key,
    maxRetries: 0,
    timeout: 30_000,
    ...options,
  });
}

/** All of a stream. */
export async function gather(stream) {
  const chunks = [];
  for await (const chunk of await stream) chunks.push(chunk);
  return chunks;
}
