#!/usr/bin/env python3
"""Makes src/models/testdata/: tiny random checkpoints of every model family, with Hugging Face's own answers.

    python3 tools/golden/make_tiny_models.py [--out src/models/testdata] [--only NAME ...]

Needs torch, transformers 5.x, safetensors. Each checkpoint folder holds what a Hugging Face model holds (config.json,
generation_config.json, safetensors) and golden.safetensors:
    prompt_ids     i32 [P]        the prompt
    logits         f32 [P, V]     fp32 logits at every prompt position
    decode_ids     i32 [D]        greedy tokens: decode_ids[0] follows the prompt
    decode_logits  f32 [D, V]     row i: logits after decode_ids[i] was fed at position P + i
    noise          f32 [2]        max and mean of |bf16 logits - fp32 logits| of Hugging Face over all those rows
The weights are spread so that every part matters: a wrong rotary order, mask, gate or bias moves logits far beyond
`noise`. MoE seeds are searched so that no expert choice flips between fp32 and bf16 (which would be noise of another
kind); the program fails if none is found.
"""

import argparse
import json
import math
import os
import shutil
import tempfile

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging as hf_logging

PROMPT_LEN = 24
DECODE_LEN = 8
FP8_BLOCK = 128

YARN_DEEPSEEK = {"type": "yarn", "factor": 40, "original_max_position_embeddings": 16, "beta_fast": 32, "beta_slow": 1}

MOE_V3 = dict(n_routed_experts=9, num_experts_per_tok=3, n_shared_experts=1, moe_intermediate_size=16,
              first_k_dense_replace=1, n_group=3, topk_group=2, norm_topk_prob=True, routed_scaling_factor=2.5)
MLA = dict(kv_lora_rank=32, qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=12)

