// The CEL parser and evaluator on any text.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/yaml_tree.h"
#include "deploy/validate/cel/cel_eval.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const hadal::Result<hadal::CelNodePtr> tree = hadal::parse_cel(text);
  if (!tree.ok()) return 0;
  const hadal::SchemaSet schemas;
  const hadal::YamlStream stream =
      hadal::parse_yaml_stream("{a: 1, s: text, l: [1, 2, x], m: {x: y, z: {q: 1.5}}, t: true, n: null}");
  hadal::Value value = hadal::to_value(*stream.documents.at(0).root);
  hadal::link_parents(value);
  hadal::CelEvaluator evaluator(schemas, 200000);
  evaluator.bind("self", hadal::cel_from_value(value, hadal::Schema::kNone, schemas));
  evaluator.eval(**tree);
  return 0;
}
