#!/usr/bin/env python3
"""Differential test: seeded random documents through hadal's tokenizer and a reference; prints every mismatch.

  fuzz_tokenizer.py --lines build/release/bench/tokenizer_lines --model DIR        against Hugging Face tokenizers
  fuzz_tokenizer.py --lines ... --model FILE.gguf                                   the same: the vocabulary as tokenizer.json
  fuzz_tokenizer.py --lines ... --model FILE.gguf --llama-cpp                       against llama.cpp (package llama-cpp-python)

Needs the PyPI package tokenizers; for GGUF gguf too. Exit status 1 when anything differs.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

WORDS = ("the of and to in I'm don't we'll THEY'RE it's 'S 'Ll 'ſ x1 123 4567 0.5 1,000 foo_bar camelCase print( return; "
         "你好 世界 人工智能 日本語 カタカナ ひらがな 。， 한국어 русский العربية हिन्दी ไทย Tiếng Việt naïve café 😀 👩‍👩‍👧 🇩🇪 "
         "ﬁ Å e\u0301 \u0344 가각 \u1100\u1161 #include <vector> ==> -> // /* */ {} [] \\n <think> </think> <s> </s> "
         "<0x0A> ▁ ▁▁ Ġ Ċ \x00 \x7f \u200b \ufeff \u180e \u00a0 \u2028 \u3000").split(" ")
SPACES = [" ", " ", " ", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n ", "", "", "\u00a0", "\u3000", "\x85", "\x0b"]


def scalars():
    import unicodedata
    return [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF and unicodedata.category(chr(c)) != "Cn"] + \
        list(range(0x16D40, 0x16D80)) + list(range(0x105C0, 0x10600)) + list(range(0x11380, 0x113E0)) + \
        list(range(0x11DE0, 0x11DEA)) + list(range(0x1CC00, 0x1CD00)) + list(range(0x13460, 0x13500)) + \
        list(range(0x1E5D0, 0x1E600)) + list(range(0x10D40, 0x10D90)) + list(range(0x16120, 0x1613A))


def document(rng, points, added):
    kind = rng.randrange(8)
    n = rng.choice([1, 2, 3, 5, 8, 20, 60])
    if kind == 0:  # any code points
        return "".join(chr(rng.choice(points)) for _ in range(n))
    if kind == 1:  # any code points among words
        return "".join(rng.choice([chr(rng.choice(points)), rng.choice(WORDS), rng.choice(SPACES)]) for _ in range(n))
    if kind == 2 and added:
        return "".join(rng.choice([rng.choice(added), rng.choice(WORDS), rng.choice(SPACES), rng.choice(added)[:-1]])
                       for _ in range(n))
    if kind == 3:  # runs
        return "".join(rng.choice("a 1\n\r\t'_=-.你é") * rng.choice([1, 2, 3, 4, 7, 16, 70]) for _ in range(n % 8 + 1))
    if kind == 4:  # ASCII
        return "".join(chr(rng.randrange(1, 127)) for _ in range(n * 3))
    if kind == 5:  # marks on letters
        return "".join(rng.choice("aeoAঅकกe가각") + "".join(chr(rng.choice(range(0x300, 0x370)))
                       for _ in range(rng.randrange(4))) for _ in range(n))
    return "".join(rng.choice(WORDS) + rng.choice(SPACES) for _ in range(n * 2))


def hf_from_gguf(path):
    """The GGUF's vocabulary as Hugging Face's own tokenizer."""
    from gguf import GGUFReader
    fields = GGUFReader(path).fields
    get = lambda key, default=None: fields["tokenizer.ggml." + key].contents() if "tokenizer.ggml." + key in fields else default
    tokens, types = get("tokens"), get("token_type")
    added = [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": types[i] != 4} for i, t in enumerate(tokens) if types[i] in (2, 3, 4)]
    split = lambda regex: {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    cl100k = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    pre = {"smollm": [{"type": "Digits", "individual_digits": True}, dict(level, use_regex=True)],
           "gpt-2": [dict(level, use_regex=True)], "llama-bpe": [split(cl100k % "{1,3}"), level],
           "qwen2": [split(cl100k % ""), level]}[get("pre")]
    doc = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
           "normalizer": {"type": "NFC"} if get("pre") == "qwen2" else None,
           "pre_tokenizer": {"type": "Sequence", "pretokenizers": pre}, "post_processor": None,
           "decoder": level,
           "model": {"type": "BPE", "dropout": None, "unk_token": None, "fuse_unk": False, "byte_fallback": False,
                     "ignore_merges": get("pre") == "llama-bpe",
                     "vocab": {t: i for i, t in enumerate(tokens)}, "merges": get("merges")}}
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as f:
        json.dump(doc, f)
    out = Tokenizer.from_file(f.name)
    os.unlink(f.name)
    return out


def missing_bytes(path):
    from gguf import GGUFReader
    fields = GGUFReader(path).fields
    if fields["tokenizer.ggml.model"].contents() != "gpt2":
        return set()
    tokens = set(fields["tokenizer.ggml.tokens"].contents())
    printable = [b for b in range(256) if 0x21 <= b <= 0x7E or 0xA1 <= b <= 0xAC or b >= 0xAE]
    other = [b for b in range(256) if b not in printable]
    return {b for b in printable if chr(b) not in tokens} | {b for i, b in enumerate(other) if chr(256 + i) not in tokens}


class LlamaCpp:
    def __init__(self, path):
        import llama_cpp
        self.model = llama_cpp.Llama(model_path=path, vocab_only=True, verbose=False)

    def ids(self, text):
        return self.model.tokenize(text.encode(), add_bos=False, special=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--llama-cpp", action="store_true")
    parser.add_argument("--docs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--all-code-points", action="store_true", help="also every code point alone and between letters")
    args = parser.parse_args()
    gguf = args.model.endswith(".gguf")
    reference = None
    if not args.llama_cpp:
        reference = hf_from_gguf(args.model) if gguf else Tokenizer.from_file(os.path.join(args.model, "tokenizer.json"))
        reference.no_truncation()
    llama = LlamaCpp(args.model) if args.llama_cpp else None
    added = sorted(t.content for t in reference.get_added_tokens_decoder().values()) if reference else []

    rng = random.Random(args.seed)
    points = scalars()
    docs = [document(rng, points, added) for _ in range(args.docs)]
    if llama:
        # llama.cpp takes C strings. Of a byte that the vocabulary lacks (SmolLM2 has a few) both give no id, but Hugging Face
        # and hadal then merge its neighbours and llama.cpp does not: such bytes are left out here.
        lacking = missing_bytes(args.model)
        print("bytes without a token:", sorted(lacking))
        docs = ["".join(c for c in d if c != "\0" and not lacking & set(c.encode())) for d in docs]
    if args.all_code_points:
        every = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
        if llama:
            every = [c for c in every if c != "\0" and not lacking & set(c.encode())]
        docs += ["".join("a" + c for c in every[i:i + 64]) for i in range(0, len(every), 64)]
        docs += ["".join(c + " " for c in every[i:i + 64]) for i in range(0, len(every), 64)]
        docs += ["".join("1" + c + ",'" for c in every[i:i + 64]) for i in range(0, len(every), 64)]
    want = [llama.ids(d) for d in docs] if llama else [e.ids for e in reference.encode_batch(docs, add_special_tokens=False)]

    requests = [json.dumps({"text": d}) for d in docs]
    # Decoding: the documents' ids, and random ids.
    id_lists = []
    if reference:
        id_lists = want[:args.docs // 2] + [[rng.randrange(reference.get_vocab_size()) for _ in range(rng.randrange(1, 12))]
                                            for _ in range(args.docs // 2)]
        requests += [json.dumps({"ids": ids, "skip": bool(i % 2)}) for i, ids in enumerate(id_lists)]
    result = subprocess.run([args.lines, args.model], input="\n".join(requests) + "\n", capture_output=True, text=True)
    if result.returncode:
        sys.exit(result.stderr)
    lines = result.stdout.split("\n")
    bad = 0
    for i, doc in enumerate(docs):
        got = json.loads(lines[i])
        if got != want[i]:
            bad += 1
            if bad <= 20:
                print("ids differ:", ascii(doc)[:300], "\n  want", want[i][:40], "\n  got ", got[:40])
    bad_text = 0
    for i, ids in enumerate(id_lists):
        text = reference.decode(ids, skip_special_tokens=bool(i % 2))
        got = json.loads(lines[len(docs) + i])
        if got != text:
            bad_text += 1
            if bad_text <= 10:
                print("text differs:", ids, "\n  want", ascii(text), "\n  got ", ascii(got))
    print(f"{os.path.basename(args.model.rstrip('/'))}: {len(docs)} documents, {sum(map(len, want))} ids, {bad} documents differ; "
          f"{len(id_lists)} decodes, {bad_text} differ (seed {args.seed})")
    sys.exit(1 if bad or bad_text else 0)


if __name__ == "__main__":
    main()
