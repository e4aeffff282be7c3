#!/usr/bin/env python3
"""Times llama.cpp (package llama-cpp-python) on a model of random weights: prefill of 512 tokens, decode of 64.

The model files have the shapes of SmolLM2-135M ("135m", llama) or Qwen2-1.5B ("1.5b", qwen2), no vocabulary, and one
weight type throughout. Compare with `linear_bench --model 135m|1.5b --dtype TYPE --m 1,32,512`, run in turn.
Usage: llama_cpp_speed.py [--model 135m] [--type q4_1] [--threads 2] [--dir /tmp] [--repeat 3] [--prefill 512]
       llama_cpp_speed.py --file model.gguf ...
"""
import argparse
import os
import time

import gguf
import llama_cpp
import numpy as np

SHAPES = {
    "135m": dict(arch="llama", hidden=576, ffn=1536, layers=30, heads=9, kv=3, vocab=49152, theta=100000.0),
    "1.5b": dict(arch="qwen2", hidden=1536, ffn=8960, layers=28, heads=12, kv=2, vocab=151936, theta=1000000.0),
}
F16_FIELDS = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2],
              "Q6_K": [208]}


def random_tensor(rng, rows, columns, qtype):
    length, size = gguf.GGML_QUANT_SIZES[qtype]
    if qtype.name in F16_FIELDS and columns % length == 0:
        data = rng.integers(0, 256, (rows * columns // length, size), dtype=np.uint8)
        for field in F16_FIELDS[qtype.name]:
            scale = rng.uniform(-0.002, 0.002, (data.shape[0], 1)).astype(np.float16)
            data[:, field : field + 2] = scale.view(np.uint8)
        return data.reshape(rows, -1), qtype
    values = rng.standard_normal((rows, columns), dtype=np.float32) * 0.02
    if qtype.name == "F32":
        return values, qtype
    if qtype.name == "F16":
        return values.astype(np.float16), qtype
    return (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8).reshape(rows, -1), gguf.GGMLQuantizationType.BF16


def write_model(path, shape, type_name):
    rng = np.random.default_rng(7)
    qtype = gguf.GGMLQuantizationType[type_name.upper()]
    writer = gguf.GGUFWriter(path, shape["arch"])
    head = shape["hidden"] // shape["heads"]
    writer.add_context_length(2048)
    writer.add_embedding_length(shape["hidden"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["ffn"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv"])
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(shape["theta"])
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(shape["vocab"])
    writer.add_tokenizer_model("no_vocab")

    def matrix(name, rows, columns):
        data, real = random_tensor(rng, rows, columns, qtype)
        writer.add_tensor(name, data, raw_dtype=real)

    def vector(name, length, value):
        writer.add_tensor(name, np.full(length, value, dtype=np.float32))

    hidden, ffn, kv = shape["hidden"], shape["ffn"], shape["kv"] * head
    matrix("token_embd.weight", shape["vocab"], hidden)
    vector("output_norm.weight", hidden, 1)
    for i in range(shape["layers"]):
        for name, rows, columns in (("attn_q", hidden, hidden), ("attn_k", kv, hidden), ("attn_v", kv, hidden),
                                    ("attn_output", hidden, hidden), ("ffn_gate", ffn, hidden), ("ffn_up", ffn, hidden),
                                    ("ffn_down", hidden, ffn)):
            matrix(f"blk.{i}.{name}.weight", rows, columns)
            if shape["arch"] == "qwen2" and name in ("attn_q", "attn_k", "attn_v"):
                vector(f"blk.{i}.{name}.bias", rows, 0)
        vector(f"blk.{i}.attn_norm.weight", hidden, 1)
        vector(f"blk.{i}.ffn_norm.weight", hidden, 1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def decode(ctx, tokens):
    array = (llama_cpp.llama_token * len(tokens))(*tokens)
    if llama_cpp.llama_decode(ctx, llama_cpp.llama_batch_get_one(array, len(tokens))) != 0:
        raise SystemExit("llama_decode failed")
    llama_cpp.llama_synchronize(ctx)


def measure(path, threads, prefill, generate, repeat):
    params = llama_cpp.llama_model_default_params()
    model = llama_cpp.llama_model_load_from_file(path.encode(), params)
    options = llama_cpp.llama_context_default_params()
    options.n_ctx = 1024
    options.n_batch = options.n_ubatch = 512
    options.n_threads = options.n_threads_batch = threads
    ctx = llama_cpp.llama_init_from_model(model, options)
    memory = llama_cpp.llama_get_memory(ctx)
    decode(ctx, [1])
    best_prefill = best_decode = 0.0
    for _ in range(repeat):
        llama_cpp.llama_memory_clear(memory, True)
        start = time.perf_counter()
        decode(ctx, [(i * 7) % 1000 for i in range(prefill)])
        best_prefill = max(best_prefill, prefill / (time.perf_counter() - start))
        llama_cpp.llama_memory_clear(memory, True)
        decode(ctx, [1])
        start = time.perf_counter()
        for i in range(generate):
            decode(ctx, [i])
        best_decode = max(best_decode, generate / (time.perf_counter() - start))
    llama_cpp.llama_free(ctx)
    llama_cpp.llama_model_free(model)
    return best_prefill, best_decode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=SHAPES, default="135m")
    parser.add_argument("--type", default="q4_1")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dir", default="/tmp")
    parser.add_argument("--file")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--generate", type=int, default=64)
    args = parser.parse_args()
    path = args.file or os.path.join(args.dir, f"random-{args.model}-{args.type}.gguf")
    if not os.path.exists(path):
        write_model(path, SHAPES[args.model], args.type)
    callback = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(callback, None)
    llama_cpp.llama_backend_init()
    prefill, generated = measure(path, args.threads, args.prefill, args.generate, args.repeat)
    print(f"llama.cpp {llama_cpp.__version__} {os.path.basename(path)} threads {args.threads}: "
          f"prefill {prefill:.1f} tok/s, decode {generated:.1f} tok/s")


if __name__ == "__main__":
    main()
