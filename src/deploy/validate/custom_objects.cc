// What the webhooks of LeaderWorkerSet, DisaggregatedSet and KServe refuse (kubernetes-sigs/lws
// pkg/webhooks, kserve/kserve), and fields that a controller of the given version does not have.
#include "deploy/validate/formats.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

constexpr size_t kMaxLwsName = 51;
constexpr int64_t kMaxLwsReplicas = 1'000'000;

void check_lws_name(const ManifestDocument& d) {
  const View name = d.view().at("metadata.name");
  if (!name.is_string() || name.text().empty()) return;
  if (!is_dns1035_label(name.text()))
    d.reporter->add("lws/name", *name, shown_text(name) + " is no name for a LeaderWorkerSet",
                    "begin with a letter; use lower-case letters, digits and \"-\"");
  else if (name.text().size() > kMaxLwsName)
    d.reporter->add("lws/name", *name,
                    "the name has " + std::to_string(name.text().size()) +
                        " characters: its Pods' names and labels get longer still",
                    "use at most " + std::to_string(kMaxLwsName));
}

// spec: of a LeaderWorkerSet, or of a role of a DisaggregatedSet.
void check_lws_spec(Reporter& reporter, View spec) {
  const View group = spec["leaderWorkerTemplate"];
  const View size = group["size"];
  check_range(reporter, spec["replicas"], 0, kMaxLwsReplicas);
  if (size.integer().value_or(1) < 1)
    reporter.add("lws/size", *size, "a group has at least one Pod",
                 "write the number of Pods of a group, the leader included");
  const View update = spec.at("rolloutStrategy.rollingUpdateConfiguration");
  const int64_t replicas = spec["replicas"].integer_or(1);
  check_int_or_percent(reporter, update["maxUnavailable"], true);
  check_int_or_percent(reporter, update["maxSurge"], true);
  if (update["maxUnavailable"].exists() && scaled_value(update["maxUnavailable"], 100, false) == 0 &&
      (!update["maxSurge"].exists() || scaled_value(update["maxSurge"], 100, true) == 0)) {
    Finding& finding = reporter.add("lws/rollout-both-zero", *update["maxUnavailable"],
                                    "maxUnavailable and maxSurge must not both be 0",
                                    "write maxUnavailable: 1 where there are no GPUs to spare");
    Reporter::fix_with(finding, replace_scalar(*update["maxUnavailable"], "1", false));
  }
  if (update["maxUnavailable"].integer().value_or(0) > replicas && replicas > 0) {
    Finding& finding = reporter.add("lws/max-unavailable-over-replicas", *update["maxUnavailable"],
                                    "maxUnavailable " + update["maxUnavailable"].any_text() +
                                        " is over replicas " + std::to_string(replicas),
                                    "write maxUnavailable: 1: it counts groups, not Pods");
    Reporter::fix_with(finding, replace_scalar(*update["maxUnavailable"], "1", false));
  }
  const View sub = group.at("subGroupPolicy.subGroupSize");
  const int64_t total = size.integer_or(1);
  if (sub.integer()) {
    const int64_t s = *sub.integer();
    if (s < 1 || s > total || (total % s != 0 && (total - 1) % s != 0))
      reporter.add("lws/sub-group-size", *sub,
                   "subGroupSize " + std::to_string(s) + " does not divide size " + std::to_string(total) +
                       ", nor size - 1");
  }
}

void check_lws_annotations(const ManifestDocument& d) {
  const View note =
      d.view().at("metadata.annotations")["leaderworkerset.sigs.k8s.io/subgroup-exclusive-topology"];
  if (note.exists() && !d.view().at("spec.leaderWorkerTemplate.subGroupPolicy.subGroupSize").exists())
    d.reporter->add_at_key("lws/sub-group-size", *note,
                           "subgroup-exclusive-topology needs subGroupPolicy.subGroupSize");
}

struct NewField {
  std::string_view path, value, since, what;
};
constexpr NewField kLwsFields[] = {
    {"spec.rolloutStrategy.rollingUpdateConfiguration.partition", "", "0.7.0", "partition"},
    {"spec.leaderWorkerTemplate.volumeClaimTemplates", "", "0.8.0", "volumeClaimTemplates"},
    {"spec.leaderWorkerTemplate.restartPolicy", "RecreateGroupAfterStart", "0.9.0",
     "RecreateGroupAfterStart"},
    {"spec.networkConfig", "", "0.6.0", "networkConfig"},
};
constexpr NewField kDisaggregatedFields[] = {
    {"spec.slices", "", "0.10.0", "slices"},
    {"spec.placementPolicy", "", "0.10.0", "placementPolicy"},
};

void check_new_fields(const ManifestDocument& d, std::span<const NewField> fields, const std::string& version,
                      std::string_view controller) {
  for (const NewField& field : fields) {
    const View at = d.view().at(field.path);
    if (!at.exists() || (!field.value.empty() && at.text() != field.value)) continue;
    if (compare_versions(version, field.since) >= 0) continue;
    d.reporter->add("version/field-too-new", *at,
                    std::string(field.what) + " came with " + std::string(controller) + " " +
                        std::string(field.since) + "; the cluster has " + version,
                    "update the controller, or leave the field out");
  }
}

