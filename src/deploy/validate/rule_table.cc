#include "deploy/validate/rule_table.h"

#include "base/json.h"
#include "base/result.h"

namespace hadal {
namespace {

struct Family {
  std::string_view title;
  std::span<const RuleInfo> rules;
};

std::vector<Family> families() {
  return {{"YAML", yaml_rules()},          {"Schemas", schema_rules()},
          {"Pods", pod_rules()},           {"Objects", object_rules()},
          {"Workloads", workload_rules()}, {"Services, storage and monitoring", network_rules()},
          {"Engines", engine_rules()}};
}

std::string indented(std::string_view text, std::string_view prefix) {
  std::string out(prefix);
  for (const char c : text) {
    out += c;
    if (c == '\n') out += prefix;
  }
  return out;
}

}  // namespace

std::vector<RuleInfo> all_rules() {
  std::vector<RuleInfo> out;
  for (const Family& family : families()) out.insert(out.end(), family.rules.begin(), family.rules.end());
  return out;
}

const RuleInfo* find_rule(std::string_view id) {
  for (const std::span<const RuleInfo> rules : {yaml_rules(), schema_rules(), pod_rules(), object_rules(),
                                                workload_rules(), network_rules(), engine_rules()}) {
    for (const RuleInfo& rule : rules) {
      if (rule.id == id) return &rule;
    }
  }
  return nullptr;
}

std::string_view severity_name(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kInfo:
      return "info";
  }
  return "error";
}

std::string rules_markdown() {
  std::string out =
      "# Rules of `hadal deploy validate`\n\n"
      "Printed by `hadal deploy rules --format markdown`. An error is refused by the API server or cannot "
      "work; a\n"
      "warning works badly or only by luck; an info is worth knowing. `--disable RULE` (or `FAMILY/*`) "
      "leaves a rule\n"
      "out, `--severity` sets from which severity on findings are shown, and `--fix` writes the fixes that "
      "are safe.\n";
  for (const Family& family : families()) {
    out += "\n## " + std::string(family.title) + "\n";
    for (const RuleInfo& rule : family.rules) {
      out += "\n### `" + std::string(rule.id) + "`\n\n";
      out += "**" + std::string(severity_name(rule.severity)) + "**: " + std::string(rule.what) + ".\n\n";
      out += std::string(rule.why) + ".\n\n";
      if (!rule.example.empty()) out += "```yaml\n" + std::string(rule.example) + "\n```\n\n";
      out += "Instead: " + std::string(rule.fix) + ".\n";
    }
  }
  return out;
}

std::string rules_json() {
  JsonArray rows;
  for (const RuleInfo& rule : all_rules()) {
    rows.push_back(Json(JsonObject{{"id", Json(rule.id)},
                                   {"severity", Json(severity_name(rule.severity))},
                                   {"what", Json(rule.what)},
                                   {"why", Json(rule.why)},
                                   {"example", Json(rule.example)},
                                   {"fix", Json(rule.fix)}}));
  }
  return to_json(Json(std::move(rows)), 2) + "\n";
}

std::string rules_text() {
  std::string out;
  for (const Family& family : families()) {
    out += std::string(family.title) + "\n";
    for (const RuleInfo& rule : family.rules) {
      out += "  " + std::string(rule.id) + " (" + std::string(severity_name(rule.severity)) + ")\n";
      out += indented(rule.what, "      ") + "\n";
      out += "      why: " + std::string(rule.why) + "\n      fix: " + std::string(rule.fix) + "\n";
      if (!rule.example.empty()) out += indented(rule.example, "        | ") + "\n";
    }
  }
  return out;
}

}  // namespace hadal
