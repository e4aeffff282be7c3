// WidenedSource: another source's tensors as f32, so that tests can compare against fp32 references without
// the arithmetic of narrower weights. Test code.
#pragma once

#include <memory>
#include <vector>

#include "layers/matrix_shard.h"
#include "weights/weight_source.h"

namespace hadal {

class WidenedSource final : public WeightSource {
 public:
  explicit WidenedSource(WeightSource& inner) : inner_(inner) {}
  bool has(const std::string& name) const override { return inner_.has(name); }
  std::string describe(const std::string& name) const override { return inner_.describe(name); }
  Result<WeightTensor> read(const std::string& name, std::span<const int64_t> shape) override {
    return inner_.read(name, shape);
  }
  Result<WeightMatrix> read_matrix(const std::string& name, int64_t n, int64_t k) override {
    HADAL_ASSIGN(const WeightMatrix matrix, inner_.read_matrix(name, n, k));
    const Tensor& weight = matrix.weight.tensor;
    auto values = std::make_shared<std::vector<float>>(static_cast<size_t>(n * k));
    dequantize(weight.dtype(), weight.ptr<std::byte>(), n * k, values->data());
    const Tensor& scale = matrix.scale.tensor;
    for (int64_t i = 0; scale.defined() && i < n * k; ++i) {
      (*values)[static_cast<size_t>(i)] *= scale.ptr<float>()[i / k / 128 * scale.dim(1) + i % k / 128];
    }
    WeightMatrix out;
    out.weight = {Tensor(values->data(), DType::kF32, {n, k}), values};
    return out;
  }
  void prefetch(std::span<const std::string> names) override { inner_.prefetch(names); }
  int64_t total_bytes() const override { return inner_.total_bytes(); }
  int64_t read_bytes() const override { return inner_.read_bytes(); }
  std::vector<std::string> unread() const override { return inner_.unread(); }

 private:
  WeightSource& inner_;
};

}  // namespace hadal
