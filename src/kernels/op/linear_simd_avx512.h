// 512-bit vectors for linear_panels.h: AVX512 F, BW, DQ, VL; with VNNI where the including file is compiled
// for it. Everything is in the unnamed namespace so that no other file can end up with this code.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace hadal {
namespace {

struct Avx512 {
  static constexpr int kLanes = 16;
  static constexpr int kFloatRows = 12;  // rows of x per register tile: 24 of 32 registers are sums
  static constexpr int kBf16Rows = 12;
  static constexpr int kQuantRows = 6;
  using F = __m512;
  using I = __m512i;

  static F zero() { return _mm512_setzero_ps(); }
  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, F v) { _mm512_storeu_ps(p, v); }
  static F broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static F set1(float v) { return _mm512_set1_ps(v); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F fnmul(F a, F b) { return _mm512_xor_ps(_mm512_mul_ps(a, b), _mm512_set1_ps(-0.0f)); }
  static F load_f16(const void* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  }
  static F load_u8(const void* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))));
  }
  static F load_i8(const void* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))));
  }
  static I load_bytes(const void* p) { return _mm512_loadu_si512(p); }
  static void store_bytes(void* p, I v) { _mm512_storeu_si512(p, v); }
  static I broadcast_i32(const void* p) { return _mm512_set1_epi32(*static_cast<const int32_t*>(p)); }
  static I sub_i8(I a, I b) { return _mm512_sub_epi8(a, b); }
  static F to_float(I v) { return _mm512_cvtepi32_ps(v); }
  static I zero_i() { return _mm512_setzero_si512(); }
  static I set1_u8(int v) { return _mm512_set1_epi8(static_cast<char>(v)); }
  static I bit_and(I a, I b) { return _mm512_and_si512(a, b); }
  template <int kShift>
  static I shift_left(I v) {
    return _mm512_slli_epi16(v, kShift);
  }
  template <int kShift>
  static I shift_right(I v) {
    return _mm512_srli_epi16(v, kShift);
  }
  // a | (b & mask)
  static I merge(I a, I b, I mask) { return _mm512_ternarylogic_epi32(a, b, mask, 0xf8); }

  // The bf16 pair of each row: low half is the even column.
  static F even_bf16(I v) { return _mm512_castsi512_ps(_mm512_slli_epi32(v, 16)); }
  static F odd_bf16(I v) { return _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32(-65536))); }
  // FP8 bytes of one column pair; 16 bits per row, zero-extended.
  static I load_pairs(const void* p) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  }
  // Low byte of each lane from E4M3 to f32, scaled, rounded to bf16 (nearest even).
  static F scaled_f8(I v, F scale) {
    const I magnitude = _mm512_slli_epi32(_mm512_and_si512(v, _mm512_set1_epi32(0x7f)), 20);
    const I sign = _mm512_slli_epi32(_mm512_and_si512(v, _mm512_set1_epi32(0x80)), 24);
    const F value = _mm512_mul_ps(_mm512_castsi512_ps(magnitude), _mm512_set1_ps(0x1p120f));
    const F scaled = _mm512_mul_ps(_mm512_or_ps(value, _mm512_castsi512_ps(sign)), scale);
    const I bits = _mm512_castps_si512(scaled);
    const I odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const I rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    return _mm512_castsi512_ps(_mm512_and_si512(rounded, _mm512_set1_epi32(-65536)));
  }
  static I high_bytes(I v) { return _mm512_srli_epi32(v, 8); }

#if defined(__AVX512VNNI__)
  // Sums of four byte products go straight into 32 bits.
  static constexpr bool kSignedBytes = false;
  static constexpr int flush_quads(int) {
    return 8;
  }
  static I part_begin(I sum) {
    return sum;
  }
  static I part_dot(I part, I w, I x) {
    return _mm512_dpbusd_epi32(part, w, x);
  }
  static I part_dot_signed(I part, I w, I x) {
    return part_dot(part, w, x);
  }
  static I part_end(I, I part) {
    return part;
  }
#else
  // Products of unsigned levels and signed bytes, summed in 16-bit pairs: several fit when levels are small.
  static constexpr bool kSignedBytes = true;  // q8_0 levels are used as signed: no offset correction
  static constexpr int flush_quads(int max_level) {
    return max_level <= 15 ? 8 : max_level <= 31 ? 4 : max_level <= 63 ? 2 : 1;
  }
  static I part_begin(I) {
    return _mm512_setzero_si512();
  }
  static I part_dot(I part, I w, I x) {
    return _mm512_add_epi16(part, _mm512_maddubs_epi16(w, x));
  }
  // w holds level + 128.
  static I part_dot_signed(I part, I w, I x) {
    const I level = _mm512_xor_si512(w, _mm512_set1_epi8(-128));
    const I signed_x = _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(level), _mm512_setzero_si512(), x);
    return _mm512_add_epi16(part, _mm512_maddubs_epi16(_mm512_abs_epi8(level), signed_x));
  }
  static I part_end(I sum, I part) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(part, _mm512_set1_epi16(1)));
  }
#endif

  // 32 floats to bytes: q = round(x * inverse). Also the largest magnitude, and the sums of q's halves.
  static float largest(const float* x) {
    return _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(load(x)), _mm512_abs_ps(load(x + 16))));
  }
  static void quantize(const float* x, float inverse, int8_t* q, int32_t* sums) {
    for (int i = 0; i < 2; ++i) {
      // NaN becomes the smallest integer: sums of a row with NaN are arbitrary, but do not overflow.
      const I v =
          _mm512_max_epi32(_mm512_cvtps_epi32(mul(load(x + i * 16), set1(inverse))), _mm512_set1_epi32(-128));
      sums[i] = _mm512_reduce_add_epi32(v);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(q + i * 16), _mm512_cvtsepi32_epi8(v));
    }
  }
};

}  // namespace
}  // namespace hadal
