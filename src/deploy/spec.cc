#include "deploy/spec.h"

#include <algorithm>
#include <optional>

#include "base/join_text.h"
#include "base/yaml_tree.h"
#include "config/nearest_name.h"
#include "deploy/render.h"
#include "deploy/spec_check.h"
#include "deploy/spec_table.h"

namespace hadal {
namespace {

constexpr size_t kMaxSpecBytes = size_t{1} << 20;
constexpr size_t kMaxErrors = 20;
constexpr size_t kMaxItems = 256;

std::string at(const std::string& file, const YamlMark& mark) {
  return file + ":" + std::to_string(mark.line) + ":" + std::to_string(mark.column) + ": ";
}

std::string join(std::string_view parent, std::string_view key) {
  return parent.empty() ? std::string(key) : std::string(parent) + "." + std::string(key);
}

std::string number_text(double value) {
  return value == static_cast<double>(static_cast<int64_t>(value))
             ? std::to_string(static_cast<int64_t>(value))
             : to_json(Json(value));
}

std::string kind_of(const YamlNode& node) {
  if (node.is_mapping()) return "a mapping";
  if (node.is_sequence()) return "a list";
  return "\"" + node.text.substr(0, 60) + "\"";
}

// Walks the document along the table and fills the spec; keeps every error.
class SpecReader {
 public:
  SpecReader(std::string file, DeploySpec& spec) : file_(std::move(file)), spec_(spec) {}

  void read(const YamlNode& root) { read_section(root, ""); }
  // The field is there, be it right or wrong.
  bool has_written(std::string_view path) const {
    return std::find(written_.begin(), written_.end(), path) != written_.end();
  }
  void fail(const YamlMark& mark, const std::string& message) {
    if (errors_.size() < kMaxErrors) errors_.push_back(at(file_, mark) + message);
  }
  Status status() const {
    if (errors_.empty()) return {};
    std::string all;
    for (const std::string& error : errors_) all += (all.empty() ? "" : "\n") + error;
    return invalid_argument(all);
  }

 private:
  void read_section(const YamlNode& node, std::string_view path) {
    std::vector<std::string> seen;
    for (const auto& [key, value] : node.entries) {
      if (!key->is_scalar()) {
        fail(key->begin, "a key must be a word, not " + kind_of(*key));
        continue;
      }
      if (std::find(seen.begin(), seen.end(), key->text) != seen.end()) {
        fail(key->begin, "\"" + join(path, key->text) + "\" is there twice");
        continue;
      }
      seen.push_back(key->text);
      read_member(*key, *value, path);
    }
  }

  void read_member(const YamlNode& key, const YamlNode& value, std::string_view parent) {
    const std::string path = join(parent, key.text);
    const SpecSection* section = find_spec_section(path);
    const SpecField* field = find_spec_field(path);
    if (section == nullptr && field == nullptr) return unknown(key, parent);
    if (is_null(value)) return;  // "key:" says nothing
    if (section == nullptr) return read_field(*field, value);
    spec_.places[path] = key.begin;
    if (value.is_mapping()) return read_section(value, path);
    if (section->shorthand.empty() || value.is_sequence()) {
      return fail(value.begin, path + " is " + kind_of(value) + ": it must be a mapping of " +
                                   join_text(spec_children(path), ", "));
    }
    read_field(*find_spec_field(join(path, section->shorthand)), value);
  }

  void unknown(const YamlNode& key, std::string_view parent) {
    const auto names = spec_children(parent);
    const std::string nearest = nearest_name(key.text, names);
    std::string message = "there is no field \"" + join(parent, key.text) + "\"";
    if (!nearest.empty()) {
      message += ": did you mean " + nearest + "?";
    } else if (const std::string elsewhere = other_place(key.text); !elsewhere.empty()) {
      message += ": it is " + elsewhere;
    } else {
      message += ": see hadal deploy schema";
    }
    fail(key.begin, message);
  }

  // Where a field of this name is, if it is in exactly one place.
  static std::string other_place(std::string_view name) {
    std::string found;
    for (const SpecField& field : spec_fields()) {
      if (spec_key(field.path) != name) continue;
      if (!found.empty()) return "";
      found = field.path;
    }
    return found;
  }

  static bool is_null(const YamlNode& value) {
    return value.is_plain() && yaml_scalar(value, YamlSchema::kCore).is_null();
  }

  void read_field(const SpecField& field, const YamlNode& value) {
    written_.push_back(field.path);
    Json out;
    if (!convert(field, value, out)) return;
    field.set(spec_, out);
    spec_.places[std::string(field.path)] = value.begin;
  }

