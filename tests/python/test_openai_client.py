"""The openai package against the real server: what users' programs do."""
import base64
import math
import struct

import urllib.request
import openai
import pytest

from conftest import KEY

SENTENCE = "The quick brown föx jumps over the lazy dog. "
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="session")
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key=KEY, max_retries=0)


def client_of(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)


def test_chat(client):
    answer = client.chat.completions.create(model="dummy", messages=HELLO)
    assert answer.id.startswith("chatcmpl-")
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == SENTENCE
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 9
    assert answer.usage.prompt_tokens_details.cached_tokens > 0
    assert answer.system_fingerprint == "fp_dummy"


def test_chat_stream(client):
    stream = client.chat.completions.create(
        model="dummy", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == SENTENCE
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 9
    assert all(c.usage is None for c in chunks[:-1])
    assert len({c.id for c in chunks}) == 1


def test_continuous_usage(client):
    chunks = list(
        client.chat.completions.create(
            model="dummy", messages=HELLO, stream=True,
            stream_options={"include_usage": True, "continuous_usage_stats": True},
        )
    )
    counts = [c.usage.completion_tokens for c in chunks]
    assert counts == sorted(counts) and counts[-1] == 9


def test_n_and_stop_and_max_tokens(client):
    answer = client.chat.completions.create(
        model="dummy", messages=HELLO, n=3, stop=["jumps", "dog"], seed=1, temperature=0
    )
    assert [c.index for c in answer.choices] == [0, 1, 2]
    assert all(c.message.content == "The quick brown föx " for c in answer.choices)
    short = client.chat.completions.create(model="dummy", messages=HELLO, max_completion_tokens=2)
    assert short.choices[0].message.content == "The quick "
    assert short.choices[0].finish_reason == "length"


def test_logprobs(client):
    answer = client.chat.completions.create(
        model="dummy", messages=HELLO, logprobs=True, top_logprobs=2, max_tokens=3
    )
    content = answer.choices[0].logprobs.content
    assert len(content) == 3
    assert content[0].token == "T" and content[0].bytes == [84]
    assert len(content[0].top_logprobs) == 2
    stream = client.chat.completions.create(
        model="dummy", messages=HELLO, logprobs=True, max_tokens=3, stream=True
    )
    count = sum(len(c.choices[0].logprobs.content) for c in stream if c.choices[0].logprobs)
    assert count == 3


def test_completions(client):
    answer = client.completions.create(model="dummy", prompt=["a", "b"], n=2, max_tokens=2, echo=True, logprobs=2)
    assert [c.text for c in answer.choices] == ["aThe quick "] * 2 + ["bThe quick "] * 2
    assert answer.choices[0].logprobs.tokens[:2] == ["<bos>", "a"]
    assert answer.choices[0].logprobs.token_logprobs[0] is None
    ids = client.completions.create(model="dummy", prompt=[72, 105], max_tokens=1)
    assert ids.usage.prompt_tokens == 2
    text = "".join(c.choices[0].text for c in client.completions.create(model="dummy", prompt="x", stream=True))
    assert text == SENTENCE


def test_embeddings(client):
    for format_ in (openai.omit, "float"):
        answer = client.embeddings.create(model="dummy", input=["a", "b"], encoding_format=format_)
        assert len(answer.data) == 2 and len(answer.data[0].embedding) == 8
        assert math.isclose(sum(x * x for x in answer.data[1].embedding), 1.0, rel_tol=1e-5)
    raw = client.embeddings.with_raw_response.create(model="dummy", input="a", encoding_format="base64")
    data = raw.http_response.json()["data"][0]["embedding"]
    assert len(struct.unpack("<8f", base64.b64decode(data))) == 8


def test_models(client):
    assert [m.id for m in client.models.list()] == ["dummy"]
    assert client.models.retrieve("dummy").owned_by == "hadal"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_errors(client, server, full_server, failing_server):
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model="dummy", messages=HELLO, temperature=3)
    assert bad.value.param == "temperature" and bad.value.code == "decimal_above_max_value"
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-x", messages=HELLO)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=server.url + "/v1", api_key="wrong", max_retries=0).models.list()
    with pytest.raises(openai.RateLimitError) as full:
        client_of(full_server).chat.completions.create(model="dummy", messages=HELLO)
    assert full.value.response.headers["retry-after"] == "1"
    with pytest.raises(openai.InternalServerError):
        client_of(failing_server).chat.completions.create(model="dummy", messages=HELLO)
    with pytest.raises(openai.APIError):
        list(client_of(failing_server).chat.completions.create(model="dummy", messages=HELLO, stream=True))
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="dummy", messages=HELLO, response_format={"type": "json_object"})


def test_reasoning(reasoning_server):
    client = client_of(reasoning_server)
    message = client.chat.completions.create(model="dummy", messages=HELLO).choices[0].message
    assert message.reasoning_content == "The quick brown "
    assert message.content == "föx jumps over "
    chunks = list(client.chat.completions.create(model="dummy", messages=HELLO, stream=True))
    deltas = [c.choices[0].delta for c in chunks]
    assert "".join(getattr(d, "reasoning_content", None) or "" for d in deltas) == "The quick brown "
    assert "".join(d.content or "" for d in deltas) == "föx jumps over "
    plain = client.chat.completions.create(model="dummy", messages=HELLO, extra_body={"separate_reasoning": False})
    assert plain.choices[0].message.content == "The quick brown föx jumps over "


def test_tools_pass_and_forcing_is_refused(client):
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    assert client.chat.completions.create(model="dummy", messages=HELLO, tools=tools).choices
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="dummy", messages=HELLO, tools=tools, tool_choice="required")
    assert refused.value.param == "tool_choice"


def test_leaving_a_stream_frees_it(slow_server):
    client = client_of(slow_server)
    for _ in range(5):
        stream = client.chat.completions.create(model="dummy", messages=HELLO, stream=True)
        next(iter(stream))
        stream.close()
    # The server's drain at the end of the session fails if one of them still ran.
    assert urllib.request.urlopen(slow_server.url + "/health").status == 200


def test_async_clients_together(slow_server):
    import asyncio

    async def one(client):
        stream = await client.chat.completions.create(model="dummy", messages=HELLO, stream=True, max_tokens=20)
        return "".join([c.choices[0].delta.content or "" async for c in stream])

    async def many():
        async with openai.AsyncOpenAI(base_url=slow_server.url + "/v1", api_key="none") as client:
            return await asyncio.gather(*(one(client) for _ in range(50)))

    texts = asyncio.run(many())
    assert len(texts) == 50 and len(set(texts)) == 1


def test_request_id(client):
    raw = client.chat.completions.with_raw_response.create(
        model="dummy", messages=HELLO, extra_headers={"X-Request-ID": "my-id"}
    )
    assert raw.headers["x-request-id"] == "my-id"
