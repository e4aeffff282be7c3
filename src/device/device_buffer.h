// DeviceBuffer: the owner of one allocation of device memory; Arena: per-step scratch carved out of one
// buffer. All device memory of the program is allocated here, at start; nothing allocates per step. One
// thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "base/result.h"
#include "device/tensor.h"

namespace hadal {

// Huge pages spare the TLB where all of a buffer is read; small ones keep a buffer that is touched here and
// there (the KV cache) from taking 2 MiB of memory for each place.
enum class PageAdvice : uint8_t { kHuge, kSmall };

class DeviceBuffer {
 public:
  // 64-byte aligned (2 MiB and huge-page advised when large), zeroed. kResourceExhausted names the bytes
  // asked for.
  static Result<DeviceBuffer> allocate(DeviceType device, size_t num_bytes,
                                       PageAdvice advice = PageAdvice::kHuge);
  DeviceBuffer() = default;
  DeviceBuffer(DeviceBuffer&& other) noexcept;
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;
  ~DeviceBuffer();
  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  DeviceType device_ = DeviceType::kCpu;
};

// Bump allocator, reset at each step. Models say how much a worst-case step needs
// (Model::arena_bytes), so the arena is allocated once at start.
class Arena {
 public:
  explicit Arena(DeviceBuffer buffer);
  std::byte* data() const { return buffer_.data(); }
  // 64-byte aligned. Aborts when the arena is too small: its size was computed, so that is a bug.
  Tensor alloc(DType dtype, std::initializer_list<int64_t> shape);
  template <typename T>
  T* alloc_array(int64_t count) {
    return reinterpret_cast<T*>(alloc_bytes(static_cast<size_t>(count) * sizeof(T)));
  }
  std::byte* alloc_bytes(size_t num_bytes);
  size_t used() const { return used_; }
  size_t capacity() const { return buffer_.size(); }
  size_t high_water() const { return high_water_; }
  void reset() { used_ = 0; }

  // Frees all that was allocated after it: for scratch inside one op or layer.
  class Scope {
   public:
    explicit Scope(Arena& arena) : arena_(arena), mark_(arena.used_) {}
    ~Scope() { arena_.used_ = mark_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Arena& arena_;
    size_t mark_;
  };

 private:
  DeviceBuffer buffer_;
  size_t used_ = 0;
  size_t high_water_ = 0;
};

}  // namespace hadal
