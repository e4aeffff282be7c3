#include "weights/weight_source.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "weights/tensor_table.h"

namespace hadal {
namespace {

float widen_bf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// IEEE 754 binary16.
float widen_f16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1f;
  const uint32_t mantissa = bits & 0x3ff;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

template <typename T>
T load_at(const void* data, int64_t i) {
  T value;
  std::memcpy(&value, static_cast<const std::byte*>(data) + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

}  // namespace

Status widen_to_f32(const Tensor& tensor, std::string_view label, float* out) {
  const int64_t count = tensor.num_elements();
  for (int64_t i = 0; i < count; ++i) {
    switch (tensor.dtype()) {
      case DType::kF32:
        out[i] = load_at<float>(tensor.data(), i);
        break;
      case DType::kF16:
        out[i] = widen_f16(load_at<uint16_t>(tensor.data(), i));
        break;
      case DType::kBF16:
        out[i] = widen_bf16(load_at<uint16_t>(tensor.data(), i));
        break;
      default:
        return make_error(ErrorCode::kUnsupported, label, " is ", dtype_name(tensor.dtype()),
                          "; it must be f32, f16 or bf16");
    }
  }
  return {};
}

Result<std::vector<float>> WeightSource::read_f32(const std::string& name, int64_t n) {
  const int64_t shape[] = {n};
  HADAL_ASSIGN(const WeightTensor read_tensor, read(name, shape));
  std::vector<float> values(static_cast<size_t>(n));
  HADAL_RETURN_IF_ERROR(widen_to_f32(read_tensor.tensor, describe(name), values.data()));
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return invalid_argument(describe(name), " holds ", values[i], " at ", i,
                              ": every answer would be wrong; the file is damaged, fetch it again");
    }
  }
  return values;
}

}  // namespace hadal
