// Any bytes as a spec: no crash, no hang, and what is accepted renders or is refused in words.
#include <cstdint>
#include <string_view>

#include "deploy/render.h"
#include "deploy/spec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto spec = hadal::parse_deploy_spec(text, "fuzz.yaml");
  if (!spec.ok()) return spec.error().message.empty() ? __builtin_trap(), 0 : 0;
  const auto rendered = hadal::render_spec(*spec);
  if (rendered.ok()) {
    if (hadal::to_manifest_yaml(rendered->objects).empty()) __builtin_trap();
  } else if (rendered.error().message.empty()) {
    __builtin_trap();
  }
  return 0;
}
