// Autoscalers that cannot work or fight one another, and disruption budgets without Pods.
#include <algorithm>

#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

const ManifestDocument* target_of(View reference, const ManifestDocument& near, const ManifestSet& set,
                                  std::string_view default_kind) {
  std::string_view kind = reference["kind"].text();
  if (kind.empty()) kind = default_kind;
  return kind.empty() || reference["name"].text().empty()
             ? nullptr
             : set.find(kind, reference["name"].text(), near.namespace_name);
}

void check_hpa_metrics(const ManifestDocument& d) {
  for (const Value& item : d.view().at("spec.metrics").items()) {
    const View name = View(item).at("resource.name");
    if (View(item)["type"].text() != "Resource" || name.text().empty() || name.text() == "cpu" ||
        name.text() == "memory")
      continue;
    d.reporter->add(
        "hpa/gpu-resource", *name,
        "an HPA reads only cpu and memory as resources: " + std::string(name.text()) + " never has a value",
        "scale on a Pods metric of the engine (queued tokens), or use KEDA on its Prometheus metrics");
  }
}

void check_replicas(const ManifestDocument& scaler, const ManifestDocument& target, View low) {
  const View replicas = target.view().at("spec.replicas");
  if (!replicas.integer() || *replicas.integer() == low.integer_or(1)) return;
  target.reporter->add(
      "hpa/replicas-fight", *replicas,
      "every apply sets replicas to " + replicas.any_text() + ", against the " + scaler.kind + " " +
          scaler.name + " that scales from " + std::to_string(low.integer_or(1)),
      "leave replicas out, the autoscaler owns it; of an object that kubectl apply made before, take it out "
      "of the last applied configuration first (kubectl apply edit-last-applied), or it falls to 1 Pod");
}

bool same_target(View a, View b, std::string_view default_kind) {
  const std::string_view ka = a["kind"].text().empty() ? default_kind : a["kind"].text();
  const std::string_view kb = b["kind"].text().empty() ? default_kind : b["kind"].text();
  return !a["name"].text().empty() && a["name"].text() == b["name"].text() && ka == kb;
}

void check_scaler(const ManifestDocument& d, const RuleContext& context) {
  const bool keda = d.kind == "ScaledObject";
  const View reference = d.view().at("spec.scaleTargetRef");
  const ManifestDocument* target = target_of(reference, d, context.set, "Deployment");
  if (target != nullptr)
    check_replicas(d, *target, d.view().at(keda ? "spec.minReplicaCount" : "spec.minReplicas"));
  if (!keda) check_hpa_metrics(d);
  for (const ManifestDocument& other : context.set.documents) {
    if (&other == &d) break;
    if (other.kind != "HorizontalPodAutoscaler" && other.kind != "ScaledObject") continue;
    const bool is_same_object = other.kind == d.kind && other.name == d.name;
    if (!is_same_object && other.namespace_name == d.namespace_name &&
        same_target(reference, other.view().at("spec.scaleTargetRef"), "Deployment")) {
      // Two files of a folder may be a choice.
      Finding& finding = d.reporter->add("hpa/two-scalers", *reference,
                                         "the " + other.kind + " " + other.name + " scales the same workload",
                                         "keep one of them: KEDA makes an HPA itself");
      if (other.file != d.file) finding.severity = Severity::kWarning;
    }
  }
}

void check_budget(const ManifestDocument& d, const RuleContext& context) {
  const View spec = d.view()["spec"];
  const View labels = spec.at("selector.matchLabels");
  if (labels.members().empty() || !spec.at("selector.matchExpressions").items().empty() ||
      context.set.templates.empty())
    return;
  const auto pods = context.set.selected(labels, d.namespace_name);
  const bool foreign = std::any_of(
      context.set.templates.begin(), context.set.templates.end(),
      [](const PodTemplate& pod) { return pod.inside_crd && pod.document->kind != "LeaderWorkerSet"; });
  if (pods.empty()) {
    if (!foreign)
      d.reporter->add("pdb/selects-nothing", *labels, "no Pod of these files carries these labels",
                      "write labels of the Pods' template");
    return;
  }
  if (pods.size() > 1 || pods[0]->document->kind == "LeaderWorkerSet") return;
  // Who writes this has thought of drains.
  if (spec["unhealthyPodEvictionPolicy"].exists()) return;
  const int64_t count = scaled_from(*pods[0]->document, context.set).value_or(pods[0]->num_pods);
  const int64_t least = spec["minAvailable"].exists() ? scaled_value(spec["minAvailable"], count, true) : -1;
  const bool none_may_go =
      spec["maxUnavailable"].exists() && scaled_value(spec["maxUnavailable"], count, true) == 0;
  if ((least >= count && count > 0) || none_may_go)
    d.reporter->add(
        "pdb/blocks-drains", spec["minAvailable"].exists() ? *spec["minAvailable"] : *spec["maxUnavailable"],
        "with " + std::to_string(count) + " replicas no Pod may be evicted: nodes cannot be drained",
        "leave one Pod to be evicted, or accept it and write unhealthyPodEvictionPolicy: AlwaysAllow");
}

}  // namespace

std::optional<int64_t> scaled_from(const ManifestDocument& workload, const ManifestSet& set) {
  for (const ManifestDocument& d : set.documents) {
    const bool keda = d.is("keda.sh", "ScaledObject");
    if (!keda && !d.is("autoscaling", "HorizontalPodAutoscaler")) continue;
    if (target_of(d.view().at("spec.scaleTargetRef"), d, set, "Deployment") == &workload)
      return d.view().at(keda ? "spec.minReplicaCount" : "spec.minReplicas").integer_or(keda ? 0 : 1);
  }
  return std::nullopt;
}

void check_autoscaling(const RuleContext& context) {
  for (const ManifestDocument& d : context.set.documents) {
    if (d.is("autoscaling", "HorizontalPodAutoscaler") || d.is("keda.sh", "ScaledObject"))
      check_scaler(d, context);
    if (d.is("policy", "PodDisruptionBudget")) check_budget(d, context);
  }
}

}  // namespace hadal
