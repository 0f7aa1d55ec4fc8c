"""OpenAI's SDK, with vendors behind the gateway whose APIs are others."""

import json
import unittest

import openai
from pydantic import BaseModel

from stand import FINAL, GEMINI_SIGNATURE, HELLO, PLACE, SIGNATURE, TEXT, WEATHER, client, received, upstream

QUESTION = {"role": "user", "content": "What is the weather in Oslo?"}
# What each reports for a short answer: cached tokens of Claude's are part of the prompt.
USAGE = {"claude": (17, 9), "gemini": (7, 6), "nova": (14, 8), "claude-aws": (14, 8)}


class Weather(BaseModel):
    place: str
    degrees: int


class Case(unittest.TestCase):
    def setUp(self):
        self.client = client()
        self.addCleanup(self.client.close)
        received()


class Chat(Case):
    def test_an_answer(self):
        for model, usage in USAGE.items():
            with self.subTest(model):
                answer = self.client.chat.completions.create(model=model, messages=HELLO, max_tokens=50)
                [choice] = answer.choices
                self.assertEqual((answer.object, answer.model), ("chat.completion", model))
                self.assertEqual((choice.message.content, choice.finish_reason), (TEXT, "stop"))
                self.assertEqual((answer.usage.prompt_tokens, answer.usage.completion_tokens), usage)
                self.assertEqual(answer.usage.total_tokens, sum(usage))

    def test_cached_tokens(self):
        usage = self.client.chat.completions.create(model="claude", messages=HELLO).usage
        self.assertEqual(usage.prompt_tokens_details.cached_tokens, 5)

    def test_a_stream(self):
        for model, usage in USAGE.items():
            with self.subTest(model):
                *chunks, last = self.client.chat.completions.create(
                    model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
                )
                self.assertEqual({chunk.model for chunk in [*chunks, last]}, {model})
                self.assertEqual("".join(chunk.choices[0].delta.content or "" for chunk in chunks), TEXT)
                self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")
                self.assertEqual((last.choices, last.usage.prompt_tokens, last.usage.completion_tokens), ([], *usage))

    def test_an_answer_that_follows_a_schema(self):
        for model in ("claude", "gemini"):
            with self.subTest(model):
                answer = self.client.chat.completions.parse(model=model, messages=HELLO, response_format=Weather)
                self.assertEqual(answer.choices[0].message.parsed, Weather(place="Oslo", degrees=7))
                self.assertIn("degrees", json.dumps(upstream()))


class Tools(Case):
    def whole(self, model, messages):
        return self.client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])

    def streamed(self, model, messages):
        with self.client.chat.completions.stream(model=model, messages=messages, tools=[WEATHER]) as stream:
            return stream.get_final_completion()

    def loop(self, model, ask):
        """Asks twice, and gives what the provider was sent the second time."""
        first = ask(model, [QUESTION]).choices[0]
        self.assertEqual(first.finish_reason, "tool_calls")
        [call] = first.message.tool_calls
        self.assertEqual((call.function.name, json.loads(call.function.arguments)), ("get_weather", PLACE))
        result = {"role": "tool", "tool_call_id": call.id, "content": "7 degrees, rain"}
        received()
        last = ask(model, [QUESTION, first.message, result]).choices[0]
        self.assertEqual((last.message.content, last.finish_reason), (FINAL, "stop"))
        return upstream()

    def test_thoughts_of_claude_come_back_to_it(self):
        for ask in (self.whole, self.streamed):
            with self.subTest(ask.__name__):
                sent = self.loop("claude", ask)["messages"]
                thought, call = sent[1]["content"]
                self.assertEqual((thought["type"], thought["signature"]), ("thinking", SIGNATURE))
                self.assertEqual((call["id"], call["name"], call["input"]), ("toolu_play_1", "get_weather", PLACE))
                self.assertEqual(sent[2]["content"][0]["tool_use_id"], "toolu_play_1")

    def test_signatures_of_gemini_come_back_to_it(self):
        for ask in (self.whole, self.streamed):
            with self.subTest(ask.__name__):
                contents = self.loop("gemini", ask)["contents"]
                [call] = contents[1]["parts"]
                self.assertEqual((call["functionCall"]["args"], call["thoughtSignature"]), (PLACE, GEMINI_SIGNATURE))
                self.assertEqual(contents[2]["parts"][0]["functionResponse"]["name"], "get_weather")

    def test_thoughts_come_back_to_bedrock(self):
        for ask in (self.whole, self.streamed):
            with self.subTest(ask.__name__):
                sent = self.loop("claude-aws", ask)["messages"]
                thought, call = sent[1]["content"]
                self.assertEqual(thought["reasoningContent"]["reasoningText"]["signature"], SIGNATURE)
                self.assertEqual((call["toolUse"]["toolUseId"], call["toolUse"]["input"]), ("tooluse_play_1", PLACE))
                self.assertEqual(sent[2]["content"][0]["toolResult"]["toolUseId"], "tooluse_play_1")


class OtherCalls(Case):
    def test_embeddings(self):
        for model in ("cohere-embed", "gemini-embed"):
            with self.subTest(model):
                answer = self.client.embeddings.create(model=model, input="The sea")
                self.assertEqual((answer.model, answer.data[0].embedding), (model, [0.5, -0.25, 0.125]))
                self.assertIn("The sea", json.dumps(upstream()))

    def test_moderations(self):
        answer = self.client.moderations.create(model="moderation", input="I will hit you.")
        self.assertTrue(answer.results[0].flagged and answer.results[0].categories.violence)
        self.assertEqual(upstream(), {"model": "omni-moderation-latest", "input": "I will hit you."})


class Errors(Case):
    def test_a_provider_that_is_overloaded(self):
        for model in ("claude-busy", "gemini-busy"):
            with self.subTest(model), self.assertRaises(openai.InternalServerError) as caught:
                self.client.chat.completions.create(model=model, messages=HELLO)
            self.assertIn("verloaded", caught.exception.message)

    def test_a_stream_that_breaks_off(self):
        with self.assertRaises(openai.APIError) as caught:
            list(self.client.chat.completions.create(model="claude-broken", messages=HELLO, stream=True))
        self.assertIn("Overloaded", caught.exception.message)

    def test_what_a_provider_cannot_be_told(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.chat.completions.create(model="claude", messages=HELLO, n=2)
        self.assertIn("n", caught.exception.message)
        self.assertEqual(received(), [])


if __name__ == "__main__":
    unittest.main()
