// MapSource: a WeightSource of tensors made by a test, kept in a map. Test code.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "weights/weight_source.h"

namespace hadal {

class MapSource final : public WeightSource {
 public:
  // bytes: contiguous [shape] of dtype. Scales of FP8 matrices go under name + "_scale_inv".
  void add(const std::string& name, DType dtype, std::vector<int64_t> shape, const void* bytes) {
    int64_t count = 1;
    for (const int64_t d : shape) count *= d;
    auto data = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(dtype_bytes(dtype, count)));
    std::memcpy(data->data(), bytes, data->size());
    tensors_[name] = {Tensor(data->data(), dtype, shape), data};
  }
  bool has(const std::string& name) const override { return tensors_.count(name) > 0; }
  Result<WeightTensor> read(const std::string& name, std::span<const int64_t> shape) override {
    const auto it = tensors_.find(name);
    if (it == tensors_.end()) return make_error(ErrorCode::kNotFound, "no tensor ", name);
    const Tensor& tensor = it->second.tensor;
    bool same = tensor.rank() == static_cast<int>(shape.size());
    for (int i = 0; same && i < tensor.rank(); ++i) same = tensor.dim(i) == shape[static_cast<size_t>(i)];
    if (!same) return invalid_argument("tensor ", name, " has shape ", tensor.shape_string());
    read_.insert(name);
    return it->second;
  }
  Result<WeightMatrix> read_matrix(const std::string& name, int64_t n, int64_t k) override {
    WeightMatrix out;
    const std::vector<int64_t> shape = {n, k};
    HADAL_ASSIGN(out.weight, read(name + ".weight", shape));
    if (has(name + ".weight_scale_inv")) {
      const std::vector<int64_t> blocks = {(n + 127) / 128, (k + 127) / 128};
      HADAL_ASSIGN(out.scale, read(name + ".weight_scale_inv", blocks));
    }
    return out;
  }
  void prefetch(std::span<const std::string> names) override {
    prefetched.insert(prefetched.end(), names.begin(), names.end());
  }
  int64_t total_bytes() const override { return 0; }
  int64_t read_bytes() const override { return 0; }
  std::vector<std::string> unread() const override {
    std::vector<std::string> out;
    for (const auto& [name, tensor] : tensors_) {
      if (read_.count(name) == 0) out.push_back(name);
    }
    return out;
  }
  std::vector<std::string> prefetched;

 private:
  std::map<std::string, WeightTensor> tensors_;
  std::set<std::string> read_;
};

}  // namespace hadal