void check_worker_index(const ManifestDocument& d, const RuleContext& context) {
  if (compare_versions(context.options.lws_version, "0.6.0") >= 0) return;
  for_each_value(*d.root, [&](const Value& value) {
    if (!value.is_string() || value.scalar.as_string().find("LWS_WORKER_INDEX") == std::string::npos) return;
    if (value.parent != nullptr && value.key_text != nullptr && *value.key_text == "name") return;
    d.reporter->add(
        "version/field-too-new", value,
        "LWS_WORKER_INDEX came with LeaderWorkerSet 0.6.0; the cluster has " + context.options.lws_version,
        "take the label leaderworkerset.sigs.k8s.io/worker-index by fieldRef");
  });
}

void check_gang(const ManifestDocument& d, const RuleContext& context) {
  const View group = d.view().at("spec.leaderWorkerTemplate");
  for (const std::string_view side : {"leaderTemplate", "workerTemplate"}) {
    const View scheduler = group[side].at("spec.schedulerName");
    if (scheduler.text() != "volcano") continue;
    if (compare_versions(context.options.lws_version, "0.7.0") < 0) {
      d.reporter->add("lws/no-gang", *scheduler,
                      "LeaderWorkerSet " + context.options.lws_version +
                          " makes no PodGroup: volcano schedules each Pod alone, there is no gang",
                      "use LeaderWorkerSet 0.7 or later with gangSchedulingManagement.schedulerProvider: "
                      "volcano, or write a PodGroup per group");
    } else {
      d.reporter->add("lws/gang-needs-provider", *scheduler,
                      "a gang needs gangSchedulingManagement.schedulerProvider: volcano in the controller's "
                      "configuration");
    }
  }
}

void check_disaggregated_set(const ManifestDocument& d) {
  Reporter& reporter = *d.reporter;
  const View roles = d.view().at("spec.roles");
  if (roles.is_list() && roles.items().size() < 2)
    reporter.add("disagg/roles", *roles, "a DisaggregatedSet has at least two roles: prefill and decode",
                 "use a LeaderWorkerSet for one role");
  for (const Value& role : roles.items()) {
    check_lws_spec(reporter, View(role)["spec"]);
    const View partition = View(role).at("spec.rolloutStrategy.rollingUpdateConfiguration.partition");
    if (partition.exists()) {
      Finding& finding = reporter.add_at_key("disagg/partition", *partition,
                                             "a role takes no partition: the set rolls its revisions itself",
                                             "remove the line");
      Reporter::fix_with(finding, remove_value(reporter.source(), *partition));
    }
  }
}

void check_llm_service(const ManifestDocument& d) {
  Reporter& reporter = *d.reporter;
  const View spec = d.view()["spec"];
  const auto check_part = [&](View part) {
    const View tensor = part.at("parallelism.tensor");
    if (tensor.integer_or(1) > 1 && part.at("parallelism.data").exists() && !part["worker"].exists())
      reporter.add("llmisvc/tensor-ignored", *tensor,
                   "parallelism.tensor has no effect without a worker here");
    else if (tensor.integer_or(1) > 8 && !part["worker"].exists())
      reporter.add("llmisvc/tensor-ignored", *tensor,
                   "tensor " + tensor.any_text() + " needs more than one node, and there is no worker");
  };
  check_part(spec);
  check_part(spec["prefill"]);
}

}  // namespace

void check_custom_object(const ManifestDocument& d, const RuleContext& context) {
  if (d.is("leaderworkerset.x-k8s.io", "LeaderWorkerSet")) {
    check_lws_name(d);
    check_lws_spec(*d.reporter, d.view()["spec"]);
    check_lws_annotations(d);
    check_new_fields(d, kLwsFields, context.options.lws_version, "LeaderWorkerSet");
    check_worker_index(d, context);
    check_gang(d, context);
  }
  if (d.is("disaggregatedset.x-k8s.io", "DisaggregatedSet")) {
    check_disaggregated_set(d);
    check_new_fields(d, kDisaggregatedFields, context.options.lws_version, "LeaderWorkerSet");
    if (compare_versions(context.options.lws_version, "0.9.0") < 0)
      d.reporter->add(
          "version/field-too-new", *d.view()["kind"],
          "DisaggregatedSet came with LeaderWorkerSet 0.9.0; the cluster has " + context.options.lws_version,
          "update the controller");
  }
  if (d.is("serving.kserve.io", "LLMInferenceService") ||
      d.is("serving.kserve.io", "LLMInferenceServiceConfig")) {
    check_llm_service(d);
    if (compare_versions(context.options.kserve_version, "0.16.0") < 0)
      d.reporter->add("version/field-too-new", *d.view()["kind"],
                      d.kind + " came with KServe 0.16.0; the cluster has " + context.options.kserve_version,
                      "update KServe");
  }
  if (d.is("scheduling.volcano.sh", "PodGroup") && d.view().at("spec.networkTopology").exists() &&
      compare_versions(context.options.volcano_version, "1.11.0") < 0)
    d.reporter->add_at_key(
        "version/field-too-new", *d.view().at("spec.networkTopology"),
        "networkTopology came with Volcano 1.11.0; the cluster has " + context.options.volcano_version,
        "update Volcano");
}

}  // namespace hadal
