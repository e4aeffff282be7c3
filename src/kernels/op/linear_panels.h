// Parts that all vector kernels share: what a register tile is given, and the way from sums to y.
// Unnamed namespace: each tier's file has its own copy, compiled with its own flags.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/op/linear_kernels.h"

// Sums live in registers only if loops over rows are unrolled and everything between them is one function.
// Builds with sanitizers (HADAL_PLAIN_KERNELS, from CMake) do without: they would take minutes to compile.
#if defined(HADAL_PLAIN_KERNELS)
#define HADAL_UNROLL
#define HADAL_INLINE inline
#elif defined(__clang__)
#define HADAL_UNROLL _Pragma("unroll")
#define HADAL_INLINE __attribute__((always_inline)) inline
#else
#define HADAL_UNROLL _Pragma("GCC unroll 16")
#define HADAL_INLINE __attribute__((always_inline)) inline
#endif

namespace hadal {
namespace {

// Rows whose sums are kept beside the kernel while K is walked in blocks; 32 floats each.
constexpr int kChunkRows = 128;
// How far ahead a single pass over the weights asks for them, in bytes. Measured on Zen 4: asked into the
// second-level cache, 1 or 2 KB ahead read 55 GB/s with two threads, 4 KB (the next page) and more only 35.
constexpr int64_t kStreamAhead = 2048;

// One register tile: kRows rows of x times one panel, over a range of K. Sums are [rows][32] floats in
// `sums`.
struct Tile {
  const uint8_t* weights = nullptr;
  const uint8_t* x = nullptr;  // at the first column of the range
  int64_t x_stride = 0;
  int64_t steps = 0;  // columns, pairs or blocks, as the kernel counts
  float* sums = nullptr;
  bool first = true;  // sums start at zero
  // Bytes to bring near while working: prefetch_step per step from here.
  const uint8_t* prefetch = nullptr;
  int64_t prefetch_step = 0;
};

// One instance per number of rows up to the register limit.
template <class Family, int kRows>
void call_tile(int rows, const Tile& tile, const typename Family::Args& args) {
  if constexpr (kRows > 0) {
    if (rows == kRows) return Family::template run<kRows>(tile, args);
    call_tile<Family, kRows - 1>(rows, tile, args);
  }
}

// Rows of the next tile: full ones first.
inline int tile_rows(int64_t left, int max_rows) {
  return static_cast<int>(left < max_rows ? left : max_rows);
}

template <class V>
void finish_row(const PanelJob& job, const float* sums, int64_t column, float* y) {
  for (int i = 0; i < kPanelRows; i += V::kLanes) {
    typename V::F v = V::load(sums + i);
    if (job.bias != nullptr) v = V::add(v, V::load(job.bias + column + i));
    if (job.accumulate) v = V::add(V::load(y + i), v);
    V::store(y + i, v);
  }
}

// y = sums, with bias and the old y as asked. rows: of the job, from `row`; column: of the job.
template <class V>
void finish(const PanelJob& job, int64_t row, int64_t num_rows, int64_t column, const float* sums) {
  const int64_t width = job.num_columns - column;
  for (int64_t r = 0; r < num_rows; ++r) {
    float* y = job.y + (row + r) * job.y_stride + column;
    const float* in = sums + r * kPanelRows;
    if (width >= kPanelRows) {
      finish_row<V>(job, in, column, y);
      continue;
    }
    for (int64_t c = 0; c < width; ++c) {
      const float v = job.bias != nullptr ? in[c] + job.bias[column + c] : in[c];
      y[c] = job.accumulate ? y[c] + v : v;
    }
  }
}

inline void prefetch_line(const uint8_t* p) {
  __builtin_prefetch(p, 0, 2);
}

}  // namespace
}  // namespace hadal
