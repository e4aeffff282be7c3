#!/usr/bin/env python3
"""Writes gates.safetensors beside the tiny mixture-of-experts checkpoints of make_tiny_models.py: how close the choice of
experts was at each token, and what the model says when the closest choice turns over.

    python3 tools/golden/make_gate_margins.py [--dir src/models/testdata]

Rounding moves logits by noise, but where it turns a tie of two experts over, by a step. A test may only excuse a token's
step where a tie was there, and only if the logits are then those of the other choice:
    margins   f32 [T]     per token of prompt and decoded tokens: the smallest change of one expert's gate logit, in any
                          layer, that changes which experts are chosen
    noise     f32 [1]     how far Hugging Face's gate logits in bf16 are from those in fp32, at most
    rows      i32 [N]     tokens whose margin is below the noise
    flipped   f32 [N, V]  fp32 logits of those tokens when their closest choice is the other one
Needs torch, transformers 5.x, safetensors.
"""
import argparse
import copy
import glob
import json
import os

import torch
from make_tiny_models import SPECS, dequantize, load_reference
from safetensors.torch import load_file, save_file

LARGEST = 4.0  # logits apart: no tie


def weights_of(directory):
    state = {}
    for path in glob.glob(os.path.join(directory, "model*.safetensors")):
        state.update(load_file(path))
    layers = json.load(open(os.path.join(directory, "config.json")))["num_hidden_layers"]
    scales = {n for n in state if n.endswith("_scale_inv")}
    out = {}
    for name, value in state.items():
        beyond = name.startswith("model.layers.") and int(name.split(".")[2]) >= layers
        if name in scales or beyond:
            continue
        scale = state.get(name + "_scale_inv")
        out[name] = dequantize(value, scale) if scale is not None else value.float()
    return out


class Gate:
    """Keeps a router's logits; turns one token's choice over when told to."""

    def __init__(self, router):
        self.identity = copy.deepcopy(router)
        self.identity.hidden_dim = self.identity.hidden_size = router.weight.shape[0]
        self.identity.weight = torch.nn.Parameter(torch.eye(router.weight.shape[0]))
        self.weight, self.flip, self.logits = router.weight.float(), None, None
        router.register_forward_hook(self.hook)

    def hook(self, _module, inputs, output):
        self.logits = inputs[0].float().reshape(-1, self.weight.shape[1]) @ self.weight.T
        if self.flip is None:
            return output
        row, logits = self.flip
        _, weights, ids = self.identity(logits[None])
        first, all_weights, all_ids = output
        all_weights, all_ids = all_weights.clone(), all_ids.clone()
        all_weights[row], all_ids[row] = weights[0], ids[0]
        return first, all_weights, all_ids

    def chosen(self, logits):
        return sorted(self.identity(logits[None])[2][0].tolist())

    def closest(self, row):
        """(change of a logit, logits changed so) that alters the choice with the least change."""
        logits, best = self.logits[row], (LARGEST, None)
        usual = self.chosen(logits)
        for expert in range(len(logits)):
            for sign in (1.0, -1.0):
                unit = torch.zeros_like(logits)
                unit[expert] = sign
                low, high = 0.0, best[0]
                if self.chosen(logits + high * unit) == usual:
                    continue
                for _ in range(20):
                    middle = (low + high) / 2
                    low, high = (middle, high) if self.chosen(logits + middle * unit) == usual else (low, middle)
                best = (high, logits + high * unit)
        return best


def gates_of(model):
    return [Gate(m) for n, m in model.named_modules() if n.endswith("mlp.gate")]


def measure(name, directory):
    reference = weights_of(directory)
    golden = load_file(os.path.join(directory, "golden.safetensors"))
    tokens = torch.cat([golden["prompt_ids"], golden["decode_ids"]]).long()[None]
    model = load_reference(SPECS[name], directory, reference, torch.float32)
    low = load_reference(SPECS[name], directory, reference, torch.bfloat16)
    with torch.no_grad():
        gates, low_gates = gates_of(model), gates_of(low)
        low(tokens)
        logits = model(tokens).logits[0]
        want = torch.cat([golden["logits"], golden["decode_logits"]])
        assert (logits - want).abs().max() < 1e-3, "not the model that the golden is of"
        noise = max(float((a.logits - b.logits).abs().max()) for a, b in zip(gates, low_gates))
        found = [min(((*gate.closest(row), gate) for gate in gates), key=lambda c: c[0]) for row in range(tokens.shape[1])]
        rows, flipped = [], []
        for row, (margin, changed, gate) in enumerate(found):
            if margin >= noise:
                continue
            gate.flip = (row, changed)
            rows.append(row)
            flipped.append(model(tokens).logits[0, row])
            gate.flip = None
    empty = torch.zeros(0, logits.shape[1])
    save_file({"margins": torch.tensor([f[0] for f in found]), "noise": torch.tensor([noise]),
               "rows": torch.tensor(rows, dtype=torch.int32), "flipped": torch.stack(flipped) if rows else empty},
              os.path.join(directory, "gates.safetensors"))
    steps = [float((f - logits[r]).abs().max()) for r, f in zip(rows, flipped)]
    print(f"{name}: gate noise {noise:.4f}, least margin {min(f[0] for f in found):.5f}, rows below "
          f"{[(r, round(found[r][0], 4), round(s, 3)) for r, s in zip(rows, steps)]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    parser.add_argument("--dir", default=os.path.join(root, "src", "models", "testdata"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in (n for n in SPECS if n.startswith("deepseek")):
        measure(name, os.path.join(args.dir, name))


if __name__ == "__main__":
    main()
