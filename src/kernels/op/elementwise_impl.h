// The elementwise and sampling kernels of a vector tier V (simd/avx2.h says what V offers). Included by one
// translation unit per tier only.
#pragma once

#include <math.h>

#include <cstdint>

#include "kernels/op/cpu_kernels.h"
#include "kernels/simd/exp.h"

namespace hadal {

template <typename V>
struct ElementwiseImpl {
  using F = typename V::F;
  static constexpr int64_t kWidth = V::kWidth;

  // Calls full(i) for whole vectors at i and part(i, count) for the rest.
  template <typename Full, typename Part>
  HADAL_VEC void each(int64_t n, Full full, Part part) {
    int64_t i = 0;
    for (; i + kWidth <= n; i += kWidth) full(i);
    if (i < n) part(i, n - i);
  }

  static void rms_norm(const float* x, const float* weight, int64_t n, float eps, float* y) {
    F sums[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    int64_t i = 0;
    for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
      HADAL_UNROLL
      for (int j = 0; j < 4; ++j) {
        const F v = V::load(x + i + j * kWidth);
        sums[j] = V::fma(v, v, sums[j]);
      }
    }
    for (; i < n; i += kWidth) {
      const F v = i + kWidth <= n ? V::load(x + i) : V::load_n(x + i, n - i);
      sums[0] = V::fma(v, v, sums[0]);
    }
    const float sum = V::sum(V::add(V::add(sums[0], sums[1]), V::add(sums[2], sums[3])));
    const F scale = V::set1(1.0f / sqrtf(sum / static_cast<float>(n) + eps));
    each(
        n, [&](int64_t k) { V::store(y + k, V::mul(V::mul(V::load(x + k), scale), V::load(weight + k))); },
        [&](int64_t k, int64_t count) {
          V::store_n(y + k, V::mul(V::mul(V::load_n(x + k, count), scale), V::load_n(weight + k, count)),
                     count);
        });
  }

  static void rope_halves(float* x, const float* cos, const float* sin, int64_t half) {
    float* second = x + half;
    each(
        half,
        [&](int64_t i) {
          const F a = V::load(x + i);
          const F b = V::load(second + i);
          const F c = V::load(cos + i);
          const F s = V::load(sin + i);
          V::store(x + i, V::sub(V::mul(a, c), V::mul(b, s)));
          V::store(second + i, V::add(V::mul(b, c), V::mul(a, s)));
        },
        [&](int64_t i, int64_t count) {
          const F a = V::load_n(x + i, count);
          const F b = V::load_n(second + i, count);
          const F c = V::load_n(cos + i, count);
          const F s = V::load_n(sin + i, count);
          V::store_n(x + i, V::sub(V::mul(a, c), V::mul(b, s)), count);
          V::store_n(second + i, V::add(V::mul(b, c), V::mul(a, s)), count);
        });
  }

  static void rope(float* x, const float* cos, const float* sin, int64_t half, bool interleaved) {
    if (!interleaved) {
      rope_halves(x, cos, sin, half);
      return;
    }
    int64_t i = 0;
    for (; i + kWidth / 2 <= half; i += kWidth / 2) {
      const F v = V::load(x + 2 * i);
      const F turned = V::mul(V::swap_pairs(v), V::dup_pairs(sin + i));
      V::store(x + 2 * i, V::fmaddsub(v, V::dup_pairs(cos + i), turned));
    }
    for (; i < half; ++i) {
      const float a = x[2 * i];
      const float b = x[2 * i + 1];
      x[2 * i] = a * cos[i] - b * sin[i];
      x[2 * i + 1] = b * cos[i] + a * sin[i];
    }
  }

  HADAL_VEC F silu(F gate, F up) {
    const F denominator = V::add(V::set1(1.0f), vector_exp<V>(V::sub(V::zero(), gate)));
    return V::mul(V::div(gate, denominator), up);
  }
  static void silu_mul(const float* gate, const float* up, int64_t n, float* y) {
    each(
        n, [&](int64_t i) { V::store(y + i, silu(V::load(gate + i), V::load(up + i))); },
        [&](int64_t i, int64_t count) {
          V::store_n(y + i, silu(V::load_n(gate + i, count), V::load_n(up + i, count)), count);
        });
  }

