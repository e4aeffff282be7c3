"""hadal pull against what it writes to: a full disk, limits, odd names, many files; and how much memory it takes."""
import json
import os
import pathlib
import resource
import subprocess
import time

import pytest

from hostile_server import COMMIT, HostileServer, git_sha1
from pull_tools import TOKEN, WANTED, command, content, environment, hf, needs_program, run, same, start, write_random  # noqa: F401

pytestmark = needs_program

# Peak memory of a pull with 16 connections, whatever the size of the file: 16 times libcurl's buffer and our own, the
# hashing threads' buffers, the program itself.
MOST_MEMORY = 64 << 20


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True)
    if made.returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_no_room_to_begin_with(start, small_disk, tmp_path):
    server = start({"model.safetensors": write_random(tmp_path / "source/model.safetensors", 30_000_000, 1)})
    result = run("hf:org/name", "--to", small_disk / "m", env=hf(server))
    assert result.returncode == 1 and "30.0 MB are needed, with 67.1 MB of reserve" in result.stderr
    assert "are missing" in result.stderr
    assert sum(server.sent.values()) == 0
    copy = run(tmp_path / "source", "--to", small_disk / "copy")
    assert copy.returncode == 1 and "30.0 MB are needed" in copy.stderr and not (small_disk / "copy/model.safetensors").exists()


