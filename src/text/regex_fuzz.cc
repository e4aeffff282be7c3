// libFuzzer: hostile patterns over a fixed and over their own text.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "text/regex.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view pattern(reinterpret_cast<const char*>(data), size);
  auto regex = hadal::Regex::compile(pattern);
  if (!regex.ok()) return 0;
  for (const std::string& text :
       {std::string("aaaaaaaaaaaaaaaa 12\r\n\u4f60\u597d'S"), hadal::utf8_sanitize(pattern)}) {
    hadal::Regex::Scratch scratch;
    scratch.grant(text.size());
    for (size_t at = 0; at <= text.size();) {
      const hadal::Span match = (*regex)->find(text, at, scratch);
      if (!match.found()) break;
      if (match.end > text.size() || match.begin < at) __builtin_trap();
      if (match.end >= text.size()) break;
      const int length = hadal::utf8_valid_length(std::string_view(text).substr(match.end));
      at = match.end > at ? match.end : at + static_cast<size_t>(length > 0 ? length : 1);
    }
  }
  return 0;
}
