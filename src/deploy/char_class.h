// Classes of ASCII characters, for the grammars of names and references. Internal to deploy/. Pure.
#pragma once

#include <algorithm>
#include <string_view>

namespace hadal {

inline bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
inline bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
// Of text that is not empty.
inline bool all_of(std::string_view text, bool (*ok)(char)) {
  return !text.empty() && std::all_of(text.begin(), text.end(), ok);
}

}  // namespace hadal
