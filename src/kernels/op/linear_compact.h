// bf16 weights in 12 bits, without losing one. A matrix's exponents lie close together: 14 neighbouring
// values hold all but a few weights in ten thousand of a trained layer. So of a weight's upper byte (sign and
// seven bits of the exponent) only a 4-bit code is kept, the lower byte stays as it is, and the few weights
// whose exponent has no code are listed apart. Decode then reads a quarter fewer bytes, for a byte shuffle
// and an interleave a vector. (That exponents carry under 3 bits is measured by DFloat11, arXiv:2504.11651;
// this fixed-length code is ours, because it decodes at memory speed on a CPU.)
//
// Used by the tiers that take x as bf16. A panel: 64 bytes whose first is `base`, then per 4 columns of its
// 32 rows
//   u8 low[2][64]   of column pair p: the lower bytes
//   u8 codes[64]    low nibble of pair 0, high nibble of pair 1, for the same place in low[p]
// A code's top bit is the sign. Its other three, c: the upper seven exponent bits are base + c, or 0 (zeros
// and subnormals) for c = 0. Row r, column c of a pair stands at byte r % 16 / 4 * 16 + r / 16 * 8 + r % 4 *
// 2 + c of its 64: lower and upper bytes interleaved within 128-bit lanes then give the pair's rows 0..15
// from the first half of each lane, and rows 16..31 from the second.
#pragma once

#include "kernels/op/linear_kernels.h"

namespace hadal {

constexpr int64_t kCompactHeader = 64;
constexpr int64_t kCompactColumns = 4;       // of a group
constexpr int64_t kCompactGroupBytes = 192;  // 4 columns x 32 rows
constexpr int kCompactCodes = 7;             // beside zero

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
