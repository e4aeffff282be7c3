// Any bytes as an image reference and as a word of an engine's command line: no crash, no hang, and a refusal
// has words.
#include <cstdint>
#include <string_view>

#include "deploy/engine_flags.h"
#include "deploy/image_ref.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using hadal::EngineDialect;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto ref = hadal::parse_image_ref(text);
  if (ref.ok() ? ref->path.empty() : ref.error().message.empty()) __builtin_trap();
  for (const EngineDialect dialect :
       {EngineDialect::kHadal, EngineDialect::kSglang, EngineDialect::kVllm, EngineDialect::kTrtllm,
        EngineDialect::kDynamoSglang, EngineDialect::kDynamoVllm, EngineDialect::kDynamoTrtllm}) {
    const hadal::EngineFlag flag = hadal::find_engine_flag(dialect, text);
    if ((flag.setting == hadal::EngineSetting::kNone) != flag.name.empty()) __builtin_trap();
  }
  return 0;
}