# "extra": what the files hold beyond save_pretrained's defaults. old_spelling: rope_theta/rope_scaling/torch_dtype.
SPECS = {
    "llama": dict(
        model_type="llama", vocab_size=256, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-5,
        bos_token_id=1, eos_token_id=[2, 3],
        rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                      "original_max_position_embeddings": 64},
        rope_theta=500000.0, extra=dict(old_spelling=True)),
    "llama_tied": dict(
        model_type="llama", vocab_size=192, hidden_size=64, intermediate_size=72, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=1, head_dim=24, max_position_embeddings=128,
        tie_word_embeddings=True, attention_bias=True, mlp_bias=True, bos_token_id=1, eos_token_id=2,
        rope_scaling={"rope_type": "linear", "factor": 2.0}, rope_theta=10000.0, extra=dict(dtype="float32")),
    "mistral": dict(
        model_type="mistral", vocab_size=256, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=32, max_position_embeddings=256, sliding_window=7,
        rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2, rope_theta=1000000.0, extra=dict(dtype="float16")),
    "qwen2": dict(
        model_type="qwen2", vocab_size=320, hidden_size=64, intermediate_size=96, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=True,
        bos_token_id=1, eos_token_id=2, rope_theta=1000000.0, extra=dict(shards=2, old_spelling=True)),
    # Layers from the second on slide; the prompt is three windows long.
    "qwen2_window": dict(
        model_type="qwen2", vocab_size=96, hidden_size=48, intermediate_size=64, num_hidden_layers=3,
        num_attention_heads=3, num_key_value_heads=1, max_position_embeddings=256, tie_word_embeddings=True,
        use_sliding_window=True, sliding_window=7, max_window_layers=1, bos_token_id=1, eos_token_id=2,
        rope_theta=10000.0, extra=dict(old_spelling=True)),
    "qwen3": dict(
        model_type="qwen3", vocab_size=256, hidden_size=64, intermediate_size=80, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=32, max_position_embeddings=256,
        bos_token_id=1, eos_token_id=2, rope_theta=1000000.0,
        rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}),
    "deepseek_v2_lite": dict(
        model_type="deepseek_v2", vocab_size=160, hidden_size=64, intermediate_size=80, num_hidden_layers=3,
        num_attention_heads=4, q_lora_rank=None, **MLA, max_position_embeddings=640, n_routed_experts=8,
        num_experts_per_tok=3, n_shared_experts=2, moe_intermediate_size=16, first_k_dense_replace=1, n_group=1,
        topk_group=1, topk_method="greedy", scoring_func="softmax", norm_topk_prob=False, routed_scaling_factor=1.0,
        bos_token_id=1, eos_token_id=2, rope_theta=10000.0,
        rope_scaling={**YARN_DEEPSEEK, "mscale": 0.707, "mscale_all_dim": 0.707},
        extra=dict(old_spelling=True, seeds=24)),
    "deepseek_v2": dict(
        model_type="deepseek_v2", vocab_size=160, hidden_size=64, intermediate_size=80, num_hidden_layers=3,
        num_attention_heads=4, q_lora_rank=24, **MLA, max_position_embeddings=640, n_routed_experts=8,
        num_experts_per_tok=3, n_shared_experts=1, moe_intermediate_size=16, first_k_dense_replace=1, n_group=4,
        topk_group=2, topk_method="group_limited_greedy", scoring_func="softmax", norm_topk_prob=False,
        routed_scaling_factor=4.0, bos_token_id=1, eos_token_id=2, rope_theta=10000.0,
        rope_scaling={**YARN_DEEPSEEK, "mscale": 1.0, "mscale_all_dim": 0.5}, extra=dict(seeds=24)),
    # As published V2: both mscales alike, which is all that GGUF can say.
    "deepseek_v2_full": dict(
        model_type="deepseek_v2", vocab_size=96, hidden_size=48, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=3, q_lora_rank=24, **MLA, max_position_embeddings=640, n_routed_experts=8,
        num_experts_per_tok=3, n_shared_experts=1, moe_intermediate_size=16, first_k_dense_replace=1, n_group=4,
        topk_group=2, topk_method="group_limited_greedy", scoring_func="softmax", norm_topk_prob=False,
        routed_scaling_factor=4.0, bos_token_id=1, eos_token_id=2, rope_theta=10000.0,
        rope_scaling={**YARN_DEEPSEEK, "mscale": 0.707, "mscale_all_dim": 0.707}, extra=dict(seeds=24, first_seed=True)),
    # Latents so small that their norms' epsilon counts: it is 1e-6 in Hugging Face's models whatever rms_norm_eps is.
    "deepseek_eps": dict(
        model_type="deepseek_v3", vocab_size=96, hidden_size=48, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, q_lora_rank=24, **MLA, n_routed_experts=4, num_experts_per_tok=2,
        n_shared_experts=1, moe_intermediate_size=16, first_k_dense_replace=1, n_group=1, topk_group=1,
        norm_topk_prob=True, routed_scaling_factor=2.5, rms_norm_eps=1e-4, max_position_embeddings=256,
        topk_method="noaux_tc", scoring_func="sigmoid", num_nextn_predict_layers=0, bos_token_id=0, eos_token_id=1,
        rope_theta=10000.0, extra=dict(old_spelling=True, seeds=24, latent_gain=0.005)),
    "deepseek_v3": dict(
        model_type="deepseek_v3", vocab_size=160, hidden_size=64, intermediate_size=80, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=4, q_lora_rank=24, **MLA, **MOE_V3, max_position_embeddings=640,
        topk_method="noaux_tc", scoring_func="sigmoid", num_nextn_predict_layers=1,
        bos_token_id=0, eos_token_id=1, rope_theta=10000.0,
        rope_scaling={**YARN_DEEPSEEK, "mscale": 1.0, "mscale_all_dim": 1.0},
        extra=dict(old_spelling=True, mtp=True, seeds=24)),
    # Rows and columns beyond 128 that are no multiple of it, so that edge scale blocks are used.
    "deepseek_v3_fp8": dict(
        model_type="deepseek_v3", vocab_size=112, hidden_size=144, intermediate_size=136, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=4, q_lora_rank=48, kv_lora_rank=56, qk_nope_head_dim=24,
        qk_rope_head_dim=8, v_head_dim=16, n_routed_experts=4, num_experts_per_tok=2, n_shared_experts=1,
        moe_intermediate_size=40, first_k_dense_replace=1, n_group=2, topk_group=1, norm_topk_prob=True,
        routed_scaling_factor=2.5, max_position_embeddings=256, topk_method="noaux_tc", scoring_func="sigmoid",
        num_nextn_predict_layers=0, bos_token_id=0, eos_token_id=1, rope_theta=10000.0,
        extra=dict(old_spelling=True, fp8=True, seeds=24)),
}


def make_config(spec):
    fields = {k: v for k, v in spec.items() if k not in ("model_type", "extra")}
    return AutoConfig.for_model(spec["model_type"], **fields)


