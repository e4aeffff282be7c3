// libFuzzer: a template, a zero byte, and a JSON object to render it with. Neither is trusted.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = std::min(input.find('\0'), input.size());
  const auto parsed = hadal::ChatTemplate::parse(input.substr(0, zero));
  if (!parsed.ok()) return 0;
  hadal::Json variables{hadal::JsonObject{}};
  if (zero < input.size()) {
    if (auto json = hadal::parse_json(input.substr(zero + 1)); json.ok() && json->is_object())
      variables = *json;
  }
  const auto text =
      (*parsed)->render(variables, std::chrono::system_clock::time_point(std::chrono::seconds(1700000000)));
  if (text.ok()) HADAL_CHECK(hadal::utf8_is_valid(*text));
  return 0;
}
