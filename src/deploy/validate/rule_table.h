// Every rule of the validator: what it finds, why that matters and what to write instead. The code that
// reports a finding looks its severity and reason up here, `hadal deploy rules` prints it, and
// docs/validate-rules.md is made of it. Constant tables; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "deploy/finding.h"

namespace hadal {

struct RuleInfo {
  std::string_view id;  // "pod/env-value-string"
  Severity severity = Severity::kError;
  std::string_view what;     // "the value of an environment variable is no string"
  std::string_view why;      // what it leads to
  std::string_view example;  // YAML that is wrong
  std::string_view fix;      // what to write instead
};

// By family, each in a file of its own.
std::span<const RuleInfo> yaml_rules();
std::span<const RuleInfo> schema_rules();
std::span<const RuleInfo> pod_rules();
std::span<const RuleInfo> object_rules();
std::span<const RuleInfo> workload_rules();
std::span<const RuleInfo> network_rules();
std::span<const RuleInfo> engine_rules();

std::vector<RuleInfo> all_rules();
// Null: there is none.
const RuleInfo* find_rule(std::string_view id);
std::string_view severity_name(Severity severity);

// The page of `hadal deploy rules --format markdown` and docs/validate-rules.md.
std::string rules_markdown();
std::string rules_json();
std::string rules_text();

}  // namespace hadal
