#include "deploy/validate/schema_check.h"

#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "config/nearest_name.h"
#include "deploy/validate/formats.h"
#include "deploy/validate/regex.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

using SchemaType = Schema::Type;

constexpr int64_t kMaxChecks = 20'000'000;

std::string_view type_name(SchemaType type) {
  switch (type) {
    case SchemaType::kObject:
      return "map";
    case SchemaType::kArray:
      return "list";
    case SchemaType::kString:
      return "string";
    case SchemaType::kInteger:
      return "integer";
    case SchemaType::kNumber:
      return "number";
    case SchemaType::kBoolean:
      return "boolean";
    case SchemaType::kIntOrString:
      return "integer or string";
    case SchemaType::kAny:
      break;
  }
  return "value";
}

// A scalar as it stands, cut short.
std::string shown(const Value& value) {
  if (!value.is_scalar()) return std::string("a ") + std::string(value.kind_name());
  std::string text = to_json(value.scalar);
  if (text.size() > 80) text = utf8_sanitize(text.substr(0, 77)) + "...";
  return text;
}

bool is_whole(const Json& number) {
  if (number.kind() != Json::Kind::kDouble) return true;
  const double v = number.as_double();
  return std::isfinite(v) && v == std::floor(v) && std::fabs(v) < 1e18;
}

// Numbers are equal by value: 1 and 1.0.
bool same_json(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return a.as_double() == b.as_double();
  return a == b;
}

std::string joined(const std::vector<Json>& values) {
  std::string out;
  for (const Json& value : values) {
    if (!out.empty()) out += ", ";
    out += value.is_string() ? value.as_string() : to_json(value);
  }
  return out;
}

// Nothing stands there, as the server sees it.
bool counts_as_absent(const Value& value, const Schema& s, bool native) {
  return value.is_null() && (native || !s.nullable);
}

}  // namespace

bool SchemaCheck::fail(std::string_view rule, const Value& at, std::string message, std::string fix) {
  if (quiet_ > 0) return false;
  note_broken(at);
  reporter_.add(rule, at, std::move(message), std::move(fix));
  return false;
}

// An item of a list is called as the list.
void SchemaCheck::note_broken(const Value& at) {
  const Value* v = &at;
  while (v->key_text == nullptr && v->parent != nullptr) v = v->parent;
  if (v->key_text != nullptr) broken_names_.insert(*v->key_text);
}

bool SchemaCheck::check_object(const Value& root, const KindSchema& kind) {
  native_ = kind.native;
  kind_ = &kind;
  bool ok = check(root, kind.root, true);
  if (const Value* metadata = root.find("metadata"); metadata != nullptr && !metadata->is_null()) {
    native_ = true;
    ok = check(*metadata, schemas_.metadata(), false) && ok;
  }
  return ok;
}

bool SchemaCheck::check_part(const Value& value, Schema::Id schema, bool native) {
  native_ = native;
  return check(value, schema, false);
}

bool SchemaCheck::check(const Value& value, Schema::Id id, bool is_root) {
  // Combinations inside combinations multiply: a bound for schemas that were made to hang.
  if (++num_checks_ > kMaxChecks) return true;
  const Schema& s = schemas_.at(id);
  if (value.is_null() && (s.nullable || native_)) return true;
  if (!check_type(value, s)) return false;
  bool ok = true;
  if (value.is_map()) ok = check_map(value, s, is_root) && ok;
  if (value.is_list()) ok = check_list(value, s) && ok;
  if (value.is_string()) ok = check_text(value, s) && ok;
  if (value.is_scalar() && value.scalar.is_number()) ok = check_number(value, s) && ok;
  ok = check_enum(value, s) && ok;
  return check_combinations(value, s) && ok;
}

bool SchemaCheck::check_type(const Value& value, const Schema& s) {
  bool right = true;
  switch (s.type) {
    case SchemaType::kAny:
      return true;
    case SchemaType::kObject:
      right = value.is_map();
      break;
    case SchemaType::kArray:
      right = value.is_list();
      break;
    default:
      return check_scalar_type(value, s);
  }
  return right || fail("schema/type", value,
                       "this must be a " + std::string(type_name(s.type)) + ", not " + shown(value));
}

