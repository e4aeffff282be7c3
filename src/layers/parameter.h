// Parameter: a small f32 vector or matrix in device memory that a layer owns (norm weights, biases, rotary
// tables). Filled once at load; read from the worker thread.
#pragma once

#include <initializer_list>
#include <span>

#include "base/result.h"
#include "device/device_buffer.h"

namespace hadal {

class Parameter {
 public:
  Parameter() = default;
  // The product of `shape` is values.size().
  static Result<Parameter> make(std::span<const float> values, std::initializer_list<int64_t> shape);
  bool defined() const { return tensor_.defined(); }
  const Tensor& tensor() const { return tensor_; }  // undefined when empty
  int64_t num_bytes() const { return static_cast<int64_t>(buffer_.size()); }

 private:
  DeviceBuffer buffer_;
  Tensor tensor_;
};

}  // namespace hadal
