"""Anthropic's SDK, with Claude behind the gateway and with others in Claude's place."""

import json
import unittest

import anthropic

from stand import FINAL, GEMINI_SIGNATURE, HELLO, KEYS, PLACE, SIGNATURE, TEXT, THOUGHT, URL, WEATHER, received, upstream

TOOL = {
    "name": "get_weather",
    "description": "The weather at a place",
    "input_schema": WEATHER["function"]["parameters"],
}
QUESTION = {"role": "user", "content": "What is the weather in Oslo?"}
THINKING = {"type": "enabled", "budget_tokens": 1024}


def claude(key="everything", **options):
    """A client that retries nothing."""
    return anthropic.Anthropic(base_url=URL, api_key=KEYS.get(key, key), max_retries=0, timeout=30, **options)


class Case(unittest.TestCase):
    def setUp(self):
        self.client = claude()
        self.addCleanup(self.client.close)
        received()

    def create(self, model, **options):
        return self.client.messages.create(**{"model": model, "max_tokens": 2000, "messages": HELLO, **options})

    def stream(self, model, **options):
        with self.client.messages.stream(**{"model": model, "max_tokens": 2000, "messages": HELLO, **options}) as stream:
            text = "".join(stream.text_stream)
            return text, stream.get_final_message()

    def loop(self, model, ask):
        """Two turns with a tool: what the model said first, and what the provider was sent then."""
        first = ask(model, messages=[QUESTION], tools=[TOOL])
        self.assertEqual(first.stop_reason, "tool_use")
        [call] = [block for block in first.content if block.type == "tool_use"]
        self.assertEqual((call.name, call.input), ("get_weather", PLACE))
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "7 degrees, rain"}
        turns = [QUESTION, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        received()
        last = ask(model, messages=turns, tools=[TOOL])
        self.assertEqual((last.content[0].text, last.stop_reason), (FINAL, "end_turn"))
        return first, upstream()

    def streamed(self, model, **options):
        return self.stream(model, **options)[1]


class Claude(Case):
    def test_a_message(self):
        answer = self.create("claude", system="Be brief.", metadata={"user_id": "u-1"})
        self.assertEqual((answer.type, answer.role, answer.model), ("message", "assistant", "claude"))
        self.assertEqual((answer.content[0].text, answer.stop_reason), (TEXT, "end_turn"))
        usage = answer.usage
        self.assertEqual((usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens), (12, 5, 9))
        sent = upstream()
        self.assertEqual((sent["model"], sent["system"], sent["metadata"]), ("claude-sonnet-4-5", "Be brief.", {"user_id": "u-1"}))

    def test_a_stream_of_thoughts_and_text(self):
        text, whole = self.stream("claude", thinking=THINKING)
        self.assertEqual((text, whole.model, whole.stop_reason), (TEXT, "claude", "end_turn"))
        thought = whole.content[0]
        self.assertEqual((thought.type, thought.thinking, thought.signature), ("thinking", THOUGHT, SIGNATURE))
        self.assertEqual((whole.usage.input_tokens, whole.usage.output_tokens), (12, 21))
        self.assertEqual(upstream()["thinking"], THINKING)

    def test_thoughts_go_back_with_their_signature(self):
        for ask in (self.create, self.streamed):
            with self.subTest(ask.__name__):
                _, sent = self.loop("claude", ask)
                thought, call = sent["messages"][1]["content"]
                self.assertEqual((thought["thinking"], thought["signature"]), (THOUGHT, SIGNATURE))
                self.assertEqual((call["id"], call["input"]), ("toolu_play_1", PLACE))

    def test_betas_and_version_reach_the_provider_and_the_key_does_not(self):
        self.client.beta.messages.create(model="claude", max_tokens=5, messages=HELLO, betas=["context-1m-2025-08-07"])
        [request] = received()
        self.assertEqual(request["headers"]["anthropic-beta"], "context-1m-2025-08-07")
        self.assertEqual(request["headers"]["anthropic-version"], self.client.default_headers["anthropic-version"])
        self.assertEqual(request["headers"]["x-api-key"], "sk-vendor-of-the-stand")
        self.assertNotIn(self.client.api_key, json.dumps(request))

    def test_a_bearer_token_does_as_well(self):
        with anthropic.Anthropic(base_url=URL, auth_token=self.client.api_key, api_key=None) as bearer:
            answer = bearer.messages.create(model="claude", max_tokens=5, messages=HELLO)
        self.assertEqual(answer.content[0].text, TEXT)

    def test_tokens_are_counted_by_the_provider(self):
        counted = self.client.messages.count_tokens(model="claude", messages=HELLO, tools=[TOOL])
        self.assertEqual(counted.input_tokens, 33)
        [request] = received()
        self.assertEqual((request["path"], request["body"]["model"]), ("/v1/messages/count_tokens", "claude-sonnet-4-5"))


class Others(Case):
    """Providers with other APIs, asked in Claude's."""

    MODELS = {"plain": (10, 6), "gpt": (10, 6), "gemini": (7, 6), "nova": (14, 8)}

    def test_a_message(self):
        for model, usage in self.MODELS.items():
            with self.subTest(model):
                answer = self.create(model, system="Be brief.")
                self.assertEqual((answer.model, answer.content[0].text, answer.stop_reason), (model, TEXT, "end_turn"))
                self.assertEqual((answer.usage.input_tokens, answer.usage.output_tokens), usage)
                self.assertIn("Be brief.", json.dumps(upstream()))

    def test_a_stream(self):
        for model, usage in self.MODELS.items():
            with self.subTest(model):
                text, whole = self.stream(model)
                self.assertEqual((text, whole.model, whole.stop_reason), (TEXT, model, "end_turn"))
                self.assertEqual((whole.usage.input_tokens, whole.usage.output_tokens), usage)

    def test_a_tool_and_its_result(self):
        for model in self.MODELS:
            for ask in (self.create, self.streamed):
                with self.subTest(model, how=ask.__name__):
                    _, sent = self.loop(model, ask)
                    self.assertIn("7 degrees, rain", json.dumps(sent))

    def test_signatures_of_gemini_come_back_to_it(self):
        for ask in (self.create, self.streamed):
            with self.subTest(ask.__name__):
                _, sent = self.loop("gemini", ask)
                [call] = [part for part in sent["contents"][1]["parts"] if "functionCall" in part]
                self.assertEqual((call["functionCall"]["args"], call["thoughtSignature"]), (PLACE, GEMINI_SIGNATURE))

    def test_tokens_are_counted_here_where_the_provider_does_not(self):
        counted = self.client.messages.count_tokens(model="plain", messages=HELLO)
        self.assertGreater(counted.input_tokens, 2)
        self.assertEqual(received(), [])


class Errors(Case):
    def refused(self, kind, model="claude", client=None):
        with self.assertRaises(kind) as caught:
            (client or self.client).messages.create(model=model, max_tokens=5, messages=HELLO)
        self.assertEqual(caught.exception.body["type"], "error")
        return caught.exception

    def test_a_wrong_key(self):
        with claude("sk-nobody-has-this-key-0000") as nobody:
            error = self.refused(anthropic.AuthenticationError, client=nobody)
        self.assertEqual(error.body["error"]["type"], "authentication_error")

    def test_a_model_that_is_not_configured(self):
        error = self.refused((anthropic.NotFoundError, anthropic.BadRequestError), "nowhere")
        self.assertIn("nowhere", error.body["error"]["message"])

    def test_a_provider_that_is_overloaded(self):
        for model in ("claude-busy", "gemini-busy"):
            with self.subTest(model):
                self.assertGreaterEqual(self.refused(anthropic.InternalServerError, model).status_code, 500)

    def test_a_stream_that_breaks_off(self):
        with self.assertRaises(anthropic.APIStatusError) as caught:
            self.stream("claude-broken")
        self.assertEqual(caught.exception.body["error"]["type"], "overloaded_error")


if __name__ == "__main__":
    unittest.main()
