"""The gateway that the tests talk to, and clients for it."""

import json
import os
import urllib.request

import openai

STAND = json.loads(os.environ["TOLLGATE_STAND"])
URL = STAND["url"]
KEYS = STAND["keys"]

# What `chat` and its kin cost, in dollars.
PRICE_IN = 1e-6
PRICE_OUT = 2e-6

HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather at a place",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}},
            "required": ["place"],
        },
    },
}


PLACE = {"place": "Oslo"}

# What the providers of tests/sdk/answers say, and what Claude and Gemini prove their thoughts with.
TEXT = "The sea is calm today."
FINAL = "It rains in Oslo at 7 degrees."
THOUGHT = "Oslo is in Norway."
SIGNATURE = "c2lnbmF0dXJlIG9mIGNsYXVkZQ=="
GEMINI_SIGNATURE = "c2lnbmF0dXJlIG9mIGdlbWluaQ=="


def received():
    """What the providers of tests/sdk/answers were sent since this was asked last."""
    with urllib.request.urlopen(f"{STAND['playback']}/received") as answer:
        return json.load(answer)


def upstream():
    """The body of the last request that a provider was sent."""
    return received()[-1]["body"]


def client(key="everything", **options):
    """A client that retries nothing unless told to."""
    return openai.OpenAI(**_with_defaults(key, options))


def async_client(key="everything", **options):
    return openai.AsyncOpenAI(**_with_defaults(key, options))


def _with_defaults(key, options):
    defaults = {"base_url": f"{URL}/v1", "api_key": KEYS.get(key, key), "max_retries": 0, "timeout": 30}
    return {**defaults, **options}


def mock(**knobs):
    """Tells the fake provider how to behave: the gateway passes members of the body on that it does not know."""
    return {"mock": knobs}
