import asyncio
import unittest

import openai

from stand import HELLO, async_client, mock


class Asynchronous(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.client = async_client()
        self.addAsyncCleanup(self.client.close)

    async def test_chat(self):
        answer = await self.client.chat.completions.create(model="chat", messages=HELLO)
        self.assertEqual(answer.model, "chat")

    async def test_a_stream(self):
        stream = await self.client.chat.completions.create(
            model="chat",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
            extra_body=mock(chunks=5, prompt_tokens=3, completion_tokens=5),
        )
        chunks = [chunk async for chunk in stream]
        self.assertEqual(chunks[-1].usage.total_tokens, 8)

    async def test_many_at_once_each_with_its_own_answer(self):
        async def ask(tokens):
            answer = await self.client.chat.completions.create(
                model="chat", messages=HELLO, extra_body=mock(latency_ms=20, prompt_tokens=tokens, completion_tokens=1)
            )
            return answer.usage.prompt_tokens

        expected = list(range(1, 65))
        self.assertEqual(await asyncio.gather(*map(ask, expected)), expected)

    async def test_many_streams_at_once(self):
        async def ask():
            stream = await self.client.chat.completions.create(
                model="chat", messages=HELLO, stream=True, extra_body=mock(chunks=10, gap_ms=2)
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        texts = await asyncio.gather(*(ask() for _ in range(32)))
        self.assertEqual(len(set(texts)), 1)
        self.assertTrue(texts[0])

    async def test_models_and_embeddings(self):
        names = [model.id async for model in self.client.models.list()]
        self.assertIn("chat", names)
        answer = await self.client.embeddings.create(model="embed", input="hello")
        self.assertTrue(answer.data[0].embedding)

    async def test_a_failure(self):
        with self.assertRaises(openai.BadRequestError):
            await self.client.chat.completions.create(model="nowhere", messages=HELLO)

    async def test_a_call_that_is_cancelled_leaves_the_client_whole(self):
        slow = asyncio.create_task(
            self.client.chat.completions.create(model="chat", messages=HELLO, extra_body=mock(latency_ms=20_000))
        )
        done, _ = await asyncio.wait([slow], timeout=0.2)
        self.assertFalse(done)
        slow.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await slow
        self.assertTrue((await self.client.chat.completions.create(model="chat", messages=HELLO)).id)


if __name__ == "__main__":
    unittest.main()