  bool wrong(const SpecField& field, const YamlNode& value, std::string_view must) {
    fail(value.begin,
         std::string(field.path) + " is " + kind_of(value) + ": it must be " + std::string(must));
    return false;
  }

  bool convert(const SpecField& field, const YamlNode& value, Json& out) {
    switch (field.type) {
      case SpecType::kStringList:
        return convert_list(field, value, out);
      case SpecType::kStringMap:
      case SpecType::kSecretEnv:
        return convert_map(field, value, out);
      case SpecType::kString:
      case SpecType::kQuantity:
        return convert_text(field, value, out);
      case SpecType::kBool: {
        out = value.is_scalar() ? yaml_scalar(value, YamlSchema::kCore) : Json();
        return out.is_bool() || wrong(field, value, "true or false");
      }
      case SpecType::kInteger:
      case SpecType::kNumber:
        return convert_number(field, value, out);
    }
    return false;
  }

  // A word or number as it stands there: `kubernetes: 1.30` is the text 1.30.
  bool scalar_text(const SpecField& field, const YamlNode& value, std::string& text) {
    if (!value.is_scalar()) return wrong(field, value, "text");
    if (value.is_plain() && yaml_scalar(value, YamlSchema::kCore).is_bool())
      return wrong(field, value, "text (quote it if it is meant so)");
    text = value.text;
    return true;
  }

  bool convert_text(const SpecField& field, const YamlNode& value, Json& out) {
    std::string text;
    if (!scalar_text(field, value, text)) return false;
    if (!field.choices.empty()) {
      if (!is_choice(field.choices, text)) return wrong_choice(field, value, text);
    } else if (Status status = check_spec_text(field.rule, text); !status.ok()) {
      fail(value.begin, std::string(field.path) + " is " + kind_of(value) + ": it " + status.error().message);
      return false;
    } else if (text.empty()) {
      return wrong(field, value, "not empty (leave the field out for its default)");
    }
    out = std::move(text);
    return true;
  }

  static bool is_choice(std::string_view choices, std::string_view text) {
    return !text.empty() && text.find('|') == std::string_view::npos &&
           ("|" + std::string(choices) + "|").find("|" + std::string(text) + "|") != std::string::npos;
  }

