// Small text of what other servers answered and of settings. Internal to hub/. Pure.
#pragma once

#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/json.h"
#include "net/http_message.h"

namespace hadal {

// The string at `key`; "": none, or something else.
inline std::string text_of(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : "";
}

// A header's value; "": it is not there.
inline std::string header_of(const HttpHeaders& headers, std::string_view name) {
  const std::string* value = headers.find(name);
  return value == nullptr ? "" : *value;
}

// The first that is not empty; "": none.
inline std::string first_given(std::initializer_list<std::string> values) {
  for (const std::string& value : values) {
    if (!value.empty()) return value;
  }
  return "";
}

// Of ASCII letters.
inline std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

// -1: not a whole decimal number.
inline int64_t number_in(const std::string& text) {
  int64_t out = -1;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() ? out : -1;
}

}  // namespace hadal
