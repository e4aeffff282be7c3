// What the API server asks of Deployments, StatefulSets, DaemonSets, Jobs and CronJobs beyond their schemas
// (k8s.io/kubernetes/pkg/apis/apps/validation and batch/validation).
#include <algorithm>

#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

void check_selector(const ManifestDocument& d) {
  Reporter& reporter = *d.reporter;
  const View spec = d.view()["spec"];
  if (!spec.is_map()) return;
  const View selector = spec["selector"];
  const View labels = spec.at("template.metadata.labels");
  if (!selector.is_map() || is_empty_selector(selector)) {
    if (selector.exists() || (d.sound && !d.in_kustomization))
      reporter.add("object/required", selector.get() != nullptr ? *selector : *spec,
                   "spec.selector must name labels of the template",
                   "add selector.matchLabels with the labels of spec.template.metadata.labels");
    return;
  }
  check_label_selector(reporter, selector);
  if (!spec["template"].is_map() || selector_matches(selector, labels)) return;
  const ValueMember* culprit = nullptr;
  for (const ValueMember& wanted : selector["matchLabels"].members()) {
    const View label = labels[wanted.key];
    if (culprit == nullptr && (label.get() == nullptr || label.any_text() != View(wanted.value).any_text()))
      culprit = &wanted;
  }
  const Value& at = culprit != nullptr ? culprit->value : *selector;
  Finding& finding =
      reporter.add("object/selector-mismatch", at, "the selector does not match the template's labels",
                   "write the same labels in spec.selector.matchLabels and spec.template.metadata.labels");
  if (culprit == nullptr) return;
  const View label = labels[culprit->key];
  if (label.exists()) Reporter::fix_with(finding, replace_scalar(culprit->value, label.any_text(), true));
}

// A ReplicationController's selector is a map, and the template's labels where it is absent.
void check_old_selector(const ManifestDocument& d) {
  const View spec = d.view()["spec"];
  const View labels = spec.at("template.metadata.labels");
  if (spec.is_map() && spec["selector"].members().empty() && labels.members().empty())
    d.reporter->add("object/required", *spec, "the selector and the template's labels are missing",
                    "add labels to the template");
  for (const ValueMember& wanted : spec["selector"].members()) {
    const View label = labels[wanted.key];
    if (label.any_text() != View(wanted.value).any_text())
      d.reporter->add("object/selector-mismatch", wanted.value,
                      "the selector does not match the template's labels");
  }
}

void check_rolling_update(const ManifestDocument& d, View strategy, bool has_surge) {
  Reporter& reporter = *d.reporter;
  const View update = strategy["rollingUpdate"];
  check_int_or_percent(reporter, update["maxUnavailable"], true);
  check_int_or_percent(reporter, update["maxSurge"], false);
  if (has_surge && update["maxUnavailable"].exists() && update["maxSurge"].exists() &&
      scaled_value(update["maxUnavailable"], 100, false) == 0 &&
      scaled_value(update["maxSurge"], 100, true) == 0)
    reporter.add("object/combination", *update["maxUnavailable"],
                 "maxUnavailable and maxSurge must not both be 0");
}

void check_deployment(const ManifestDocument& d) {
  Reporter& reporter = *d.reporter;
  const View spec = d.view()["spec"];
  check_range(reporter, spec["replicas"], 0, INT32_MAX);
  check_range(reporter, spec["minReadySeconds"], 0, INT32_MAX);
  check_range(reporter, spec["revisionHistoryLimit"], 0, INT32_MAX);
  const View deadline = spec["progressDeadlineSeconds"];
  if (deadline.exists() && deadline.integer_or(600) <= spec["minReadySeconds"].integer_or(0))
    reporter.add("object/combination", *deadline, "progressDeadlineSeconds must be over minReadySeconds");
  const View strategy = spec["strategy"];
  check_choice(reporter, strategy["type"], {"Recreate", "RollingUpdate"});
  if (strategy["type"].text() == "Recreate" && strategy["rollingUpdate"].exists())
    reporter.add_at_key("object/combination", *strategy["rollingUpdate"],
                        "strategy Recreate takes no rollingUpdate");
  check_rolling_update(d, strategy, true);
}

void check_stateful_set(const ManifestDocument& d) {
  Reporter& reporter = *d.reporter;
  const View spec = d.view()["spec"];
  check_range(reporter, spec["replicas"], 0, INT32_MAX);
  check_choice(reporter, spec["podManagementPolicy"], {"OrderedReady", "Parallel"});
  check_choice(reporter, spec.at("updateStrategy.type"), {"RollingUpdate", "OnDelete"});
  check_range(reporter, spec.at("updateStrategy.rollingUpdate.partition"), 0, INT32_MAX);
  const View retention = spec["persistentVolumeClaimRetentionPolicy"];
  check_choice(reporter, retention["whenDeleted"], {"Retain", "Delete"});
  check_choice(reporter, retention["whenScaled"], {"Retain", "Delete"});
}

