#!/usr/bin/env python3
"""Writes GGUF forms of some of the tiny checkpoints that make_tiny_models.py made, beside them: model.gguf.

    python3 tools/golden/make_tiny_gguf.py [--dir src/models/testdata]

Needs torch, safetensors, gguf. Matrices stay bf16, vectors become f32, so a reader that gets names, order and rotation
right gives golden.safetensors' logits. The layout follows what llama.cpp's converter writes:
    llama              Q and K rows permuted for interleaved rotation; llama3 scaling as rope_freqs.weight
    qwen2              tied (no output.weight), biases, rotation by halves
    qwen3              norms of q and k per head, a head size of its own, YaRN
    deepseek_v2_lite   the older deepseek2 layout: attn_kv_b, key_length of the expanded form, no q_lora_rank
    deepseek_v2_full   the newer one, with q_lora_rank, softmax gate and groups
    deepseek_v3        the newer one: attn_k_b and attn_v_b, one KV head, *_mla lengths; merged experts; exp_probs_b
"""

import argparse
import glob
import json
import math
import os

import gguf
import numpy as np
import torch
from safetensors.torch import load_file

LAYER = {
    "input_layernorm.weight": "attn_norm.weight", "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "self_attn.q_a_proj": "attn_q_a", "self_attn.q_b_proj": "attn_q_b",
    "self_attn.q_a_layernorm": "attn_q_a_norm", "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
    "self_attn.kv_a_layernorm": "attn_kv_a_norm", "self_attn.kv_b_proj": "attn_kv_b", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate.weight": "ffn_gate_inp.weight",
    "mlp.gate.e_score_correction_bias": "exp_probs_b.bias", "mlp.shared_experts.gate_proj": "ffn_gate_shexp",
    "mlp.shared_experts.up_proj": "ffn_up_shexp", "mlp.shared_experts.down_proj": "ffn_down_shexp",
}
TOP = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
       "lm_head.weight": "output.weight"}
ARCH = {"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "deepseek_v2": "deepseek2", "deepseek_v3": "deepseek2"}
# absorbed: of deepseek2, the newer layout.
MODELS = {"llama": {}, "qwen2": {}, "qwen3": {}, "deepseek_v2_lite": {"absorbed": False},
          "deepseek_v2_full": {"absorbed": True}, "deepseek_v3": {"absorbed": True}}


def permute(weight, heads):
    """Rows of each head from (first half, second half) to interleaved pairs."""
    rows = weight.shape[0]
    return weight.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def add(writer, name, tensor):
    tensor = tensor.contiguous()
    if tensor.dim() == 1 or name.endswith("ffn_gate_inp.weight"):
        writer.add_tensor(name, tensor.float().numpy())
    else:
        raw = tensor.to(torch.bfloat16).view(torch.int16).numpy().view(np.uint8)
        writer.add_tensor(name, raw, raw_dtype=gguf.GGMLQuantizationType.BF16)


def rope_freqs(config):
    """Divisors of each frequency that the llama3 scaling amounts to."""
    scaling, dim = config["rope_scaling"], config["head_dim"]
    low = scaling["original_max_position_embeddings"] / scaling["low_freq_factor"]
    high = scaling["original_max_position_embeddings"] / scaling["high_freq_factor"]
    out = []
    for i in range(0, dim, 2):
        wavelen = 2 * math.pi * config["rope_theta"] ** (i / dim)
        if wavelen < high:
            out.append(1.0)
        elif wavelen > low:
            out.append(scaling["factor"])
        else:
            smooth = (scaling["original_max_position_embeddings"] / wavelen - scaling["low_freq_factor"]) / (
                scaling["high_freq_factor"] - scaling["low_freq_factor"])
            out.append(1 / ((1 - smooth) / scaling["factor"] + smooth))
    return torch.tensor(out)


def rope_of(config):
    """The rotary settings, in transformers 5's spelling or the older one."""
    return config.get("rope_parameters") or {"rope_theta": config["rope_theta"], **(config.get("rope_scaling") or {})}


def write_yarn(writer, config):
    rope = rope_of(config)
    if rope.get("rope_type", rope.get("type")) != "yarn":
        return
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(rope["factor"])
    writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])


