"""The gateway that the tests talk to, and clients for it."""

import json
import os

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