  bool wrong_choice(const SpecField& field, const YamlNode& value, const std::string& text) {
    std::vector<std::string_view> names;
    for (std::string_view rest = field.choices; !rest.empty();) {
      const size_t end = std::min(rest.find('|'), rest.size());
      names.push_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    const std::string nearest = nearest_name(text, names);
    return wrong(
        field, value,
        "one of " + join_text(names, ", ") + (nearest.empty() ? "" : "; did you mean " + nearest + "?"));
  }

  bool convert_number(const SpecField& field, const YamlNode& value, Json& out) {
    const bool whole = field.type == SpecType::kInteger;
    if (value.is_scalar()) out = yaml_scalar(value, YamlSchema::kCore);
    if (whole ? !out.is_int() : !out.is_number())
      return wrong(field, value, whole ? "a whole number" : "a number");
    const double number = out.as_double();
    const bool bounded = field.min != 0 || field.max != 0;
    if (!(number == number) || (bounded && (number < field.min || number > field.max))) {
      return wrong(field, value, "from " + number_text(field.min) + " to " + number_text(field.max));
    }
    if (!whole) out = number;
    return true;
  }

  bool item_text(const SpecField& field, const YamlNode& item, const std::string& name, std::string& text) {
    if (!scalar_text(field, item, text)) return false;
    const Status status = check_spec_text(field.rule, text);
    if (status.ok()) return true;
    fail(item.begin, name + " is " + kind_of(item) + ": it " + status.error().message);
    return false;
  }

  bool convert_list(const SpecField& field, const YamlNode& value, Json& out) {
    JsonArray items;
    if (!value.is_sequence()) return wrong(field, value, "a list");
    if (value.items.size() > kMaxItems) return wrong(field, value, "at most 256 items");
    for (const YamlNodePtr& item : value.items) {
      std::string text;
      if (!item_text(field, *item, "an item of " + std::string(field.path), text)) return false;
      items.emplace_back(std::move(text));
    }
    out = std::move(items);
    return true;
  }

  bool convert_map(const SpecField& field, const YamlNode& value, Json& out) {
    JsonObject members;
    if (!value.is_mapping()) return wrong(field, value, "a mapping of names to text");
    if (value.entries.size() > kMaxItems) return wrong(field, value, "at most 256 entries");
    for (const auto& [key, item] : value.entries) {
      const std::string name = std::string(field.path) + "." + key->text;
      const bool key_ok = field.path == "engine.env" ? is_variable(key->text)
                                                     : check_spec_text(TextRule::kLabelKey, key->text).ok();
      if (!key->is_scalar() || !key_ok) {
        fail(key->begin, "\"" + key->text + "\" in " + std::string(field.path) + " must be " +
                             (field.path == "engine.env" ? "the name of an environment variable"
                                                         : "[prefix/]name of letters, digits, - _ ."));
        return false;
      }
      for (const auto& [other, unused] : members) {
        if (other == key->text) return fail(key->begin, "\"" + name + "\" is there twice"), false;
      }
      std::string text;
      if (!item_text(field, *item, name, text)) return false;
      members.emplace_back(key->text, std::move(text));
    }
    out = std::move(members);
    return true;
  }

  static bool is_variable(std::string_view name) {
    const auto ok = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    return !name.empty() && name.size() <= 256 && !(name[0] >= '0' && name[0] <= '9') &&
           std::all_of(name.begin(), name.end(), ok);
  }

  const std::string file_;
  DeploySpec& spec_;
  std::vector<std::string> errors_;
  std::vector<std::string_view> written_;  // the table's paths
};

// The tab in front of the first word of the line, which YAML does not take for indentation.
std::optional<YamlMark> indenting_tab(std::string_view text, int line) {
  for (int skip = 1; skip < line; ++skip) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    text.remove_prefix(end + 1);
  }
  const std::string_view front = text.substr(0, text.find_first_not_of(" \t-"));
  const size_t tab = front.find('\t');
  if (tab == std::string_view::npos) return std::nullopt;
  YamlMark mark;
  mark.line = line;
  mark.column = static_cast<int>(tab) + 1;
  return mark;
}

}  // namespace

std::string DeploySpec::place(std::string_view path) const {
  for (; !path.empty(); path = spec_parent(path)) {
    const auto found = places.find(path);
    if (found != places.end())
      return file + ":" + std::to_string(found->second.line) + ":" + std::to_string(found->second.column);
  }
  return file;
}

Result<DeploySpec> parse_deploy_spec(std::string_view text, const std::string& path) {
  if (text.size() > kMaxSpecBytes)
    return invalid_argument(path, " is longer than ", kMaxSpecBytes, " bytes: no spec is");
  const YamlStream stream = parse_yaml_stream(text, {.max_depth = 16, .max_nodes = 20'000});
  if (!stream.errors.empty()) {
    if (const auto tab = indenting_tab(text, stream.errors[0].mark.line))
      return invalid_argument(at(path, *tab), "a tab: YAML is indented with spaces alone");
    return invalid_argument(at(path, stream.errors[0].mark), stream.errors[0].message);
  }
  if (stream.documents.size() != 1 || stream.documents[0].root == nullptr) {
    return invalid_argument(path, ": a spec is one YAML document, this has ", stream.documents.size(),
                            "; see hadal deploy schema");
  }
  const YamlNode& root = *stream.documents[0].root;
  if (!root.is_mapping())
    return invalid_argument(at(path, root.begin), "a spec is a mapping: name: ..., model: ...");
  DeploySpec spec;
  spec.file = path;
  SpecReader reader(path, spec);
  if (const YamlNode* kind = root.find_key("kind"); kind != nullptr && root.find("apiVersion") != nullptr) {
    return invalid_argument(at(path, kind->begin),
                            "this is a Kubernetes manifest, not a spec: try hadal deploy validate ", path);
  }
  reader.read(root);
  for (const SpecField& field : spec_fields()) {
    if (field.required && !reader.has_written(field.path)) {
      reader.fail(root.begin, "the spec needs " + std::string(field.path));
    }
  }
  HADAL_RETURN_IF_ERROR(reader.status());
  HADAL_RETURN_IF_ERROR(check_deploy_spec(spec));
  return spec;
}

bool is_deploy_spec(std::string_view text) {
  if (text.size() > kMaxSpecBytes) return false;
  const YamlStream stream = parse_yaml_stream(text, {.max_depth = 16, .max_nodes = 20'000});
  if (!stream.errors.empty() || stream.documents.size() != 1 || stream.documents[0].root == nullptr)
    return false;
  const YamlNode& root = *stream.documents[0].root;
  return root.is_mapping() && root.find("kind") == nullptr && root.find("apiVersion") == nullptr &&
         root.find("name") != nullptr && root.find("model") != nullptr;
}

}  // namespace hadal
