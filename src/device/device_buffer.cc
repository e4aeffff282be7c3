#include "device/device_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

namespace hadal {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;

size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

Result<DeviceBuffer> DeviceBuffer::allocate(DeviceType device, size_t num_bytes, PageAdvice advice) {
  HADAL_CHECK(device == DeviceType::kCpu);
  DeviceBuffer buffer;
  buffer.device_ = device;
  buffer.size_ = num_bytes;
  if (num_bytes == 0) return buffer;
  // Anonymous maps come zeroed and cost no memory until touched, so a large KV cache starts instantly.
  const size_t mapped = round_up(num_bytes, 4096);
  void* data =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    return make_error(ErrorCode::kResourceExhausted, "cannot allocate ", num_bytes, " bytes of memory");
  }
  if (advice == PageAdvice::kSmall) {
    ::madvise(data, mapped, MADV_NOHUGEPAGE);
  } else if (num_bytes >= 2 * kHugePage) {
    ::madvise(data, mapped, MADV_HUGEPAGE);
  }
  buffer.data_ = static_cast<std::byte*>(data);
  return buffer;
}

DeviceBuffer::DeviceBuffer(DeviceBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      device_(other.device_) {}

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(device_, other.device_);
  return *this;
}

DeviceBuffer::~DeviceBuffer() {
  if (data_ != nullptr) ::munmap(data_, round_up(size_, 4096));
}

Arena::Arena(DeviceBuffer buffer) : buffer_(std::move(buffer)) {}

Tensor Arena::alloc(DType dtype, std::initializer_list<int64_t> shape) {
  int64_t count = 1;
  for (int64_t d : shape) count *= d;
  return Tensor(alloc_bytes(static_cast<size_t>(dtype_bytes(dtype, count))), dtype, shape);
}

std::byte* Arena::alloc_bytes(size_t num_bytes) {
  const size_t size = round_up(std::max<size_t>(num_bytes, 1), kAlignment);
  HADAL_CHECK(used_ + size <= buffer_.size()) << "arena of " << buffer_.size() << " bytes has "
                                              << buffer_.size() - used_ << " left, " << size << " asked for";
  std::byte* data = buffer_.data() + used_;
  used_ += size;
  high_water_ = std::max(high_water_, used_);
  return data;
}

}  // namespace hadal