def randomize(model, generator, latent_gain=1.0):
    """Matrices get unit gain, queries and keys more, so that attention is peaked; norms and biases are not neutral."""
    with torch.no_grad():
        for name, p in list(model.named_parameters()) + list(model.named_buffers()):
            if "inv_freq" in name:
                continue
            r = torch.randn(p.shape, generator=generator)
            if name.endswith("e_score_correction_bias"):
                p.copy_(0.2 * r)
            elif "norm" in name:
                p.copy_(1.0 + 0.2 * r)
            elif name.endswith(".bias"):
                p.copy_(0.3 * r)
            elif "embed_tokens" in name:
                p.copy_(0.5 * r if model.config.tie_word_embeddings else r)
            else:
                gain = 1.6 if any(s in name for s in ("q_proj", "k_proj", "q_b_proj", "kv_b_proj")) else 1.0
                gain = 2.0 if "lm_head" in name or name.endswith("gate.weight") else gain
                gain *= latent_gain if "q_a_proj" in name or "kv_a_proj" in name else 1.0
                p.copy_(gain / math.sqrt(p.shape[-1]) * r)


def block_scales(weight):
    """e4m3 weight and f32 scales, one per 128x128 block: DeepSeek-V3's checkpoint format (2412.19437, section 3.3)."""
    n, k = weight.shape
    scales = torch.zeros(math.ceil(n / FP8_BLOCK), math.ceil(k / FP8_BLOCK))
    out = torch.empty(n, k, dtype=torch.float8_e4m3fn)
    for i in range(scales.shape[0]):
        for j in range(scales.shape[1]):
            rows = slice(i * FP8_BLOCK, (i + 1) * FP8_BLOCK)
            cols = slice(j * FP8_BLOCK, (j + 1) * FP8_BLOCK)
            scale = weight[rows, cols].abs().max() / 448.0
            scales[i, j] = scale
            out[rows, cols] = (weight[rows, cols] / scale).to(torch.float8_e4m3fn)
    return out, scales


def dequantize(weight, scales):
    grown = scales.repeat_interleave(FP8_BLOCK, 0).repeat_interleave(FP8_BLOCK, 1)
    return weight.float() * grown[: weight.shape[0], : weight.shape[1]]


def is_fp8_weight(name):
    return name.endswith("_proj.weight") or "kv_a_proj_with_mqa.weight" in name


def old_spelling(config):
    rope = dict(config.pop("rope_parameters"))
    config["rope_theta"] = rope.pop("rope_theta")
    kind = rope.pop("rope_type")
    rope.pop("type", None)
    key = "type" if config["model_type"].startswith("deepseek") else "rope_type"
    config["rope_scaling"] = None if kind == "default" else {key: kind, **rope}
    if "dtype" in config:
        config["torch_dtype"] = config.pop("dtype")


def write_checkpoint(spec, seed, directory):
    """The model's files as they are published; returns the f32 weights they stand for."""
    extra = spec.get("extra", {})
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(make_config(spec))
    randomize(model, torch.Generator().manual_seed(seed), extra.get("latent_gain", 1.0))
    dtype = getattr(torch, extra.get("dtype", "bfloat16"))
    model.to(dtype).save_pretrained(directory)
    state = load_file(os.path.join(directory, "model.safetensors"))
    os.remove(os.path.join(directory, "model.safetensors"))
    for name in state:
        if name.endswith("e_score_correction_bias"):
            state[name] = state[name].float()
    reference = {k: v.float() for k, v in state.items()}
    if extra.get("fp8"):
        for name in [n for n in state if is_fp8_weight(n)]:
            weight, scales = block_scales(state[name].float())
            state[name] = weight
            state[name.replace(".weight", ".weight_scale_inv")] = scales
            reference[name] = dequantize(weight, scales)
    if extra.get("mtp"):
        layer = spec["num_hidden_layers"]
        state[f"model.layers.{layer}.enorm.weight"] = torch.ones(spec["hidden_size"], dtype=dtype)
    save_sharded(state, directory, extra.get("shards", 1))

    path = os.path.join(directory, "config.json")
    config = json.load(open(path))
    for key in ("scoring_func", "topk_method"):
        if key in spec:
            config[key] = spec[key]
    if extra.get("old_spelling"):
        old_spelling(config)
    if extra.get("fp8"):
        config["quantization_config"] = {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
                                         "weight_block_size": [FP8_BLOCK, FP8_BLOCK]}
    json.dump(config, open(path, "w"), indent=1, sort_keys=True)
    return reference


