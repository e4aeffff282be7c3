// libFuzzer: any cut of any text must give what one push gives, and lose nothing but tags and white space.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "text/reasoning_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto kind = static_cast<hadal::ReasoningKind>(data[0] % 3);
  const bool opens = (data[0] & 4) != 0;
  const size_t step = data[1] % 16 + 1;
  const std::string text(reinterpret_cast<const char*>(data + 2), size - 2);
  hadal::ReasoningParser whole(kind, opens), parts(kind, opens);
  std::string r1, c1, r2, c2;
  whole.push(text, r1, c1);
  whole.finish(r1, c1);
  for (size_t at = 0; at < text.size(); at += step)
    parts.push(std::string_view(text).substr(at, step), r2, c2);
  parts.finish(r2, c2);
  HADAL_CHECK(r1 == r2 && c1 == c2);
  HADAL_CHECK(r1.size() + c1.size() <= text.size());
  return 0;
}
