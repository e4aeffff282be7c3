"""A soak of the real program: many requests, a third of whose clients go away at a random point.

    python tests/python/soak.py --requests 10000            a tiny model with random weights
    python tests/python/soak.py --requests 10000 --model X  a real one

Afterwards nothing may be left over: no block held by a sequence, no thread, no descriptor, no memory. Prints the figures
and ends with 1 when one is out of bounds. Also imported by test_soak.py.
"""
import argparse
import asyncio
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("HADAL_BUILD_DIR", str(ROOT / "build/release"))) / "hadal"
TINY = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 128,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 512,
    "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "torch_dtype": "float32",
}


class Program:
    """One server with its figures, read from /proc and /metrics."""

    def __init__(self, model=None, *flags):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.directory = tempfile.TemporaryDirectory()
        if model is None:
            model = self.directory.name
            (pathlib.Path(model) / "config.json").write_text(json.dumps(TINY))
            flags = ("--load-format", "dummy", "--random-seed", "1", *flags)
        self.log = open(pathlib.Path(self.directory.name) / "log", "w")
        self.process = subprocess.Popen(
            [str(PROGRAM), "serve", model, "--port", str(self.port), "--served-model-name", "m", "--log-level", "error",
             *flags],
            stdout=subprocess.DEVNULL, stderr=self.log,
        )
        end = time.time() + 120
        while True:
            try:
                if urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2).status == 200:
                    return
            except OSError:
                assert self.process.poll() is None and time.time() < end, pathlib.Path(self.log.name).read_text()
                time.sleep(0.05)

    def metrics(self):
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10).read().decode()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line[0] != "#"}

    def figures(self):
        """After everything has ended."""
        end = time.time() + 30
        while True:
            m = self.metrics()
            fds = len(os.listdir(f"/proc/{self.process.pid}/fd"))
            # This very connection and the one before it may still be counted.
            if m["hadal_running_requests"] == 0 and m["hadal_waiting_requests"] == 0 and m['hadal_kv_blocks{state="used"}'] == 0:
                break
            assert time.time() < end, m
            time.sleep(0.05)
        time.sleep(0.5)
        status = open(f"/proc/{self.process.pid}/status").read()
        field = lambda name: int(status.split(name + ":")[1].split()[0])
        return {
            "used": int(m['hadal_kv_blocks{state="used"}']),
            "cached": int(m['hadal_kv_blocks{state="cached"}']),
            "threads": field("Threads"),
            "descriptors": len(os.listdir(f"/proc/{self.process.pid}/fd")),
            "rss_kb": field("VmRSS"),
            "descriptors_before": fds,
        }

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.log.close()
        log = pathlib.Path(self.log.name).read_text()
        self.directory.cleanup()
        assert code == 0, log


async def one_request(port, rng, vocab, counts):
    """Sends one request and leaves at a random point, or reads all."""
    prompt = [rng.randrange(3, vocab) for _ in range(rng.randrange(1, 80))]
    if rng.random() < 0.3:
        prompt = list(range(10, 60)) + prompt[:20]  # shares a prefix
    stream = rng.random() < 0.5
    body = {"model": "m", "prompt": prompt, "max_tokens": rng.randrange(1, 24), "ignore_eos": True, "stream": stream,
            "n": rng.choice([1, 1, 1, 2])}
    if rng.random() < 0.2:
        body["repetition_penalty"] = 1.1
    if rng.random() < 0.2:
        body["priority"] = rng.randrange(-1, 2)
    leaves = rng.random() < 1 / 3
    if leaves:
        body["max_tokens"] = 400
    text = json.dumps(body).encode()
    head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    data = head + b"Content-Length: %d\r\n\r\n" % len(text) + text
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        partial = leaves and rng.random() < 0.2
        if partial:
            data = data[: rng.randrange(len(data))]  # leaves within the request
            counts["within"] += 1
        writer.write(data)
        await writer.drain()
        if leaves:
            if partial or rng.random() < 0.5:
                await asyncio.sleep(rng.random() * 0.05)
            else:
                await asyncio.wait_for(reader.read(rng.randrange(1, 3000)), 30)
            counts["left"] += 1
            if rng.random() < 0.5:
                writer.transport.abort()  # a reset
            return
        answer = await asyncio.wait_for(reader.read(), 120)
        status = int(answer.split(b" ", 2)[1])
        counts[status] = counts.get(status, 0) + 1
        if stream and status == 200 and not answer.rstrip(b"\r\n0").endswith(b"[DONE]\n\n".rstrip()):
            counts["cut"] += 1
    finally:
        writer.close()


async def run_load(port, requests, clients, seed, vocab, counts):
    rng = random.Random(seed)
    left = iter(range(requests))

    async def client():
        for _ in left:
            await one_request(port, random.Random(rng.random()), vocab, counts)

    await asyncio.gather(*(client() for _ in range(clients)))


def soak(requests, model=None, clients=32, seed=None, vocab=250):
    """Figures after a fifth of the requests and after all; raises AssertionError when something is left over."""
    seed = seed if seed is not None else random.randrange(1 << 30)
    counts = {"left": 0, "within": 0, "cut": 0}
    flags = ("--context-length", "512", "--max-total-tokens", "16384", "--max-running-requests", "24")
    program = Program(model, *flags)
    try:
        asyncio.run(run_load(program.port, 50, clients, seed + 1, vocab, {"left": 0, "within": 0, "cut": 0}))
        before = program.figures()
        start = time.time()
        asyncio.run(run_load(program.port, requests // 5, clients, seed + 2, vocab, counts))
        early = program.figures()
        asyncio.run(run_load(program.port, requests - requests // 5, clients, seed + 3, vocab, counts))
        late = program.figures()
        seconds = time.time() - start
        total = program.metrics()['hadal_kv_blocks{state="total"}']
    finally:
        program.stop()
    print(f"seed {seed}: {requests} requests in {seconds:.1f} s, {counts['left']} left ({counts['within']} within the request)")
    print("  answers:", {k: v for k, v in counts.items() if isinstance(k, int)}, "streams cut:", counts["cut"])
    for name, figures in (("warm", before), ("a fifth", early), ("all", late)):
        print(f"  {name:8}", figures)
    assert counts["cut"] == 0 and set(counts) <= {"left", "within", "cut", 200}, counts
    assert counts["left"] > requests // 5
    assert late["used"] == 0 and late["cached"] <= total
    assert late["threads"] == before["threads"], "threads are left over"
    assert late["descriptors"] <= before["descriptors"], "descriptors are left over"
    assert late["rss_kb"] <= early["rss_kb"] * 1.1 + 8192, "memory grows"
    return before, early, late


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=10000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--model")
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    soak(arguments.requests, arguments.model, arguments.clients, arguments.seed)
    sys.exit(0)
