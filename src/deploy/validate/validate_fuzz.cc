// The validator and its fixes on any YAML.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "deploy/validate.h"
#include "deploy/validate/fix.h"
#include "deploy/validate/schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::shared_ptr<const hadal::SchemaSet> schemas = hadal::SchemaSet::builtin();
  hadal::ValidateOptions options;
  options.schemas = schemas.get();
  std::vector<hadal::ManifestFile> files{{"a.yaml", std::string(reinterpret_cast<const char*>(data), size)}};
  hadal::apply_safe_fixes(files, options);
  return 0;
}
