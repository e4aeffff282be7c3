// Python's textwrap.wrap for one line, as the wordwrap filter uses it. Pure function.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hadal::jinja {

struct WrapStyle {
  int64_t width = 79;
  bool break_long_words = true;
  bool break_on_hyphens = true;
};

// ValueError (JinjaError) for a width that is not positive.
std::vector<std::string> wrap_line(std::string_view line, const WrapStyle& style);

}  // namespace hadal::jinja