void check_job_spec(const ManifestDocument& d, View spec) {
  Reporter& reporter = *d.reporter;
  for (const std::string_view key : {"parallelism", "completions", "backoffLimit", "ttlSecondsAfterFinished",
                                     "backoffLimitPerIndex", "maxFailedIndexes"})
    check_range(reporter, spec[key], 0, INT32_MAX);
  check_range(reporter, spec["activeDeadlineSeconds"], 0, INT64_MAX);
  check_choice(reporter, spec["completionMode"], {"NonIndexed", "Indexed"});
  check_choice(reporter, spec["podReplacementPolicy"], {"TerminatingOrFailed", "Failed"});
  if (spec["podReplacementPolicy"].is_string() && spec["podReplacementPolicy"].text().empty())
    reporter.add("object/enum", *spec["podReplacementPolicy"], "this is no policy",
                 "write Failed, or remove the line");
  const bool indexed = spec["completionMode"].text() == "Indexed";
  if (indexed && !spec["completions"].exists())
    reporter.add("object/combination", *spec["completionMode"], "completionMode Indexed needs completions");
  if (!indexed && spec["backoffLimitPerIndex"].exists())
    reporter.add_at_key("object/combination", *spec["backoffLimitPerIndex"],
                        "backoffLimitPerIndex needs completionMode Indexed");
  if (spec["podFailurePolicy"].exists()) {
    if (spec.at("template.spec.restartPolicy").text() != "Never")
      reporter.add_at_key("object/combination", *spec["podFailurePolicy"],
                          "podFailurePolicy needs restartPolicy Never");
    if (spec["podReplacementPolicy"].text() == "TerminatingOrFailed")
      reporter.add("object/combination", *spec["podReplacementPolicy"],
                   "podFailurePolicy needs podReplacementPolicy Failed");
  }
  if (spec["selector"].exists() && !spec["manualSelector"].is_true())
    reporter.add_at_key("object/combination", *spec["selector"], "a Job's selector is made by the controller",
                        "remove it");
}

// One field of cron: numbers, ranges, steps, lists and, where given, names.
bool is_cron_field(std::string_view field, int low, int high, std::string_view names) {
  for (size_t begin = 0; begin <= field.size();) {
    const size_t end = std::min(field.find(',', begin), field.size());
    std::string_view part = field.substr(begin, end - begin);
    begin = end + 1;
    if (const size_t slash = part.find('/'); slash != std::string_view::npos) {
      const std::string_view step = part.substr(slash + 1);
      if (step.empty() || step.find_first_not_of("0123456789") != std::string_view::npos) return false;
      part = part.substr(0, slash);
    }
    if (part == "*" || part == "?") continue;
    const size_t dash = part.find('-');
    for (const std::string_view value :
         {part.substr(0, dash), dash == std::string_view::npos ? part : part.substr(dash + 1)}) {
      std::string lower(value);
      for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      if (lower.size() == 3 && names.find(lower) != std::string_view::npos) continue;
      if (value.empty() || value.size() > 2 ||
          value.find_first_not_of("0123456789") != std::string_view::npos)
        return false;
      const int number = std::stoi(std::string(value));
      if (number < low || number > high) return false;
    }
  }
  return true;
}

bool is_cron_schedule(std::string_view text) {
  if (text.starts_with("@"))
    return text == "@yearly" || text == "@annually" || text == "@monthly" || text == "@weekly" ||
           text == "@daily" || text == "@midnight" || text == "@hourly" || text.starts_with("@every ");
  std::vector<std::string_view> fields;
  for (size_t begin = text.find_first_not_of(" \t"); begin != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(" \t", begin), text.size());
    fields.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(" \t", end);
  }
  return fields.size() == 5 && is_cron_field(fields[0], 0, 59, "") && is_cron_field(fields[1], 0, 23, "") &&
         is_cron_field(fields[2], 1, 31, "") &&
         is_cron_field(fields[3], 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec") &&
         is_cron_field(fields[4], 0, 6, "sun mon tue wed thu fri sat");
}

void check_cron_job(const ManifestDocument& d) {
  Reporter& reporter = *d.reporter;
  const View spec = d.view()["spec"];
  const View schedule = spec["schedule"];
  if (check_present(reporter, spec, "schedule") && schedule.is_string() && !is_cron_schedule(schedule.text()))
    reporter.add("object/format", *schedule, shown_text(schedule) + " is no schedule of cron",
                 "write five fields: minute, hour, day, month, weekday");
  check_choice(reporter, spec["concurrencyPolicy"], {"Allow", "Forbid", "Replace"});
  check_range(reporter, spec["successfulJobsHistoryLimit"], 0, INT32_MAX);
  check_range(reporter, spec["failedJobsHistoryLimit"], 0, INT32_MAX);
  if (d.name.size() > 52)
    reporter.add("object/name", *d.view().at("metadata.name"),
                 "a CronJob's name takes at most 52 characters: its Jobs' names are longer");
  check_job_spec(d, spec.at("jobTemplate.spec"));
}

}  // namespace

void check_workload_object(const ManifestDocument& d) {
  if (d.group == "apps" && d.kind != "ControllerRevision") check_selector(d);
  if (d.is("apps", "Deployment")) check_deployment(d);
  if (d.is("apps", "ReplicaSet")) check_range(*d.reporter, d.view().at("spec.replicas"), 0, INT32_MAX);
  if (d.is("", "ReplicationController")) check_old_selector(d);
  if (d.is("apps", "StatefulSet")) check_stateful_set(d);
  if (d.is("apps", "DaemonSet")) {
    const View strategy = d.view().at("spec.updateStrategy");
    check_choice(*d.reporter, strategy["type"], {"RollingUpdate", "OnDelete"});
    check_rolling_update(d, strategy, true);
  }
  if (d.is("batch", "Job")) check_job_spec(d, d.view()["spec"]);
  if (d.is("batch", "CronJob")) check_cron_job(d);
}

}  // namespace hadal
