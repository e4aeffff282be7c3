// Parts of a text joined by a separator. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace hadal {

// "a, b, c" of any range of strings or string views; "" where it is empty.
template <typename Range>
std::string join_text(const Range& parts, std::string_view separator) {
  std::string out;
  bool first = true;
  for (const std::string_view part : parts) {
    if (!first) out += separator;
    out += part;
    first = false;
  }
  return out;
}

}  // namespace hadal
