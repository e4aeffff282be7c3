// CRDs and OpenAPI documents of any text, and an object checked against what they define.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/yaml_tree.h"
#include "deploy/validate.h"
#include "deploy/validate/schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  hadal::SchemaSet schemas;
  hadal::Schema any;
  any.preserve_unknown = true;
  schemas.set_metadata(schemas.add(any));
  if (!hadal::add_schema_file(schemas, "a.yaml", text).ok()) return 0;
  for (const hadal::KindSchema& kind : schemas.kinds()) {
    const std::string version = kind.group.empty() ? kind.version : kind.group + "/" + kind.version;
    hadal::ManifestFile file{"b.yaml",
                             "apiVersion: \"" + version + "\"\nkind: \"" + kind.kind +
                                 "\"\nmetadata: {name: a}\nspec: {a: 1, b: [x, {c: null}], d: {e: 1.5}}\n"};
    hadal::ValidateOptions options;
    options.schemas = &schemas;
    hadal::validate_manifests({&file, 1}, options);
  }
  return 0;
}