bool SchemaCheck::check_scalar_type(const Value& value, const Schema& s) {
  bool right = value.is_scalar();
  const Json& scalar = value.scalar;
  const bool whole = right && scalar.is_number() && is_whole(scalar);
  // A quantity is decoded from a number too.
  const bool number_is_text = native_ && s.format == "quantity" && right && scalar.is_number();
  if (s.type == SchemaType::kString) right = right && (scalar.is_string() || number_is_text);
  if (s.type == SchemaType::kInteger) right = whole;
  if (s.type == SchemaType::kNumber) right = right && scalar.is_number();
  if (s.type == SchemaType::kBoolean) right = right && scalar.is_bool();
  if (s.type == SchemaType::kIntOrString) right = right && (scalar.is_string() || whole);
  if (right) return true;
  if (quiet_ > 0) return false;
  note_broken(value);
  Finding& finding = reporter_.add(
      "schema/type", value, "this must be a " + std::string(type_name(s.type)) + ", not " + shown(value));
  if (s.type == SchemaType::kString && value.node != nullptr && value.is_scalar() && !value.is_null()) {
    const std::string& text = value.node->text;
    if (fits_as_text(value, text, s)) {
      finding.fix = "quote it: " + yaml_quoted(text);
      Reporter::fix_with(finding, replace_scalar(value, text, true));
    } else if (fits_as_text(value, text + "s", s)) {
      finding.fix =
          "write a duration with its unit: " + text + "s if these are seconds, " + text + "m if minutes";
    } else {
      finding.fix = "write a string that " +
                    (s.pattern.empty() ? "is of the form that is asked for" : "matches " + s.pattern);
    }
  }
  if (value.is_string() && value.node != nullptr && s.type != SchemaType::kString) {
    YamlNode plain = *value.node;
    plain.style = YamlNode::Style::kPlain;
    plain.tag.clear();
    const Json read = yaml_scalar(plain, YamlSchema::kCore);
    const bool fits = s.type == SchemaType::kBoolean ? read.is_bool() : read.is_number() && is_whole(read);
    if (fits && !value.node->text.empty()) {
      finding.fix = "write it without quotes: " + value.node->text;
      Reporter::fix_with(finding, replace_scalar(value, value.node->text, false));
    }
  }
  return false;
}

// Whether the scalar would do as this string: quoting it puts it right, or only makes another error of it.
bool SchemaCheck::fits_as_text(const Value& value, const std::string& text, const Schema& s) {
  Value as_text = value;
  as_text.scalar = Json(text);
  ++quiet_;
  bool ok = check_text(as_text, s);
  ok = check_enum(as_text, s) && ok;
  ok = check_combinations(as_text, s) && ok;
  --quiet_;
  return ok;
}

// Fields of kinds that still grow: in Gateway API's experimental channel, or after the version built in.
bool SchemaCheck::is_newer_field(const KindSchema& kind, std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kFields[] = {
      {"gateway.networking.k8s.io", "retry"},
      {"gateway.networking.k8s.io", "sessionPersistence"},
      {"gateway.networking.k8s.io", "externalAuth"},
      {"serving.kserve.io", "tokenizer"},
      {"serving.kserve.io", "workload"}};
  return std::find(std::begin(kFields), std::end(kFields), std::pair(std::string_view(kind.group), name)) !=
         std::end(kFields);
}

