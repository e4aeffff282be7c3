// Staging of x as bf16, and FP8 panels turned to bf16: what AVX512-BF16 and AMX share. Needs AVX512-BF16.
#pragma once

#include <immintrin.h>

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

}  // namespace
}  // namespace hadal