def test_a_disk_that_fills_up(start, tmp_path):
    """Space that others take after the check. tmpfs within 64 MB of its end is refused at the start: hence the size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=110m", "tmpfs", folder], capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        names = [f"model-{i}.safetensors" for i in range(4)]
        files = {name: write_random(tmp_path / "source" / name, 8_000_000, i) for i, name in enumerate(names)}
        server = start(files, rate=2_000_000)
        args = ("hf:org/name", "--to", folder / "m", "--connections", 1)
        process = subprocess.Popen(command(*args), env=hf(server), stderr=subprocess.PIPE, text=True)
        while sum(server.sent.values()) < 4_000_000:
            time.sleep(0.01)
        free = os.statvfs(folder)
        with open(folder / "filler", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, (free.f_bavail - 8) * free.f_frsize)
        server.rate = 0
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1 and "no space is left on the disk" in err and "run the same command again" in err
        sent = sum(server.sent.values())
        os.unlink(folder / "filler")
        assert run(*args, env=hf(server)).returncode == 0
        same(files, folder / "m", names)
        # All of it was kept.
        assert sum(server.sent.values()) - 32_000_000 < 1_000_000 and sent >= 8_000_000
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_limit_of_the_size_of_files(start, tmp_path):
    server = start({"model.safetensors": write_random(tmp_path / "source", 9_000_000, 1)})
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, resource.RLIM_INFINITY))
    result = subprocess.run(command("hf:org/name", "--to", tmp_path / "m"), env=hf(server), capture_output=True, text=True, preexec_fn=limit, timeout=60)
    assert result.returncode == 1 and "ulimit -f" in result.stderr, (result.returncode, result.stderr)
    assert run("hf:org/name", "--to", tmp_path / "m", env=hf(server)).returncode == 0


def test_memory_does_not_grow_with_the_file(start, tmp_path):
    """HADAL_PULL_SPARSE is the size: 2000000000 for the full run."""
    size = int(os.environ.get("HADAL_PULL_SPARSE", 200_000_000))
    source = tmp_path / "source"
    with open(source, "wb") as file:
        file.truncate(size)
    server = start({"model.safetensors": str(source)}, rates={"drop": 0.02})
    process = subprocess.Popen(command("hf:org/name", "--to", tmp_path / "m", "--connections", 16, "--part-size", "16Mi"), env=hf(server))
    peak = 0
    while process.poll() is None:
        # Its own: what wait4 tells begins with the memory of the process that started it.
        for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                peak = int(line.split()[1]) << 10
        time.sleep(0.01)
    assert process.returncode == 0
    print(f"{size} bytes: at most {peak / (1 << 20):.0f} MiB of memory")
    assert 0 < peak < MOST_MEMORY
    os.unlink(tmp_path / "m/model.safetensors")


BAD_NAMES = (
    "../evil.json",
    "..",
    ".",
    "/etc/evil.json",
    "a/../../evil.json",
    "a/./evil.json",
    "a//evil.json",
    "a/",
    ".hadal-model.json",
    ".hadal-pull/journal",
    "evil\0.json",
    "evil\n.json",
    "evil\x1b[2J.json",
    "..\\evil.json",
    "C:\\evil.json",
    "e" * 256,
    "/".join(["e" * 200] * 6),
)
GOOD_NAMES = ("CON", "aux.json", "C:evil.json", "e" * 255, "ü漢字😀.json", "-rf", "a b", "..a/...json", "con/nul.txt", "%2e%2e/x.json")


def test_names_that_are_refused(content, start, tmp_path):
    for bad in BAD_NAMES:
        server = start({"config.json": content["config.json"], bad: content["config.json"]})
        for reference, variable in (("hf:org/name", "HF_ENDPOINT"), ("ms:org/name", "MODELSCOPE_ENDPOINT")):
            result = run(reference, "--to", tmp_path / "m/m", env=environment(**{variable: server.url}))
            assert result.returncode == 1 and "nothing is written" in result.stderr, (bad, result.stderr)
            assert "\x1b" not in result.stderr
        assert sum(server.sent.values()) == 0
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    server = start({"a": content["config.json"], "a/b": content["config.json"]})
    result = run("hf:org/name", "--to", tmp_path / "m", env=hf(server))
    assert result.returncode == 1 and "as a file and as a folder" in result.stderr


def test_names_that_are_odd(content, start, tmp_path):
    """What other systems do not take is no harm here."""
    files = {name: content["config.json"] for name in GOOD_NAMES}
    server = start(files)
    assert run("hf:org/name", "--to", tmp_path / "m", "--all-files", env=hf(server)).returncode == 0
    same(files, tmp_path / "m", GOOD_NAMES)


def test_links_in_the_directory(content, start, tmp_path):
    server = start(content)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "n").mkdir()
    (tmp_path / "n/sub").symlink_to(tmp_path / "elsewhere")
    result = run("hf:org/name", "--to", tmp_path / "n", env=hf(server))
    assert result.returncode != 0 and "link" in result.stderr
    assert not list((tmp_path / "elsewhere").iterdir())
    # A link in a file's place is replaced, not followed.
    (tmp_path / "n/sub").unlink()
    victim = tmp_path / "elsewhere/victim"
    victim.write_bytes(b"x" * os.path.getsize(content["config.json"]))
    for name in ("n/config.json", "n/.hadal-model.json"):
        (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / name).symlink_to(victim)
    assert run("hf:org/name", "--to", tmp_path / "n", env=hf(server)).returncode == 0
    assert set(victim.read_bytes()) == {ord("x")} and not (tmp_path / "n/config.json").is_symlink()
    same(content, tmp_path / "n", WANTED)
    # Nor is one in the place of what hadal keeps.
    (tmp_path / "o/.hadal-pull").mkdir(parents=True)
    (tmp_path / "o/.hadal-pull/1.part").symlink_to(victim)
    assert run("hf:org/name", "--to", tmp_path / "o", env=hf(server)).returncode == 0
    assert set(victim.read_bytes()) == {ord("x")}


def test_many_files(content, tmp_path, monkeypatch):
    """HADAL_PULL_FILES is their number: 100000 for the full run."""
    count = int(os.environ.get("HADAL_PULL_FILES", 5_000))
    server = HostileServer({"model.safetensors": content["model-00001-of-00002.safetensors"]})
    empty = git_sha1(b"")
    entries = [{"type": "file", "path": f"part{i % 100}/{i}.json", "size": 0, "oid": empty} for i in range(count)]
    model = server.files["model.safetensors"]
    entries.append({"type": "file", "path": "model.safetensors", "size": model.size, "oid": "f" * 40, "lfs": {"oid": model.sha256, "size": model.size, "pointerSize": 134}})
    pages = [json.dumps(entries[at : at + 1000]).encode() for at in range(0, len(entries), 1000)]

    def listing(handler, path, query):
        if "/revision/" in path:
            return handler.reply(200, json.dumps({"sha": COMMIT}).encode())
        page = int(query.get("cursor", ["0"])[0])
        more = [("Link", f'<{server.url}/api/models/org/name/tree/{COMMIT}?cursor={page + 1}>; rel="next"')] if page + 1 < len(pages) else []
        handler.reply(200, pages[page], more)

    monkeypatch.setattr(server.hub.RequestHandlerClass, "hugging_face", listing)
    try:
        for _ in range(2):
            # Fewer descriptors than files.
            limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
            begin = time.monotonic()
            result = subprocess.run(command("hf:org/name", "--to", tmp_path / "m"), env=hf(server), capture_output=True, text=True, preexec_fn=limit, timeout=300)
            assert result.returncode == 0, result.stderr
            print(f"{count} files in {time.monotonic() - begin:.1f} s")
        assert sum(1 for p in (tmp_path / "m").rglob("*.json") if p.parent != tmp_path / "m") == count
        assert (tmp_path / "m/model.safetensors").stat().st_size == model.size
    finally:
        server.stop()
