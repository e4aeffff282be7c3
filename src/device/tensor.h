// Tensor: a non-owning view of device memory: dtype, shape, strides. A value; as thread-safe as the memory it
// views.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "base/check.h"
#include "device/dtype.h"

namespace hadal {

enum class DeviceType : uint8_t { kCpu, kCuda };

class Tensor {
 public:
  static constexpr int kMaxRank = 4;

  Tensor() = default;
  // Contiguous. For block dtypes the last dimension is a multiple of the block length.
  Tensor(void* data, DType dtype, std::initializer_list<int64_t> shape, DeviceType device = DeviceType::kCpu);
  Tensor(void* data, DType dtype, std::span<const int64_t> shape, DeviceType device = DeviceType::kCpu);

  bool defined() const { return data_ != nullptr; }
  void* data() const { return data_; }
  template <typename T>
  T* ptr() const {
    return static_cast<T*>(data_);
  }
  DType dtype() const { return dtype_; }
  DeviceType device() const { return device_; }
  int rank() const { return rank_; }
  int64_t dim(int i) const { return shape_[static_cast<size_t>(i < 0 ? rank_ + i : i)]; }
  // In elements; the last dimension's is always 1.
  int64_t stride(int i) const { return strides_[static_cast<size_t>(i < 0 ? rank_ + i : i)]; }
  int64_t num_elements() const;
  // Of a contiguous tensor.
  int64_t num_bytes() const { return dtype_bytes(dtype_, num_elements()); }
  bool is_contiguous() const;
  std::string shape_string() const;  // "[128, 64]"

  // Rows [begin, begin + count) of dimension 0, in place.
  Tensor rows(int64_t begin, int64_t count) const;
  // Same memory, other shape; contiguous only.
  Tensor reshape(std::initializer_list<int64_t> shape) const;
  // Last-dimension window [begin, begin + count) of a rank-2 tensor of a plain dtype: rows keep their stride.
  Tensor columns(int64_t begin, int64_t count) const;
  // Elements [begin, begin + count) of dimension `axis`, in place; strides stay. Plain dtypes only.
  Tensor slice(int axis, int64_t begin, int64_t count) const;
  // The last dimension N as [parts, N / parts], of a plain dtype; other strides stay ([T, heads * D] to [T,
  // heads, D]).
  Tensor split_last(int64_t parts) const;

 private:
  void* data_ = nullptr;
  std::array<int64_t, kMaxRank> shape_{};
  std::array<int64_t, kMaxRank> strides_{};
  int rank_ = 0;
  DType dtype_ = DType::kF32;
  DeviceType device_ = DeviceType::kCpu;
};

}  // namespace hadal
