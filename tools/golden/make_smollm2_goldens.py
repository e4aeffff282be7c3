#!/usr/bin/env python3
"""Writes what other programs say of SmolLM2-135M-Instruct (the GGUF of scripts/test).

    python3 tools/golden/make_smollm2_goldens.py --model SmolLM2-135M-Instruct.Q4_1.gguf

Needs tokenizers, transformers, torch, gguf, llama-cpp-python.
src/text/testdata/smollm2.golden.json:
    documents (hand-written and seeded fuzz) and the ids of Hugging Face's own tokenizer over the file's
    vocabulary: [{"text", "ids", "decoded" where it is not the text}]
src/models/testdata/smollm2_greedy.json:
    20 chat questions: {"noise", "mean_error", "prompts": [{"prompt", "tokens", "top"}]}
    prompt       ids;  tokens: llama.cpp's greedy continuation
    top          per continuation token the 5 most likely candidates of the fp32 truth, [[id, log-probability], ...]: Hugging
                 Face's model in fp32 over the weights that the `gguf` package dequantises, after llama.cpp's own tokens
    noise        how far llama.cpp's own log-probability gaps between two candidates of `top` are from the truth's: the
                 99th percentile over all prompts and positions. A difference between two programs where the truth's own
                 gap is smaller is a tie that rounding decides.
    mean_error   mean |log-probability - truth| of llama.cpp over all of `top`
"""
import argparse
import importlib.util
import json
import os
import random
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOKENS = 48
TOP = 5
DOCUMENTS = 300


sys.path.insert(0, os.path.join(ROOT, "tools/golden"))


def load_tool(name):
    spec = importlib.util.spec_from_file_location(name, os.path.join(ROOT, "tools", name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tokenizer_golden(model):
    fuzz = load_tool("fuzz_tokenizer")
    import make_tokenizer_goldens as small
    tokenizer = fuzz.hf_from_gguf(model)
    added = sorted(a.content for a in tokenizer.get_added_tokens_decoder().values())
    rng, points = random.Random(2024), fuzz.scalars()
    texts = ["", " ", "Hello, world!", "  two  spaces ", "\n\n  \n x", small.TEXT, *small.TEXT.split("\n")]
    texts += [fuzz.document(rng, points, added)[:200] for _ in range(DOCUMENTS)]
    cases = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        decoded = tokenizer.decode(ids, skip_special_tokens=False)
        # The vocabulary lacks some control characters' bytes.
        cases.append({"text": text, "ids": ids, **({} if decoded == text else {"decoded": decoded})})
    return cases


def greedy_golden(path):
    import torch
    from llama_cpp import Llama
    from gguf_llama import load_fp32
    compare = load_tool("compare_llamacpp")
    llama = Llama(path, n_ctx=512, n_threads=2, n_threads_batch=2, logits_all=True, verbose=False)
    truth = load_fp32(path)
    prompts, gaps, errors = [], [], []
    for question in compare.QUESTIONS:
        ids = llama.tokenize(compare.chat(question).encode(), add_bos=False, special=True)
        tokens, rows = compare.greedy(llama, ids, TOKENS)
        with torch.no_grad():
            logits = truth(torch.tensor([ids + tokens[:-1]])).logits[0, len(ids) - 1:].numpy()
        tops = []
        for theirs, true in zip(rows, compare.log_softmax(logits)):
            best = np.argsort(true)[::-1][:TOP]
            tops.append([[int(t), round(float(true[t]), 4)] for t in best])
            errors.extend(abs(theirs[t] - true[t]) for t in best)
            for a in range(TOP):
                for b in range(a):
                    gaps.append(abs((theirs[best[a]] - theirs[best[b]]) - (true[best[a]] - true[best[b]])))
        prompts.append({"prompt": ids, "tokens": tokens, "top": tops})
        print(f"{question!r}: {llama.detokenize(tokens)[:60]!r}", flush=True)
    noise, mean = float(np.percentile(gaps, 99)), float(np.mean(errors))
    print(f"llama.cpp's gaps are off by {np.mean(gaps):.4f} on average, {np.percentile(gaps, 50):.4f} median, {noise:.4f} at 99%, "
          f"{max(gaps):.4f} at most; its log-probabilities by {mean:.4f}")
    return {"noise": round(noise, 4), "mean_error": round(mean, 4), "prompts": prompts}


def write(name, rows):
    path = os.path.join(ROOT, "src", name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(rows + "\n")
    print(path, os.path.getsize(path), "bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    args = parser.parse_args()
    compact = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    write("text/testdata/smollm2.golden.json", "[\n" + ",\n".join(compact(c) for c in tokenizer_golden(args.model)) + "\n]")
    golden = greedy_golden(args.model)
    prompts = ",\n".join(compact(p) for p in golden.pop("prompts"))
    write("models/testdata/smollm2_greedy.json", compact(golden)[:-1] + ',"prompts":[\n' + prompts + "\n]}")


if __name__ == "__main__":
    main()
