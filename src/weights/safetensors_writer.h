// SafetensorsWriter: builds .safetensors files in memory, for tests. Header-only; one thread at a time.
// It writes what it is told, sense or nonsense, so that tests can make broken files too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace hadal {

class SafetensorsWriter {
 public:
  // Appends the data and an entry with the right offsets.
  SafetensorsWriter& add(std::string_view name, std::string_view dtype, const std::vector<int64_t>& shape,
                         std::string_view data) {
    const auto begin = static_cast<int64_t>(data_.size());
    data_ += data;
    return add_entry(name, dtype, shape, begin, static_cast<int64_t>(data_.size()));
  }
  SafetensorsWriter& add_entry(std::string_view name, std::string_view dtype,
                               const std::vector<int64_t>& shape, int64_t begin, int64_t end) {
    Json entry{JsonObject{}};
    entry.set("dtype", Json(dtype));
    JsonArray dims;
    for (const int64_t dim : shape) dims.emplace_back(dim);
    entry.set("shape", Json(std::move(dims)));
    entry.set("data_offsets", JsonArray{Json(begin), Json(end)});
    header_ += (header_.empty() ? "" : ",") + to_json(Json(name)) + ":" + to_json(entry);
    return *this;
  }
  SafetensorsWriter& add_data(std::string_view data) {
    data_ += data;
    return *this;
  }
  // pad: spaces behind the header so that the data is 8-byte aligned, as the library writes it.
  std::string bytes(bool pad = true) const {
    std::string header =
        "{\"__metadata__\":{\"format\":\"pt\"}" + (header_.empty() ? "" : "," + header_) + "}";
    while (pad && header.size() % 8 != 0) header += ' ';
    return with_header(header, data_);
  }
  static std::string with_header(std::string_view header, std::string_view data) {
    return raw(uint64_t{header.size()}) + std::string(header) + std::string(data);
  }
  template <typename T>
  static std::string raw(const T& value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  // n values of T: 0, 1, 2, ...
  template <typename T>
  static std::string count_up(int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += raw(static_cast<T>(i));
    return out;
  }

 private:
  std::string header_;
  std::string data_;
};

}  // namespace hadal
