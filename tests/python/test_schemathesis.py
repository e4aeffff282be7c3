"""schemathesis over /openapi.json with every check that it has: no 5xx, only documented statuses and content types,
answers of the stated shape, what the schema allows is accepted, what it forbids is refused, methods and keys.

HADAL_SCHEMATHESIS_EXAMPLES: examples for each operation (default 40).
"""
import os

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks

from conftest import KEY, DummyServer

SERVER = DummyServer("--answer-tokens", "3", "--api-key", KEY)
HEADERS = {"Authorization": f"Bearer {KEY}"}
schema = schemathesis.openapi.from_url(SERVER.url + "/openapi.json", headers=HEADERS)


@pytest.fixture(scope="module", autouse=True)
def stop_server():
    yield
    SERVER.stop()


def last_text(body):
    """Of the final message: what continue_final_message continues."""
    messages = body.get("messages")
    content = messages[-1].get("content") if isinstance(messages, list) and messages and isinstance(messages[-1], dict) else None
    if isinstance(content, list) and content and isinstance(content[-1], dict):
        content = content[-1].get("text") or content[-1].get("refusal")
    return content if isinstance(content, str) else ""


def number(value, default):
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else default


@schema.hook
def filter_case(context, case):
    """Rules between fields that JSON Schema has no words for, each a documented 400 of OpenAI's."""
    body = case.body
    if not isinstance(body, dict):
        return True
    if body.get("continue_final_message") is True and not last_text(body).strip():
        return False
    # The prompt and max_tokens must fit the context together.
    for name in ("max_tokens", "max_completion_tokens"):
        if 40_000 < number(body.get(name), 0) < 2**31:
            return False
    n = number(body.get("n"), 1)
    if number(body.get("best_of"), 1) > n:
        return False
    prompt = body.get("prompt")
    prompts = len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], (int, float)) else 1
    return prompts * n <= 1024


@schema.parametrize()
@settings(
    max_examples=int(os.environ.get("HADAL_SCHEMATHESIS_EXAMPLES", "40")),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_api(case):
    case.call_and_validate(headers=HEADERS, checks=checks.CHECKS.get_all())
