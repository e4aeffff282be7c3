"""Starts hadal_dummy_server for the client tests: the real server over an engine without a model.

HADAL_DUMMY_SERVER names the program; the default is the release build's.
"""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get(
    "HADAL_DUMMY_SERVER", str(ROOT / "build/release/src/server/hadal_dummy_server")
)
KEY = "sk-test"


class DummyServer:
    def __init__(self, *flags):
        if not os.path.exists(PROGRAM):
            pytest.skip(f"{PROGRAM} is not built")
        self.process = subprocess.Popen(
            [PROGRAM, "--quiet", *flags], stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), line
        self.port = int(line.split()[-1])
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=40) == 0


def start(*flags):
    server = DummyServer(*flags)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def server():
    yield from start("--answer-tokens", "9", "--api-key", KEY)


@pytest.fixture(scope="session")
def reasoning_server():
    yield from start("--answer-tokens", "6", "--reasoning")


@pytest.fixture(scope="session")
def slow_server():
    yield from start("--answer-tokens", "100000", "--step-us", "2000")


@pytest.fixture(scope="session")
def full_server():
    yield from start("--max-waiting", "0")


@pytest.fixture(scope="session")
def failing_server():
    yield from start("--fail")
