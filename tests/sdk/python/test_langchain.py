"""LangChain's chats, with every kind of vendor behind the gateway."""

import unittest

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from stand import FINAL, GEMINI_SIGNATURE, KEYS, PLACE, SIGNATURE, TEXT, URL, received, upstream

KEY = KEYS["everything"]
QUESTION = HumanMessage("What is the weather in Oslo?")


@tool
def get_weather(place: str) -> str:
    """The weather at a place."""
    return f"7 degrees, rain in {place}"


def openai(model, **options):
    # Of a provider that is not OpenAI itself, LangChain wants the usage of streams only if told so.
    return ChatOpenAI(
        model=model, base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30, stream_usage=True, **options
    )


def claude(model):
    return ChatAnthropic(model=model, base_url=URL, api_key=KEY, max_retries=0, timeout=30)


CHATS = {
    "openai to openai": lambda: openai("gpt"),
    "openai to claude": lambda: openai("claude"),
    "openai to gemini": lambda: openai("gemini"),
    "responses to openai": lambda: openai("gpt", use_responses_api=True),
    "responses to claude": lambda: openai("claude", use_responses_api=True),
    "claude to claude": lambda: claude("claude"),
    "claude to gemini": lambda: claude("gemini"),
    "claude to openai": lambda: claude("plain"),
}


def gathered(chat, messages):
    whole = None
    for chunk in chat.stream(messages):
        whole = chunk if whole is None else whole + chunk
    return whole


class Chats(unittest.TestCase):
    def setUp(self):
        received()

    def test_an_answer_whole_and_streamed(self):
        for name, make in CHATS.items():
            with self.subTest(name):
                chat = make()
                answer = chat.invoke("Say hello.")
                self.assertEqual(answer.text, TEXT)
                usage = answer.usage_metadata
                self.assertGreater(min(usage["input_tokens"], usage["output_tokens"]), 5)
                whole = gathered(chat, "Say hello.")
                self.assertEqual(whole.text, TEXT)
                self.assertEqual(whole.usage_metadata["total_tokens"], usage["total_tokens"])

    def test_a_tool_and_its_result(self):
        for name, make in CHATS.items():
            for ask in (lambda chat, messages: chat.invoke(messages), gathered):
                with self.subTest(name):
                    chat = make().bind_tools([get_weather])
                    asked = ask(chat, [QUESTION])
                    [call] = asked.tool_calls
                    self.assertEqual((call["name"], call["args"]), ("get_weather", PLACE))
                    result = get_weather.invoke(call)
                    self.assertIsInstance(result, ToolMessage)
                    received()
                    self.assertEqual(ask(chat, [QUESTION, asked, result]).text, FINAL)
                    sent = str(upstream())
                    self.assertIn("7 degrees, rain in Oslo", sent)
                    if name == "claude to claude":
                        self.assertIn(SIGNATURE, sent)
                    if name == "claude to gemini":
                        self.assertIn(GEMINI_SIGNATURE, sent)


if __name__ == "__main__":
    unittest.main()
