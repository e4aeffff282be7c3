// Feeds arbitrary text to the config.json reader, and arbitrary bytes as a GGUF file to the metadata reader.
#include <sys/mman.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "config/model_config.h"

namespace {
// What the parsers accept must keep its own rules.
void check(const hadal::Result<hadal::ModelConfig>& config) {
  if (config.ok()) HADAL_CHECK(hadal::validate_model_config(*config).ok());
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("GGUF")) {
    const hadal::UniqueFd fd(::memfd_create("gguf", MFD_CLOEXEC));
    if (::write(fd.get(), data, size) != static_cast<ssize_t>(size)) return 0;
    auto file = hadal::GgufFile::open("/proc/self/fd/" + std::to_string(fd.get()));
    if (file.ok()) check(hadal::model_config_from_gguf(**file));
    return 0;
  }
  const size_t cut = text.find('\n');
  auto config = hadal::parse_json(text.substr(0, cut));
  if (!config.ok()) return 0;
  auto generation = hadal::parse_json(cut == std::string_view::npos ? "null" : text.substr(cut));
  check(hadal::parse_model_config(*config, generation.ok() ? *generation : hadal::Json()));
  return 0;
}
