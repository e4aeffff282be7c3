// Staging of x as bf16, and FP8 and compact panels turned to bf16: what AVX512-BF16 and AMX share. Needs
// AVX512-BF16.
#pragma once

#include <immintrin.h>

#include "kernels/op/linear_compact.h"
#include "kernels/op/linear_panels.h"

namespace hadal {
namespace {

// VCVTNEPS2BF16 rounds to nearest even and flushes denormals.
[[maybe_unused]] void stage_bf16_row(const LinearLayout& layout, const float* x, std::byte* row) {
  auto* out = reinterpret_cast<uint16_t*>(row);
  for (int64_t i = 0; i < layout.k_padded; i += 32) {
    const int64_t column = i - layout.k_shift;
    if (column >= 0 && column + 32 <= layout.k) {
      const __m512bh v = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + column + 16), _mm512_loadu_ps(x + column));
      _mm512_storeu_si512(out + i, (__m512i)v);
      continue;
    }
    alignas(64) float part[32];
    for (int64_t j = 0; j < 32; ++j)
      part[j] = column + j >= 0 && column + j < layout.k ? x[column + j] : 0.0f;
    _mm512_storeu_si512(out + i,
                        (__m512i)_mm512_cvtne2ps_pbh(_mm512_load_ps(part + 16), _mm512_load_ps(part)));
  }
}

// 32 FP8 bytes (16 rows x 2 columns) to bf16. E4M3 shifted into half precision is 2^-8 of its value,
// subnormals included, so one exact multiplication later it is right. scales: of 8 rows each, every one
// twice.
inline __m512i scaled_f8_to_bf16(const uint8_t* bytes, __m512 scales_low, __m512 scales_high) {
  const __m512i wide = _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
  const __m512i half =
      _mm512_and_si512(_mm512_slli_epi16(wide, 7), _mm512_set1_epi16(static_cast<short>(0xbf80)));
  const __m512 unit = _mm512_set1_ps(256.0f);
  const __m512 low = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_castsi512_si256(half)), unit);
  const __m512 high = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_extracti64x4_epi64(half, 1)), unit);
  return (__m512i)_mm512_cvtne2ps_pbh(_mm512_mul_ps(high, scales_high), _mm512_mul_ps(low, scales_low));
}

// One chunk of kF8Chunk columns of a panel to bf16 pairs [64][32][2].
inline void widen_f8_to_bf16(const uint8_t* chunk, uint8_t* out) {
  const __m512i twice_low = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  const __m512i twice_high = _mm512_add_epi32(twice_low, _mm512_set1_epi32(8));
  for (int half = 0; half < 2; ++half) {
    const __m512 scales = _mm512_loadu_ps(reinterpret_cast<const float*>(chunk) + half * 16);
    const __m512 low = _mm512_permutexvar_ps(twice_low, scales);
    const __m512 high = _mm512_permutexvar_ps(twice_high, scales);
    const uint8_t* pairs = chunk + kPanelRows * 4 + half * 32;
    for (int p = 0; p < kF8Chunk / 2; ++p) {
      _mm512_storeu_si512(out + p * 128 + half * 64, scaled_f8_to_bf16(pairs + p * 64, low, high));
    }
  }
}

// The upper bytes that codes 0..15 stand for, in every 128-bit lane.
inline __m512i compact_table(const uint8_t* panel) {
  const __m128i code = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
  const __m128i sign = _mm_setr_epi32(0, 0, static_cast<int>(0x80808080u), static_cast<int>(0x80808080u));
  const __m128i based = _mm_add_epi8(code, _mm_set1_epi8(static_cast<char>(panel[0])));
  return _mm512_broadcast_i32x4(_mm_or_si128(sign, _mm_maskz_mov_epi8(0xfefe, based)));
}

// One group to bf16 pairs: out[0], out[1] are rows 0..15 and 16..31 of the first column pair, then the
// second's.
HADAL_INLINE void compact_to_bf16(const uint8_t* group, __m512i table, __m512i* out) {
  const __m512i codes = _mm512_loadu_si512(group + 128);
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i high0 = _mm512_shuffle_epi8(table, _mm512_and_si512(codes, nibble));
  const __m512i high1 = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble));
  const __m512i low0 = _mm512_loadu_si512(group);
  const __m512i low1 = _mm512_loadu_si512(group + 64);
  out[0] = _mm512_unpacklo_epi8(low0, high0);
  out[1] = _mm512_unpackhi_epi8(low0, high0);
  out[2] = _mm512_unpacklo_epi8(low1, high1);
  out[3] = _mm512_unpackhi_epi8(low1, high1);
}

// Groups of one panel to a plain one, [2 * num_groups][32][2].
inline void widen_compact(const uint8_t* group, __m512i table, int64_t num_groups, uint8_t* out) {
  for (int64_t g = 0; g < num_groups; ++g, group += kCompactGroupBytes, out += 256) {
    __m512i pairs[4];
    compact_to_bf16(group, table, pairs);
    for (int i = 0; i < 4; ++i) _mm512_storeu_si512(out + i * 64, pairs[i]);
  }
}

// Adds what the compact panel left out. rows: of the job, from `row`; sums: [rows][32].
inline void add_outliers(const PanelJob& job, int64_t panel, int64_t row, int64_t rows, float* sums) {
  for (uint32_t i = job.outlier_begin[panel]; i < job.outlier_begin[panel + 1]; ++i) {
    const CompactOutlier& at = job.outliers[i];
    const float weight = __builtin_bit_cast(float, static_cast<uint32_t>(at.weight) << 16);
    for (int64_t r = 0; r < rows; ++r) {
      uint16_t x = 0;
      std::memcpy(&x, job.x + (row + r) * job.x_stride + at.column * 2, 2);
      float& sum = sums[r * kPanelRows + at.row];
      sum = __builtin_fmaf(weight, __builtin_bit_cast(float, static_cast<uint32_t>(x) << 16), sum);
    }
  }
}

}  // namespace
}  // namespace hadal
