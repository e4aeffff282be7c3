"""What the tests of hadal pull share: the program, a repository's content, servers that end with the test."""
import os
import pathlib
import random
import subprocess

import pytest

from hostile_server import HostileServer

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HADAL_BUILD_DIR", ROOT / "build/release"))
PROGRAM = str(BUILD / "hadal")
TOKEN = "hf_secret0123456789"

needs_program = pytest.mark.skipif(not os.path.exists(PROGRAM), reason=f"{PROGRAM} is not built")


def environment(**more):
    """The process's, without what leads elsewhere."""
    foreign = ("AWS_", "HF_", "SSL_CERT_", "CURL_CA_", "REQUESTS_CA_")
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and not k.startswith(foreign)}
    env["HOME"] = "/nonexistent"
    return env | {k: str(v) for k, v in more.items()}


def command(*args):
    return [PROGRAM, "pull", *map(str, args)]


def run(*args, env=None, timeout=120):
    result = subprocess.run(command(*args), env=env or environment(), capture_output=True, text=True, timeout=timeout)
    print(result.stdout, result.stderr)
    for secret in (TOKEN, "sig=secret"):
        assert secret not in result.stdout + result.stderr
    return result


def write_random(path, size, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    source = random.Random(seed)
    with open(path, "wb") as file:
        while size > 0:
            count = min(size, 1 << 20)
            file.write(source.randbytes(count))
            size -= count
    return str(path)


@pytest.fixture(scope="session")
def content(tmp_path_factory):
    """A repository: two shards, small files, what is skipped."""
    folder = tmp_path_factory.mktemp("content")
    sizes = {
        "config.json": 500,
        "model-00001-of-00002.safetensors": 9_000_000,
        "model-00002-of-00002.safetensors": 3_000_001,
        "empty.txt": 0,
        "sub/vocab.json": 700,
        "pytorch_model.bin": 5000,
        "original/consolidated.00.pth": 5000,
        "original/params.json": 5000,
        "model-q8.gguf": 5000,
        "figure.png": 2000,
    }
    return {name: write_random(folder / name, size, i) for i, (name, size) in enumerate(sizes.items())}


WANTED = {
    "config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "empty.txt",
    "sub/vocab.json",
}


@pytest.fixture
def start(request):
    servers = []

    def make(files, **options):
        servers.append(HostileServer(files, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


def same(content, directory, names):
    found = {
        str(path.relative_to(directory)) for path in pathlib.Path(directory).rglob("*") if path.is_file() and path.name != ".hadal-model.json"
    }
    assert found == set(names)
    for name in names:
        assert pathlib.Path(content[name]).read_bytes() == (pathlib.Path(directory) / name).read_bytes(), name


def hf(server):
    return environment(HF_ENDPOINT=server.url, HF_TOKEN=TOKEN)


def start_seed(*args, env=None):
    process = subprocess.Popen(
        command(*args, "--serve", "--host", "127.0.0.1", "--port", "0"), env=env or environment(), stderr=subprocess.PIPE, text=True
    )
    line = process.stderr.readline()
    assert " to peers at " in line, line
    return process, line.split(" at ")[-1].strip()
