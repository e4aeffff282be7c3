#include "weights/dummy_source.h"

#include <sys/mman.h>

#include <algorithm>

#include "weights/random_weights.h"
#include "weights/tensor_table.h"

namespace hadal {
namespace {

constexpr float kDeviation = 0.02f;  // the initializer_range of every family's configuration
constexpr int64_t kFp8Block = 128;
constexpr size_t kHugePageFrom = 4u << 20;

}  // namespace

Result<WeightTensor> DummySource::make(const std::string& name, std::span<const int64_t> shape, DType dtype,
                                       float mean) {
  int64_t count = 1;
  for (const int64_t dim : shape) {
    if (dim < 1 || __builtin_mul_overflow(count, dim, &count)) {
      return invalid_argument("random tensor \"", name, "\" cannot have shape ", shape_text(shape));
    }
  }
  if (count > INT64_MAX / 16)
    return invalid_argument("random tensor \"", name, "\" ", shape_text(shape), " is too large");
  const int64_t num_bytes = dtype_bytes(dtype, count);
  const auto size = static_cast<size_t>(num_bytes);
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) {
    return make_error(ErrorCode::kResourceExhausted, "cannot allocate ", num_bytes,
                      " bytes for random tensor \"", name, "\": not enough memory");
  }
  std::shared_ptr<const void> owner(address, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
  if (size >= kHugePageFrom) ::madvise(address, size, MADV_HUGEPAGE);
  fill_random(dtype, seed_, name, mean, kDeviation, count, static_cast<std::byte*>(address));
  read_bytes_.fetch_add(num_bytes, std::memory_order_relaxed);
  return WeightTensor{Tensor(address, dtype, shape), std::move(owner)};
}

Result<WeightTensor> DummySource::read(const std::string& name, std::span<const int64_t> shape) {
  if (shape.empty() || shape.size() > Tensor::kMaxRank) {
    return invalid_argument("random tensor \"", name, "\" cannot have ", shape.size(), " dimensions");
  }
  if (shape.size() == 1) {
    const bool norm = name.ends_with("norm.weight");
    return make(name, shape, DType::kF32, norm ? 1.0f : 0.0f);
  }
  const bool whole_blocks = shape.back() % dtype_block_len(dtype_) == 0;
  return make(name, shape, whole_blocks ? dtype_ : DType::kBF16, 0.0f);
}

Result<WeightMatrix> DummySource::read_matrix(const std::string& name, int64_t n, int64_t k) {
  const int64_t shape[] = {n, k};
  WeightMatrix matrix;
  if (!fp8_blocks_ || name == "lm_head" || name.ends_with("mlp.gate")) {
    HADAL_ASSIGN(matrix.weight, read(name + ".weight", shape));
    return matrix;
  }
  HADAL_ASSIGN(matrix.weight, make(name + ".weight", shape, DType::kF8E4M3, 0.0f));
  const int64_t blocks[] = {(n + kFp8Block - 1) / kFp8Block, (k + kFp8Block - 1) / kFp8Block};
  // The values have standard deviation 1; each block's scale is 0.02, varied a little so that mixing blocks
  // up shows.
  HADAL_ASSIGN(matrix.scale, make(name + ".weight_scale_inv", blocks, DType::kF32, 0.0f));
  auto* scales = matrix.scale.tensor.ptr<float>();
  for (int64_t i = 0; i < matrix.scale.tensor.num_elements(); ++i)
    scales[i] = kDeviation * (1.0f + 5.0f * scales[i]);
  return matrix;
}

}  // namespace hadal
