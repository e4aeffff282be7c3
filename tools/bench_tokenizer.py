#!/usr/bin/env python3
"""Tokenizer speed on mixed English, code and Chinese text: hadal's beside Hugging Face's, one thread each, alternating.

  bench_tokenizer.py --bench build/release/bench/tokenizer_bench MODEL...

MODEL: a directory with tokenizer.json, or a GGUF file (hadal only). The text is made of files of this machine: licences and
documentation, Python's library and C headers, and Chinese message catalogues.
"""
import argparse
import glob
import gzip
import os
import random
import struct
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"


def catalogue(path):
    """The translations of a .mo file."""
    data = open(path, "rb").read()
    if len(data) < 28 or struct.unpack_from("<I", data)[0] != 0x950412DE:
        return ""
    count, _, at = struct.unpack_from("<III", data, 8)
    out = []
    for i in range(count):
        size, begin = struct.unpack_from("<II", data, at + 8 * i)
        out.append(data[begin:begin + size].decode("utf-8", "ignore").replace("\0", "\n"))
    return "\n".join(out)


def take(paths, size, read):
    out, total = [], 0
    for path in paths:
        try:
            text = read(path)
        except (OSError, UnicodeDecodeError):
            continue
        out.append(text)
        total += len(text.encode())
        if total >= size:
            break
    return "\n".join(out).encode()[:size].decode("utf-8", "ignore")


def corpus(size):
    plain = lambda p: open(p, encoding="utf-8").read()
    packed = lambda p: gzip.open(p, "rt", encoding="utf-8").read() if p.endswith(".gz") else plain(p)
    rng = random.Random(1)
    english = glob.glob("/usr/share/common-licenses/*") + sorted(glob.glob("/usr/share/doc/*/*.gz"))[:2000] + \
        glob.glob("/usr/share/perl/*/pod/*.pod")
    code = glob.glob(os.path.dirname(os.__file__) + "/*.py") + glob.glob("/usr/include/*.h") + glob.glob("/usr/include/*/*.h")
    chinese = glob.glob("/usr/share/locale/zh_*/LC_MESSAGES/*.mo")
    for paths in (english, code, chinese):
        rng.shuffle(paths)
    parts = [take(english, size * 2 // 5, packed), take(code, size * 7 // 20, plain), take(chinese, size // 4, catalogue)]
    print("text: %s KB of English, code, Chinese" % [len(p.encode()) // 1000 for p in parts])
    chunks = [p[i:i + 4000] for p in parts for i in range(0, len(p), 4000)]
    rng.shuffle(chunks)
    return "\n".join(chunks)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", required=True)
    parser.add_argument("--megabytes", type=int, default=10)
    parser.add_argument("models", nargs="+")
    args = parser.parse_args()
    text = corpus(args.megabytes * 1_000_000)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        for model in args.models:
            print(model)
            sys.stdout.flush()
            subprocess.run([args.bench, model, f.name], check=True)
            path = os.path.join(model, "tokenizer.json")
            if not os.path.exists(path):
                continue
            from tokenizers import Tokenizer
            tokenizer = Tokenizer.from_file(path)
            docs = [text[i:i + 3500] for i in range(0, len(text) // 3, 3500)]
            begin = time.thread_time()
            for doc in docs:
                tokenizer.encode(doc, add_special_tokens=False)
            took = time.thread_time() - begin
            print("Hugging Face: %.1f MB/s" % (sum(len(d.encode()) for d in docs) / took / 1e6))


main()
