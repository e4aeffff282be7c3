// The portable tier: plain loops, the oracle of the others.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/op/cpu_kernels.h"
#include "kernels/simd/half.h"

namespace hadal {
namespace {

void rms_norm(const float* x, const float* weight, int64_t n, float eps, float* y) {
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
  const float scale = 1.0f / std::sqrt(sum / static_cast<float>(n) + eps);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * scale * weight[i];
}

void rope(float* x, const float* cos, const float* sin, int64_t half, bool interleaved) {
  const int64_t step = interleaved ? 2 : 1;
  const int64_t other = interleaved ? 1 : half;
  for (int64_t i = 0; i < half; ++i) {
    const float a = x[i * step];
    const float b = x[i * step + other];
    x[i * step] = a * cos[i] - b * sin[i];
    x[i * step + other] = b * cos[i] + a * sin[i];
  }
}

void silu_mul(const float* gate, const float* up, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void add(float* a, const float* b, int64_t n) {
  for (int64_t i = 0; i < n; ++i) a[i] += b[i];
}

void to_f16(const float* x, int64_t n, uint16_t* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = float_to_f16(x[i]);
}
void to_bf16(const float* x, int64_t n, uint16_t* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = float_to_bf16(x[i]);
}

float max_of(const float* x, int64_t n) {
  float best = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < n; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

int64_t find_equal(const float* x, int64_t begin, int64_t n, float value) {
  int64_t i = begin;
  while (i < n && x[i] != value) ++i;
  return i;
}

void block_max(const float* x, int64_t n, float* out) {
  for (int64_t b = 0; b * kSampleBlock < n; ++b) {
    out[b] = max_of(x + b * kSampleBlock, std::min(kSampleBlock, n - b * kSampleBlock));
  }
}

int64_t collect_ge(const float* x, int64_t n, float threshold, int32_t* ids) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] >= threshold) ids[count++] = static_cast<int32_t>(i);
  }
  return count;
}

double exp_weights(const float* x, int64_t n, float max, float scale, float* w) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const float weight = std::isnan(x[i]) ? 0.0f : std::exp((x[i] - max) * scale);
    if (w != nullptr) w[i] = weight;
    sum += weight;
  }
  return sum;
}

double weight_ge(const float* x, const float* w, int64_t n, float threshold) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] >= threshold) sum += static_cast<double>(w[i]);
  }
  return sum;
}

constexpr CpuKernels kTable = {{rms_norm, rope, silu_mul, add, to_f16, to_bf16},
                               {max_of, find_equal, block_max, collect_ge, exp_weights, weight_ge},
                               {}};

}  // namespace

const CpuKernels* cpu_kernels_scalar() {
  return &kTable;
}

}  // namespace hadal
