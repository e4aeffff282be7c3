// DummySource: random weights of any shape (--load-format dummy). The same bytes for the same seed and name
// on every rank and thread; nothing is stored. Thread-safe.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "weights/weight_source.h"

namespace hadal {

class DummySource final : public WeightSource {
 public:
  DummySource(const ModelConfig& config, uint64_t seed, DType dtype)
      : seed_(seed), dtype_(dtype), fp8_blocks_(config.fp8_blocks) {}

  bool has(const std::string&) const override { return false; }
  // Vectors are f32: norms 1 + N(0, 0.02), biases N(0, 0.02). Matrices are N(0, 0.02) of the source's dtype;
  // bf16 where rows are no whole number of its blocks. Errors: kResourceExhausted.
  Result<WeightTensor> read(const std::string& name, std::span<const int64_t> shape) override;
  // As read; with config.fp8_blocks e4m3 and block scales, but for the gate and lm_head.
  Result<WeightMatrix> read_matrix(const std::string& name, int64_t n, int64_t k) override;
  void prefetch(std::span<const std::string>) override {}
  int64_t total_bytes() const override { return 0; }  // not known before all is read
  int64_t read_bytes() const override { return read_bytes_.load(std::memory_order_relaxed); }
  std::vector<std::string> unread() const override { return {}; }

 private:
  Result<WeightTensor> make(const std::string& name, std::span<const int64_t> shape, DType dtype, float mean);

  uint64_t seed_;
  DType dtype_;
  bool fp8_blocks_;
  std::atomic<int64_t> read_bytes_{0};
};

}  // namespace hadal
