"""Reads documents (base64, one a line) with Python's parser and prints what it makes of the fields that decide."""
import base64
import json
import sys


def text(value):
    return "-" if value is None else "s" + value.encode("utf-8").hex()


def number(value):
    return "-" if value is None else str(value)


for line in sys.stdin:
    try:
        body = json.loads(base64.b64decode(line).decode("utf-8"))
        options = body.get("stream_options") or {}
        fields = [
            text(body.get("model")),
            "1" if body.get("stream") else "0",
            "1" if options.get("include_usage") else "0",
            number(body.get("max_tokens")),
            number(body.get("max_completion_tokens")),
            number(body.get("n") or 1),
            text(body.get("user")),
        ]
        print(" ".join(fields))
    except Exception as error:  # every refusal is a disagreement, whatever its kind
        print("refused", type(error).__name__)
