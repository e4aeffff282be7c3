#include "base/yaml.h"

#include <unordered_set>

#include "base/yaml_tree.h"

namespace hadal {
namespace {

// Aliases are copied out, so a few lines of them can name more values than memory holds.
constexpr YamlLimits kLimits{.max_depth = 64, .max_nodes = 100'000};

Error at(const char* prefix, const YamlMark& mark, const std::string& message) {
  return invalid_argument(prefix, mark.line, ", column ", mark.column, ": ", message);
}

// The only document's root; null for an empty text.
Result<YamlNodePtr> single_root(std::string_view text, const char* prefix) {
  const YamlStream stream = parse_yaml_stream(text, kLimits);
  if (!stream.errors.empty()) return at(prefix, stream.errors[0].mark, stream.errors[0].message);
  if (stream.documents.size() > 1)
    return at(prefix, stream.documents[1].begin, "a second document begins: one is wanted");
  return stream.documents.empty() ? nullptr : stream.documents[0].root;
}

Status check_keys(const YamlNode& node) {
  for (const YamlNodePtr& item : node.items) HADAL_RETURN_IF_ERROR(check_keys(*item));
  std::unordered_set<std::string_view> seen;
  for (const auto& [key, value] : node.entries) {
    if (!key->is_scalar())
      return invalid_argument("YAML line ", key->begin.line, ": a key must be a plain word");
    if (!seen.insert(key->text).second)
      return invalid_argument("YAML line ", key->begin.line, ": key \"", key->text, "\" appears twice");
    HADAL_RETURN_IF_ERROR(check_keys(*value));
  }
  return {};
}

bool is_null(const YamlNode& node) {
  return node.is_scalar() && yaml_scalar(node, YamlSchema::kCore).is_null();
}

Status add_setting_values(const YamlNode& node, YamlSetting& out) {
  if (is_null(node)) return {};
  if (node.is_scalar()) {
    out.values.push_back(node.text);
    return {};
  }
  out.is_list = node.is_sequence();
  if (node.is_mapping()) {
    return invalid_argument("line ", out.line, ": \"", out.key,
                            "\" is a group of keys: settings are not nested, write each key on its own");
  }
  for (const YamlNodePtr& item : node.items) {
    if (!item->is_scalar() || is_null(*item)) {
      return invalid_argument("line ", item->begin.line, ": the list \"", out.key,
                              "\" holds more than plain values");
    }
    out.values.push_back(item->text);
  }
  return {};
}

}  // namespace

Result<Json> parse_yaml(std::string_view text) {
  HADAL_ASSIGN(const YamlNodePtr root, single_root(text, "YAML line "));
  if (root == nullptr) return Json();
  HADAL_RETURN_IF_ERROR(check_keys(*root));
  return yaml_to_json(*root, YamlSchema::kCore);
}

Result<std::vector<YamlSetting>> parse_yaml_settings(std::string_view text) {
  std::vector<YamlSetting> out;
  HADAL_ASSIGN(const YamlNodePtr root, single_root(text, "line "));
  if (root == nullptr || is_null(*root)) return out;
  if (!root->is_mapping()) return invalid_argument("line 1: there must be lines of the form \"key: value\"");
  for (const auto& [key, value] : root->entries) {
    YamlSetting setting;
    setting.line = key->begin.line;
    if (!key->is_scalar()) return invalid_argument("line ", setting.line, ": a key must be a plain word");
    setting.key = key->text;
    if (const YamlNode* first = root->find_key(setting.key); first != key.get()) {
      return invalid_argument("line ", setting.line, ": \"", setting.key, "\" stands in line ",
                              first->begin.line, " already");
    }
    HADAL_RETURN_IF_ERROR(add_setting_values(*value, setting));
    out.push_back(std::move(setting));
  }
  return out;
}

}  // namespace hadal
