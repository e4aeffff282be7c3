// libFuzzer: JSON and YAML from arbitrary bytes. What is read is written as JSON that reads back the same.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"
#include "base/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto json = hadal::parse_json(text); json.ok()) {
    for (const int indent : {0, 2}) {
      const std::string written = hadal::to_json(*json, indent);
      const auto again = hadal::parse_json(written);
      HADAL_CHECK(again.ok() && hadal::to_json(*again, indent) == written);
    }
  }
  if (const auto yaml = hadal::parse_yaml(text); yaml.ok()) (void)hadal::to_json(*yaml);
  return 0;
}
