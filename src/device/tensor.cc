#include "device/tensor.h"

namespace hadal {

Tensor::Tensor(void* data, DType dtype, std::initializer_list<int64_t> shape, DeviceType device)
    : Tensor(data, dtype, std::span<const int64_t>(shape.begin(), shape.size()), device) {}

Tensor::Tensor(void* data, DType dtype, std::span<const int64_t> shape, DeviceType device)
    : data_(data), rank_(static_cast<int>(shape.size())), dtype_(dtype), device_(device) {
  HADAL_CHECK(shape.size() <= kMaxRank);
  int64_t stride = 1;
  for (int i = rank_ - 1; i >= 0; --i) {
    const auto u = static_cast<size_t>(i);
    HADAL_CHECK(shape[u] >= 0);
    shape_[u] = shape[u];
    strides_[u] = stride;
    stride *= shape[u];
  }
}

int64_t Tensor::num_elements() const {
  int64_t count = 1;
  for (int i = 0; i < rank_; ++i) count *= dim(i);
  return count;
}

bool Tensor::is_contiguous() const {
  int64_t stride = 1;
  for (int i = rank_ - 1; i >= 0; --i) {
    if (dim(i) != 1 && strides_[static_cast<size_t>(i)] != stride) return false;
    stride *= dim(i);
  }
  return true;
}

std::string Tensor::shape_string() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(dim(i));
  }
  return text + "]";
}

Tensor Tensor::rows(int64_t begin, int64_t count) const {
  HADAL_CHECK(rank_ > 0 && begin >= 0 && count >= 0 && begin + count <= dim(0)) << shape_string();
  Tensor out = *this;
  out.data_ = static_cast<std::byte*>(data_) + dtype_bytes(dtype_, begin * strides_[0]);
  out.shape_[0] = count;
  return out;
}

Tensor Tensor::reshape(std::initializer_list<int64_t> shape) const {
  HADAL_CHECK(is_contiguous());
  Tensor out(data_, dtype_, shape, device_);
  HADAL_CHECK(out.num_elements() == num_elements()) << shape_string() << " to " << out.shape_string();
  return out;
}

Tensor Tensor::columns(int64_t begin, int64_t count) const {
  HADAL_CHECK(rank_ == 2 && !dtype_is_block(dtype_));
  HADAL_CHECK(begin >= 0 && count >= 0 && begin + count <= dim(1)) << shape_string();
  Tensor out = *this;
  out.data_ = static_cast<std::byte*>(data_) + dtype_bytes(dtype_, begin);
  out.shape_[1] = count;
  return out;
}

Tensor Tensor::slice(int axis, int64_t begin, int64_t count) const {
  HADAL_CHECK(axis >= 0 && axis < rank_ && !dtype_is_block(dtype_));
  HADAL_CHECK(begin >= 0 && count >= 0 && begin + count <= dim(axis)) << shape_string();
  Tensor out = *this;
  out.data_ = static_cast<std::byte*>(data_) + dtype_bytes(dtype_, begin * stride(axis));
  out.shape_[static_cast<size_t>(axis)] = count;
  return out;
}

Tensor Tensor::split_last(int64_t parts) const {
  HADAL_CHECK(rank_ > 0 && rank_ < kMaxRank && !dtype_is_block(dtype_)) << shape_string();
  HADAL_CHECK(parts > 0 && dim(-1) % parts == 0) << shape_string() << " into " << parts;
  Tensor out = *this;
  const auto last = static_cast<size_t>(rank_ - 1);
  out.rank_ = rank_ + 1;
  out.shape_[last] = parts;
  out.strides_[last] = dim(-1) / parts;
  out.shape_[last + 1] = dim(-1) / parts;
  out.strides_[last + 1] = 1;
  return out;
}

}  // namespace hadal
