#!/usr/bin/env python3
"""Compares hadal's greedy tokens with llama.cpp's on the same GGUF file and the same prompts, token ids on both sides.

    python3 tools/compare_llamacpp.py --probe build/release/bench/model_probe --model MODEL.gguf
        [--prompts prompts.json] [--max-tokens 48] [--tolerance 0.05]

Needs llama-cpp-python. Prompts are 20 chat questions, or a JSON array of strings; llama.cpp's tokenizer makes the ids,
so only the models differ. For the first token that differs, both engines' logits at that point are shown: a difference
counts as a near-tie when llama.cpp's own gap between the two tokens is below --tolerance (in nats), since the engines
round activations differently. Exit code 1 when a difference is no near-tie.
"""

import argparse
import json
import subprocess
import sys

import numpy as np

QUESTIONS = [
    "What is the capital of France?", "Write a haiku about the sea.", "Explain gravity to a child.",
    "List three uses of a paper clip.", "Translate 'good morning' into Spanish.", "What is 17 plus 26?",
    "Who wrote Romeo and Juliet?", "Describe a sunset in two sentences.", "Why is the sky blue?",
    "Give me a recipe for pancakes.", "What does HTTP stand for?", "Write a Python function that adds two numbers.",
    "Summarise the story of Cinderella.", "What are the primary colours?", "How do vaccines work?",
    "Name five European countries.", "What is the boiling point of water?", "Write a limerick about a cat.",
    "Explain what a database index is.", "What should I pack for a beach holiday?",
]


def chat(question):
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


def hadal_run(args, prompts, max_tokens):
    command = [args.probe, "--model", args.model, "--max-tokens", str(max_tokens), "--top", "5", "--threads",
               str(args.threads), "--kv", args.kv]
    if args.tier:
        command += ["--tier", args.tier]
    done = subprocess.run(command, input=json.dumps(prompts), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return json.loads(done.stdout)["results"]


def logits_after(llama, ids):
    llama.reset()
    llama.eval(ids)
    row = np.array(llama.scores[len(ids) - 1], dtype=np.float64)
    return row - (np.log(np.exp(row - row.max()).sum()) + row.max())


def greedy(llama, ids, count):
    tokens = []
    llama.reset()
    llama.eval(ids)
    for _ in range(count):
        token = int(np.argmax(llama.scores[llama.n_tokens - 1]))
        tokens.append(token)
        llama.eval([token])
    return tokens


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--prompts")
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--kv", default="f16")
    parser.add_argument("--tier")
    parser.add_argument("--tolerance", type=float, default=0.05)
    args = parser.parse_args()
    from llama_cpp import Llama

    texts = json.load(open(args.prompts)) if args.prompts else [chat(q) for q in QUESTIONS]
    llama = Llama(args.model, n_ctx=512, n_threads=args.threads, n_threads_batch=args.threads, logits_all=True,
                  verbose=False)
    prompts = [llama.tokenize(t.encode(), add_bos=False, special=True) for t in texts]
    results = hadal_run(args, prompts, args.max_tokens)
    equal, ties, wrong = 0, 0, 0
    for i, (prompt, result) in enumerate(zip(prompts, results)):
        theirs = greedy(llama, prompt, args.max_tokens)
        ours = result["tokens"]
        at = next((k for k, (a, b) in enumerate(zip(ours, theirs)) if a != b), None)
        if at is None:
            equal += 1
            print(f"prompt {i:2d}: {len(ours)} tokens equal")
            continue
        row = logits_after(llama, prompt + theirs[:at])
        gap = row[theirs[at]] - row[ours[at]]
        mine = dict(result["top"][at])
        our_gap = mine.get(ours[at], float("nan")) - mine.get(theirs[at], float("nan"))
        tie = gap < args.tolerance
        ties, wrong = ties + tie, wrong + (not tie)
        print(f"prompt {i:2d}: first difference at token {at}: hadal {ours[at]} {llama.detokenize([ours[at]])!r}, "
              f"llama.cpp {theirs[at]} {llama.detokenize([theirs[at]])!r}; gap {our_gap:.4f} in hadal, {gap:.4f} in "
              f"llama.cpp: {'near-tie' if tie else 'DIFFERENT'}")
    print(f"{equal} equal, {ties} near-ties, {wrong} different of {len(prompts)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
