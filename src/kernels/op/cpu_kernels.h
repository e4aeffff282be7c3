// The inner loops of the CPU operations, one table per instruction-set tier. Operations check their tensors,
// split the work over threads and call these. Plain pointers only: tiers are compiled with their own flags,
// so nothing that other translation units might share (templates, inline functions) may be instantiated here.
// Tables are constant; any thread may call the functions.
#pragma once

#include <cstdint>

#include "device/cpu_info.h"
#include "device/dtype.h"

namespace hadal {

struct ElementwiseKernels {
  // y[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]; y may be x.
  void (*rms_norm)(const float* x, const float* weight, int64_t n, float eps, float* y);
  // Rotates 2 * half elements of one head.
  void (*rope)(float* x, const float* cos, const float* sin, int64_t half, bool interleaved);
  void (*silu_mul)(const float* gate, const float* up, int64_t n, float* y);
  void (*add)(float* a, const float* b, int64_t n);
  void (*to_f16)(const float* x, int64_t n, uint16_t* y);
  void (*to_bf16)(const float* x, int64_t n, uint16_t* y);
};

// NaN never compares: it is no maximum, passes no threshold and weighs nothing.
struct SampleKernels {
  // Largest element; -inf when there is none.
  float (*max)(const float* x, int64_t n);
  // First i in [begin, n) with x[i] == value; n when there is none.
  int64_t (*find_equal)(const float* x, int64_t begin, int64_t n, float value);
  // out[b] = the largest of the kSampleBlock elements of block b.
  void (*block_max)(const float* x, int64_t n, float* out);
  // Writes the indices i with x[i] >= threshold in order; returns their count.
  int64_t (*collect_ge)(const float* x, int64_t n, float threshold, int32_t* ids);
  // w[i] = exp((x[i] - max) * scale); w may be null. Returns the sum, accumulated in f64 in a fixed order.
  double (*exp_weights)(const float* x, int64_t n, float max, float scale, float* w);
  // Sum of w[i] where x[i] >= threshold, accumulated in f64 in a fixed order.
  double (*weight_ge)(const float* x, const float* w, int64_t n, float threshold);
};
inline constexpr int64_t kSampleBlock = 64;

// Keys are visited in tiles of kKeyTile from key 0 on, and every kKeyPartition keys form one softmax
// partition; the partitions' results are merged in order. Both are the same for every query, whatever runs
// beside it.
inline constexpr int kKeyTile = 64;
inline constexpr int kKeyPartition = 512;
// Rows of the register tile: row tiles are multiples of it.
inline constexpr int kRowStep = 6;

// The keys and values of one (sequence, KV head).
struct AttentionKv {
  const std::byte* k = nullptr;  // this head's first key of block 0
  const std::byte* v = nullptr;
  int64_t k_block_stride = 0;  // bytes from block to block
  int64_t v_block_stride = 0;
  int64_t k_row_stride = 0;  // bytes from key to key inside a block
  int64_t v_row_stride = 0;
  const int32_t* blocks = nullptr;  // the sequence's block table
  int block_size = 0;
  int head_dim = 0;
  int v_head_dim = 0;
  int v_stride = 0;  // v_head_dim rounded up to a multiple of 16: row length of the f32 buffers below
  DType dtype = DType::kF32;
};

// One thread's scratch. All f32, 64-byte aligned.
struct AttentionScratch {
  float* k = nullptr;       // [head_dim, kKeyTile]: the key tile, transposed
  float* v = nullptr;       // [kKeyTile, v_stride]
  float* scores = nullptr;  // [rows, kKeyTile]
};

// A tile of query rows that share the keys.
struct AttentionRows {
  int num_rows = 0;
  const float* q = nullptr;  // [rows, head_dim], already scaled
  const int32_t* first_key =
      nullptr;  // [rows]: row r sees keys [first_key[r], end_key[r]); both never decrease in r
  const int32_t* end_key = nullptr;
};

// The state of one softmax: sum of exp(score - max) * v, not yet divided by sum of exp(score - max).
struct AttentionState {
  float* max = nullptr;  // [rows]
  float* sum = nullptr;  // [rows]
  float* acc = nullptr;  // [rows, v_stride]
};

struct AttentionKernels {
  // Computes the state of each row over partition `partition`; rows that see none of its keys get sum 0.
  void (*partition)(const AttentionKv& kv, const AttentionRows& rows, int partition,
                    const AttentionScratch& scratch, const AttentionState& state);
  // Folds one row's `part` into its `total`; a part with sum 0 changes nothing. n = v_stride.
  void (*merge)(float* total_max, float* total_sum, float* total_acc, float part_max, float part_sum,
                const float* part_acc, int64_t n);
  // out[i] = acc[i] * factor.
  void (*scale)(const float* acc, float factor, int64_t n, float* out);
};

struct CpuKernels {
  ElementwiseKernels elementwise;
  SampleKernels sample;
  // Absent in the scalar tier: its attention is the oracle, which takes no tiles.
  AttentionKernels attention;
};

// The best table not above `tier`.
const CpuKernels& cpu_kernels(CpuTier tier);

// Of one tier; null where it was not built.
const CpuKernels* cpu_kernels_scalar();
const CpuKernels* cpu_kernels_avx2();
const CpuKernels* cpu_kernels_avx512();

}  // namespace hadal
