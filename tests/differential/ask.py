"""Sends requests through LiteLLM's own translation to the recorder that the test listens with.

Standard input holds one JSON object a line: `url`, `kind` (chat, embedding, rerank), `model` and `body`. One JSON object a line comes back:
nothing in it where the request was sent, `refused` with what LiteLLM said where it was not.
"""

import json
import os
import sys

os.environ.update(
    LITELLM_LOCAL_MODEL_COST_MAP="True",
    AWS_ACCESS_KEY_ID="AKIDDIFFERENTIAL0001",
    AWS_SECRET_ACCESS_KEY="differential/secret/0000000000000000001",
    AWS_REGION_NAME="us-east-1",
    NO_PROXY="*",
    no_proxy="*",
)

import litellm  # noqa: E402  (the environment comes first)

litellm.suppress_debug_info = True
litellm.telemetry = False
litellm.num_retries = 0

CALLS = {"chat": litellm.completion, "embedding": litellm.embedding, "rerank": litellm.rerank}


def send(case):
    where = {"model": case["model"], "api_base": case["url"], "api_key": "sk-differential"}
    if case["model"].startswith("bedrock/"):
        where = {"model": case["model"], "aws_bedrock_runtime_endpoint": case["url"]}
    if case["model"].startswith("cohere"):
        # Given a base, LiteLLM takes it for the whole address.
        where["api_base"] += {"chat": "/v2/chat", "embedding": "/v2/embed", "rerank": ""}[case["kind"]]
    if case["kind"] == "chat":
        where["max_retries"] = 0
    answer = CALLS[case["kind"]](**where, **case["body"])
    if case["body"].get("stream"):
        for _ in answer:
            pass


def main():
    # What libraries print is no answer.
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        case = json.loads(line)
        try:
            send(case)
            told = {}
        except Exception as error:  # whatever it is: the recorder knows whether it was sent
            told = {"refused": f"{type(error).__name__}: {error}"[:2000]}
        print(json.dumps(told), file=out, flush=True)


main()
