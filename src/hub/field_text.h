// Reading single fields of what other servers answered. Internal to hub/. Pure.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"

namespace hadal {

// The string at `key`; "": none, or something else.
inline std::string text_of(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : "";
}

// -1: not a whole decimal number.
inline int64_t number_in(const std::string& text) {
  int64_t out = -1;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() ? out : -1;
}

}  // namespace hadal
