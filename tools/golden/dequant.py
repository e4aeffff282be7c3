#!/usr/bin/env python3
"""Writes src/kernels/testdata/dequant.txt: random blocks of every GGUF type and their values.

The values come from the `gguf` package's reference dequantisation (gguf.quants). FP8 E4M3 values come from torch.
One line per type: dtype name, hexadecimal source bytes, then the values.
Usage: python3 tools/golden/dequant.py > src/kernels/testdata/dequant.txt
"""
import numpy as np
import torch
from gguf import GGMLQuantizationType as T, GGML_QUANT_SIZES, quants

# Byte offsets of the f16 fields in each block, so that random bytes make finite scales.
F16_FIELDS = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
}
NUM_VALUES = 256


def main():
    rng = np.random.default_rng(20240)
    for qtype, fields in F16_FIELDS.items():
        length, size = GGML_QUANT_SIZES[qtype]
        data = rng.integers(0, 256, (NUM_VALUES // length, size), dtype=np.uint8)
        for field in fields:
            scale = rng.uniform(-0.02, 0.02, (data.shape[0], 1)).astype(np.float16)
            data[:, field : field + 2] = scale.view(np.uint8)
        emit(qtype.name.lower(), data.tobytes(), quants.dequantize(data, qtype))
    bits = rng.integers(0, 0x7C00, 256, dtype=np.uint16) | (rng.integers(0, 2, 256, dtype=np.uint16) << 15)
    emit("f16", bits.tobytes(), bits.view(np.float16).astype(np.float32))
    codes = np.array([c for c in range(256) if c & 0x7F != 0x7F], dtype=np.uint8)
    emit("f8_e4m3", codes.tobytes(), torch.from_numpy(codes).view(torch.float8_e4m3fn).float().numpy())


def emit(name, data, values):
    numbers = " ".join(f"{v:.9g}" for v in np.asarray(values).reshape(-1))
    print(name, data.hex(), numbers)


if __name__ == "__main__":
    main()
