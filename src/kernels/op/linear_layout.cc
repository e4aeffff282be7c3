#include "base/check.h"
#include "kernels/op/linear_compact.h"
#include "kernels/op/linear_kernels.h"

namespace hadal {
namespace {

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Rows that are walked together must not fall into the same cache sets: an odd number of lines apart.
int64_t odd_lines(int64_t bytes) {
  return (round_up(bytes, 64) / 64 | 1) * 64;
}

int64_t padded_k(CpuTier tier, DType dtype, int64_t k, int64_t shift) {
  if (dtype == DType::kF8E4M3) return round_up(k + shift, kF8Chunk);
  if (dtype == DType::kBF16 && tier != CpuTier::kScalar) return round_up(k, 32);
  return k;
}

int64_t scalar_row_bytes(DType dtype, int64_t k_padded) {
  const int64_t scales = dtype == DType::kF8E4M3 ? k_padded / kF8Chunk * 4 : 0;
  return scales + dtype_bytes(dtype, k_padded);
}

int64_t simd_panel_bytes(DType dtype, int64_t k) {
  const int64_t rows = kPanelRows;
  switch (dtype) {
    case DType::kF8E4M3:
      return k / kF8Chunk * (4 + kF8Chunk) * rows;
    // Six-bit scales and minimums are spread to bytes: 16 instead of 12 per 256 weights.
    case DType::kQ4_K:
    case DType::kQ5_K:
      return k / 256 * (dtype_block_bytes(dtype) + 4) * rows;
    default:
      return dtype_bytes(dtype, k) * rows;
  }
}

RowKind row_kind(CpuTier tier, DType dtype) {
  if (dtype_is_block(dtype)) return RowKind::kQ8;
  const bool bf16 = dtype == DType::kBF16 || dtype == DType::kF8E4M3;
  return bf16 && tier >= CpuTier::kAvx512Bf16 ? RowKind::kBf16 : RowKind::kF32;
}

void stage_f32(const LinearLayout& layout, const float* x, std::byte* row) {
  auto* out = reinterpret_cast<float*>(row);
  for (int64_t i = 0; i < layout.k_shift; ++i) out[i] = 0;
  for (int64_t i = 0; i < layout.k; ++i) out[layout.k_shift + i] = x[i];
  for (int64_t i = layout.k_shift + layout.k; i < layout.k_padded; ++i) out[i] = 0;
}

LinearKernels merge_kernels(CpuTier tier) {
  const LinearKernels* tables[] = {scalar_linear_kernels(),      avx2_linear_kernels(),
                                   avx512_linear_kernels(),      avx512_vnni_linear_kernels(),
                                   avx512_bf16_linear_kernels(), amx_linear_kernels()};
  LinearKernels merged;
  for (int t = 0; t <= static_cast<int>(tier); ++t) {
    const LinearKernels* table = tables[t];
    if (table == nullptr) continue;
    // Panel layouts of the scalar tier differ from the others', so it never serves them.
    if (t == 1) merged = LinearKernels{{}, nullptr, nullptr, merged.stage_bf16, merged.stage_q8};
    for (size_t i = 0; i < std::size(merged.panels); ++i) {
      if (table->panels[i] != nullptr) merged.panels[i] = table->panels[i];
    }
    if (table->compact_panels != nullptr) merged.compact_panels = table->compact_panels;
    if (table->compact != nullptr) merged.compact = table->compact;
    if (table->stage_bf16 != nullptr) merged.stage_bf16 = table->stage_bf16;
    if (table->stage_q8 != nullptr) merged.stage_q8 = table->stage_q8;
    merged.stream_ahead = table->stream_ahead;
  }
  return merged;
}

}  // namespace

LinearLayout linear_layout(CpuTier tier, DType dtype, int64_t k, int64_t k_shift, bool compact) {
  LinearLayout out;
  out.compact = compact;
  out.dtype = dtype;
  out.row_kind = row_kind(tier, dtype);
  out.k = k;
  out.k_shift = k_shift;
  out.k_padded = padded_k(tier, dtype, k, k_shift);
  const bool scalar = tier == CpuTier::kScalar;
  out.panel_rows = scalar ? 1 : kPanelRows;
  out.panel_bytes = scalar ? scalar_row_bytes(dtype, out.k_padded) : simd_panel_bytes(dtype, out.k_padded);
  if (compact) out.panel_bytes = compact_panel_bytes(out.k_padded);
  switch (out.row_kind) {
    case RowKind::kF32:
      out.row_stride = odd_lines(out.k_padded * 4);
      break;
    case RowKind::kBf16:
      out.row_stride = odd_lines(out.k_padded * 2);
      break;
    case RowKind::kQ8: {
      const int64_t sums = dtype == DType::kQ6_K ? k / 16 : k / 32;
      out.scale_offset = round_up(k, 64);
      out.sum_offset = out.scale_offset + round_up(k / 32 * 4, 64);
      out.row_stride = odd_lines(out.sum_offset + sums * 4);
      break;
    }
  }
  return out;
}

const LinearKernels& linear_kernels(CpuTier tier) {
  static const LinearKernels kTables[] = {
      merge_kernels(CpuTier::kScalar),     merge_kernels(CpuTier::kAvx2),
      merge_kernels(CpuTier::kAvx512),     merge_kernels(CpuTier::kAvx512Vnni),
      merge_kernels(CpuTier::kAvx512Bf16), merge_kernels(CpuTier::kAmx)};
  return kTables[static_cast<size_t>(tier)];
}

void stage_row(CpuTier tier, const LinearLayout& layout, const float* x, std::byte* row) {
  const LinearKernels& kernels = linear_kernels(tier);
  switch (layout.row_kind) {
    case RowKind::kF32:
      return stage_f32(layout, x, row);
    case RowKind::kBf16:
      return kernels.stage_bf16(layout, x, row);
    case RowKind::kQ8:
      return kernels.stage_q8(layout, x, row);
  }
}

int64_t staged_bytes(const LinearLayout& layout, int64_t num_rows) {
  // AMX reads 16 rows at a time, from any row.
  return (num_rows + 15) * layout.row_stride;
}

}  // namespace hadal
