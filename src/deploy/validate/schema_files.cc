// Reads schemas that users bring: CustomResourceDefinitions and OpenAPI documents. Untrusted input: what has
// not the expected type is passed over or refused with the file's name.
#include <algorithm>
#include <set>

#include "base/yaml_tree.h"
#include "deploy/validate/schema.h"

namespace hadal {
namespace {

constexpr int kMaxDepth = 60;
constexpr size_t kMaxNodes = 400'000;

bool is_true(const Json* value) {
  return value != nullptr && value->is_bool() && value->as_bool();
}

std::string text_of(const Json* value) {
  return value != nullptr && value->is_string() ? value->as_string() : "";
}

int64_t count_of(const Json* value) {
  return value != nullptr && value->is_int() && value->as_int() >= 0 ? value->as_int() : -1;
}

Json number_of(const Json* value) {
  return value != nullptr && value->is_number() ? *value : Json();
}

std::vector<std::string> texts_in(const Json* value) {
  std::vector<std::string> out;
  if (value == nullptr || !value->is_array()) return out;
  for (const Json& item : value->as_array()) {
    if (item.is_string()) out.push_back(item.as_string());
  }
  return out;
}

// From JSON Schema, as CRDs and OpenAPI write it, to Schema nodes.
class SchemaReader {
 public:
  // definitions: what "$ref" names; null: CRDs have none.
  SchemaReader(SchemaSet& set, const Json* definitions) : set_(set), definitions_(definitions) {}

  Result<Schema::Id> read(const Json& json, int depth = 0) {
    if (depth > kMaxDepth) return invalid_argument("a schema is nested deeper than ", kMaxDepth, " levels");
    if (++num_nodes_ > kMaxNodes) return invalid_argument("more than ", kMaxNodes, " schema nodes");
    if (!json.is_object()) return any();
    if (const Json* all = json.find("allOf"); is_wrapped_reference(json, all))
      return read(all->as_array()[0], depth + 1);
    if (const std::string reference = text_of(json.find("$ref")); !reference.empty())
      return read_reference(reference.substr(reference.rfind('/') + 1), depth);
    Schema s;
    read_type(json, s);
    read_bounds(json, s);
    read_rules(json, s);
    HADAL_RETURN_IF_ERROR(read_children(json, s, depth));
    return set_.add(std::move(s));
  }

  Schema::Id any() {
    Schema s;
    s.preserve_unknown = true;
    return set_.add(std::move(s));
  }

  // A kind's root: status is the controllers', the type's and the object's metadata are checked apart.
  Result<Schema::Id> read_root(const Json& json) {
    Json root = json;
    if (const Json* found = json.find("properties"); found != nullptr && found->is_object()) {
      JsonObject kept;
      for (const auto& [name, schema] : found->as_object()) {
        if (name == "apiVersion" || name == "kind" || name == "metadata") continue;
        kept.emplace_back(name, name == "status"
                                    ? Json(JsonObject{{"x-kubernetes-preserve-unknown-fields", Json(true)}})
                                    : schema);
      }
      root.set("properties", Json(std::move(kept)));
    }
    return read(root);
  }

 private:
  // OpenAPI v3 writes {"allOf": [{"$ref": ...}], "default": ...}.
  static bool is_wrapped_reference(const Json& json, const Json* all) {
    return all != nullptr && all->is_array() && all->as_array().size() == 1 &&
           json.find("properties") == nullptr && all->as_array()[0].find("$ref") != nullptr;
  }

  Result<Schema::Id> read_reference(const std::string& name, int depth) {
    if (name.ends_with(".api.resource.Quantity")) return add_quantity();
    if (name.ends_with(".util.intstr.IntOrString")) {
      Schema s;
      s.type = Schema::Type::kIntOrString;
      return set_.add(std::move(s));
    }
    if (name.ends_with(".runtime.RawExtension") || open_.count(name) > 0) return any();
    if (const auto found = known_.find(name); found != known_.end()) return found->second;
    const Json* definition = definitions_ == nullptr ? nullptr : definitions_->find(name);
    if (definition == nullptr) return any();
    open_.insert(name);
    HADAL_ASSIGN(const Schema::Id id, read(*definition, depth + 1));
    open_.erase(name);
    known_[name] = id;
    return id;
  }

  Schema::Id add_quantity() {
    Schema s;
    s.type = Schema::Type::kString;
    s.format = "quantity";
    return set_.add(std::move(s));
  }

