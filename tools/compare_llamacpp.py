#!/usr/bin/env python3
"""Compares hadal's greedy tokens with llama.cpp's on the same GGUF file and the same prompts, token ids on both sides.

    python3 tools/compare_llamacpp.py --probe build/release/bench/model_probe --model MODEL.gguf
        [--prompts prompts.json] [--max-tokens 48] [--tolerance 0.05]

Needs llama-cpp-python, torch, transformers, accelerate, gguf. Prompts are 20 chat questions, or a JSON array of strings; llama.cpp's tokenizer makes the ids,
so only the models differ. For the first token that differs, the gap between the two tokens' log-probabilities is shown
in both engines and in Hugging Face's fp32 model of the dequantised file (transformers), the truth that both approximate.
The difference is a near-tie when that true gap is below what llama.cpp's own arithmetic moves such gaps: the largest
change, over all prompts and positions, of its first-to-second gap when the same tokens are evaluated in one batch instead
of one by one (--tolerance where larger). Also printed: each engine's mean distance from the truth at those positions.
Exit code 1 when a difference is no near-tie.
"""

import argparse
import json
import os
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


def log_softmax(rows):
    rows = np.asarray(rows, dtype=np.float64)
    top = rows.max(-1, keepdims=True)
    return rows - top - np.log(np.exp(rows - top).sum(-1, keepdims=True))


def greedy(llama, ids, count):
    """Tokens, and the log-probabilities each was chosen from."""
    tokens, rows = [], []
    llama.reset()
    llama.eval(ids)
    for _ in range(count):
        rows.append(log_softmax(llama.scores[llama.n_tokens - 1]))
        tokens.append(int(np.argmax(rows[-1])))
        llama.eval([tokens[-1]])
    return tokens, rows


def gap_noise(llama, prompt, tokens, rows):
    """Largest change of the first-to-second gap between one-by-one and batched evaluation of the same tokens."""
    llama.reset()
    llama.eval(prompt + tokens[:-1])
    batched = log_softmax(llama.scores[len(prompt) - 1: len(prompt) + len(tokens) - 1])
    worst = 0.0
    for one, other in zip(rows, batched):
        second, first = np.argsort(one)[-2:]
        worst = max(worst, abs((one[first] - one[second]) - (other[first] - other[second])))
    return worst


class Truth:
    def __init__(self, path):
        import torch
        from transformers import AutoModelForCausalLM
        self.torch = torch
        self.model = AutoModelForCausalLM.from_pretrained(os.path.dirname(os.path.abspath(path)),
                                                          gguf_file=os.path.basename(path), dtype=torch.float32).eval()

    def row(self, ids):
        with self.torch.no_grad():
            return log_softmax(self.model(self.torch.tensor([ids])).logits[0, -1].numpy())


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
    theirs = [greedy(llama, p, args.max_tokens) for p in prompts]
    noise = max(gap_noise(llama, p, t, r) for p, (t, r) in zip(prompts, theirs))
    limit = max(noise, args.tolerance)
    print(f"llama.cpp's own gaps move by up to {noise:.4f} between batched and single evaluation")
    truth = Truth(args.model)
    equal, ties, wrong, our_error, their_error = 0, 0, 0, [], []
    for i, (prompt, result, (tokens, rows)) in enumerate(zip(prompts, results, theirs)):
        ours = result["tokens"]
        at = next((k for k, (a, b) in enumerate(zip(ours, tokens)) if a != b), None)
        shown = at if at is not None else len(ours) - 1
        true_row = truth.row(prompt + tokens[:shown])
        mine = dict(result["top"][shown])
        our_error.append(np.mean([abs(mine[t] - true_row[t]) for t in mine]))
        their_error.append(np.mean([abs(rows[shown][t] - true_row[t]) for t in mine]))
        if at is None:
            equal += 1
            print(f"prompt {i:2d}: {len(ours)} tokens equal")
            continue
        a, b = ours[at], tokens[at]
        true_gap = true_row[b] - true_row[a]
        tie = abs(true_gap) < limit
        ties, wrong = ties + tie, wrong + (not tie)
        print(f"prompt {i:2d}: first difference at token {at}: hadal {a} {llama.detokenize([a])!r}, llama.cpp {b} "
              f"{llama.detokenize([b])!r}; gap in hadal {mine[a] - mine.get(b, float('nan')):.4f}, in llama.cpp "
              f"{rows[at][b] - rows[at][a]:.4f}, true {abs(true_gap):.4f} for {'llama.cpp' if true_gap > 0 else 'hadal'}: "
              f"{'near-tie' if tie else 'DIFFERENT'}")
    print(f"mean distance of the five best from the truth: hadal {np.mean(our_error):.4f}, "
          f"llama.cpp {np.mean(their_error):.4f}")
    print(f"{equal} equal, {ties} near-ties, {wrong} different of {len(prompts)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
