// LoadContext: what layers are loaded with: where tensors come from, the rank's stream and kernels, and its
// share. Made by the model's load, on the rank's worker thread.
#pragma once

#include "device/cpu_info.h"
#include "device/stream.h"
#include "weights/weight_source.h"

namespace hadal {

struct LoadContext {
  Stream& stream;
  WeightSource& source;
  CpuTier cpu_tier = CpuTier::kScalar;
  int tp_rank = 0;
  int tp_size = 1;
};

// Bytes that arena.alloc(DType::kF32, {count}) takes.
inline int64_t arena_f32_bytes(int64_t count) {
  return (count * 4 + 63) / 64 * 64;
}

}  // namespace hadal