  static void read_type(const Json& json, Schema& s) {
    const std::string type = text_of(json.find("type"));
    constexpr std::pair<std::string_view, Schema::Type> kTypes[] = {
        {"object", Schema::Type::kObject}, {"array", Schema::Type::kArray},
        {"string", Schema::Type::kString}, {"integer", Schema::Type::kInteger},
        {"number", Schema::Type::kNumber}, {"boolean", Schema::Type::kBoolean}};
    for (const auto& [name, value] : kTypes) {
      if (name == type) s.type = value;
    }
    s.format = text_of(json.find("format"));
    if (is_true(json.find("x-kubernetes-int-or-string")) || s.format == "int-or-string")
      s.type = Schema::Type::kIntOrString;
    s.nullable = is_true(json.find("nullable"));
    s.preserve_unknown = is_true(json.find("x-kubernetes-preserve-unknown-fields"));
    s.embedded_resource = is_true(json.find("x-kubernetes-embedded-resource"));
    const std::string list = text_of(json.find("x-kubernetes-list-type"));
    if (list == "set") s.list_type = Schema::ListType::kSet;
    if (list == "map") s.list_type = Schema::ListType::kMap;
    s.map_keys = texts_in(json.find("x-kubernetes-list-map-keys"));
    if (const Json* value = json.find("default"); value != nullptr) {
      s.has_default = true;
      s.default_value = *value;
    }
  }

  static void read_bounds(const Json& json, Schema& s) {
    s.pattern = text_of(json.find("pattern"));
    s.required = texts_in(json.find("required"));
    if (const Json* e = json.find("enum"); e != nullptr && e->is_array()) s.enums = e->as_array();
    s.minimum = number_of(json.find("minimum"));
    s.maximum = number_of(json.find("maximum"));
    s.multiple_of = number_of(json.find("multipleOf"));
    s.exclusive_minimum = is_true(json.find("exclusiveMinimum"));
    s.exclusive_maximum = is_true(json.find("exclusiveMaximum"));
    s.unique_items = is_true(json.find("uniqueItems"));
    s.min_length = count_of(json.find("minLength"));
    s.max_length = count_of(json.find("maxLength"));
    s.min_items = count_of(json.find("minItems"));
    s.max_items = count_of(json.find("maxItems"));
    s.min_properties = count_of(json.find("minProperties"));
    s.max_properties = count_of(json.find("maxProperties"));
  }

  static void read_rules(const Json& json, Schema& s) {
    const Json* rules = json.find("x-kubernetes-validations");
    if (rules == nullptr || !rules->is_array()) return;
    for (const Json& rule : rules->as_array()) {
      CelRule out;
      out.expression = text_of(rule.find("rule"));
      out.message = text_of(rule.find("message"));
      out.message_expression = text_of(rule.find("messageExpression"));
      out.field_path = text_of(rule.find("fieldPath"));
      out.optional_old_self = is_true(rule.find("optionalOldSelf"));
      if (!out.expression.empty()) s.rules.push_back(std::move(out));
    }
  }

  Status read_list(const Json* list, std::vector<Schema::Id>& out, int depth) {
    if (list == nullptr || !list->is_array()) return {};
    for (const Json& item : list->as_array()) {
      HADAL_ASSIGN(const Schema::Id id, read(item, depth + 1));
      out.push_back(id);
    }
    return {};
  }

  Status read_children(const Json& json, Schema& s, int depth) {
    if (const Json* p = json.find("properties"); p != nullptr && p->is_object()) {
      for (const auto& [name, schema] : p->as_object()) {
        HADAL_ASSIGN(const Schema::Id id, read(schema, depth + 1));
        s.properties.emplace_back(name, id);
      }
      std::sort(s.properties.begin(), s.properties.end());
    }
    if (const Json* items = json.find("items"); items != nullptr && items->is_object()) {
      HADAL_ASSIGN(s.items, read(*items, depth + 1));
    }
    if (const Json* extra = json.find("additionalProperties"); extra != nullptr) {
      if (is_true(extra)) s.preserve_unknown = true;
      if (extra->is_object()) {
        HADAL_ASSIGN(s.additional, read(*extra, depth + 1));
      }
    }
    HADAL_RETURN_IF_ERROR(read_list(json.find("allOf"), s.all_of, depth));
    HADAL_RETURN_IF_ERROR(read_list(json.find("oneOf"), s.one_of, depth));
    // An int-or-string repeats its two types there.
    if (s.type != Schema::Type::kIntOrString)
      HADAL_RETURN_IF_ERROR(read_list(json.find("anyOf"), s.any_of, depth));
    if (const Json* inverse = json.find("not"); inverse != nullptr && inverse->is_object()) {
      HADAL_ASSIGN(s.not_of, read(*inverse, depth + 1));
    }
    return {};
  }

