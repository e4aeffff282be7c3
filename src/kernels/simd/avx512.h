// Vectors of 16 floats for translation units compiled with AVX-512 F, BW, DQ, VL. See simd/avx2.h for the
// interface.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/simd/macros.h"

namespace hadal {

struct Avx512 {
  using F = __m512;
  static constexpr int kWidth = 16;
  // Register tile of the attention products, in vectors: 6 rows x 4 and two operands fit 32 registers.
  static constexpr int tile_vectors(int) { return 4; }

  HADAL_VEC __mmask16 first(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
  HADAL_VEC F zero() { return _mm512_setzero_ps(); }
  HADAL_VEC F set1(float x) { return _mm512_set1_ps(x); }
  HADAL_VEC F load(const float* p) { return _mm512_loadu_ps(p); }
  HADAL_VEC F load_n(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
  HADAL_VEC void store(float* p, F x) { _mm512_storeu_ps(p, x); }
  HADAL_VEC void store_n(float* p, F x, int64_t n) { _mm512_mask_storeu_ps(p, first(n), x); }
  HADAL_VEC F add(F a, F b) { return _mm512_add_ps(a, b); }
  HADAL_VEC F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  HADAL_VEC F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  HADAL_VEC F div(F a, F b) { return _mm512_div_ps(a, b); }
  HADAL_VEC F max(F a, F b) { return _mm512_max_ps(a, b); }
  HADAL_VEC F min(F a, F b) { return _mm512_min_ps(a, b); }
  HADAL_VEC F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  HADAL_VEC F fmaddsub(F a, F b, F c) { return _mm512_fmaddsub_ps(a, b, c); }
  HADAL_VEC F round(F x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  HADAL_VEC F pow2(F n) {
    const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
  }
  HADAL_VEC float sum(F x) { return _mm512_reduce_add_ps(x); }
  HADAL_VEC float max_lane(F x) { return _mm512_reduce_max_ps(x); }
  HADAL_VEC uint32_t ge_mask(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
  HADAL_VEC uint32_t eq_mask(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  HADAL_VEC F keep_ge(F w, F a, F b) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_GE_OQ), w); }
  HADAL_VEC F keep_range(F x, int low, int high, F other) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __mmask16 inside = _mm512_cmpge_epi32_mask(lane, _mm512_set1_epi32(low)) &
                             _mm512_cmplt_epi32_mask(lane, _mm512_set1_epi32(high));
    return _mm512_mask_blend_ps(inside, other, x);
  }
  HADAL_VEC F dup_pairs(const float* p) {
    const __m512i lane = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(lane, _mm512_castps256_ps512(_mm256_loadu_ps(p)));
  }
  HADAL_VEC F swap_pairs(F x) { return _mm512_permute_ps(x, 0xB1); }

  HADAL_VEC F load(const uint16_t* p, bool f16) {
    return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), f16);
  }
  HADAL_VEC F load_n(const uint16_t* p, int64_t n, bool f16) {
    return widen(_mm256_maskz_loadu_epi16(first(n), p), f16);
  }
  HADAL_VEC F widen(__m256i x, bool f16) {
    if (f16) return _mm512_cvtph_ps(x);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
  }
  HADAL_VEC void split_pairs(F pairs, bool f16, F& even, F& odd) {
    const __m512i x = _mm512_castps_si512(pairs);
    if (f16) {
      even = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(x));
      odd = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(x, 16)));
    } else {
      even = _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
      odd = _mm512_castsi512_ps(_mm512_and_si512(x, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
    }
  }
  HADAL_VEC void store_n(uint16_t* p, F x, int64_t n, bool f16) {
    __m256i narrow;
    if (f16) {
      narrow = _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    } else {
      const __m512i bits = _mm512_castps_si512(x);
      const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
      __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
      const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
      rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
      narrow = _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
    }
    _mm256_mask_storeu_epi16(p, first(n), narrow);
  }

  // A sum of floats in f64, lane by lane in a fixed order.
  struct Sum {
    __m512d low = _mm512_setzero_pd();
    __m512d high = _mm512_setzero_pd();
  };
  HADAL_VEC void accumulate(Sum& sum, F x) {
    sum.low = _mm512_add_pd(sum.low, _mm512_cvtps_pd(_mm512_castps512_ps256(x)));
    sum.high = _mm512_add_pd(sum.high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)));
  }
  HADAL_VEC double total(const Sum& sum) { return _mm512_reduce_add_pd(_mm512_add_pd(sum.low, sum.high)); }

  // Writes `base` + the set lanes' numbers, up to 16 elements; returns how many count.
  HADAL_VEC int compress_ids(int32_t* ids, uint32_t mask, int32_t base) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i all = _mm512_add_epi32(lane, _mm512_set1_epi32(base));
    _mm512_storeu_si512(ids, _mm512_maskz_compress_epi32(static_cast<__mmask16>(mask), all));
    return __builtin_popcount(mask);
  }

  // r[i] lane j becomes r[j] lane i.
  HADAL_VEC void transpose(F* r) {
    F t[16];
    HADAL_UNROLL
    for (int i = 0; i < 16; i += 2) {
      t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    HADAL_UNROLL
    for (int i = 0; i < 16; i += 4) {
      const auto pd = [](F x) __attribute__((always_inline)) {
        return _mm512_castps_pd(x);
      };
      r[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(pd(t[i]), pd(t[i + 2])));
      r[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(pd(t[i]), pd(t[i + 2])));
      r[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(pd(t[i + 1]), pd(t[i + 3])));
      r[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(pd(t[i + 1]), pd(t[i + 3])));
    }
    // r[4g + j] holds, in 128-bit lane q, column 4q + j of rows 4g .. 4g + 3.
    HADAL_UNROLL
    for (int j = 0; j < 4; ++j) {
      const F a = _mm512_shuffle_f32x4(r[j], r[4 + j], 0x88);
      const F b = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0x88);
      const F c = _mm512_shuffle_f32x4(r[j], r[4 + j], 0xDD);
      const F d = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0xDD);
      t[j] = _mm512_shuffle_f32x4(a, b, 0x88);
      t[8 + j] = _mm512_shuffle_f32x4(a, b, 0xDD);
      t[4 + j] = _mm512_shuffle_f32x4(c, d, 0x88);
      t[12 + j] = _mm512_shuffle_f32x4(c, d, 0xDD);
    }
    HADAL_UNROLL
    for (int i = 0; i < 16; ++i) r[i] = t[i];
  }
};

}  // namespace hadal
