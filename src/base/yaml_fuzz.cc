// Any text: no crash, no hang, places inside the text, and what was read can be made JSON.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/yaml.h"
#include "base/yaml_tree.h"

namespace {

void check_node(const hadal::YamlNode& node, size_t size) {
  HADAL_CHECK(node.begin.offset <= size && node.end.offset <= size && node.begin.line >= 1);
  for (const auto& item : node.items) check_node(*item, size);
  for (const auto& [key, value] : node.entries) {
    check_node(*key, size);
    check_node(*value, size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const hadal::YamlStream stream = hadal::parse_yaml_stream(text, {.max_depth = 32, .max_nodes = 10'000});
  for (const hadal::YamlDocument& document : stream.documents) {
    if (document.root == nullptr) continue;
    check_node(*document.root, size);
    for (const auto schema : {hadal::YamlSchema::kCore, hadal::YamlSchema::kKubernetes})
      (void)hadal::to_json(hadal::yaml_to_json(*document.root, schema));
  }
  (void)hadal::parse_yaml(text);
  (void)hadal::parse_yaml_settings(text);
  return 0;
}
