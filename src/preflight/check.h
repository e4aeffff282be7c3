// A check: one question about this host, answered in one line. CheckSpec describes it (hadal preflight
// --list), CheckResult is the answer. Values; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "config/settings.h"

namespace hadal {

class Host;
struct GpuInventory;
struct RdmaInventory;
struct PeerOutcome;

enum class Verdict {
  kPass,
  kInfo,        // told, nothing to judge it by
  kNotChecked,  // could not be seen; the text says why
  kWarn,
  kFail,
};

struct CheckResult {
  Verdict verdict = Verdict::kPass;
  std::string text;  // one line: what was seen; no claim about what was not
  std::string fix;   // of a warning or failure; may be empty: then the spec's
  JsonObject facts;  // the figures behind the text
};

// What the checks look at. All outlive the checks.
struct CheckContext {
  const Host& host;
  const PreflightConfig& config;
  const ParallelConfig& parallel;
  const GpuInventory& gpus;
  const RdmaInventory& rdma;
  const PeerOutcome& peers;
};

struct CheckSpec {
  std::string_view name;   // "gpu-count"
  std::string_view group;  // "gpu"
  std::string_view what;
  std::string_view why;
  std::string_view fix;
  CheckResult (*run)(const CheckContext& context);
};

// In the order in which they run and are printed.
std::span<const CheckSpec> check_table();
// A check's or a group's name.
bool is_check_name(std::string_view name);

inline CheckResult pass(std::string text, JsonObject facts = {}) {
  return {Verdict::kPass, std::move(text), "", std::move(facts)};
}
inline CheckResult info(std::string text, JsonObject facts = {}) {
  return {Verdict::kInfo, std::move(text), "", std::move(facts)};
}
inline CheckResult not_checked(std::string text) {
  return {Verdict::kNotChecked, std::move(text), "", {}};
}
inline CheckResult warn(std::string text, std::string fix = "", JsonObject facts = {}) {
  return {Verdict::kWarn, std::move(text), std::move(fix), std::move(facts)};
}
inline CheckResult fail_check(std::string text, std::string fix = "", JsonObject facts = {}) {
  return {Verdict::kFail, std::move(text), std::move(fix), std::move(facts)};
}

}  // namespace hadal
