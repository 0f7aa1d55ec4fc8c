"""The responses of OpenAI's SDK, from OpenAI and from others in its place."""

import json
import unittest

import openai
from pydantic import BaseModel

from stand import FINAL, GEMINI_SIGNATURE, PLACE, SIGNATURE, TEXT, THOUGHT, WEATHER, client, received, upstream

TOOL = {"type": "function", **WEATHER["function"], "strict": False}
QUESTION = {"role": "user", "content": "What is the weather in Oslo?"}
# OpenAI itself, one of its chats only, and two with other APIs.
USAGE = {"gpt": (18, 7), "plain": (10, 6), "claude": (17, 9), "gemini": (7, 6)}


class Weather(BaseModel):
    place: str
    degrees: int


class Case(unittest.TestCase):
    def setUp(self):
        self.client = client()
        self.addCleanup(self.client.close)
        received()

    def whole(self, model, **options):
        return self.client.responses.create(**{"model": model, "input": "Say hello.", "store": False, **options})

    def streamed(self, model, **options):
        with self.client.responses.stream(**{"model": model, "input": "Say hello.", "store": False, **options}) as stream:
            self.events = list(stream)
            return stream.get_final_response()


class Responses(Case):
    def test_an_answer_whole_and_streamed(self):
        for model, usage in USAGE.items():
            for ask in (self.whole, self.streamed):
                with self.subTest(model, how=ask.__name__):
                    answer = ask(model, instructions="Be brief.")
                    self.assertEqual((answer.object, answer.model, answer.status), ("response", model, "completed"))
                    self.assertEqual(answer.output_text, TEXT)
                    self.assertEqual((answer.usage.input_tokens, answer.usage.output_tokens), usage)
                    self.assertIn("Be brief.", json.dumps(upstream()))

    def test_events_come_in_order(self):
        for model in USAGE:
            with self.subTest(model):
                events = list(self.whole(model, stream=True))
                self.assertEqual([event.sequence_number for event in events], list(range(len(events))))
                self.assertEqual((events[0].type, events[-1].type), ("response.created", "response.completed"))
                deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
                self.assertGreater(len(deltas), 1)
                self.assertEqual("".join(deltas), TEXT)

    def test_an_answer_that_follows_a_schema(self):
        for model in USAGE:
            with self.subTest(model):
                answer = self.client.responses.parse(model=model, input="Say hello.", text_format=Weather)
                self.assertEqual(answer.output_parsed, Weather(place="Oslo", degrees=7))


class Tools(Case):
    def loop(self, model, ask):
        """Asks twice, and gives what the model said first and what the provider was sent the second time."""
        options = {"tools": [TOOL], "include": ["reasoning.encrypted_content"]}
        first = ask(model, input=[QUESTION], **options)
        [call] = [item for item in first.output if item.type == "function_call"]
        self.assertEqual((call.name, json.loads(call.arguments)), ("get_weather", PLACE))
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "7 degrees, rain"}
        received()
        # As a program that keeps its own history does: items go back as they came.
        history = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
        last = ask(model, input=[QUESTION, *history, result], **options)
        self.assertEqual(last.output_text, FINAL)
        return first, upstream()

    def test_a_tool_and_its_result(self):
        for model in USAGE:
            for ask in (self.whole, self.streamed):
                with self.subTest(model, how=ask.__name__):
                    _, sent = self.loop(model, ask)
                    self.assertIn("7 degrees, rain", json.dumps(sent))

    def test_thoughts_of_openai_come_back_sealed(self):
        _, sent = self.loop("gpt", self.streamed)
        self.assertEqual(sent["input"][1]["encrypted_content"], "c2VhbGVkIHRob3VnaHRz")

    def test_thoughts_of_claude_come_back_to_it(self):
        for ask in (self.whole, self.streamed):
            with self.subTest(ask.__name__):
                first, sent = self.loop("claude", ask)
                self.assertEqual(first.output[0].type, "reasoning")
                thought, call = sent["messages"][1]["content"]
                self.assertEqual((thought["thinking"], thought["signature"]), (THOUGHT, SIGNATURE))
                self.assertEqual((call["id"], call["input"]), ("toolu_play_1", PLACE))

    def test_signatures_of_gemini_come_back_to_it(self):
        for ask in (self.whole, self.streamed):
            with self.subTest(ask.__name__):
                _, sent = self.loop("gemini", ask)
                [call] = [part for part in sent["contents"][1]["parts"] if "functionCall" in part]
                self.assertEqual(call["thoughtSignature"], GEMINI_SIGNATURE)


class Errors(Case):
    def test_a_wrong_key(self):
        with client("sk-nobody-has-this-key-0000") as nobody, self.assertRaises(openai.AuthenticationError):
            nobody.responses.create(model="gpt", input="Say hello.")

    def test_a_provider_that_is_overloaded(self):
        with self.assertRaises(openai.InternalServerError):
            self.whole("claude-busy")

    def test_a_stream_that_breaks_off(self):
        with self.assertRaises(openai.APIError) as caught:
            list(self.whole("claude-broken", stream=True))
        self.assertIn("Overloaded", str(caught.exception))

    def test_a_conversation_that_only_openai_could_remember(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.whole("claude", previous_response_id="resp_1")
        self.assertEqual(caught.exception.param, "previous_response_id")


if __name__ == "__main__":
    unittest.main()
