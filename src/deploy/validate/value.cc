#include "deploy/validate/value.h"

#include <unordered_map>

namespace hadal {
namespace {

bool is_merge_key(const YamlNode& key) {
  return key.is_plain() && key.text == "<<";
}

// Keys become text as sigs.k8s.io/yaml makes them: 1 and true are "1" and "true".
std::string key_of(const YamlNode& key) {
  if (!key.is_scalar()) return "";
  const Json value = yaml_scalar(key, YamlSchema::kKubernetes);
  return value.is_string() || value.is_null() ? key.text : to_json(value);
}

class MapBuilder {
 public:
  void set(std::string key, const YamlNode* key_node, Value value, bool replace) {
    const auto [place, fresh] = index_.try_emplace(key, members_.size());
    if (!fresh && !replace) return;
    value.key_node = key_node;
    if (fresh) {
      members_.push_back({std::move(key), std::move(value)});
    } else {
      members_[place->second].value = std::move(value);
    }
  }
  std::vector<ValueMember> take() { return std::move(members_); }

 private:
  std::vector<ValueMember> members_;
  std::unordered_map<std::string, size_t> index_;
};

Value build(const YamlNode& node);

void merge(MapBuilder& map, const YamlNode& from) {
  for (const YamlNodePtr& item : from.items) merge(map, *item);
  if (!from.is_mapping()) return;
  Value value = build(from);
  for (ValueMember& member : value.members) {
    const YamlNode* key = member.value.key_node;
    map.set(std::move(member.key), key, std::move(member.value), false);
  }
}

Value build(const YamlNode& node) {
  Value out;
  out.node = &node;
  if (node.is_scalar()) {
    out.scalar = yaml_scalar(node, YamlSchema::kKubernetes);
    return out;
  }
  if (node.is_sequence()) {
    out.kind = Value::Kind::kList;
    out.items.reserve(node.items.size());
    for (const YamlNodePtr& item : node.items) out.items.push_back(build(*item));
    return out;
  }
  out.kind = Value::Kind::kMap;
  MapBuilder map;
  for (const auto& [key, value] : node.entries) {
    if (!is_merge_key(*key)) map.set(key_of(*key), key.get(), build(*value), true);
  }
  for (const auto& [key, value] : node.entries) {
    if (is_merge_key(*key)) merge(map, *value);
  }
  out.members = map.take();
  return out;
}

void link(Value& value) {
  for (Value& item : value.items) {
    item.parent = &value;
    link(item);
  }
  for (ValueMember& member : value.members) {
    member.value.parent = &value;
    member.value.key_text = &member.key;
    link(member.value);
  }
}

}  // namespace

std::string_view Value::kind_name() const {
  if (is_map()) return "map";
  if (is_list()) return "list";
  return scalar.kind_name();
}

const Value* Value::find(std::string_view key) const {
  for (const ValueMember& member : members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

Value to_value(const YamlNode& root) {
  return build(root);
}

void link_parents(Value& root) {
  root.parent = nullptr;
  link(root);
}

std::string value_path(const Value& value) {
  if (value.parent == nullptr) return "";
  std::string out = value_path(*value.parent);
  if (value.parent->is_list()) return out + "[" + std::to_string(&value - value.parent->items.data()) + "]";
  const std::string& key = *value.key_text;
  if (key.find_first_of("./ ") != std::string::npos) return out + "[" + key + "]";
  return out.empty() ? key : out + "." + key;
}

Json value_to_json(const Value& value) {
  if (value.is_scalar()) return value.scalar;
  if (value.is_list()) {
    JsonArray array;
    for (const Value& item : value.items) array.push_back(value_to_json(item));
    return Json(std::move(array));
  }
  JsonObject object;
  for (const ValueMember& member : value.members)
    object.emplace_back(member.key, value_to_json(member.value));
  return Json(std::move(object));
}

const Value& View::operator*() const {
  static const Value kNothing;
  return value_ == nullptr ? kNothing : *value_;
}

View View::at(std::string_view dotted_path) const {
  View out = *this;
  while (!dotted_path.empty() && out.value_ != nullptr) {
    const size_t dot = dotted_path.find('.');
    out = out[dotted_path.substr(0, dot)];
    dotted_path = dot == std::string_view::npos ? std::string_view() : dotted_path.substr(dot + 1);
  }
  return out;
}

std::string_view View::text() const {
  return is_string() ? std::string_view(value_->scalar.as_string()) : std::string_view();
}

std::string View::any_text() const {
  if (value_ == nullptr || !value_->is_scalar() || value_->is_null()) return "";
  return value_->is_string() ? value_->scalar.as_string() : to_json(value_->scalar);
}

std::optional<int64_t> View::integer() const {
  if (value_ == nullptr || !value_->is_scalar() || !value_->scalar.is_int()) return std::nullopt;
  return value_->scalar.as_int();
}

std::span<const Value> View::items() const {
  return value_ == nullptr ? std::span<const Value>() : std::span<const Value>(value_->items);
}

std::span<const ValueMember> View::members() const {
  return value_ == nullptr ? std::span<const ValueMember>() : std::span<const ValueMember>(value_->members);
}

}  // namespace hadal