  SchemaSet& set_;
  const Json* definitions_;
  std::set<std::string> open_;
  std::map<std::string, Schema::Id> known_;
  size_t num_nodes_ = 0;
};

// The version's schema, or the one that v1beta1 CRDs have for all versions.
const Json* schema_of_version(const Json& spec, const Json& version) {
  const Json* holder = version.find("schema");
  if (holder == nullptr) holder = spec.find("validation");
  return holder == nullptr ? nullptr : holder->find("openAPIV3Schema");
}

Status add_kind_of(SchemaSet& set, const Json& definition, const Json& gvk, Schema::Id root) {
  KindSchema kind;
  kind.group = text_of(gvk.find("group"));
  kind.version = text_of(gvk.find("version"));
  kind.kind = text_of(gvk.find("kind"));
  if (kind.kind.empty() || kind.kind.ends_with("Options") || definition.find("properties") == nullptr)
    return {};
  const KindSchema* known = set.find(kind.group, kind.version, kind.kind);
  const bool is_core = kind.group.find('.') == std::string::npos || kind.group.ends_with(".k8s.io");
  kind.native = known == nullptr
                    ? is_core && definition.find("x-kubernetes-preserve-unknown-fields") == nullptr
                    : known->native;
  kind.namespaced = known == nullptr || known->namespaced;
  kind.from_file = true;
  kind.root = root;
  set.add_kind(std::move(kind));
  return {};
}

bool was_read(const SchemaSet& set, const Json& gvk) {
  const KindSchema* known =
      set.find(text_of(gvk.find("group")), text_of(gvk.find("version")), text_of(gvk.find("kind")));
  return known != nullptr && known->from_file;
}

}  // namespace

Status add_crd(SchemaSet& set, const Json& crd) {
  if (text_of(crd.find("kind")) == "List") {
    const Json* items = crd.find("items");
    if (items == nullptr || !items->is_array()) return {};
    for (const Json& item : items->as_array()) {
      if (text_of(item.find("kind")) == "CustomResourceDefinition") HADAL_RETURN_IF_ERROR(add_crd(set, item));
    }
    return {};
  }
  const Json* spec = crd.find("spec");
  if (text_of(crd.find("kind")) != "CustomResourceDefinition" || spec == nullptr) return {};
  const Json* names = spec->find("names");
  const std::string name = names == nullptr ? "" : text_of(names->find("kind"));
  const Json* versions = spec->find("versions");
  if (name.empty() || versions == nullptr || !versions->is_array())
    return invalid_argument("a CustomResourceDefinition needs spec.names.kind and spec.versions");
  SchemaReader reader(set, nullptr);
  for (const Json& version : versions->as_array()) {
    const Json* schema = schema_of_version(*spec, version);
    KindSchema kind;
    kind.group = text_of(spec->find("group"));
    kind.version = text_of(version.find("name"));
    kind.kind = name;
    kind.namespaced = text_of(spec->find("scope")) != "Cluster";
    kind.deprecated = is_true(version.find("deprecated"));
    kind.from_file = true;
    if (schema == nullptr || is_true(spec->find("preserveUnknownFields"))) {
      kind.root = reader.any();
    } else {
      HADAL_ASSIGN(kind.root, reader.read_root(*schema));
    }
    set.add_kind(std::move(kind));
  }
  return {};
}

Status add_openapi(SchemaSet& set, const Json& document, OpenApiKinds kinds) {
  const Json* definitions = document.find("definitions");
  if (const Json* components = document.find("components"); components != nullptr)
    definitions = components->find("schemas");
  if (definitions == nullptr || !definitions->is_object())
    return invalid_argument("an OpenAPI document has \"definitions\" (v2) or \"components.schemas\" (v3)");
  SchemaReader reader(set, definitions);
  for (const auto& [name, definition] : definitions->as_object()) {
    const Json* gvks = definition.find("x-kubernetes-group-version-kind");
    if (gvks == nullptr || !gvks->is_array() || gvks->as_array().size() != 1) continue;
    if (kinds == OpenApiKinds::kThoseNotRead && was_read(set, gvks->as_array()[0])) continue;
    HADAL_ASSIGN(const Schema::Id root, reader.read_root(definition));
    for (const Json& gvk : gvks->as_array()) HADAL_RETURN_IF_ERROR(add_kind_of(set, definition, gvk, root));
  }
  return {};
}

Status add_schema_file(SchemaSet& set, const std::string& path, std::string_view text) {
  const auto named = [&](const Status& status) -> Status {
    return status.ok() ? status : Status(make_error(status.error().code, path, ": ", status.error().message));
  };
  if (text.size() > 1 && text[0] == '\x1f' && text[1] == '\x8b')
    return invalid_argument(path, " is compressed: gunzip it first");
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') {
    const Result<Json> json = parse_json(text);
    if (json.ok()) {
      const bool openapi = json->find("definitions") != nullptr || json->find("components") != nullptr;
      return named(openapi ? add_openapi(set, *json) : add_crd(set, *json));
    }
  }
  const YamlStream stream = parse_yaml_stream(text);
  if (!stream.errors.empty()) {
    const YamlParseError& error = stream.errors[0];
    return invalid_argument(path, ":", error.mark.line, ":", error.mark.column, ": ", error.message);
  }
  for (const YamlDocument& document : stream.documents) {
    if (document.root == nullptr || !document.root->is_mapping()) continue;
    const Json json = yaml_to_json(*document.root, YamlSchema::kKubernetes);
    const bool openapi = json.find("swagger") != nullptr || json.find("openapi") != nullptr;
    HADAL_RETURN_IF_ERROR(named(openapi ? add_openapi(set, json) : add_crd(set, json)));
  }
  return {};
}

}  // namespace hadal
