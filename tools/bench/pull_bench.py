#!/usr/bin/env python3
"""hadal pull against plain curl with one perfect stream, from a well-behaved server on this machine, in turns.

Prints each run's rate and the ratio of the medians. curl neither checks nor syncs what it writes; hadal does both.

Usage: tools/bench/pull_bench.py [--program build/release/hadal] [--bytes 2000000000] [--rounds 5] [--dir DIR]
"""
import argparse
import hashlib
import multiprocessing
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    path_on_disk = ""

    def log_message(self, *args):
        pass

    def do_GET(self):
        size = os.path.getsize(self.path_on_disk)
        begin, end = 0, size
        text = self.headers.get("Range", "")
        if text.startswith("bytes="):
            first, last = text[6:].split("-")
            begin, end = int(first), min(size, int(last) + 1)
        self.send_response(206 if text else 200)
        self.send_header("Content-Length", str(end - begin))
        self.send_header("ETag", '"1"')
        if text:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
        self.end_headers()
        self.wfile.flush()
        try:
            with open(self.path_on_disk, "rb") as file:
                while begin < end:
                    begin += os.sendfile(self.connection.fileno(), file.fileno(), begin, min(end - begin, 4 << 20))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def serve(path, ready):
    Handler.path_on_disk = path
    server = Server(("127.0.0.1", 0), Handler)
    ready.send(server.server_address[1])
    server.serve_forever()


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(root / "build/release/hadal"))
    parser.add_argument("--bytes", type=int, default=2_000_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", default=None, help="where to write; default: the system's temporary folder")
    parser.add_argument("flags", nargs="*", help="further flags of hadal pull, after --")
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hadal-pull-bench-", dir=args.dir))
    try:
        source = folder / "source"
        digest = hashlib.sha256()
        with open(source, "wb") as file:
            left = args.bytes
            while left > 0:
                chunk = os.urandom(min(left, 1 << 20))
                digest.update(chunk)
                file.write(chunk)
                left -= len(chunk)
        os.sync()
        here, there = multiprocessing.Pipe()
        server = multiprocessing.Process(target=serve, args=(str(source), there), daemon=True)
        server.start()
        url = f"http://127.0.0.1:{here.recv()}/model.safetensors"
        rates = {"curl": [], "hadal": []}
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        for _ in range(args.rounds):
            for name in rates:
                target = folder / "target"
                shutil.rmtree(target, ignore_errors=True)
                target.mkdir()
                os.sync()
                if name == "curl":
                    command = ["curl", "-sS", "-o", str(target / "model.safetensors"), url]
                else:
                    command = [args.program, "pull", url, "--to", str(target), "--sha256", digest.hexdigest(), *args.flags]
                begin = time.monotonic()
                subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                rates[name].append(args.bytes / (time.monotonic() - begin))
                print(f"{name:6} {rates[name][-1] / 1e6:8.0f} MB/s", flush=True)
        medians = {name: statistics.median(values) for name, values in rates.items()}
        ratio = medians["hadal"] / medians["curl"]
        print(f"median: curl {medians['curl'] / 1e6:.0f} MB/s, hadal {medians['hadal'] / 1e6:.0f} MB/s, ratio {ratio:.2f} (goal: 0.80)")
        server.terminate()
        return 0 if ratio >= 0.8 else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
