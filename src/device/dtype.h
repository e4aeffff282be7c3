// DType: element types of tensors: plain ones, DeepSeek's FP8, and GGUF's block-quantised ones (ggml's
// docs/gguf.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hadal {

enum class DType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kF8E4M3,
  kI8,
  kU8,
  kI32,
  kI64,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ4_K,
  kQ5_K,
  kQ6_K,
};

std::string_view dtype_name(DType dtype);  // "bf16", "q4_k", ...
// Elements per block: 1 for plain types, 32 or 256 for block types.
int dtype_block_len(DType dtype);
// Bytes of one block (of one element for plain types).
int dtype_block_bytes(DType dtype);
// Bytes of `count` elements; count must be a multiple of the block length.
int64_t dtype_bytes(DType dtype, int64_t count);
inline bool dtype_is_block(DType dtype) {
  return dtype >= DType::kQ4_0;
}

}  // namespace hadal
