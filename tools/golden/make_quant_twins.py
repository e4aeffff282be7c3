#!/usr/bin/env python3
"""Writes src/models/testdata/quant_twins.safetensors: what a tiny Llama in each GGUF block type computes.

    python3 tools/golden/make_quant_twins.py

Needs torch, transformers, safetensors, gguf. The model itself is not stored: its bytes come from a counter-based generator
that src/models/quant_twin_test.cc has too (tensor_bytes here, tensor_bytes there). Per type, of a prompt of 24 tokens:
    TYPE.logits   f32 [24, 64]  Hugging Face's fp32 over the weights that the `gguf` package dequantises
    TYPE.noise    f32 [2]       max and mean of how far those logits move when every linear layer's input is rounded to
                                int8 with one scale per 32 elements: the arithmetic of block types, here and in llama.cpp
"""
import os
import tempfile

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as T
from gguf_llama import load_fp32
from safetensors.torch import save_file

HIDDEN, INTER, VOCAB, HEADS, KV_HEADS, HEAD = 256, 256, 64, 4, 1, 64
MATRICES = [("token_embd.weight", VOCAB, HIDDEN), ("output.weight", VOCAB, HIDDEN),
            ("blk.0.attn_q.weight", HEADS * HEAD, HIDDEN), ("blk.0.attn_k.weight", KV_HEADS * HEAD, HIDDEN),
            ("blk.0.attn_v.weight", KV_HEADS * HEAD, HIDDEN), ("blk.0.attn_output.weight", HIDDEN, HEADS * HEAD),
            ("blk.0.ffn_gate.weight", INTER, HIDDEN), ("blk.0.ffn_up.weight", INTER, HIDDEN),
            ("blk.0.ffn_down.weight", HIDDEN, INTER)]
NORMS = ["output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"]
# Exponent of the block scale d (2^e or 2^(e + 1)); where d lies; mantissa and exponent of the second scale, if any, as a
# multiple of d (7.5 or 15.5: what centres the levels), and its sign.
SCALES = {T.Q8_0: (-10, 0, None), T.Q4_0: (-6, 0, None), T.Q4_1: (-6, 0, (0x380, 2, 0x8000)), T.Q5_0: (-7, 0, None),
          T.Q5_1: (-7, 0, (0x3C0, 3, 0x8000)), T.Q4_K: (-13, 0, (0x380, 2, 0)), T.Q5_K: (-14, 0, (0x3C0, 3, 0)),
          T.Q6_K: (-14, 208, None)}


def words(stream, count):
    """SplitMix64 of stream * 2^32 + index."""
    z = (np.uint64(stream) << np.uint64(32)) + np.arange(count, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = z * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def tensor_bytes(qtype, stream, rows, columns):
    length, size = gguf.GGML_QUANT_SIZES[qtype]
    blocks = rows * columns // length
    data = words(stream, (blocks * size + 7) // 8).view(np.uint8)[: blocks * size].reshape(blocks, size).copy()
    exponent, at, second = SCALES[qtype]
    grown = (data[:, at] & 1).astype(np.uint16)
    data[:, at: at + 2] = ((exponent + 15 + grown) << 10).astype(np.uint16)[:, None].view(np.uint8)
    if second:
        mantissa, more, sign = second
        value = (sign | ((exponent + 15 + more + grown) << 10) | mantissa).astype(np.uint16)
        data[:, at + 2: at + 4] = value[:, None].view(np.uint8)
    return data.reshape(rows, -1)


def norm_values(stream):
    return (0.75 + (words(stream, HIDDEN) & np.uint64(0xFF)).astype(np.float32) / 512).astype(np.float32)


def write_model(path, qtype):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1), writer.add_context_length(64), writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INTER), writer.add_head_count(HEADS), writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5), writer.add_rope_freq_base(10000.0), writer.add_rope_dimension_count(HEAD)
    for stream, (name, rows, columns) in enumerate(MATRICES):
        writer.add_tensor(name, tensor_bytes(qtype, stream, rows, columns), raw_dtype=qtype)
    for i, name in enumerate(NORMS):
        writer.add_tensor(name, norm_values(len(MATRICES) + i))
    writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()


def round_int8(x):
    blocks = x.reshape(*x.shape[:-1], -1, 32)
    scale = blocks.abs().amax(-1, keepdim=True) / 127
    return (torch.round(blocks / scale.clamp_min(1e-30)) * scale).reshape(x.shape)


def main():
    torch.set_num_threads(1)
    prompt = torch.tensor([[(i * 37 + 11) % VOCAB for i in range(24)]])
    out = {}
    for qtype in SCALES:
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "m.gguf")
            write_model(path, qtype)
            model = load_fp32(path)
        with torch.no_grad():
            exact = model(prompt).logits[0]
            for module in model.modules():
                if isinstance(module, torch.nn.Linear):
                    module.register_forward_pre_hook(lambda _, inputs: (round_int8(inputs[0]),))
            moved = (model(prompt).logits[0] - exact).abs()
        name = qtype.name.lower()
        out[name + ".logits"] = exact.contiguous()
        out[name + ".noise"] = torch.stack([moved.max(), moved.mean()])
        print(f"{name}: logit std {exact.std():.3f}, int8 noise max {moved.max():.4f} mean {moved.mean():.5f}")
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    save_file(out, os.path.join(root, "src/models/testdata/quant_twins.safetensors"))


if __name__ == "__main__":
    main()
