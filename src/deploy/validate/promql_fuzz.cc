// The PromQL checker on any text.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "deploy/validate/promql.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hadal::check_promql(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
