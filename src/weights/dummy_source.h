// DummySource: random weights of any shape (--load-format dummy). The same bytes for the same seed and name
// on every rank and thread; nothing is stored. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "device/thread_pool.h"
#include "weights/weight_source.h"

namespace hadal {

class DummySource final : public WeightSource {
 public:
  // num_threads: that fill one tensor.
  DummySource(const ModelConfig& config, uint64_t seed, DType dtype, int num_threads = 1);
  ~DummySource() override;

  bool has(const std::string&) const override { return false; }
  // Vectors are of the source's dtype where that is plain, else f32: norms 1 + N(0, 0.02), biases about 0,
  // expert score corrections f32. Matrices are about 0 with deviation 0.02 (random_weights.h), of the
  // source's dtype; bf16 where rows are no whole number of its blocks. Errors: kResourceExhausted.
  Result<WeightTensor> read(const std::string& name, std::span<const int64_t> shape) override;
  // As read. With config.fp8_blocks e4m3 and block scales, but for what DeepSeek publishes in bf16:
  // embedding, lm_head and the experts' gates.
  Result<WeightMatrix> read_matrix(const std::string& name, int64_t n, int64_t k) override;
  void prefetch(std::span<const std::string>) override {}
  // Of all tensors that the configuration's model reads, exactly.
  int64_t total_bytes() const override { return total_bytes_; }
  int64_t read_bytes() const override { return read_bytes_.load(std::memory_order_relaxed); }
  std::vector<std::string> unread() const override { return {}; }

 private:
  class Buffers;
  DType vector_dtype(const std::string& name) const;
  DType matrix_dtype(int64_t row_len) const;
  bool in_fp8(const std::string& matrix) const;
  int64_t matrix_bytes(const std::string& name, int64_t n, int64_t k) const;
  Result<WeightTensor> make(const std::string& name, std::span<const int64_t> shape, DType dtype, float mean);
  void fill(const std::string& name, DType dtype, float mean, int64_t count, std::byte* out);

  const uint64_t seed_;
  const DType dtype_;
  const bool fp8_blocks_;
  int64_t total_bytes_ = 0;
  std::atomic<int64_t> read_bytes_{0};
  std::mutex fill_mutex_;  // one tensor at a time has the threads
  ThreadPool threads_;
  std::mutex names_mutex_;
  std::unordered_set<std::string> counted_;  // in read_bytes_: every rank reads every name
  std::shared_ptr<Buffers> buffers_;
};

}  // namespace hadal
