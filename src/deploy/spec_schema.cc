// The JSON Schema and the reference page, from the table.
#include <algorithm>

#include "deploy/spec_table.h"

namespace hadal {
namespace {

std::vector<std::string_view> split_choices(std::string_view choices) {
  std::vector<std::string_view> out;
  while (!choices.empty()) {
    const size_t end = std::min(choices.find('|'), choices.size());
    out.push_back(choices.substr(0, end));
    choices.remove_prefix(std::min(end + 1, choices.size()));
  }
  return out;
}

bool is_default_shown(const Json& value) {
  if (value.is_null()) return false;
  if (value.is_string()) return !value.as_string().empty();
  if (value.is_array()) return !value.as_array().empty();
  if (value.is_object()) return !value.as_object().empty();
  return true;
}

// 0 stands for "hadal chooses" in numbers whose range does not hold it.
bool in_range(const SpecField& field, const Json& value) {
  if (!value.is_number()) return true;
  return (field.min == 0 && field.max == 0) ||
         (value.as_double() >= field.min && value.as_double() <= field.max);
}

Json number_json(double value) {
  return value == static_cast<double>(static_cast<int64_t>(value)) ? Json(static_cast<int64_t>(value))
                                                                   : Json(value);
}

Json text_schema(const SpecField& field) {
  Json out;
  if (!field.choices.empty()) {
    JsonArray names;
    for (std::string_view name : split_choices(field.choices)) names.emplace_back(name);
    out.set("enum", std::move(names));
    return out;
  }
  // A plain 1.30 or 2024 in YAML is a number to other readers; hadal takes it as it is written.
  out.set("type", JsonArray{"string", "number"});
  if (const std::string_view pattern = spec_pattern(field.rule); !pattern.empty())
    out.set("pattern", pattern);
  return out;
}

Json field_schema(const SpecField& field) {
  Json out;
  switch (field.type) {
    case SpecType::kBool:
      out.set("type", "boolean");
      break;
    case SpecType::kInteger:
    case SpecType::kNumber:
      out.set("type", field.type == SpecType::kInteger ? "integer" : "number");
      if (field.min != 0 || field.max != 0) {
        out.set("minimum", number_json(field.min));
        out.set("maximum", number_json(field.max));
      }
      break;
    case SpecType::kQuantity:
      out.set("type", JsonArray{"string", "number"});
      out.set("pattern", spec_pattern(field.rule));
      break;
    case SpecType::kString:
      out = text_schema(field);
      break;
    case SpecType::kStringList:
      out.set("type", "array");
      out.set("items", text_schema(field));
      break;
    case SpecType::kStringMap:
    case SpecType::kSecretEnv:
      out.set("type", "object");
      out.set("additionalProperties", text_schema(field));
      break;
  }
  out.set("description", field.help);
  const Json value = field.get(DeploySpec{});
  if (is_default_shown(value) && in_range(field, value) && !field.required) out.set("default", value);
  return out;
}

Json section_schema(std::string_view path);

Json properties_of(std::string_view parent) {
  Json out{JsonObject{}};
  for (std::string_view name : spec_children(parent)) {
    const std::string path =
        parent.empty() ? std::string(name) : std::string(parent) + "." + std::string(name);
    if (const SpecField* field = find_spec_field(path)) {
      out.set(name, field_schema(*field));
    } else {
      out.set(name, section_schema(path));
    }
  }
  return out;
}

Json section_schema(std::string_view path) {
  const SpecSection& section = *find_spec_section(path);
  Json object;
  object.set("type", "object");
  object.set("additionalProperties", false);
  object.set("properties", properties_of(path));
  if (section.shorthand.empty()) {
    object.set("description", section.help);
    return object;
  }
  Json out;
  out.set("description", section.help);
  out.set("anyOf",
          JsonArray{field_schema(*find_spec_field(std::string(path) + "." + std::string(section.shorthand))),
                    std::move(object)});
  return out;
}

std::string type_name(const SpecField& field) {
  switch (field.type) {
    case SpecType::kBool:
      return "bool";
    case SpecType::kInteger:
      return "integer";
    case SpecType::kNumber:
      return "number";
    case SpecType::kQuantity:
      return "quantity";
    case SpecType::kStringList:
      return "list";
    case SpecType::kStringMap:
    case SpecType::kSecretEnv:
      return "map";
    case SpecType::kString:
      break;
  }
  std::string out;
  for (std::string_view name : split_choices(field.choices))
    out += (out.empty() ? "`" : ", `") + std::string(name) + "`";
  return out.empty() ? "text" : out;
}

void append_rows(std::string& out, std::string_view parent) {
  out += "| field | takes | default | meaning |\n| --- | --- | --- | --- |\n";
  for (const SpecField& field : spec_fields()) {
    if (spec_parent(field.path) != parent) continue;
    const Json value = field.get(DeploySpec{});
    const bool shown = is_default_shown(value) && in_range(field, value) && !field.required;
    const std::string text = !shown ? "" : value.is_string() ? value.as_string() : to_json(value);
    out += "| `" + std::string(field.path) + "` | " + (field.required ? "required; " : "") +
           type_name(field) + " | " + text + " | " + std::string(field.help) + " |\n";
  }
  out += "\n";
}

}  // namespace

Json deploy_spec_schema() {
  Json out;
  out.set("$schema", "https://json-schema.org/draft/2020-12/schema");
  out.set("title", "hadal deployment spec");
  out.set("type", "object");
  out.set("additionalProperties", false);
  JsonArray required;
  for (const SpecField& field : spec_fields()) {
    const std::string_view top = field.path.substr(0, field.path.find('.'));
    if (field.required) required.emplace_back(top);
  }
  out.set("required", std::move(required));
  out.set("properties", properties_of(""));
  return out;
}

std::string deploy_spec_markdown() {
  std::string out =
      "# The deployment spec\n\n"
      "Printed by `hadal deploy schema --format markdown` from the table that reads specs; `hadal deploy "
      "schema`\n"
      "prints the same as JSON Schema for editors. `hadal deploy render SPEC` turns a spec into Kubernetes "
      "objects.\n"
      "Only `name` and `model` must be there. An unknown field is an error. Exit codes of render: 0 done; 2 "
      "the spec "
      "is\n"
      "refused, each error with its file, line, column and fix; 1 a file cannot be read or written.\n\n"
      "```yaml\nname: deepseek-r1\nmodel: deepseek-r1\nengine: sglang\ngpus: 16xH20\nstorage:\n  type: pvc\n"
      "  storageClass: cfs-turbo\napiKey: deepseek-api-key\n```\n\n"
      "A section with a short form may be written as one value: `exposure: Ingress` is `exposure: {type: "
      "Ingress}`.\n"
      "Quantities are Kubernetes' own: CPU in cores (`96`, `500m`), memory and storage in bytes with their "
      "unit (`700Gi`).\n"
      "`64Gi` of CPU and `64` bytes of memory, which Kubernetes takes as they stand, are refused.\n\n## "
      "Top\n\n";
  append_rows(out, "");
  for (const SpecSection& section : spec_sections()) {
    out += "## " + std::string(section.path) + "\n\n" + std::string(section.help) + ".";
    if (!section.shorthand.empty())
      out += " Short form: `" + std::string(section.path) + ": <" + std::string(section.shorthand) + ">`.";
    out += "\n\n";
    append_rows(out, section.path);
  }
  out.pop_back();
  return out;
}

}  // namespace hadal
