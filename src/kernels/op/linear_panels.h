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

// Rows whose sums are kept beside the kernel while K is walked in blocks; 32 floats each and panel.
constexpr int kChunkRows = 128;

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
  int64_t stream_ahead = 0;  // the job's
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

// What a kernel is asked for: rows [row, row + rows) of the job times columns [k, k + columns) of one panel.
struct PanelBlock {
  int64_t index = 0;  // of the panel in the job
  const uint8_t* panel = nullptr;
  int64_t row = 0;
  int64_t rows = 0;
  int64_t k = 0;
  int64_t columns = 0;
  float* sums = nullptr;  // [rows][32]; they go on unless k is 0
  int64_t gap = 0;        // bytes between this block's end and the weights that are wanted next
};

inline const uint8_t* panel_at(const PanelJob& job, int64_t index) {
  return reinterpret_cast<const uint8_t*>(job.panels) + index * job.layout->panel_bytes;
}

// The block's tile, but for its weights and steps. x_bytes: of one column of x.
inline Tile block_tile(const PanelJob& job, const PanelBlock& block, int64_t x_bytes) {
  Tile tile;
  tile.x = reinterpret_cast<const uint8_t*>(job.x) + block.row * job.x_stride + block.k * x_bytes;
  tile.x_stride = job.x_stride;
  tile.sums = block.sums;
  tile.first = block.k == 0;
  tile.stream_ahead = job.stream_ahead;
  return tile;
}

// Up to kRows rows: one pass over each panel.
template <class V, int64_t kRows, class Fn>
void run_panels(const PanelJob& job, Fn fn) {
  alignas(64) float sums[kRows * kPanelRows];
  for (int64_t p = 0; p < job.num_panels; ++p) {
    fn(PanelBlock{p, panel_at(job, p), 0, job.num_rows, 0, job.layout->k_padded, sums, 0});
    finish<V>(job, 0, job.num_rows, p * kPanelRows, sums);
  }
}

// More rows: kRows and kColumns at a time, for a group of panels if x is large.
template <class V, int64_t kRows, int64_t kColumns, class Fn>
void run_blocks(const PanelJob& job, Fn fn) {
  alignas(64) float sums[kPanelGroup][kRows * kPanelRows];
  const int64_t k_padded = job.layout->k_padded;
  const int64_t group = job.num_rows * job.x_stride > kLargeX ? kPanelGroup : 1;
  for (int64_t p = 0; p < job.num_panels; p += group) {
    const int64_t panels = job.num_panels - p < group ? job.num_panels - p : group;
    for (int64_t row = 0; row < job.num_rows; row += kRows) {
      const int64_t rows = job.num_rows - row < kRows ? job.num_rows - row : kRows;
      for (int64_t k = 0; k < k_padded; k += kColumns) {
        const int64_t columns = k_padded - k < kColumns ? k_padded - k : kColumns;
        const int64_t gap = k + columns < k_padded ? 0 : (panels - 1) * job.layout->panel_bytes;
        for (int64_t g = 0; g < panels; ++g)
          fn(PanelBlock{p + g, panel_at(job, p + g), row, rows, k, columns, sums[g], gap});
      }
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t g = 0; g < panels; ++g)
          finish<V>(job, row + r, 1, (p + g) * kPanelRows, sums[g] + r * kPanelRows);
      }
    }
  }
}

}  // namespace
}  // namespace hadal
