// Vectors of 8 floats for translation units compiled with AVX2, FMA and F16C. The interface, shared with
// simd/avx512.h:
// *_n touch the first n elements (0 < n <= kWidth for loads: the rest reads as 0); max and min give the
// second operand where one is NaN; pow2 takes whole numbers in [-127, 127] and gives 0 for -127; 16-bit
// floats are f16 or bf16.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/simd/macros.h"

namespace hadal {

struct Avx2 {
  using F = __m256;
  static constexpr int kWidth = 8;
  // Register tile of the attention products, in vectors: enough independent chains for few rows, 16 registers
  // for many.
  static constexpr int tile_vectors(int rows) { return rows == 1 ? 8 : rows == 2 ? 4 : 2; }

  HADAL_VEC __m256i first(int64_t n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
  }
  HADAL_VEC F zero() { return _mm256_setzero_ps(); }
  HADAL_VEC F set1(float x) { return _mm256_set1_ps(x); }
  HADAL_VEC F load(const float* p) { return _mm256_loadu_ps(p); }
  HADAL_VEC F load_n(const float* p, int64_t n) { return _mm256_maskload_ps(p, first(n)); }
  HADAL_VEC void store(float* p, F x) { _mm256_storeu_ps(p, x); }
  HADAL_VEC void store_n(float* p, F x, int64_t n) { _mm256_maskstore_ps(p, first(n), x); }
  HADAL_VEC F add(F a, F b) { return _mm256_add_ps(a, b); }
  HADAL_VEC F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  HADAL_VEC F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  HADAL_VEC F div(F a, F b) { return _mm256_div_ps(a, b); }
  HADAL_VEC F max(F a, F b) { return _mm256_max_ps(a, b); }
  HADAL_VEC F min(F a, F b) { return _mm256_min_ps(a, b); }
  HADAL_VEC F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  HADAL_VEC F fmaddsub(F a, F b, F c) { return _mm256_fmaddsub_ps(a, b, c); }
  HADAL_VEC F round(F x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  HADAL_VEC F pow2(F n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
  }
  HADAL_VEC float sum(F x) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
  HADAL_VEC float max_lane(F x) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
  }
  HADAL_VEC uint32_t ge_mask(F a, F b) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ)));
  }
  HADAL_VEC uint32_t eq_mask(F a, F b) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)));
  }
  // w where a >= b, else 0.
  HADAL_VEC F keep_ge(F w, F a, F b) { return _mm256_and_ps(w, _mm256_cmp_ps(a, b, _CMP_GE_OQ)); }
  // x in lanes [low, high), `other` elsewhere.
  HADAL_VEC F keep_range(F x, int low, int high, F other) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(low), lane);
    const __m256i inside = _mm256_andnot_si256(below, _mm256_cmpgt_epi32(_mm256_set1_epi32(high), lane));
    return _mm256_blendv_ps(other, x, _mm256_castsi256_ps(inside));
  }
  // p[0] p[0] p[1] p[1] ...
  HADAL_VEC F dup_pairs(const float* p) {
    const __m256i lane = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), lane);
  }
  HADAL_VEC F swap_pairs(F x) { return _mm256_permute_ps(x, 0xB1); }

  HADAL_VEC F load(const uint16_t* p, bool f16) {
    return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), f16);
  }
  HADAL_VEC F load_n(const uint16_t* p, int64_t n, bool f16) {
    alignas(16) uint16_t part[8] = {};
    for (int64_t i = 0; i < n; ++i) part[i] = p[i];
    return widen(_mm_load_si128(reinterpret_cast<const __m128i*>(part)), f16);
  }
  HADAL_VEC F widen(__m128i x, bool f16) {
    if (f16) return _mm256_cvtph_ps(x);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
  }
  // Each lane of `pairs` holds two 16-bit floats: the lower ones to even, the upper ones to odd.
  HADAL_VEC void split_pairs(F pairs, bool f16, F& even, F& odd) {
    const __m256i x = _mm256_castps_si256(pairs);
    if (f16) {
      even = _mm256_cvtph_ps(pack_low(_mm256_and_si256(x, _mm256_set1_epi32(0xffff))));
      odd = _mm256_cvtph_ps(pack_low(_mm256_srli_epi32(x, 16)));
    } else {
      even = _mm256_castsi256_ps(_mm256_slli_epi32(x, 16));
      odd = _mm256_castsi256_ps(_mm256_and_si256(x, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
    }
  }
  // The lanes' lower 16 bits; the upper ones must be 0.
  HADAL_VEC __m128i pack_low(__m256i x) {
    return _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  }
  HADAL_VEC void store_n(uint16_t* p, F x, int64_t n, bool f16) {
    __m128i narrow;
    if (f16) {
      narrow = _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    } else {
      const __m256i bits = _mm256_castps_si256(x);
      const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
      const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
      const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
      const __m256 chosen = _mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet),
                                             _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
      const __m256i high = _mm256_srli_epi32(_mm256_castps_si256(chosen), 16);
      narrow = pack_low(high);
    }
    if (n == kWidth) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow);
      return;
    }
    alignas(16) uint16_t part[8];
    _mm_store_si128(reinterpret_cast<__m128i*>(part), narrow);
    for (int64_t i = 0; i < n; ++i) p[i] = part[i];
  }

  // A sum of floats in f64, lane by lane in a fixed order.
  struct Sum {
    __m256d low = _mm256_setzero_pd();
    __m256d high = _mm256_setzero_pd();
  };
  HADAL_VEC void accumulate(Sum& sum, F x) {
    sum.low = _mm256_add_pd(sum.low, _mm256_cvtps_pd(_mm256_castps256_ps128(x)));
    sum.high = _mm256_add_pd(sum.high, _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)));
  }
  HADAL_VEC double total(const Sum& sum) {
    const __m256d both = _mm256_add_pd(sum.low, sum.high);
    const __m128d half = _mm_add_pd(_mm256_castpd256_pd128(both), _mm256_extractf128_pd(both, 1));
    return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
  }

  // Writes `base` + the set lanes' numbers; returns how many. May write kWidth elements.
  HADAL_VEC int compress_ids(int32_t* ids, uint32_t mask, int32_t base) {
    int count = 0;
    for (; mask != 0; mask &= mask - 1) ids[count++] = base + __builtin_ctz(mask);
    return count;
  }

  // r[i] lane j becomes r[j] lane i.
  HADAL_VEC void transpose(F* r) {
    F t[8];
    HADAL_UNROLL
    for (int i = 0; i < 8; i += 2) {
      t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    HADAL_UNROLL
    for (int i = 0; i < 8; i += 4) {
      r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
      r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
      r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
      r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
    HADAL_UNROLL
    for (int i = 0; i < 4; ++i) {
      t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
      t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    HADAL_UNROLL
    for (int i = 0; i < 8; ++i) r[i] = t[i];
  }
};

}  // namespace hadal
