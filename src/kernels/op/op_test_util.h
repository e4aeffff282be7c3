// Shared by the tests of kernels/op: random data, the tiers of this machine, and a context with an exact
// arena.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/ops.h"

namespace hadal {

// A fresh generator; the seed is printed with any failure in scope of HADAL_SEED_TRACE.
class TestRandom {
 public:
  TestRandom() : seed_(std::random_device()()), engine_(seed_) {}
  uint32_t seed() const { return seed_; }
  std::mt19937& engine() { return engine_; }
  int64_t integer(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }
  float normal(float sigma = 1.0f) { return std::normal_distribution<float>(0.0f, sigma)(engine_); }
  std::vector<float> normals(int64_t count, float sigma = 1.0f) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = normal(sigma);
    return values;
  }

 private:
  uint32_t seed_;
  std::mt19937 engine_;
};
#define HADAL_SEED_TRACE(random) SCOPED_TRACE("seed " + std::to_string((random).seed()))

// The tiers that have tables of their own, as far as this machine runs them; the last runs everything above
// it.
inline std::vector<CpuTier> test_tiers() {
  std::vector<CpuTier> tiers = {CpuTier::kScalar};
  for (const CpuTier tier : {CpuTier::kAvx2, CpuTier::kAvx512}) {
    if (detect_cpu().tier >= tier) tiers.push_back(tier);
  }
  return tiers;
}

// A pool of `num_threads`, an arena of exactly `arena_bytes`.
class TestContext {
 public:
  TestContext(CpuTier tier, int num_threads, int64_t arena_bytes)
      : stream_(Stream::cpu(num_threads)),
        arena_(
            DeviceBuffer::allocate(DeviceType::kCpu, static_cast<size_t>(std::max<int64_t>(arena_bytes, 64)))
                .value()),
        ctx_{*stream_, arena_, tier} {}
  OpContext& ctx() { return ctx_; }

 private:
  std::unique_ptr<Stream> stream_;
  Arena arena_;
  OpContext ctx_;
};

inline Tensor tensor_of(std::vector<float>& data, std::initializer_list<int64_t> shape) {
  return Tensor(data.data(), DType::kF32, shape);
}
inline Tensor tensor_of(std::vector<int32_t>& data, std::initializer_list<int64_t> shape) {
  return Tensor(data.data(), DType::kI32, shape);
}

}  // namespace hadal
