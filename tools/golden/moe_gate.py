#!/usr/bin/env python3
"""Writes src/kernels/op/testdata/moe_gate.txt: expert choices of Hugging Face's DeepSeek routers on random logits.

Needs torch and transformers (made with 5.23). The routers' weight is the identity, so their input is the logits.
Format, whitespace separated: number of cases; per case: name, tokens, experts, top_k, groups, top_k_groups, sigmoid
(0/1), top_two_sum (0/1), normalize (0/1), scaling, has_bias (0/1); logits; bias if any; then per token its ids in
descending order of choice, and the weights.
"""
import pathlib
import sys

import torch
from transformers import DeepseekV2Config, DeepseekV3Config
from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2TopkRouter
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter

TOKENS = 5


def v2_case(name, experts, top_k, method, groups, top_k_groups, scaling):
    config = DeepseekV2Config(hidden_size=experts, n_routed_experts=experts, num_experts_per_tok=top_k,
                              topk_method=method, n_group=groups, topk_group=top_k_groups,
                              routed_scaling_factor=scaling)
    router = DeepseekV2TopkRouter(config)
    limit = method == "group_limited_greedy"
    return name, router, (experts, top_k, groups if limit else 1, top_k_groups if limit else 1, 0, 0, 0, scaling), None


def v3_case(name, experts, top_k, groups, top_k_groups, normalize, scaling):
    config = DeepseekV3Config(hidden_size=experts, n_routed_experts=experts, num_experts_per_tok=top_k,
                              n_group=groups, topk_group=top_k_groups, norm_topk_prob=normalize,
                              routed_scaling_factor=scaling)
    router = DeepseekV3TopkRouter(config)
    bias = torch.randn(experts) * 0.1
    router.e_score_correction_bias.copy_(bias)
    return name, router, (experts, top_k, groups, top_k_groups, 1, 1, int(normalize), scaling), bias


def numbers(tensor):
    return " ".join(f"{x:.9g}" for x in tensor.flatten().tolist())


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
    cases = [
        v2_case("v2_lite", 64, 6, "greedy", 1, 1, 1.0),
        v2_case("v2", 160, 6, "group_limited_greedy", 8, 3, 16.0),
        v3_case("v3", 256, 8, 8, 4, True, 2.5),
        v3_case("v3_plain", 32, 4, 1, 1, False, 1.5),
    ]
    lines = [str(len(cases))]
    for name, router, params, bias in cases:
        experts = params[0]
        with torch.no_grad():
            router.weight.copy_(torch.eye(experts))
            logits = torch.randn(TOKENS, experts) * 2
            _, weights, ids = router(logits)
        # topk(sorted=False) promises no order: by the score of the choice (weights plus bias), descending.
        choice = (logits.sigmoid() + bias) if bias is not None else logits.softmax(-1)
        order = choice.gather(1, ids).argsort(dim=-1, descending=True)
        ids, weights = ids.gather(1, order), weights.gather(1, order)
        lines.append(f"{name} {TOKENS} " + " ".join(str(p) for p in params) + f" {int(bias is not None)}")
        lines.append(numbers(logits))
        if bias is not None:
            lines.append(numbers(bias))
        for token in range(TOKENS):
            lines.append(" ".join(str(i) for i in ids[token].tolist()))
            lines.append(numbers(weights[token]))
    target = pathlib.Path(__file__).resolve().parents[2] / "src/kernels/op/testdata/moe_gate.txt"
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
