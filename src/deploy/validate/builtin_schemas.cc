// The built-in kinds: reads kube_schema_table.inc (written by tools/gen_kube_schema.py). A JSON document:
// "nodes", each a schema whose children are earlier nodes' numbers; "kinds", rows of group, version, kind,
// switches ("n" namespaced, "c" not; "k" native; "d" deprecated) and root node; "metadata", the node of
// ObjectMeta. Members of a node: t type (o a s i n b; x int-or-string), f format, r required, e enum, lo hi
// bounds (xl xh exclusive), ll lh lengths, il ih items, pl ph properties, mo multipleOf, re pattern, d
// default, N nullable, P preserves unknown fields, E embedded resource, u unique, L list type (s set, m map)
// with K its keys, v rules (c expression, p field path, o optional old self), p properties, i items, A a
// map's values, all any one not.
#include <algorithm>

#include "deploy/validate/schema.h"

namespace hadal {
namespace {

constexpr char kTable[] =
#include "deploy/validate/kube_schema_table.inc"
    ;

Schema::Type type_of(std::string_view letter) {
  switch (letter.empty() ? ' ' : letter[0]) {
    case 'o':
      return Schema::Type::kObject;
    case 'a':
      return Schema::Type::kArray;
    case 's':
      return Schema::Type::kString;
    case 'i':
      return Schema::Type::kInteger;
    case 'n':
      return Schema::Type::kNumber;
    case 'b':
      return Schema::Type::kBoolean;
    case 'x':
      return Schema::Type::kIntOrString;
    default:
      return Schema::Type::kAny;
  }
}

Schema::Id id_of(const Json& value) {
  return static_cast<Schema::Id>(value.as_int());
}

std::vector<Schema::Id> ids_of(const Json& value) {
  std::vector<Schema::Id> out;
  for (const Json& id : value.as_array()) out.push_back(id_of(id));
  return out;
}

std::vector<std::string> texts_of(const Json& value) {
  std::vector<std::string> out;
  for (const Json& text : value.as_array()) out.push_back(text.as_string());
  return out;
}

CelRule rule_of(const Json& value) {
  CelRule out;
  for (const auto& [key, v] : value.as_object()) {
    if (key == "c") out.expression = v.as_string();
    if (key == "p") out.field_path = v.as_string();
    if (key == "o") out.optional_old_self = true;
  }
  return out;
}

bool read_bound(Schema& s, const std::string& key, const Json& v) {
  int64_t* const counts[] = {&s.min_length, &s.max_length,     &s.min_items,
                             &s.max_items,  &s.min_properties, &s.max_properties};
  constexpr std::string_view kNames[] = {"ll", "lh", "il", "ih", "pl", "ph"};
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (key == kNames[i]) {
      *counts[i] = v.as_int();
      return true;
    }
  }
  if (key == "lo") {
    s.minimum = v;
  } else if (key == "hi") {
    s.maximum = v;
  } else if (key == "mo") {
    s.multiple_of = v;
  } else {
    return false;
  }
  return true;
}

bool read_switch(Schema& s, const std::string& key) {
  if (key == "N") s.nullable = true;
  if (key == "P") s.preserve_unknown = true;
  if (key == "E") s.embedded_resource = true;
  if (key == "u") s.unique_items = true;
  if (key == "xl") s.exclusive_minimum = true;
  if (key == "xh") s.exclusive_maximum = true;
  return key == "N" || key == "P" || key == "E" || key == "u" || key == "xl" || key == "xh";
}

bool read_child(Schema& s, const std::string& key, const Json& v) {
  if (key == "p") {
    for (const auto& [name, id] : v.as_object()) s.properties.emplace_back(name, id_of(id));
    std::sort(s.properties.begin(), s.properties.end());
  } else if (key == "i") {
    s.items = id_of(v);
  } else if (key == "A") {
    s.additional = id_of(v);
  } else if (key == "all") {
    s.all_of = ids_of(v);
  } else if (key == "any") {
    s.any_of = ids_of(v);
  } else if (key == "one") {
    s.one_of = ids_of(v);
  } else if (key == "not") {
    s.not_of = id_of(v);
  } else {
    return false;
  }
  return true;
}

Schema node_of(const Json& value) {
  Schema s;
  for (const auto& [key, v] : value.as_object()) {
    if (read_bound(s, key, v) || read_switch(s, key) || read_child(s, key, v)) continue;
    if (key == "t") s.type = type_of(v.as_string());
    if (key == "f") s.format = v.as_string();
    if (key == "re") s.pattern = v.as_string();
    if (key == "r") s.required = texts_of(v);
    if (key == "K") s.map_keys = texts_of(v);
    if (key == "e") s.enums = v.as_array();
    if (key == "L") s.list_type = v.as_string() == "s" ? Schema::ListType::kSet : Schema::ListType::kMap;
    if (key == "d") {
      s.has_default = true;
      s.default_value = v;
    }
    if (key == "v") {
      for (const Json& rule : v.as_array()) s.rules.push_back(rule_of(rule));
    }
  }
  return s;
}

}  // namespace

Status add_builtin_schemas(SchemaSet& set) {
  HADAL_ASSIGN(const Json table, parse_json(std::string_view(kTable, sizeof kTable - 1)));
  for (const Json& node : table.find("nodes")->as_array()) set.add(node_of(node));
  for (const Json& row : table.find("kinds")->as_array()) {
    const JsonArray& cells = row.as_array();
    const std::string& switches = cells[3].as_string();
    KindSchema kind;
    kind.group = cells[0].as_string();
    kind.version = cells[1].as_string();
    kind.kind = cells[2].as_string();
    kind.root = id_of(cells[4]);
    kind.namespaced = switches.find('n') != std::string::npos;
    kind.native = switches.find('k') != std::string::npos;
    kind.deprecated = switches.find('d') != std::string::npos;
    set.add_kind(std::move(kind));
  }
  set.set_metadata(id_of(*table.find("metadata")));
  return {};
}

std::string_view builtin_release(std::string_view group) {
  // As the first lines of kube_schema_table.inc say.
  constexpr std::pair<std::string_view, std::string_view> kReleases[] = {
      {"leaderworkerset.x-k8s.io", "LeaderWorkerSet and DisaggregatedSet 0.10.0"},
      {"disaggregatedset.x-k8s.io", "LeaderWorkerSet and DisaggregatedSet 0.10.0"},
      {"scheduling.volcano.sh", "Volcano 1.15.1"},
      {"batch.volcano.sh", "Volcano 1.15.1"},
      {"serving.kserve.io", "KServe 0.20.0"},
      {"gateway.networking.k8s.io", "Gateway API 1.6.1"},
      {"inference.networking.k8s.io", "Gateway API Inference Extension 1.6.0"},
      {"inference.networking.x-k8s.io", "Gateway API Inference Extension 1.6.0"},
      {"monitoring.coreos.com", "Prometheus Operator 0.93.0"},
      {"keda.sh", "KEDA 2.20.2"},
      {"nvidia.com", "NVIDIA Dynamo, August 2026"},
  };
  for (const auto& [known, release] : kReleases) {
    if (known == group) return release;
  }
  return "";
}

}  // namespace hadal