void SchemaCheck::report_unknown(const Value& member, const std::string& name, const Schema& s) {
  if (quiet_ > 0 || reporter_.is_full()) return;
  broken_names_.insert(name);
  if (kind_ != nullptr && !kind_->from_file && is_newer_field(*kind_, name)) {
    reporter_.add_at_key(
        "version/field-too-new", member,
        "\"" + name + "\" is newer than the built-in schema, or of the experimental channel",
        "look whether the cluster has it: --schemas-from-cluster, or its CRD with --schemas");
    return;
  }
  std::vector<std::string_view> names;
  for (const auto& [known, id] : s.properties) names.push_back(known);
  const std::string nearest = nearest_name(name, names);
  std::string fix = nearest.empty() ? "remove it" : "write \"" + nearest + "\", or remove it";
  Finding& finding =
      reporter_.add_at_key("schema/unknown-field", member, "there is no field \"" + name + "\" here", fix);
  if (kind_ != nullptr && !kind_->from_file) {
    if (const std::string_view release = builtin_release(kind_->group); !release.empty())
      finding.why += "; checked with the built-in schema of " + std::string(release) +
                     ": for a newer one give --schemas-from-cluster, or its CRD with --schemas";
  }
  if (nearest.empty() || member.parent->find(nearest) != nullptr) return;
  // Only where the value is one that the other field takes.
  ++quiet_;
  const bool fits = check(member, s.property(nearest), false);
  --quiet_;
  if (fits) Reporter::fix_with(finding, rename_key(member, nearest));
}

bool SchemaCheck::check_map(const Value& value, const Schema& s, bool is_root) {
  if (s.type != SchemaType::kObject && s.properties.empty() && s.additional == Schema::kNone) return true;
  bool ok = true;
  for (const ValueMember& member : value.members) {
    if ((is_root || s.embedded_resource) &&
        (member.key == "apiVersion" || member.key == "kind" || member.key == "metadata"))
      continue;
    Schema::Id id = s.property(member.key);
    if (id == Schema::kNone) id = s.additional;
    if (id != Schema::kNone) {
      if (!counts_as_absent(member.value, schemas_.at(id), native_))
        ok = check(member.value, id, false) && ok;
    } else if (!s.preserve_unknown && quiet_ == 0) {
      report_unknown(member.value, member.key, s);
      ok = false;
    }
  }
  ok = check_required(value, s) && ok;
  const auto count = static_cast<int64_t>(value.members.size());
  if (s.min_properties >= 0 && count < s.min_properties)
    ok = fail("schema/length", value, "this needs at least " + std::to_string(s.min_properties) + " entries");
  if (s.max_properties >= 0 && count > s.max_properties)
    ok = fail("schema/length", value, "this takes at most " + std::to_string(s.max_properties) + " entries");
  return ok;
}

bool SchemaCheck::is_optional_after_all(const Value& value, const std::string& name) const {
  // The server decodes what is missing as 0 seconds.
  if (native_ && name == "seconds" && value.key_text != nullptr && *value.key_text == "sleep") return true;
  return !may_be_missing_.empty() && value_path(value) + "." + name == may_be_missing_;
}

bool SchemaCheck::check_required(const Value& value, const Schema& s) {
  bool ok = true;
  for (const std::string& name : s.required) {
    const Value* member = value.find(name);
    const Schema::Id id = s.property(name);
    const bool absent =
        member == nullptr || (id != Schema::kNone && counts_as_absent(*member, schemas_.at(id), native_));
    if (absent && is_optional_after_all(value, name)) continue;
    if (!absent || (id != Schema::kNone && schemas_.at(id).has_default)) continue;
    if (quiet_ == 0) broken_names_.insert(name);
    ok = fail("schema/required", value, missing_field(name), "add \"" + name + ":\"");
  }
  return ok;
}

bool SchemaCheck::check_list(const Value& value, const Schema& s) {
  bool ok = true;
  if (s.items != Schema::kNone) {
    const Schema& item_schema = schemas_.at(s.items);
    for (const Value& item : value.items) {
      ok = check(item, s.items, false) && ok;
      // The server makes it an object without fields.
      if (native_ && item.is_null() && !item_schema.required.empty())
        ok = fail("schema/required", item, "the item is empty: it needs " + item_schema.required[0]);
    }
  }
  const auto count = static_cast<int64_t>(value.items.size());
  if (s.min_items >= 0 && count < s.min_items)
    ok = fail("schema/length", value, "this needs at least " + std::to_string(s.min_items) + " items");
  if (s.max_items >= 0 && count > s.max_items)
    ok =
        fail("schema/length", value,
             "this takes at most " + std::to_string(s.max_items) + " items, it has " + std::to_string(count));
  // The server's own types are not looked at for double entries where they are created.
  if (!native_ && ok) ok = check_list_keys(value, s) && ok;
  return ok;
}

