"""What the server does with its process: memory after large bodies, descriptors, silence of its clients."""
import http.client
import json
import os
import resource
import socket
import subprocess
import time

import pytest

from conftest import PROGRAM, DummyServer

MEBIBYTE = 1 << 20


def resident_mb(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def post(port, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_memory_after_large_bodies_goes_back():
    """Eight bodies of 7 to 8 MB of each kind: what they took is not kept."""
    words = "word " * 1_400_000
    bodies = [
        ("/v1/chat/completions", {"model": "dummy", "messages": [{"role": "user", "content": words}]}, 400),
        ("/v1/completions", {"model": "dummy", "prompt": [100] * 1_400_000}, 400),
        ("/v1/completions", {"model": "dummy", "prompt": ["a"] * 1_200_000}, 400),
        ("/tokenize", {"prompt": words}, 200),
        ("/detokenize", {"tokens": [100] * 1_400_000}, 200),
    ]
    server = DummyServer("--answer-tokens", "3")
    try:
        assert post(server.port, "/tokenize", '{"prompt":"a"}') == 200
        before = resident_mb(server.process.pid)
        for path, body, status in bodies:
            text = json.dumps(body)
            assert 5 * MEBIBYTE < len(text) < 8 * MEBIBYTE
            for _ in range(8):
                assert post(server.port, path, text) == status
        end = time.time() + 10
        while resident_mb(server.process.pid) > before + 20:
            assert time.time() < end, f"{before:.0f} MB before, {resident_mb(server.process.pid):.0f} MB after"
            time.sleep(0.1)
    finally:
        server.stop()


def start_with_limit(soft, hard, *flags):
    process = subprocess.Popen(
        [PROGRAM, "--quiet", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
    )
    return process, int(process.stdout.readline().split()[-1])


def status_of(connection):
    return int(connection.recv(12).split()[1])


@pytest.mark.skipif(not os.path.exists(PROGRAM), reason="hadal_dummy_server is not built")
def test_too_few_descriptors_are_told_and_the_rest_gets_503():
    process, port = start_with_limit(64, 256)
    try:
        # Raised to the hard limit, half of which is kept for other things.
        connections = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(128)]
        for connection in connections:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
            assert status_of(connection) == 200
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as one_too_many:
                assert status_of(one_too_many) == 503
        connections.pop().close()
        time.sleep(0.2)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as again:
            again.sendall(b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
            assert status_of(again) == 200
        for connection in connections:
            connection.close()
    finally:
        process.terminate()
        _, log = process.communicate(timeout=40)
    assert "limit of open files" in log and "max_connections=128" in log


def test_a_client_that_vanishes_is_missed():
    """No FIN and no RST: the kernel is asked to forget the connection, so that the server's probes find nobody."""
    server = DummyServer("--answer-tokens", "1000000", "--step-us", "1000")
    try:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        body = json.dumps({"model": "dummy", "max_tokens": 60000, "ignore_eos": True,
                           "messages": [{"role": "user", "content": "x"}]})
        connection.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )

        def active():
            answer = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            answer.request("GET", "/metrics")
            text = answer.getresponse().read().decode()
            return int(next(l for l in text.splitlines() if l.startswith("hadal_http_active_requests ")).split()[1])

        while active() < 2:  # this request, and the one for /metrics
            time.sleep(0.05)
        tcp_repair = 19
        try:
            connection.setsockopt(socket.IPPROTO_TCP, tcp_repair, 1)
        except PermissionError:
            pytest.skip("not allowed to make a connection vanish")
        start = time.time()
        connection.close()
        time.sleep(1)
        assert active() == 2
        while active() > 1:
            assert time.time() - start < 40
            time.sleep(0.5)
    finally:
        server.stop()