def write_metadata(writer, arch, config, absorbed):
    writer.add_string("general.type", "model")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(rope_of(config)["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_string("tokenizer.ggml.model", "no_vocab")
    writer.add_bos_token_id(config["bos_token_id"])
    eos = config["eos_token_id"]
    writer.add_eos_token_id(eos[0] if isinstance(eos, list) else eos)
    if arch != "deepseek2":
        writer.add_head_count_kv(config["num_key_value_heads"])
        head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        writer.add_rope_dimension_count(head_dim)
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
        write_yarn(writer, config)
        return
    nope, rope, v = config["qk_nope_head_dim"], config["qk_rope_head_dim"], config["v_head_dim"]
    lora = config["kv_lora_rank"]
    writer.add_head_count_kv(1 if absorbed else config["num_key_value_heads"])
    writer.add_key_length(lora + rope if absorbed else nope + rope)
    writer.add_value_length(lora if absorbed else v)
    if absorbed:
        writer.add_key_length_mla(nope + rope)
        writer.add_value_length_mla(v)
    if config.get("q_lora_rank"):
        writer.add_q_lora_rank(config["q_lora_rank"])
    writer.add_kv_lora_rank(lora)
    writer.add_rope_dimension_count(rope)
    writer.add_leading_dense_block_count(config["first_k_dense_replace"])
    writer.add_expert_count(config["n_routed_experts"])
    writer.add_expert_used_count(config["num_experts_per_tok"])
    writer.add_expert_shared_count(config["n_shared_experts"])
    writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    writer.add_expert_weights_scale(config["routed_scaling_factor"])
    writer.add_expert_weights_norm(config["norm_topk_prob"])
    sigmoid = config["scoring_func"] == "sigmoid"
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID if sigmoid else gguf.ExpertGatingFuncType.SOFTMAX)
    if config["n_group"] > 1:
        writer.add_expert_group_count(config["n_group"])
        writer.add_expert_group_used_count(config["topk_group"])
    write_yarn(writer, config)
    writer.add_rope_scaling_yarn_log_mul(0.1 * rope_of(config)["mscale_all_dim"])


def split_kv_b(writer, prefix, weight, config):
    heads, nope, v = config["num_attention_heads"], config["qk_nope_head_dim"], config["v_head_dim"]
    parts = weight.reshape(heads, nope + v, config["kv_lora_rank"])
    add(writer, prefix + "attn_k_b.weight", parts[:, :nope].transpose(1, 2))
    add(writer, prefix + "attn_v_b.weight", parts[:, nope:])


def write_layer_tensor(writer, layer, rest, tensor, config, arch, absorbed):
    prefix = f"blk.{layer}."
    if arch == "llama" and rest.startswith(("self_attn.q_proj", "self_attn.k_proj")):
        heads = config["num_attention_heads" if ".q_proj" in rest else "num_key_value_heads"]
        tensor = permute(tensor, heads)
    if absorbed and rest == "self_attn.kv_b_proj.weight":
        return split_kv_b(writer, prefix, tensor, config)
    if rest in LAYER:
        return add(writer, prefix + LAYER[rest], tensor)
    module, kind = rest.rsplit(".", 1)
    return add(writer, prefix + LAYER[module] + "." + kind, tensor)


def convert(directory, absorbed=False):
    config = json.load(open(os.path.join(directory, "config.json")))
    state = {}
    for file in glob.glob(os.path.join(directory, "model*.safetensors")):
        state.update(load_file(file))
    arch = ARCH[config["model_type"]]
    path = os.path.join(directory, "model.gguf")
    writer = gguf.GGUFWriter(path, arch)
    write_metadata(writer, arch, config, absorbed)
    if (config.get("rope_scaling") or {}).get("rope_type") == "llama3":
        add(writer, "rope_freqs.weight", rope_freqs(config))
    for name in sorted(state):
        if name in TOP:
            add(writer, TOP[name], state[name])
            continue
        layer, rest = name.removeprefix("model.layers.").split(".", 1)
        if int(layer) >= config["num_hidden_layers"] or ".experts." in rest:
            continue
        write_layer_tensor(writer, layer, rest, state[name], config, arch, absorbed)
    for layer in range(config["num_hidden_layers"]):
        for hf, ours in (("gate_proj", "ffn_gate_exps"), ("up_proj", "ffn_up_exps"), ("down_proj", "ffn_down_exps")):
            names = [f"model.layers.{layer}.mlp.experts.{e}.{hf}.weight" for e in range(config.get("n_routed_experts", 0))]
            if names and names[0] in state:
                add(writer, f"blk.{layer}.{ours}.weight", torch.stack([state[n] for n in names]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{path}: {os.path.getsize(path) / 1024:.0f} KB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    parser.add_argument("--dir", default=os.path.join(root, "src", "models", "testdata"))
    parser.add_argument("--only", nargs="*", default=list(MODELS))
    args = parser.parse_args()
    for name in args.only:
        convert(os.path.join(args.dir, name), **MODELS[name])


if __name__ == "__main__":
    main()
