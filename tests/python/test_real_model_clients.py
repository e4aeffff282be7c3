"""The real program with the real small model: the openai package, and what hostile files and clients do to it.

HADAL_TEST_MODEL names the model (scripts/test fetches it); without it these tests are skipped.
"""
import array
import base64
import json
import math
import os
import random
import signal
import socket
import struct
import subprocess
import time
import urllib.request

import openai
import pytest

from test_end_to_end import MODEL, PROGRAM, Server, pytestmark  # noqa: F401: the mark is this file's too

QUESTION = [{"role": "user", "content": "What is the capital of France? Answer in one short sentence."}]


@pytest.fixture(scope="module")
def server():
    one = Server("--context-length", "2048")
    yield one
    one.stop()


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)


def ask(client, **more):
    return client.chat.completions.create(model="m", messages=QUESTION, temperature=0, max_tokens=24, **more)


def test_chat_and_stream_give_the_same(client):
    whole = ask(client)
    assert "Paris" in whole.choices[0].message.content
    assert whole.choices[0].finish_reason in ("stop", "length")
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason


def test_logprobs(client):
    answer = ask(client, logprobs=True, top_logprobs=3)
    content = answer.choices[0].logprobs.content
    assert b"".join(bytes(t.bytes) for t in content).decode() == answer.choices[0].message.content
    for token in content:
        assert token.logprob <= 0 and len(token.top_logprobs) == 3
        best = max(token.top_logprobs, key=lambda t: t.logprob)
        assert math.isclose(best.logprob, token.logprob, abs_tol=1e-6)  # temperature 0
    echoed = client.completions.create(model="m", prompt="The sea is", max_tokens=4, echo=True, logprobs=2, temperature=0)
    logprobs = echoed.choices[0].logprobs
    assert "".join(logprobs.tokens) == echoed.choices[0].text
    assert logprobs.token_logprobs[0] is None and all(x <= 0 for x in logprobs.token_logprobs[1:])
    assert logprobs.text_offset[-1] < len(echoed.choices[0].text)


