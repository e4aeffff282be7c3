#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "step/step_plan.h"

// Whatever parses is written back to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto plan = hadal::parse_step_plan(bytes);
  if (plan.ok()) HADAL_CHECK(hadal::serialize_step_plan(*plan) == bytes);
  return 0;
}