bool SchemaCheck::check_list_keys(const Value& value, const Schema& s) {
  const bool is_map = s.list_type == Schema::ListType::kMap;
  if (!is_map && s.list_type != Schema::ListType::kSet && !s.unique_items) return true;
  const Schema* item_schema = s.items == Schema::kNone ? nullptr : &schemas_.at(s.items);
  std::set<std::string> seen;
  bool ok = true;
  for (const Value& item : value.items) {
    std::string key;
    if (!is_map) key = to_json(value_to_json(item));
    for (const std::string& name : s.map_keys) {
      const Value* part = item.find(name);
      Json text = part == nullptr ? Json() : part->scalar;
      if (part == nullptr && item_schema != nullptr) {
        const Schema::Id id = item_schema->property(name);
        if (id != Schema::kNone) text = schemas_.at(id).default_value;
      }
      key += name + "=" + to_json(text) + " ";
    }
    if (!seen.insert(key).second)
      ok = fail("schema/duplicate-item", item, "an item with " + key + "stands in this list already");
  }
  return ok;
}

bool SchemaCheck::check_text(const Value& value, const Schema& s) {
  const std::string& text = value.scalar.as_string();
  bool ok = true;
  if (s.min_length >= 0 || s.max_length >= 0) {
    const auto length = std::count_if(text.begin(), text.end(),
                                      [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    if (s.min_length >= 0 && length < s.min_length)
      ok = fail("schema/length", value,
                s.min_length == 1 ? "this must not be empty"
                                  : "this needs at least " + std::to_string(s.min_length) + " characters");
    if (s.max_length >= 0 && length > s.max_length)
      ok = fail("schema/length", value,
                "this takes at most " + std::to_string(s.max_length) + " characters, it has " +
                    std::to_string(length));
  }
  if (!s.pattern.empty()) {
    const Result<GoRegex> pattern = GoRegex::compile(s.pattern);
    if (pattern.ok() && pattern->search(text) == false)
      ok = fail("schema/pattern", value, shown(value) + " does not match " + s.pattern);
  }
  if (!s.format.empty() && s.type == SchemaType::kString && !matches_format(s.format, text)) {
    if (s.format == "quantity")
      return fail("schema/quantity", value, shown(value) + " is no quantity",
                  "write a number with a suffix of Kubernetes: 500m, 8, 64Gi, 1T");
    if (s.format == "byte" && native_) return fail("secret/base64", value, "the value is not base64");
    ok = fail("schema/format", value, shown(value) + " is not of the format " + s.format);
  }
  return ok;
}

bool SchemaCheck::check_number(const Value& value, const Schema& s) {
  const double v = value.scalar.as_double();
  bool ok = true;
  if (!s.minimum.is_null()) {
    const double low = s.minimum.as_double();
    if (v < low || (s.exclusive_minimum && v == low))
      ok = fail("schema/range", value,
                shown(value) + " is below " + (s.exclusive_minimum ? "or at " : "") + to_json(s.minimum));
  }
  if (!s.maximum.is_null()) {
    const double high = s.maximum.as_double();
    if (v > high || (s.exclusive_maximum && v == high))
      ok = fail("schema/range", value,
                shown(value) + " is above " + (s.exclusive_maximum ? "or at " : "") + to_json(s.maximum));
  }
  if (!s.multiple_of.is_null() && s.multiple_of.as_double() != 0 &&
      std::fmod(v, s.multiple_of.as_double()) != 0)
    ok = fail("schema/range", value, shown(value) + " is no multiple of " + to_json(s.multiple_of));
  const bool narrow = s.format == "int32" || (native_ && s.type == SchemaType::kIntOrString);
  if (narrow && (v > 2147483647.0 || v < -2147483648.0))
    ok = fail("schema/range", value, shown(value) + " does not fit 32 bits");
  return ok;
}

bool SchemaCheck::check_enum(const Value& value, const Schema& s) {
  if (s.enums.empty()) return true;
  // The server's own types take an empty text for none at all; where they do not, their rules say so.
  if (native_ && value.is_string() && value.scalar.as_string().empty()) return true;
  const Json json = value_to_json(value);
  for (const Json& choice : s.enums) {
    if (same_json(choice, json)) return true;
  }
  std::vector<std::string_view> names;
  for (const Json& choice : s.enums) {
    if (choice.is_string()) names.push_back(choice.as_string());
  }
  const std::string nearest =
      value.is_string() ? nearest_name(value.scalar.as_string(), names) : std::string();
  return fail("schema/enum", value, shown(value) + " is none of: " + joined(s.enums),
              nearest.empty() ? "write one of: " + joined(s.enums) : "write " + nearest);
}

bool SchemaCheck::matches_quietly(const Value& value, Schema::Id id) {
  ++quiet_;
  const bool ok = check(value, id, false);
  --quiet_;
  return ok;
}

bool SchemaCheck::check_combinations(const Value& value, const Schema& s) {
  bool ok = true;
  for (const Schema::Id id : s.all_of) ok = check(value, id, false) && ok;
  const auto count = [&](const std::vector<Schema::Id>& list) {
    return std::count_if(list.begin(), list.end(), [&](Schema::Id id) { return matches_quietly(value, id); });
  };
  const auto options = [&](const std::vector<Schema::Id>& list) {
    std::string out;
    for (const Schema::Id id : list) {
      std::string names;
      for (const std::string& name : schemas_.at(id).required) names += (names.empty() ? "" : " and ") + name;
      if (!names.empty()) out += (out.empty() ? ": " : "; or ") + names;
    }
    return out;
  };
  if (!s.any_of.empty() && count(s.any_of) == 0)
    ok = fail("schema/combination", value, "none of the forms that this may take fits" + options(s.any_of));
  if (!s.one_of.empty() && count(s.one_of) != 1)
    ok = fail("schema/combination", value, "exactly one form must fit" + options(s.one_of));
  if (s.not_of != Schema::kNone && matches_quietly(value, s.not_of))
    ok = fail("schema/combination", value, "this has a form that is excluded" + options({s.not_of}));
  return ok;
}

namespace {

Value value_of_json(const Json& json) {
  Value out;
  if (json.is_array()) {
    out.kind = Value::Kind::kList;
    for (const Json& item : json.as_array()) out.items.push_back(value_of_json(item));
  } else if (json.is_object()) {
    out.kind = Value::Kind::kMap;
    for (const auto& [key, value] : json.as_object()) out.members.push_back({key, value_of_json(value)});
  } else {
    out.scalar = json;
  }
  return out;
}

void fill(Value& value, const SchemaSet& schemas, Schema::Id id) {
  const Schema& s = schemas.at(id);
  if (value.is_list() && s.items != Schema::kNone) {
    for (Value& item : value.items) fill(item, schemas, s.items);
  }
  if (!value.is_map()) return;
  std::erase_if(value.members, [&](const ValueMember& member) {
    Schema::Id part = s.property(member.key);
    if (part == Schema::kNone) part = s.additional;
    return part != Schema::kNone && member.value.is_null() && !schemas.at(part).nullable;
  });
  for (const auto& [name, part] : s.properties) {
    const Schema& field = schemas.at(part);
    if (field.has_default && value.find(name) == nullptr)
      value.members.push_back({name, value_of_json(field.default_value)});
  }
  for (ValueMember& member : value.members) {
    Schema::Id part = s.property(member.key);
    if (part == Schema::kNone) part = s.additional;
    if (part != Schema::kNone) fill(member.value, schemas, part);
  }
}

}  // namespace

Value with_defaults(const Value& root, const SchemaSet& schemas, Schema::Id schema) {
  Value out = root;
  fill(out, schemas, schema);
  link_parents(out);
  return out;
}

}  // namespace hadal
