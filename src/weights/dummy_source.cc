#include "weights/dummy_source.h"

#include <sys/mman.h>

#include <algorithm>
#include <map>

#include "weights/huge_pages.h"
#include "weights/model_tensors.h"
#include "weights/random_weights.h"
#include "weights/tensor_table.h"

namespace hadal {
namespace {

constexpr float kDeviation = 0.02f;  // the initializer_range of every family's configuration
// Given back and kept for the next tensor of that size: fresh pages cost more than the numbers in them.
constexpr size_t kMaxIdleBytes = size_t{512} << 20;
// Below this a second thread costs more than it brings.
constexpr int64_t kBytesPerThread = 256 << 10;
// Sums of absurd configurations end here instead of overflowing.
constexpr int64_t kMostBytes = INT64_MAX / 4;

int64_t add_capped(int64_t a, int64_t b) {
  return std::min(kMostBytes, std::min(a, kMostBytes) + std::min(b, kMostBytes));
}

// Bytes of n rows of k elements.
int64_t capped_bytes(DType dtype, int64_t n, int64_t k) {
  int64_t bytes = 0;
  if (k > kMostBytes / 16) return kMostBytes;
  return __builtin_mul_overflow(dtype_bytes(dtype, k), n, &bytes) ? kMostBytes : std::min(bytes, kMostBytes);
}

int64_t blocks_of(int64_t n) {
  return (n + kFp8Block - 1) / kFp8Block;
}

}  // namespace

// Memory of tensors: mapped, and used again for a tensor of the same size once its owner is gone.
class DummySource::Buffers : public std::enable_shared_from_this<DummySource::Buffers> {
 public:
  // A tensor that outlives the source (the embedding table) must not keep idle memory.
  void close() {
    std::lock_guard lock(mutex_);
    for (const auto& [size, address] : idle_) ::munmap(address, size);
    idle_.clear();
    max_idle_bytes_ = 0;
  }

  // Null when there is no memory.
  std::shared_ptr<void> take(size_t size) {
    void* address = take_idle(size);
    if (address == nullptr) {
      address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (address == MAP_FAILED) return nullptr;
      want_huge_pages(address, size);
    }
    return {address, [self = shared_from_this(), size](void* p) { self->give_back(p, size); }};
  }

 private:
  void* take_idle(size_t size) {
    std::lock_guard lock(mutex_);
    const auto found = idle_.find(size);
    if (found == idle_.end()) return nullptr;
    void* address = found->second;
    idle_.erase(found);
    idle_bytes_ -= size;
    return address;
  }
  void give_back(void* address, size_t size) {
    {
      std::lock_guard lock(mutex_);
      if (idle_bytes_ + size <= max_idle_bytes_) {
        idle_.emplace(size, address);
        idle_bytes_ += size;
        return;
      }
    }
    ::munmap(address, size);
  }

