"""Google's SDK, with Gemini behind the gateway and with others in its place."""

import json
import unittest
from itertools import groupby

from google import genai
from google.genai import errors, types

from stand import FINAL, GEMINI_SIGNATURE, KEYS, PLACE, TEXT, URL, WEATHER, received, upstream

FUNCTION = {
    "name": "get_weather",
    "description": "The weather at a place",
    "parameters_json_schema": WEATHER["function"]["parameters"],
}
TOOLS = types.GenerateContentConfig(tools=[{"function_declarations": [FUNCTION]}])
QUESTION = types.Content(role="user", parts=[types.Part(text="What is the weather in Oslo?")])
USAGE = {"gemini": (7, 6), "plain": (10, 6), "claude": (17, 9)}


def gemini(key="everything"):
    return genai.Client(api_key=KEYS.get(key, key), http_options={"base_url": URL, "timeout": 30_000})


class Case(unittest.TestCase):
    def setUp(self):
        client = gemini()
        self.addCleanup(client.close)
        self.models, self.chats = client.models, client.chats
        received()

    def whole(self, model, contents="Say hello.", config=None):
        answer = self.models.generate_content(model=model, contents=contents, config=config)
        return answer, answer.candidates[0].content, answer.usage_metadata

    def streamed(self, model, contents="Say hello.", config=None):
        chunks = list(self.models.generate_content_stream(model=model, contents=contents, config=config))
        parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or []]
        text = "".join(part.text or "" for part in parts if not part.thought)
        kept = [part for part in parts if part.function_call or part.text and part.thought]
        content = types.Content(role="model", parts=kept or [types.Part(text=text)])
        return chunks[-1], content, chunks[-1].usage_metadata


class Contents(Case):
    def test_an_answer_whole_and_streamed(self):
        for model, usage in USAGE.items():
            for ask in (self.whole, self.streamed):
                with self.subTest(model, how=ask.__name__):
                    config = types.GenerateContentConfig(system_instruction="Be brief.", max_output_tokens=50)
                    answer, content, metadata = ask(model, config=config)
                    self.assertEqual((content.role, content.parts[0].text), ("model", TEXT))
                    self.assertEqual(answer.candidates[0].finish_reason, types.FinishReason.STOP)
                    self.assertEqual((metadata.prompt_token_count, metadata.candidates_token_count), usage)
                    self.assertIn("Be brief.", json.dumps(upstream()))

    def test_a_tool_and_its_result(self):
        for model in USAGE:
            for ask in (self.whole, self.streamed):
                with self.subTest(model, how=ask.__name__):
                    _, content, _ = ask(model, [QUESTION], TOOLS)
                    [call] = [part for part in content.parts if part.function_call]
                    self.assertEqual((call.function_call.name, call.function_call.args), ("get_weather", PLACE))
                    response = types.FunctionResponse(
                        id=call.function_call.id, name="get_weather", response={"result": "7 degrees, rain"}
                    )
                    result = types.Content(role="user", parts=[types.Part(function_response=response)])
                    received()
                    _, last, _ = ask(model, [QUESTION, content, result], TOOLS)
                    self.assertEqual(last.parts[0].text, FINAL)
                    sent = upstream()
                    self.assertIn("7 degrees, rain", json.dumps(sent))
                    if model == "gemini":
                        self.assertEqual(sent["contents"][1]["parts"][0]["thoughtSignature"], GEMINI_SIGNATURE)

    def test_a_function_of_python_is_called_by_the_sdk_itself(self):
        def get_weather(place: str) -> str:
            """The weather at a place."""
            return f"7 degrees, rain in {place}"

        for model in USAGE:
            with self.subTest(model):
                config = types.GenerateContentConfig(tools=[get_weather])
                answer = self.models.generate_content(model=model, contents="What is the weather?", config=config)
                self.assertEqual(answer.text, FINAL)
                self.assertIn("7 degrees, rain in Oslo", json.dumps(upstream()))

    def test_a_conversation_is_remembered(self):
        for model in USAGE:
            with self.subTest(model):
                chat = self.chats.create(model=model)
                self.assertEqual("".join(chunk.text or "" for chunk in chat.send_message_stream("Say hello.")), TEXT)
                self.assertEqual(chat.send_message("And again?").text, TEXT)
                # Answers that the SDK holds for broken do not count; of a stream, each chunk is a turn.
                roles = [role for role, _ in groupby(turn.role for turn in chat.get_history(curated=True))]
                self.assertEqual(roles, ["user", "model"] * 2)

    def test_an_answer_that_follows_a_schema(self):
        for model in USAGE:
            with self.subTest(model):
                schema = {"type": "object", "properties": {"place": {"type": "string"}, "degrees": {"type": "integer"}}}
                config = types.GenerateContentConfig(
                    response_mime_type="application/json", response_json_schema=schema
                )
                answer = self.models.generate_content(model=model, contents="Say hello.", config=config)
                self.assertEqual(json.loads(answer.text), {"place": "Oslo", "degrees": 7})

    def test_tokens_are_counted(self):
        self.assertEqual(self.models.count_tokens(model="gemini", contents="Say hello.").total_tokens, 31)
        self.assertTrue(received()[0]["path"].endswith("/models/gemini-2.5-flash:countTokens"))
        self.assertGreater(self.models.count_tokens(model="plain", contents="Say hello.").total_tokens, 2)
        self.assertEqual(received(), [])


class Errors(Case):
    def test_a_wrong_key(self):
        nobody = gemini("sk-nobody-has-this-key-0000")
        self.addCleanup(nobody.close)
        with self.assertRaises(errors.ClientError) as caught:
            nobody.models.generate_content(model="gemini", contents="Say hello.")
        self.assertEqual((caught.exception.code, caught.exception.status), (401, "UNAUTHENTICATED"))

    def test_a_model_that_is_not_configured(self):
        with self.assertRaises(errors.ClientError) as caught:
            self.models.generate_content(model="nowhere", contents="Say hello.")
        self.assertIn("nowhere", caught.exception.message)

    def test_a_provider_that_is_overloaded(self):
        with self.assertRaises(errors.ServerError) as caught:
            self.models.generate_content(model="gemini-busy", contents="Say hello.")
        self.assertEqual((caught.exception.code, caught.exception.status), (503, "UNAVAILABLE"))


if __name__ == "__main__":
    unittest.main()
