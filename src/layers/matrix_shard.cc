#include "layers/matrix_shard.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace hadal {
namespace {

constexpr int64_t kScaleBlock = 128;

uint16_t to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float from_bf16(uint16_t value) {
  return std::bit_cast<float>(uint32_t{value} << 16);
}

// Round to nearest even; overflow becomes infinity (IEEE 754 binary16).
uint16_t to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return static_cast<uint16_t>(sign | 0x7e00);
  if (magnitude >= 65520.0f) return static_cast<uint16_t>(sign | 0x7c00);
  if (magnitude < 6.103515625e-05f) {  // subnormal: a multiple of 2^-24
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(magnitude * 16777216.0f)));
  }
  const uint32_t m = std::bit_cast<uint32_t>(magnitude);
  const uint32_t rounded = m + 0xfff + ((m >> 13) & 1);
  return static_cast<uint16_t>(sign | ((rounded - (uint32_t{112} << 23)) >> 13));
}

// Columns [begin, begin + count) of a contiguous [n, k] matrix, as a new contiguous one.
Result<std::shared_ptr<const void>> copy_columns_of(const Tensor& weight, const MatrixPart& part,
                                                    Tensor& out) {
  const DType dtype = weight.dtype();
  const int block = dtype_block_len(dtype);
  if (part.columns.begin % block != 0 || part.columns.count % block != 0) {
    return make_error(ErrorCode::kUnsupported, "tensor ", part.name, " of ", dtype_name(dtype), " blocks of ",
                      block, " cannot be cut at input ", part.columns.begin, " + ", part.columns.count,
                      "; use another --tp or weights of another type");
  }
  const auto row_bytes = static_cast<size_t>(dtype_bytes(dtype, part.k));
  const auto kept_bytes = static_cast<size_t>(dtype_bytes(dtype, part.columns.count));
  const auto skip = static_cast<size_t>(dtype_bytes(dtype, part.columns.begin));
  const auto rows = static_cast<size_t>(weight.dim(0));
  auto bytes = std::make_shared<std::vector<std::byte>>(rows * kept_bytes);
  for (size_t r = 0; r < rows; ++r) {
    std::memcpy(bytes->data() + r * kept_bytes, weight.ptr<std::byte>() + r * row_bytes + skip, kept_bytes);
  }
  out = Tensor(bytes->data(), dtype, {weight.dim(0), part.columns.count});
  return std::shared_ptr<const void>(bytes, bytes->data());
}

}  // namespace

Result<MatrixShard> read_shard(const LoadContext& load, const MatrixPart& part) {
  HADAL_ASSIGN(WeightMatrix matrix, load.source.read_matrix(part.name, part.n, part.k));
  MatrixShard shard;
  shard.weight_owner = matrix.weight.owner;
  shard.scale_owner = matrix.scale.owner;
  shard.source.scale = matrix.scale.tensor;
  shard.source.scale_row_offset = part.rows.begin;
  shard.source.scale_col_offset = part.columns.begin;
  shard.source.weight = matrix.weight.tensor.rows(part.rows.begin, part.rows.count);
  if (part.columns.count != part.k) {
    Tensor kept;
    HADAL_ASSIGN(shard.weight_owner, copy_columns_of(shard.source.weight, part, kept));
    shard.source.weight = kept;
  }
  return shard;
}

MatrixShard shard_rows(const MatrixShard& shard, int64_t begin, int64_t count) {
  MatrixShard out = shard;
  out.source.weight = shard.source.weight.rows(begin, count);
  out.source.scale_row_offset += begin;
  return out;
}

std::vector<float> shard_values(const MatrixShard& shard) {
  const Tensor& weight = shard.source.weight;
  const int64_t n = weight.dim(0);
  const int64_t k = weight.dim(1);
  std::vector<float> values(static_cast<size_t>(n * k));
  dequantize(weight.dtype(), weight.ptr<std::byte>(), n * k, values.data());
  const Tensor& scale = shard.source.scale;
  if (!scale.defined()) return values;
  for (int64_t i = 0; i < n; ++i) {
    const float* scales =
        scale.ptr<float>() + (shard.source.scale_row_offset + i) / kScaleBlock * scale.dim(1);
    for (int64_t j = 0; j < k; ++j) {
      float& value = values[static_cast<size_t>(i * k + j)];
      value = from_bf16(to_bf16(value * scales[(shard.source.scale_col_offset + j) / kScaleBlock]));
    }
  }
  return values;
}

MatrixShard make_shard(std::span<const float> values, int64_t n, int64_t k, DType dtype) {
  const auto count = static_cast<size_t>(n * k);
  HADAL_CHECK(values.size() == count);
  auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(dtype_bytes(dtype, n * k)));
  if (dtype == DType::kF32) {
    std::memcpy(bytes->data(), values.data(), bytes->size());
  } else {
    HADAL_CHECK(dtype == DType::kF16 || dtype == DType::kBF16) << dtype_name(dtype);
    auto* out = reinterpret_cast<uint16_t*>(bytes->data());
    for (size_t i = 0; i < count; ++i) out[i] = dtype == DType::kF16 ? to_f16(values[i]) : to_bf16(values[i]);
  }
  MatrixShard shard;
  shard.source.weight = Tensor(bytes->data(), dtype, {n, k});
  shard.weight_owner = std::shared_ptr<const void>(bytes, bytes->data());
  return shard;
}

DType plain_dtype(DType dtype) {
  if (dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16) return dtype;
  return dtype == DType::kF8E4M3 ? DType::kBF16 : DType::kF16;
}

}  // namespace hadal