def save_sharded(state, directory, shards):
    state = {k: v.contiguous() for k, v in state.items()}
    meta = {"format": "pt"}
    if shards == 1:
        save_file(state, os.path.join(directory, "model.safetensors"), metadata=meta)
        return
    names = sorted(state)
    weight_map = {}
    for i in range(shards):
        part = {n: state[n] for n in names[i::shards]}
        file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        save_file(part, os.path.join(directory, file), metadata=meta)
        weight_map.update({n: file for n in part})
    total = sum(v.numel() * v.element_size() for v in state.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    json.dump(index, open(os.path.join(directory, "model.safetensors.index.json"), "w"), indent=1)


def load_reference(spec, directory, reference, dtype):
    """Hugging Face's model from the checkpoint's own config.json and the weights' values."""
    with tempfile.TemporaryDirectory() as tmp:
        config = json.load(open(os.path.join(directory, "config.json")))
        config.pop("quantization_config", None)
        json.dump(config, open(os.path.join(tmp, "config.json"), "w"))
        save_file({k: v.contiguous() for k, v in reference.items()}, os.path.join(tmp, "model.safetensors"),
                  metadata={"format": "pt"})
        model, info = AutoModelForCausalLM.from_pretrained(tmp, dtype=dtype, attn_implementation="eager",
                                                           output_loading_info=True)
    missing = [n for n in info["missing_keys"] if not (spec.get("tie_word_embeddings") and n == "lm_head.weight")]
    assert not missing and not info["mismatched_keys"] and not info["unexpected_keys"], info
    # The correction bias stays f32 in the published models whatever the rest is.
    for name, buffer in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            buffer.data = buffer.data.float()
    return model.eval()


def run(model, prompt, forced=None):
    """Prefill and decode, step by step through the cache. forced: tokens to feed instead of the greedy ones.

    Returns the prompt's logits, the tokens, the decode logits and every expert choice made."""
    choices = []
    for name, module in model.named_modules():
        if name.endswith("mlp.gate"):
            module.register_forward_hook(lambda _m, _i, out: choices.append(out[2].sort(-1)[0]))
    with torch.no_grad():
        out = model(prompt[None], use_cache=True)
        rows, ids, steps = out.logits[0].float(), [], []
        last = rows[-1]
        for i in range(DECODE_LEN):
            token = int(last.argmax()) if forced is None else int(forced[i])
            ids.append(token)
            out = model(torch.tensor([[token]]), past_key_values=out.past_key_values, use_cache=True)
            last = out.logits[0, -1].float()
            steps.append(last)
    return rows, torch.tensor(ids, dtype=torch.int32), torch.stack(steps), choices


def make_golden(spec, seed, directory):
    reference = write_checkpoint(spec, seed, directory)
    prompt = torch.randint(4, spec["vocab_size"], (PROMPT_LEN,), generator=torch.Generator().manual_seed(seed + 1))
    logits, ids, steps, experts = run(load_reference(spec, directory, reference, torch.float32), prompt)
    low, _, low_steps, low_experts = run(load_reference(spec, directory, reference, torch.bfloat16), prompt, ids)
    flips = sum(int((a != b).any(-1).sum()) for a, b in zip(experts, low_experts))
    difference = torch.cat([(low - logits), (low_steps - steps)]).abs()
    noise = torch.stack([difference.max(), difference.mean()])
    save_file({"prompt_ids": prompt.to(torch.int32), "logits": logits.contiguous(), "decode_ids": ids,
               "decode_logits": steps.contiguous(), "noise": noise},
              os.path.join(directory, "golden.safetensors"))
    return flips, noise.tolist(), float(logits.std())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    parser.add_argument("--out", default=os.path.join(root, "src", "models", "testdata"))
    parser.add_argument("--only", nargs="*", default=list(SPECS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    for name in args.only:
        spec = SPECS[name]
        best = None
        with tempfile.TemporaryDirectory() as tmp:
            for attempt in range(spec.get("extra", {}).get("seeds", 1)):
                directory = os.path.join(tmp, str(attempt))
                os.makedirs(directory)
                flips, noise, spread = make_golden(spec, 1000 + 17 * attempt, directory)
                if flips == 0 and (best is None or noise[0] < best[0][0]):
                    best = (noise, spread, directory)
                # The least noise of many seeds is below what this arithmetic makes: a bound that nothing keeps.
                if best is not None and spec.get("extra", {}).get("first_seed"):
                    break
            assert best is not None, f"{name}: every seed flips an expert choice; try more seeds"
            noise, spread, directory = best
            target = os.path.join(args.out, name)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(directory, target)
        size = sum(os.path.getsize(os.path.join(target, f)) for f in os.listdir(target))
        print(f"{name:18s} {size / 1024:6.0f} KB  logit std {spread:5.2f}  bf16 noise max {noise[0]:.4f} "
              f"mean {noise[1]:.5f}", flush=True)


if __name__ == "__main__":
    main()
