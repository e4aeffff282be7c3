// GgufWriter: builds GGUF files in memory, for tests and fuzz seeds. Header-only; one thread at a time.
// It writes what it is told, sense or nonsense, so that tests can make broken files too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/gguf.h"

namespace hadal {

class GgufWriter {
 public:
  GgufWriter& add_u32(std::string_view key, uint32_t value) { return add(key, 4, raw(value)); }
  GgufWriter& add_i32(std::string_view key, int32_t value) { return add(key, 5, raw(value)); }
  GgufWriter& add_u64(std::string_view key, uint64_t value) { return add(key, 10, raw(value)); }
  GgufWriter& add_u16(std::string_view key, uint16_t value) { return add(key, 2, raw(value)); }
  GgufWriter& add_f32(std::string_view key, float value) { return add(key, 6, raw(value)); }
  GgufWriter& add_bool(std::string_view key, bool value) {
    return add(key, 7, raw(static_cast<uint8_t>(value)));
  }
  GgufWriter& add_string(std::string_view key, std::string_view value) { return add(key, 8, text(value)); }
  GgufWriter& add_strings(std::string_view key, const std::vector<std::string>& values) {
    std::string payload = raw(uint32_t{8}) + raw(uint64_t{values.size()});
    for (const std::string& value : values) payload += text(value);
    return add(key, 9, payload);
  }
  GgufWriter& add_i32s(std::string_view key, const std::vector<int32_t>& values) {
    return add_array(key, 5, values);
  }
  GgufWriter& add_f32s(std::string_view key, const std::vector<float>& values) {
    return add_array(key, 6, values);
  }
  // Any value type and payload, also impossible ones.
  GgufWriter& add(std::string_view key, uint32_t type, std::string_view payload) {
    metadata_ += text(key) + raw(type);
    metadata_ += payload;
    ++num_keys_;
    return *this;
  }

  // shape: row-major, slowest first, as GgufTensorInfo has it. Offsets are given out in order, aligned.
  GgufWriter& add_tensor(std::string_view name, GgmlType type, const std::vector<int64_t>& shape,
                         std::string data) {
    const uint64_t offset = data_.size();
    data_ += data;
    data_.resize((data_.size() + alignment_ - 1) / alignment_ * alignment_, '\0');
    return add_tensor_at(name, static_cast<uint32_t>(type), shape, offset);
  }
  GgufWriter& add_tensor_at(std::string_view name, uint32_t type, const std::vector<int64_t>& shape,
                            uint64_t offset) {
    directory_ += text(name) + raw(static_cast<uint32_t>(shape.size()));
    for (size_t i = shape.size(); i-- > 0;) directory_ += raw(static_cast<uint64_t>(shape[i]));
    directory_ += raw(type) + raw(offset);
    ++num_tensors_;
    return *this;
  }
  GgufWriter& add_data(std::string_view data) {
    data_ += data;
    return *this;
  }
  GgufWriter& set_alignment(uint32_t alignment) {
    alignment_ = alignment;
    return add_u32("general.alignment", alignment);
  }
  GgufWriter& set_version(uint32_t version) {
    version_ = version;
    return *this;
  }
  GgufWriter& set_counts(uint64_t num_tensors, uint64_t num_keys) {
    num_tensors_ = num_tensors;
    num_keys_ = num_keys;
    return *this;
  }

  std::string bytes() const {
    std::string out = "GGUF" + raw(version_) + raw(num_tensors_) + raw(num_keys_) + metadata_ + directory_;
    if (!data_.empty()) out.resize((out.size() + alignment_ - 1) / alignment_ * alignment_, '\0');
    return out + data_;
  }

  template <typename T>
  static std::string raw(const T& value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  static std::string text(std::string_view value) { return raw(uint64_t{value.size()}) + std::string(value); }

 private:
  template <typename T>
  GgufWriter& add_array(std::string_view key, uint32_t type, const std::vector<T>& values) {
    std::string payload = raw(type) + raw(uint64_t{values.size()});
    for (const T& value : values) payload += raw(value);
    return add(key, 9, payload);
  }

  std::string metadata_;
  std::string directory_;
  std::string data_;
  uint64_t num_keys_ = 0;
  uint64_t num_tensors_ = 0;
  uint64_t alignment_ = 32;
  uint32_t version_ = 3;
};

}  // namespace hadal