  static void add(float* a, const float* b, int64_t n) {
    each(
        n, [&](int64_t i) { V::store(a + i, V::add(V::load(a + i), V::load(b + i))); },
        [&](int64_t i, int64_t count) {
          V::store_n(a + i, V::add(V::load_n(a + i, count), V::load_n(b + i, count)), count);
        });
  }

  template <bool kF16>
  static void to_half(const float* x, int64_t n, uint16_t* y) {
    each(
        n, [&](int64_t i) { V::store_n(y + i, V::load(x + i), kWidth, kF16); },
        [&](int64_t i, int64_t count) { V::store_n(y + i, V::load_n(x + i, count), count, kF16); });
  }
};

template <typename V>
struct SampleImpl {
  using F = typename V::F;
  static constexpr int64_t kWidth = V::kWidth;
  static constexpr float kInfinity = __builtin_inff();

  static float max(const float* x, int64_t n) {
    F best[4];
    HADAL_UNROLL
    for (int j = 0; j < 4; ++j) best[j] = V::set1(-kInfinity);
    int64_t i = 0;
    for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
      HADAL_UNROLL
      for (int j = 0; j < 4; ++j) best[j] = V::max(V::load(x + i + j * kWidth), best[j]);
    }
    for (; i + kWidth <= n; i += kWidth) best[0] = V::max(V::load(x + i), best[0]);
    float result = V::max_lane(V::max(V::max(best[0], best[1]), V::max(best[2], best[3])));
    for (; i < n; ++i) result = x[i] > result ? x[i] : result;
    return result;
  }

  static int64_t find_equal(const float* x, int64_t begin, int64_t n, float value) {
    const F wanted = V::set1(value);
    int64_t i = begin;
    for (; i + kWidth <= n; i += kWidth) {
      const uint32_t mask = V::eq_mask(V::load(x + i), wanted);
      if (mask != 0) return i + __builtin_ctz(mask);
    }
    while (i < n && x[i] != value) ++i;
    return i;
  }

  static void block_max(const float* x, int64_t n, float* out) {
    int64_t begin = 0;
    for (; begin < n; begin += kSampleBlock)
      *out++ = max(x + begin, n - begin < kSampleBlock ? n - begin : kSampleBlock);
  }

  static int64_t collect_ge(const float* x, int64_t n, float threshold, int32_t* ids) {
    const F bound = V::set1(threshold);
    int64_t count = 0;
    int64_t i = 0;
    for (; i + kWidth <= n; i += kWidth) {
      const uint32_t mask = V::ge_mask(V::load(x + i), bound);
      // At most i ids were written, so a whole vector of them ends within the first n.
      if (mask != 0) count += V::compress_ids(ids + count, mask, static_cast<int32_t>(i));
    }
    for (; i < n; ++i) {
      if (x[i] >= threshold) ids[count++] = static_cast<int32_t>(i);
    }
    return count;
  }

  // max(x, low) is low for NaN, and e^low is 0.
  HADAL_VEC F weight(F x, F max, F scale) {
    return vector_exp<V>(V::max(V::mul(V::sub(x, max), scale), V::set1(-100.0f)));
  }
  static double exp_weights(const float* x, int64_t n, float max, float scale, float* w) {
    typename V::Sum sum;
    const F max_vector = V::set1(max);
    const F scale_vector = V::set1(scale);
    int64_t i = 0;
    for (; i + kWidth <= n; i += kWidth) {
      const F weights = weight(V::load(x + i), max_vector, scale_vector);
      if (w != nullptr) V::store(w + i, weights);
      V::accumulate(sum, weights);
    }
    if (i < n) {
      const int count = static_cast<int>(n - i);
      const F weights =
          V::keep_range(weight(V::load_n(x + i, count), max_vector, scale_vector), 0, count, V::zero());
      if (w != nullptr) V::store_n(w + i, weights, count);
      V::accumulate(sum, weights);
    }
    return V::total(sum);
  }

  static double weight_ge(const float* x, const float* w, int64_t n, float threshold) {
    typename V::Sum sum;
    const F bound = V::set1(threshold);
    int64_t i = 0;
    for (; i + kWidth <= n; i += kWidth)
      V::accumulate(sum, V::keep_ge(V::load(w + i), V::load(x + i), bound));
    // The weights past the end are loaded as 0.
    if (i < n) V::accumulate(sum, V::keep_ge(V::load_n(w + i, n - i), V::load_n(x + i, n - i), bound));
    return V::total(sum);
  }
};

}  // namespace hadal
