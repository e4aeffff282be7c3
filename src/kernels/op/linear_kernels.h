// The inside of linear: how weights and rows of x lie in memory, and the plain-pointer boundary to each
// tier's code. Used by linear.cc, linear_pack.cc, moe_experts.cc and the tier files only. Pure functions; any
// thread.
//
// Weights are cut into panels of kPanelRows outputs (one at the scalar tier), each panel one run of bytes in
// the order in which a kernel reads it, K ascending. Layouts of a 32-row panel, all parts 64-byte aligned:
//   f32, f16    [K][32]
//   bf16        [K/2][32][2]: pairs, as VDPBF16PS and TDPBF16PS take them; K padded to 32 with zeros
//   compact bf16 see linear_compact.h
//   f8e4m3      per 128 columns: f32 scale[32], then [64][32][2] bytes; K starts at the scale grid (k_shift
//   zeros) 32-blocks   per 32 columns: f16 scale[32], f16 min[32] if any, then the levels k-quants    per 256
//   columns: f16 d[32], f16 dmin[32] if any, u8 scale[8][32] and u8 min[8][32] (q6_k: i8
//               scale[16][32]), then the levels of 8 blocks
// Levels of 32 columns x 32 rows are quads [8][32][4] (four columns of a row together, as VPDPBUSD takes
// them):
//   q8_0        1024 bytes, level + 128
//   4 low bits  [4][32][4] bytes: low nibbles are quads 0..3, high nibbles quads 4..7
//   5th bit     [32][4] bytes after them: bit i is of quad i
//   5th and 6th [2][32][4] bytes after them: bits 2i, 2i + 1 of byte plane p are of quad 4p + i
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/op/linear.h"

namespace hadal {

constexpr int64_t kPanelRows = 32;
constexpr int64_t kF8Chunk = 128;  // columns of one FP8 scale
// Panels that take the same rows of x one after the other, a range of K at a time: many rows of x are then
// read from the second-level cache, and not from beyond it once for every panel.
constexpr int64_t kPanelGroup = 4;
// Rows of x of more bytes do not stay in the second-level cache beside the weights.
constexpr int64_t kLargeX = 256 << 10;

// How one row of x is given to the kernels.
enum class RowKind {
  kF32,   // f32 [k_padded]
  kBf16,  // bf16 [k_padded]
  kQ8,    // i8 [K]; f32 scale[K/32]; then f32 scale * sum [K/32] for types with a minimum, else i32 -offset *
          // sum [K/32] (q6_k: [K/16]): what makes an integer dot product of unsigned levels one of signed
          // levels
};

// Where things lie, for one dtype, K and tier. x rows of `row_stride` bytes, their parts at the offsets.
struct LinearLayout {
  DType dtype = DType::kF32;
  RowKind row_kind = RowKind::kF32;
  int64_t panel_rows = 1;
  int64_t panel_bytes = 0;
  int64_t k = 0;         // columns of W and x
  int64_t k_shift = 0;   // zero columns before them
  int64_t k_padded = 0;  // with zero columns before and after
  int64_t row_stride = 0;
  int64_t scale_offset = 0;  // kQ8
  int64_t sum_offset = 0;    // kQ8
  bool compact = false;      // bf16 in 12 bits, linear_compact.h
};

LinearLayout linear_layout(CpuTier tier, DType dtype, int64_t k, int64_t k_shift, bool compact = false);
inline LinearLayout linear_layout(const PackedLinear& w) {
  return linear_layout(w.tier(), w.dtype(), w.k(), w.k_shift(), w.compact());
}

// A weight that the compact form leaves out; its kernels add weight * x[column] to the row's sum at the end.
struct CompactOutlier {
  uint32_t column = 0;
  uint16_t row = 0;     // of the panel
  uint16_t weight = 0;  // bf16
};

// How far ahead a single pass over the weights asks for them, in bytes, into the second-level cache. Measured
// with two threads: on Zen 4, 1 or 2 KB ahead read 55 GB/s, 4 KB (the next page) and more only 35; Xeons with
// AMX decode 2-19% faster at 4 KB than at 2, and no faster beyond.
inline constexpr int64_t kStreamAhead = 2048;
inline constexpr int64_t kStreamAheadAmx = 4096;

// Some panels times some rows of x. y[r][c] for r < num_rows, c < num_columns; columns start at the first
// panel's.
struct PanelJob {
  const LinearLayout* layout = nullptr;
  const std::byte* panels = nullptr;
  const CompactOutlier* outliers = nullptr;  // compact: of the whole matrix
  const uint32_t* outlier_begin = nullptr;   // compact: of each panel of the job, and the end
  int64_t num_panels = 0;
  int64_t num_columns = 0;
  const std::byte* x = nullptr;
  int64_t x_stride = 0;  // bytes
  int64_t num_rows = 0;
  float* y = nullptr;
  int64_t y_stride = 0;         // floats
  const float* bias = nullptr;  // at the first panel's column, or null
  bool accumulate = false;
  int64_t stream_ahead = kStreamAhead;
};

using PanelFn = void (*)(const PanelJob&);
using StageFn = void (*)(const LinearLayout&, const float* x, std::byte* row);
using CompactFn = int64_t (*)(const uint8_t* plain, int64_t num_groups, int base, uint8_t* out,
                              CompactOutlier* outliers);

// One tier's code. A null entry means the tier below serves that dtype.
struct LinearKernels {
  PanelFn panels[16] = {};
  PanelFn compact_panels = nullptr;
  CompactFn compact = nullptr;  // compact_groups of linear_compact.h; null: bf16 is kept as it is
  StageFn stage_bf16 = nullptr;
  StageFn stage_q8 = nullptr;
  int64_t stream_ahead = kStreamAhead;  // for its jobs, whichever tier's code runs them
};

inline PanelFn panel_fn(const LinearKernels& kernels, const LinearLayout& layout) {
  return layout.compact ? kernels.compact_panels : kernels.panels[static_cast<size_t>(layout.dtype)];
}

// Kernels for a tier, chosen per entry from the best tier at or below it that has one.
const LinearKernels& linear_kernels(CpuTier tier);
// Tables of single tiers; null where this build has no such code (another architecture).
const LinearKernels* scalar_linear_kernels();
const LinearKernels* avx2_linear_kernels();
const LinearKernels* avx512_linear_kernels();
const LinearKernels* avx512_vnni_linear_kernels();
const LinearKernels* avx512_bf16_linear_kernels();
const LinearKernels* amx_linear_kernels();

// Writes one row of x in the form the kernels read. row: layout.row_stride bytes.
void stage_row(CpuTier tier, const LinearLayout& layout, const float* x, std::byte* row);
// Bytes of num_rows staged rows, and of what kernels may read past them.
int64_t staged_bytes(const LinearLayout& layout, int64_t num_rows);

// Packs row `row` of the stacked matrix into its panel. `scales`: f8e4m3, one per kF8Chunk columns of
// k_padded.
void pack_row(const LinearLayout& layout, const std::byte* source, const float* scales, int64_t row,
              std::byte* panels);

}  // namespace hadal
