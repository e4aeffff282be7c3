#include "device/dtype.h"

#include "base/check.h"

namespace hadal {
namespace {

struct Traits {
  std::string_view name;
  int block_len;
  int block_bytes;
};

// Block sizes: ggml's docs and block structs (host-side facts of the GGUF format).
constexpr Traits kTraits[] = {
    {"f32", 1, 4},    {"f16", 1, 2},      {"bf16", 1, 2},     {"f8_e4m3", 1, 1},
    {"i8", 1, 1},     {"u8", 1, 1},       {"i32", 1, 4},      {"i64", 1, 8},
    {"q4_0", 32, 18}, {"q4_1", 32, 20},   {"q5_0", 32, 22},   {"q5_1", 32, 24},
    {"q8_0", 32, 34}, {"q4_k", 256, 144}, {"q5_k", 256, 176}, {"q6_k", 256, 210},
};

const Traits& traits(DType dtype) {
  return kTraits[static_cast<size_t>(dtype)];
}

}  // namespace

std::string_view dtype_name(DType dtype) {
  return traits(dtype).name;
}
int dtype_block_len(DType dtype) {
  return traits(dtype).block_len;
}
int dtype_block_bytes(DType dtype) {
  return traits(dtype).block_bytes;
}

int64_t dtype_bytes(DType dtype, int64_t count) {
  const Traits& t = traits(dtype);
  HADAL_CHECK(count % t.block_len == 0) << count << " elements of " << t.name;
  return count / t.block_len * t.block_bytes;
}

}  // namespace hadal
