import json
import unittest

from stand import HELLO, PRICE_IN, PRICE_OUT, WEATHER, client, mock


class Chat(unittest.TestCase):
    def setUp(self):
        self.client = client()
        self.addCleanup(self.client.close)

    def test_an_answer_carries_the_name_that_was_asked_for(self):
        answer = self.client.chat.completions.create(model="chat", messages=HELLO)
        self.assertEqual(answer.object, "chat.completion")
        self.assertEqual(answer.model, "chat")
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertTrue(answer.choices[0].message.content)
        self.assertEqual(answer.choices[0].finish_reason, "stop")

    def test_usage_is_what_the_provider_reported(self):
        answer = self.client.chat.completions.create(
            model="chat", messages=HELLO, extra_body=mock(prompt_tokens=11, completion_tokens=7)
        )
        usage = answer.usage
        self.assertEqual((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (11, 7, 18))

    def test_headers_tell_the_call_the_deployment_and_the_cost(self):
        raw = self.client.chat.completions.with_raw_response.create(
            model="chat", messages=HELLO, extra_body=mock(prompt_tokens=11, completion_tokens=7)
        )
        self.assertTrue(raw.headers["x-litellm-call-id"])
        self.assertEqual(raw.headers["x-litellm-model-id"], "chat-deployment")
        self.assertEqual(raw.headers["x-litellm-model-group"], "chat")
        self.assertAlmostEqual(
            float(raw.headers["x-litellm-response-cost"]), 11 * PRICE_IN + 7 * PRICE_OUT, places=12
        )
        answer = raw.parse()
        self.assertEqual(answer._request_id, raw.headers["x-request-id"])

    def test_a_request_id_is_taken_or_made(self):
        create = self.client.chat.completions.with_raw_response.create
        named = create(model="chat", messages=HELLO, extra_headers={"x-request-id": "the-client-s-own"})
        self.assertEqual(named.headers["x-request-id"], "the-client-s-own")
        made = [create(model="chat", messages=HELLO).headers["x-request-id"] for _ in range(2)]
        self.assertNotEqual(made[0], made[1])

    def test_several_choices(self):
        answer = self.client.chat.completions.create(model="chat", messages=HELLO, n=2)
        self.assertEqual([choice.index for choice in answer.choices], [0, 1])

    def test_a_limit_on_tokens_reaches_the_provider(self):
        answer = self.client.chat.completions.create(
            model="chat", messages=HELLO, max_tokens=1, extra_body=mock(chunks=20)
        )
        self.assertEqual(answer.choices[0].finish_reason, "length")

    def test_json_mode(self):
        answer = self.client.chat.completions.create(
            model="chat", messages=HELLO, response_format={"type": "json_object"}
        )
        json.loads(answer.choices[0].message.content)

    def test_a_large_prompt_of_every_kind_of_letter(self):
        prompt = "größer 大きい \U0001f600 \"quoted\" \\ \u2028" * 20_000
        answer = self.client.chat.completions.create(
            model="chat", messages=[{"role": "user", "content": prompt}]
        )
        self.assertTrue(answer.choices[0].message.content)

    def test_the_master_key_and_other_carriers_of_a_key(self):
        client("master").chat.completions.create(model="chat", messages=HELLO)
        for carrier in ("x-litellm-api-key", "api-key", "x-api-key", "x-goog-api-key"):
            with self.subTest(carrier):
                bare = client(default_headers={"Authorization": "", carrier: self.client.api_key})
                bare.chat.completions.create(model="chat", messages=HELLO)


class Streams(unittest.TestCase):
    def setUp(self):
        self.client = client()
        self.addCleanup(self.client.close)

    def chunks(self, **options):
        options.setdefault("extra_body", mock(chunks=12))
        return list(self.client.chat.completions.create(model="chat", messages=HELLO, stream=True, **options))

    def test_every_chunk_carries_one_id_and_the_name_that_was_asked_for(self):
        chunks = self.chunks()
        self.assertGreater(len(chunks), 2)
        self.assertEqual({chunk.model for chunk in chunks}, {"chat"})
        self.assertEqual(len({chunk.id for chunk in chunks}), 1)
        self.assertTrue("".join(chunk.choices[0].delta.content or "" for chunk in chunks))
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")

    def test_usage_that_was_not_asked_for_is_not_seen(self):
        for chunk in self.chunks():
            self.assertTrue(chunk.choices)
            self.assertNotIn("usage", chunk.model_fields_set)

    def test_usage_that_was_asked_for_comes_last(self):
        *others, last = self.chunks(
            stream_options={"include_usage": True},
            extra_body=mock(chunks=3, prompt_tokens=11, completion_tokens=7),
        )
        self.assertEqual(last.choices, [])
        self.assertEqual((last.usage.prompt_tokens, last.usage.completion_tokens), (11, 7))
        self.assertTrue(all(chunk.usage is None for chunk in others))

    def test_usage_that_was_declined_stays_hidden(self):
        for chunk in self.chunks(stream_options={"include_usage": False}):
            self.assertTrue(chunk.choices)

    def test_a_stream_may_be_left_and_the_client_used_again(self):
        stream = self.client.chat.completions.create(
            model="chat", messages=HELLO, stream=True, extra_body=mock(chunks=200, gap_ms=5)
        )
        next(iter(stream))
        stream.close()
        self.assertTrue(self.client.chat.completions.create(model="chat", messages=HELLO).id)

    def test_headers_of_a_stream(self):
        raw = self.client.chat.completions.with_raw_response.create(model="chat", messages=HELLO, stream=True)
        self.assertTrue(raw.headers["content-type"].startswith("text/event-stream"))
        self.assertEqual(raw.headers["x-litellm-model-id"], "chat-deployment")
        # What a stream costs is not known when its headers go out.
        self.assertNotIn("x-litellm-response-cost", raw.headers)
        list(raw.parse())

    def test_the_helper_that_puts_a_stream_together(self):
        with self.client.chat.completions.stream(model="chat", messages=HELLO) as stream:
            for _ in stream:
                pass
            whole = stream.get_final_completion()
        self.assertEqual(whole.model, "chat")
        self.assertTrue(whole.choices[0].message.content)


class Tools(unittest.TestCase):
    QUESTION = [{"role": "user", "content": "What is the weather in Oslo?"}]

    def setUp(self):
        self.client = client()
        self.addCleanup(self.client.close)

    def test_a_tool_is_called_and_its_result_taken(self):
        asked = self.client.chat.completions.create(model="chat", messages=self.QUESTION, tools=[WEATHER])
        self.assertEqual(asked.choices[0].finish_reason, "tool_calls")
        call = asked.choices[0].message.tool_calls[0]
        self.assertEqual(call.function.name, "get_weather")
        self.assertIsInstance(json.loads(call.function.arguments), dict)

        result = {"role": "tool", "tool_call_id": call.id, "content": "7 degrees, rain"}
        answer = self.client.chat.completions.create(
            model="chat", messages=[*self.QUESTION, asked.choices[0].message, result], tools=[WEATHER]
        )
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertTrue(answer.choices[0].message.content)

    def test_a_streamed_call_of_a_tool_comes_together(self):
        name, arguments, finish = "", "", None
        for chunk in self.client.chat.completions.create(
            model="chat", messages=self.QUESTION, tools=[WEATHER], stream=True
        ):
            choice = chunk.choices[0]
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or []:
                name += call.function.name or ""
                arguments += call.function.arguments or ""
        self.assertEqual((name, finish), ("get_weather", "tool_calls"))
        self.assertIsInstance(json.loads(arguments), dict)


if __name__ == "__main__":
    unittest.main()