  std::mutex mutex_;
  std::multimap<size_t, void*> idle_;
  size_t idle_bytes_ = 0;
  size_t max_idle_bytes_ = kMaxIdleBytes;
};

DummySource::DummySource(const ModelConfig& config, uint64_t seed, DType dtype, int num_threads)
    : seed_(seed),
      dtype_(dtype),
      fp8_blocks_(config.fp8_blocks),
      threads_(std::max(num_threads, 1)),
      buffers_(std::make_shared<Buffers>()) {
  for (const ModelTensor& tensor : model_tensors(config)) {
    const int64_t n = tensor.shape[0];
    total_bytes_ =
        add_capped(total_bytes_, tensor.is_matrix() ? matrix_bytes(tensor.name, n, tensor.shape[1])
                                                    : capped_bytes(vector_dtype(tensor.name), 1, n));
  }
}

DummySource::~DummySource() {
  buffers_->close();
}

DType DummySource::vector_dtype(const std::string& name) const {
  if (dtype_is_block(dtype_) || name.ends_with("e_score_correction_bias")) return DType::kF32;
  return dtype_;
}

DType DummySource::matrix_dtype(int64_t row_len) const {
  return row_len % dtype_block_len(dtype_) == 0 ? dtype_ : DType::kBF16;
}

bool DummySource::in_fp8(const std::string& matrix) const {
  return fp8_blocks_ && matrix != "model.embed_tokens" && matrix != "lm_head" &&
         !matrix.ends_with("mlp.gate");
}

int64_t DummySource::matrix_bytes(const std::string& name, int64_t n, int64_t k) const {
  if (!in_fp8(name)) return capped_bytes(matrix_dtype(k), n, k);
  return add_capped(capped_bytes(DType::kF8E4M3, n, k),
                    capped_bytes(DType::kF32, blocks_of(n), blocks_of(k)));
}

void DummySource::fill(const std::string& name, DType dtype, float mean, int64_t count, std::byte* out) {
  const int64_t bytes = dtype_bytes(dtype, count);
  if (threads_.num_threads() == 1 || bytes < 2 * kBytesPerThread) {
    return fill_random(dtype, seed_, name, mean, kDeviation, 0, count, out);
  }
  const int64_t unit = random_grain(dtype);
  const int64_t grain = std::max<int64_t>(kBytesPerThread / dtype_bytes(dtype, unit), 1);
  std::lock_guard lock(fill_mutex_);
  threads_.parallel_for((count + unit - 1) / unit, grain, [&](int64_t begin, int64_t end, int) {
    const int64_t first = begin * unit;
    fill_random(dtype, seed_, name, mean, kDeviation, first, std::min(end * unit, count) - first,
                out + dtype_bytes(dtype, first));
  });
}

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
  std::shared_ptr<void> buffer = buffers_->take(static_cast<size_t>(num_bytes));
  if (buffer == nullptr) {
    return make_error(ErrorCode::kResourceExhausted, "cannot allocate ", num_bytes,
                      " bytes for random tensor \"", name, "\": not enough memory");
  }
  fill(name, dtype, mean, count, static_cast<std::byte*>(buffer.get()));
  {
    std::lock_guard lock(names_mutex_);
    if (counted_.insert(name).second) read_bytes_.fetch_add(num_bytes, std::memory_order_relaxed);
  }
  return WeightTensor{Tensor(buffer.get(), dtype, shape), std::move(buffer)};
}

Result<WeightTensor> DummySource::read(const std::string& name, std::span<const int64_t> shape) {
  if (shape.empty() || shape.size() > Tensor::kMaxRank) {
    return invalid_argument("random tensor \"", name, "\" cannot have ", shape.size(), " dimensions");
  }
  if (shape.size() == 1) {
    const bool norm = name.ends_with("norm.weight");
    return make(name, shape, vector_dtype(name), norm ? 1.0f : 0.0f);
  }
  return make(name, shape, matrix_dtype(shape.back()), 0.0f);
}

Result<WeightMatrix> DummySource::read_matrix(const std::string& name, int64_t n, int64_t k) {
  const int64_t shape[] = {n, k};
  WeightMatrix matrix;
  if (!in_fp8(name)) {
    HADAL_ASSIGN(matrix.weight, read(name + ".weight", shape));
    return matrix;
  }
  HADAL_ASSIGN(matrix.weight, make(name + ".weight", shape, DType::kF8E4M3, 0.0f));
  const int64_t blocks[] = {blocks_of(n), blocks_of(k)};
  // Each block's scale is varied a little so that mixing blocks up shows.
  HADAL_ASSIGN(matrix.scale, make(name + ".weight_scale_inv", blocks, DType::kF32, 0.0f));
  auto* scales = matrix.scale.tensor.ptr<float>();
  for (int64_t i = 0; i < matrix.scale.tensor.num_elements(); ++i)
    scales[i] = kDeviation / kF8RandomDeviation * (1.0f + 5.0f * scales[i]);
  return matrix;
}

}  // namespace hadal
