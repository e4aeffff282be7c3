// 256-bit vectors for linear_panels.h: AVX2, FMA and F16C. Included only by files compiled with these flags;
// everything is in the unnamed namespace so that no other file can end up with this code.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace hadal {
namespace {

struct Avx2 {
  static constexpr int kLanes = 8;
  static constexpr int kFloatRows = 4;  // rows of x per register tile
  static constexpr int kBf16Rows = 3;   // same, when two vectors of weights are live per column vector
  static constexpr int kQuantRows = 2;
  static constexpr bool kSignedBytes = true;  // q8_0 levels are used as signed: no offset correction
  using F = __m256;
  using I = __m256i;

  static F zero() { return _mm256_setzero_ps(); }
  static F load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, F v) { _mm256_storeu_ps(p, v); }
  static F broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static F set1(float v) { return _mm256_set1_ps(v); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F fnmul(F a, F b) { return _mm256_xor_ps(_mm256_mul_ps(a, b), _mm256_set1_ps(-0.0f)); }
  static F load_f16(const void* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  }
  static F load_u8(const void* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p))));
  }
  static F load_i8(const void* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p))));
  }
  static I load_bytes(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static void store_bytes(void* p, I v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
  static I broadcast_i32(const void* p) {
    return _mm256_castps_si256(_mm256_broadcast_ss(static_cast<const float*>(p)));
  }
  static F to_float(I v) { return _mm256_cvtepi32_ps(v); }
  static I zero_i() { return _mm256_setzero_si256(); }
  static I set1_u8(int v) { return _mm256_set1_epi8(static_cast<char>(v)); }
  static I bit_and(I a, I b) { return _mm256_and_si256(a, b); }
  template <int kShift>
  static I shift_left(I v) {
    return _mm256_slli_epi16(v, kShift);
  }
  template <int kShift>
  static I shift_right(I v) {
    return _mm256_srli_epi16(v, kShift);
  }
  // a | (b & mask)
  static I merge(I a, I b, I mask) { return _mm256_or_si256(a, _mm256_and_si256(b, mask)); }

  // The bf16 pair of each row: low half is the even column.
  static F even_bf16(I v) { return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16)); }
  static F odd_bf16(I v) { return _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32(-65536))); }
  // FP8 bytes of one column pair; 16 bits per row, zero-extended.
  static I load_pairs(const void* p) {
    return _mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  }
  // Low byte of each lane from E4M3 to f32, scaled, rounded to bf16 (nearest even).
  static F scaled_f8(I v, F scale) {
    const I magnitude = _mm256_slli_epi32(_mm256_and_si256(v, _mm256_set1_epi32(0x7f)), 20);
    const I sign = _mm256_slli_epi32(_mm256_and_si256(v, _mm256_set1_epi32(0x80)), 24);
    const F value = _mm256_mul_ps(_mm256_castsi256_ps(magnitude), _mm256_set1_ps(0x1p120f));
    const F scaled = _mm256_mul_ps(_mm256_or_ps(value, _mm256_castsi256_ps(sign)), scale);
    const I bits = _mm256_castps_si256(scaled);
    const I odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const I rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    return _mm256_castsi256_ps(_mm256_and_si256(rounded, _mm256_set1_epi32(-65536)));
  }
  static I high_bytes(I v) { return _mm256_srli_epi32(v, 8); }

  // Products of unsigned levels and signed bytes, summed in 16-bit pairs: kPairs of them fit when levels are
  // small.
  static constexpr int flush_quads(int max_level) {
    return max_level <= 15 ? 8 : max_level <= 31 ? 4 : max_level <= 63 ? 2 : 1;
  }
  static I part_begin(I) { return _mm256_setzero_si256(); }
  static I part_dot(I part, I w, I x) { return _mm256_add_epi16(part, _mm256_maddubs_epi16(w, x)); }
  // w holds level + 128.
  static I part_dot_signed(I part, I w, I x) {
    const I level = _mm256_xor_si256(w, _mm256_set1_epi8(-128));
    return _mm256_add_epi16(part, _mm256_maddubs_epi16(_mm256_abs_epi8(level), _mm256_sign_epi8(x, level)));
  }
  static I part_end(I sum, I part) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(part, _mm256_set1_epi16(1)));
  }

  // 32 floats to bytes: q = round(x * inverse). Also the largest magnitude, and the sums of q's halves.
  static float largest(const float* x) {
    const F sign = _mm256_set1_ps(-0.0f);
    F m = _mm256_andnot_ps(sign, load(x));
    for (int i = 8; i < 32; i += 8) m = _mm256_max_ps(m, _mm256_andnot_ps(sign, load(x + i)));
    __m128 h = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
    h = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(h, _mm_shuffle_ps(h, h, 1)));
  }
  static int32_t sum16(I a, I b) {
    const I s = _mm256_add_epi32(a, b);
    __m128i h = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(h, _mm_shuffle_epi32(h, 0xb1)));
  }
  static void quantize(const float* x, float inverse, int8_t* q, int32_t* sums) {
    const F scale = set1(inverse);
    I v[4];
    for (int i = 0; i < 4; ++i) v[i] = _mm256_cvtps_epi32(mul(load(x + i * 8), scale));
    sums[0] = sum16(v[0], v[1]);
    sums[1] = sum16(v[2], v[3]);
    const I words = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
    store_bytes(q, _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
  }
};

}  // namespace
}  // namespace hadal
