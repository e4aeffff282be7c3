#include "layers/parameter.h"

#include <cstring>

namespace hadal {

Result<Parameter> Parameter::make(std::span<const float> values, std::initializer_list<int64_t> shape) {
  Parameter out;
  HADAL_ASSIGN(out.buffer_, DeviceBuffer::allocate(DeviceType::kCpu, values.size_bytes()));
  if (values.empty()) return out;
  std::memcpy(out.buffer_.data(), values.data(), values.size_bytes());
  out.tensor_ = Tensor(out.buffer_.data(), DType::kF32, shape);
  HADAL_CHECK(out.tensor_.num_elements() == static_cast<int64_t>(values.size()))
      << out.tensor_.shape_string();
  return out;
}

}  // namespace hadal
