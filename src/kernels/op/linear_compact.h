// bf16 weights in 12 bits, without losing one. A matrix's exponents lie close together: 15 neighbouring
// values hold all but about one weight in ten thousand of a trained layer. So sign and mantissa keep their 8
// bits, the exponent becomes a 4-bit code, and the few weights outside are listed apart. Decoding is a
// quarter fewer bytes to read, and a byte shuffle, an interleave and a rotation a vector. (That exponents
// carry under 3 bits is measured by DFloat11, arXiv:2504.11651; this fixed-length code is ours, because it
// decodes at memory speed on a CPU.)
//
// Used by the tiers that take x as bf16. A panel: 64 bytes whose first is `base`, then per 4 columns of its
// 32 rows
//   u8 low[2][64]   of column pair p: sign and mantissa, see below
//   u8 codes[64]    low nibble of pair 0, high nibble of pair 1, for the same place in low[p]
// Code 0 is exponent 0 (zero and subnormals), code c is exponent base + c. Row r, column c of a pair stands
// at byte r % 16 / 4 * 16 + r / 16 * 8 + r % 4 * 2 + c of its 64: interleaved with the exponents within
// 128-bit lanes, the first half of each lane becomes the pair's rows 0..15 and the second half rows 16..31. A
// 32-bit word then holds, from the top, exponent 1, mantissa 1, sign 0, exponent 0, mantissa 0, sign 1:
// rotated right by one, the pair.
#pragma once

#include "kernels/op/linear_kernels.h"

namespace hadal {

constexpr int64_t kCompactHeader = 64;
constexpr int64_t kCompactColumns = 4;       // of a group
constexpr int64_t kCompactGroupBytes = 192;  // 4 columns x 32 rows
constexpr int kCompactCodes = 15;

inline int64_t compact_panel_bytes(int64_t k_padded) {
  return kCompactHeader + k_padded / kCompactColumns * kCompactGroupBytes;
}

// CompactFn, compact_groups: packs groups of a plain panel, [2 * num_groups][32][2] bf16, and lists the
// weights that have no code, columns counted from the first group; returns how many. outliers: room for
// num_groups * 128.

// The list after the panels: u32 begin[num_panels + 1], then the outliers of all panels.
inline void set_outliers(PanelJob& job, const PackedLinear& w, int64_t panel) {
  if (!w.compact()) return;
  const auto* begin = reinterpret_cast<const uint32_t*>(w.outliers());
  job.outlier_begin = begin + panel;
  job.outliers = reinterpret_cast<const CompactOutlier*>(begin + (w.n() + kPanelRows - 1) / kPanelRows + 1);
}

}  // namespace hadal