def test_logprobs_end_with_the_text_at_a_stop_string(client):
    text = ask(client).choices[0].message.content
    stop = text[len(text) // 2 : len(text) // 2 + 5]
    for stream in (False, True):
        answer = ask(client, stop=[stop], logprobs=True, stream=stream)
        if stream:
            choices = [c.choices[0] for c in answer if c.choices]
            shown = "".join(c.delta.content or "" for c in choices)
            tokens = [t for c in choices if c.logprobs for t in c.logprobs.content]
        else:
            shown, tokens = answer.choices[0].message.content, answer.choices[0].logprobs.content
        assert shown == text[: text.index(stop)]
        spelled = b"".join(bytes(t.bytes) for t in tokens).decode()
        assert spelled.startswith(shown)
        assert len(spelled) - len(tokens[-1].bytes) < len(shown)  # the last token has some of the text


def test_n_stop_and_seed(client):
    def draw(seed, n=3):
        answer = client.chat.completions.create(
            model="m", messages=QUESTION, temperature=1.2, n=n, seed=seed, max_tokens=12
        )
        return [c.message.content for c in sorted(answer.choices, key=lambda c: c.index)]

    first = draw(7)
    assert len(first) == 3 and len(set(first)) > 1
    assert draw(7) == first
    assert draw(8) != first
    stopped = ask(client, stop=["Paris"]).choices[0]
    assert "Paris" not in stopped.message.content and stopped.finish_reason == "stop"


def test_embeddings_as_floats_and_base64(client):
    inputs = ["A cat sits on the mat.", "A kitten is sitting on a rug.", "Quarterly tax revenue rose."]
    floats = [d.embedding for d in client.embeddings.create(model="m", input=inputs, encoding_format="float").data]
    # The package itself asks for base64 and decodes it.
    decoded = [d.embedding for d in client.embeddings.create(model="m", input=inputs).data]
    raw = client.embeddings.with_raw_response.create(model="m", input=inputs[0], encoding_format="base64")
    data = base64.b64decode(raw.http_response.json()["data"][0]["embedding"])
    assert len(floats[0]) == 576 and len(data) == 4 * 576
    for a, b in zip(floats, decoded):
        assert max(abs(x - y) for x, y in zip(a, b)) < 1e-6
        assert math.isclose(sum(x * x for x in a), 1, rel_tol=1e-4)
    assert max(abs(x - y) for x, y in zip(struct.unpack("<576f", data), floats[0])) < 1e-6


def test_errors(client):
    with pytest.raises(openai.BadRequestError) as bad:
        ask(client, top_p=2)
    assert bad.value.param == "top_p"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-x", messages=QUESTION)
    with pytest.raises(openai.BadRequestError) as long:
        client.completions.create(model="m", prompt="word " * 3000)
    assert long.value.code == "context_length_exceeded"
    start = time.time()
    with pytest.raises(openai.BadRequestError) as spaces:
        client.completions.create(model="m", prompt=" " * 7_000_000)
    assert "at least" in spaces.value.message
    with pytest.raises(openai.InternalServerError) as late:
        client.completions.create(
            model="m", prompt="a", max_tokens=2000, extra_body={"timeout": 0.3, "ignore_eos": True}
        )
    assert late.value.status_code == 504 and late.value.code == "timeout"
    with pytest.raises(openai.APIError) as event:
        list(client.completions.create(
            model="m", prompt="a", max_tokens=2000, stream=True, extra_body={"timeout": 0.3, "ignore_eos": True}
        ))
    assert event.value.code == "timeout"


def still_serves(server):
    assert server.process.poll() is None, server.log()
    assert server.complete(max_tokens=2)["usage"]["completion_tokens"] == 2


def test_bodies_of_100_mb(server):
    for head in ("Content-Length: 104857600", "Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as s:
            s.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
            block = b"x" * (1 << 20)
            try:
                for _ in range(100):
                    s.sendall(block if "Length" in head else b"100000\r\n" + block + b"\r\n")
            except OSError:
                pass  # refused before its end
            assert s.recv(12) == b"HTTP/1.1 413"
    still_serves(server)


def test_slow_and_half_open_clients(server):
    body = json.dumps({"model": "m", "prompt": "a", "max_tokens": 1500, "ignore_eos": True, "stream": True})
    post = (
        f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()

    def connect():
        return socket.create_connection(("127.0.0.1", server.port), timeout=30)

    trickling = [connect() for _ in range(20)]
    for i, s in enumerate(trickling):
        s.sendall(post[: 5 + 9 * i])
    silent = [connect() for _ in range(20)]
    sending_side_closed = connect()
    sending_side_closed.sendall(post)
    sending_side_closed.shutdown(socket.SHUT_WR)
    reset = connect()
    reset.sendall(post)
    reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    reset.close()
    not_reading = connect()
    not_reading.sendall(post)
    still_serves(server)
    # One byte at a time is slow, but within the time for a head.
    slow = connect()
    for byte in b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n":
        slow.sendall(bytes([byte]))
        time.sleep(0.02)
    assert slow.recv(12) == b"HTTP/1.1 200"
    for s in [*trickling, *silent, sending_side_closed, not_reading, slow]:
        s.close()
    end = time.time() + 10
    while server.metric("hadal_running_requests") > 0:
        assert time.time() < end
        time.sleep(0.1)
    still_serves(server)


def refuses(path, *names):
    """The program ends by itself, with the file's name and no crash."""
    out = subprocess.run(
        [str(PROGRAM), "serve", str(path), "--port", "0"], capture_output=True, text=True, timeout=60
    )
    assert out.returncode == 1, (out.returncode, out.stderr)
    for name in (str(path), *names):
        assert name in out.stderr, out.stderr


def test_truncated_and_corrupted_gguf(tmp_path):
    good = open(MODEL, "rb").read()
    path = tmp_path / "model.gguf"
    for size in (0, 3, 11, 24, 1000, 100_000, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:size])
        refuses(path)
    for at, patch in (
        (0, b"GGXF"),
        (4, struct.pack("<I", 99)),
        (8, struct.pack("<Q", 1 << 60)),  # tensors
        (16, struct.pack("<Q", 1 << 60)),  # metadata
        (24, struct.pack("<Q", (1 << 63) + 5)),  # length of the first key
    ):
        path.write_bytes(good[:at] + patch + good[at + len(patch) :])
        refuses(path)


def test_random_damage_to_a_gguf_never_crashes(tmp_path):
    good = bytearray(open(MODEL, "rb").read())
    generator = random.Random(20261122)
    path = tmp_path / "model.gguf"
    for _ in range(12):
        bad = bytearray(good)
        for _ in range(4):
            bad[generator.randrange(0, 20_000)] = generator.randrange(256)
        path.write_bytes(bad)
        process = subprocess.Popen(
            [str(PROGRAM), "serve", str(path), "--port", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        log = ""
        for line in process.stderr:
            log += line
            if " ready" in line:  # the damage was in a text
                process.send_signal(signal.SIGTERM)
                break
        process.stderr.read()
        assert process.wait(timeout=60) in (0, 1), log


def write_safetensors_model(folder):
    """A Llama of one layer with the 256 bytes for a vocabulary; returns its tensors' header and data."""
    hidden, inner, vocab = 128, 256, 256
    json.dump(
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "intermediate_size": inner,
         "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 64, "vocab_size": vocab,
         "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False,
         "torch_dtype": "float32", "hidden_act": "silu", "bos_token_id": 0, "eos_token_id": 1},
        open(folder / "config.json", "w"),
    )
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    spelled = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
    json.dump(
        {"version": "1.0", "added_tokens": [], "normalizer": None, "post_processor": None,
         "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
         "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
         "model": {"type": "BPE", "vocab": {spelled[b]: b for b in range(256)}, "merges": []}},
        open(folder / "tokenizer.json", "w"),
    )
    shapes = {"model.embed_tokens.weight": (vocab, hidden), "model.norm.weight": (hidden,), "lm_head.weight": (vocab, hidden)}
    layer = "model.layers.0."
    for name in ("input_layernorm", "post_attention_layernorm"):
        shapes[f"{layer}{name}.weight"] = (hidden,)
    for name in "qkvo":
        shapes[f"{layer}self_attn.{name}_proj.weight"] = (hidden, hidden)
    shapes |= {f"{layer}mlp.{name}_proj.weight": (inner, hidden) for name in ("gate", "up")}
    shapes[f"{layer}mlp.down_proj.weight"] = (hidden, inner)
    generator = random.Random(1)
    header, data = {}, b""
    for name, shape in shapes.items():
        values = array.array("f", (generator.gauss(0, 0.05) for _ in range(math.prod(shape)))).tobytes()
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    return header, data


def test_truncated_and_corrupted_safetensors(tmp_path):
    header, data = write_safetensors_model(tmp_path)
    path = tmp_path / "model.safetensors"

    def write(head, body, length=None):
        text = head if isinstance(head, bytes) else json.dumps(head).encode()
        path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + body)

    write(header, data)
    process = subprocess.Popen(
        [str(PROGRAM), "serve", str(tmp_path), "--port", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    lines = []
    for line in process.stderr:
        lines.append(line)
        if " ready" in line:
            break
    process.terminate()
    process.stderr.read()
    assert process.wait(timeout=60) == 0, "the undamaged model: " + "".join(lines)

    good = path.read_bytes()
    for size in (0, 7, 8, 100, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:size])
        refuses(tmp_path, "model.safetensors")
    for length in (0, 1 << 40, (1 << 64) - 1):
        write(header, data, length)
        refuses(tmp_path, "model.safetensors")
    for text in (b"[]", b"{", b'{"a":1}', b"\xff" * 20, b'{"a":' * 1000):
        write(text, data)
        refuses(tmp_path, "model.safetensors")

    def with_norm(**change):
        return {**header, "model.norm.weight": {**header["model.norm.weight"], **change}}

    norm = header["model.norm.weight"]["data_offsets"]
    for change in ({"dtype": "F99"}, {"shape": [64]}, {"shape": [1 << 62, 1 << 62]}, {"shape": [-128]},
                   {"data_offsets": [norm[1], norm[0]]}, {"data_offsets": [norm[0], 1 << 60]}, {"data_offsets": [-4, 508]}):
        write(with_norm(**change), data)
        refuses(tmp_path, "model.norm.weight")
    renamed = {k.replace("model.norm", "model.other"): v for k, v in header.items()}
    write(renamed, data)
    refuses(tmp_path)
