import asyncio
import unittest

import openai

from stand import HELLO, KEYS, URL, mock


def options(key="everything", **more):
    return {
        "azure_endpoint": URL,
        "api_version": "2024-10-21",
        "api_key": KEYS.get(key, key),
        "max_retries": 0,
        "timeout": 30,
        **more,
    }


class Azure(unittest.TestCase):
    """Azure's client puts the model into the path and the key into `api-key`."""

    def setUp(self):
        self.client = openai.AzureOpenAI(**options())
        self.addCleanup(self.client.close)

    def test_chat(self):
        answer = self.client.chat.completions.create(model="chat", messages=HELLO)
        self.assertEqual(answer.model, "chat")
        self.assertTrue(answer.choices[0].message.content)

    def test_chat_as_a_stream(self):
        chunks = list(
            self.client.chat.completions.create(model="chat", messages=HELLO, stream=True, extra_body=mock(chunks=4))
        )
        self.assertEqual({chunk.model for chunk in chunks}, {"chat"})

    def test_embeddings(self):
        self.assertTrue(self.client.embeddings.create(model="embed", input="hello").data[0].embedding)

    def test_a_deployment_fixed_in_the_client(self):
        with openai.AzureOpenAI(**options(azure_deployment="chat")) as fixed:
            self.assertTrue(fixed.chat.completions.create(model="chat", messages=HELLO).id)

    def test_a_wrong_key_and_a_model_off_the_list(self):
        with openai.AzureOpenAI(**options("sk-nobody-has-this-key-0000")) as stranger:
            with self.assertRaises(openai.AuthenticationError):
                stranger.chat.completions.create(model="chat", messages=HELLO)
        with openai.AzureOpenAI(**options("narrow")) as narrow:
            with self.assertRaises(openai.PermissionDeniedError):
                narrow.chat.completions.create(model="steady", messages=HELLO)

    def test_the_asynchronous_client(self):
        async def ask():
            async with openai.AsyncAzureOpenAI(**options()) as asking:
                return await asking.chat.completions.create(model="chat", messages=HELLO)

        self.assertEqual(asyncio.run(ask()).model, "chat")


if __name__ == "__main__":
    unittest.main()
