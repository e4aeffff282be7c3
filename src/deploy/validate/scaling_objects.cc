// What the API server and KEDA's webhook ask of autoscalers and disruption budgets beyond their schemas
// (k8s.io/kubernetes/pkg/apis/autoscaling/validation and policy/validation).
#include "deploy/validate/formats.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

void check_target(Reporter& reporter, View target, const std::string& source) {
  if (!target.is_map()) return;
  const View type = target["type"];
  if (!check_present(reporter, target, "type") ||
      !check_choice(reporter, type, {"Utilization", "Value", "AverageValue"}))
    return;
  const std::string_view t = type.text();
  const bool of_resource = source == "resource" || source == "containerResource";
  if (t == "Utilization" && !of_resource)
    reporter.add("hpa/target-type", *type,
                 "a target of type Utilization is for resources, not for " + source + " metrics",
                 "write type: AverageValue with averageValue");
  if (t == "Value" && (of_resource || source == "pods"))
    reporter.add("hpa/target-type", *type, "a target of type Value is for object and external metrics",
                 "write type: AverageValue with averageValue");
  const std::string_view field =
      t == "Utilization" ? "averageUtilization" : (t == "Value" ? "value" : "averageValue");
  if (!target[field].exists() && !(t == "Utilization" && !of_resource))
    reporter.add("object/combination", *type, "type " + std::string(t) + " needs " + std::string(field),
                 "add " + std::string(field) + ":");
  check_range(reporter, target["averageUtilization"], 1, INT32_MAX);
}

// Whether the metric lets the target go to zero.
bool check_hpa_metric(Reporter& reporter, View metric) {
  const View type = metric["type"];
  if (!check_present(reporter, metric, "type") ||
      !check_choice(reporter, type, {"Resource", "ContainerResource", "Pods", "Object", "External"}))
    return false;
  std::string source(type.text());
  if (!source.empty()) source[0] = static_cast<char>(source[0] + 32);
  const View body = metric[source];
  if (!body.is_map()) {
    reporter.add("object/combination", *type,
                 "type " + std::string(type.text()) + " needs the field \"" + source + "\"",
                 "add " + source + ":");
    return false;
  }
  for (const std::string_view other : {"resource", "containerResource", "pods", "object", "external"}) {
    if (other != source && metric[other].exists())
      reporter.add_at_key("object/combination", *metric[other],
                          "type " + std::string(type.text()) + " takes \"" + source + "\" alone");
  }
  if (source == "resource" || source == "containerResource") {
    check_present(reporter, body, "name");
  } else if (check_present(reporter, body, "metric")) {
    check_present(reporter, body["metric"], "name");
  }
  if (check_present(reporter, body, "target")) check_target(reporter, body["target"], source);
  return source == "object" || source == "external";
}

void check_behavior(Reporter& reporter, View rules) {
  if (!rules.is_map()) return;
  check_range(reporter, rules["stabilizationWindowSeconds"], 0, 3600);
  check_choice(reporter, rules["selectPolicy"], {"Max", "Min", "Disabled"});
  if (rules["policies"].is_list() && rules["policies"].items().empty())
    reporter.add("object/required", *rules["policies"], "policies needs at least one entry",
                 "add a policy, or remove the line");
  for (const Value& item : rules["policies"].items()) {
    const View policy(item);
    if (check_present(reporter, policy, "type")) check_choice(reporter, policy["type"], {"Pods", "Percent"});
    check_range(reporter, policy["value"], 1, INT32_MAX);
    check_range(reporter, policy["periodSeconds"], 1, 1800);
  }
}

void check_hpa(const ManifestDocument& d) {
  Reporter& reporter = *d.reporter;
  const View spec = d.view()["spec"];
  if (!spec.is_map()) return;
  if (spec["scaleTargetRef"].is_map()) {
    check_present(reporter, spec["scaleTargetRef"], "kind");
    check_present(reporter, spec["scaleTargetRef"], "apiVersion");
    check_present(reporter, spec["scaleTargetRef"], "name");
  }
  bool to_zero = false;
  for (const Value& metric : spec["metrics"].items())
    to_zero = check_hpa_metric(reporter, View(metric)) || to_zero;
  const View low = spec["minReplicas"];
  const View high = spec["maxReplicas"];
  check_range(reporter, high, 1, INT32_MAX);
  if (low.integer_or(1) == 0 && !to_zero && d.version != "v1") {
    reporter.add("hpa/scale-to-zero", *low, "minReplicas 0 needs an Object or External metric",
                 "write minReplicas: 1, or scale to zero with KEDA");
  } else if (low.integer_or(1) < 0 || (d.version == "v1" && low.integer_or(1) == 0)) {
    check_range(reporter, low, 1, INT32_MAX);
  }
  if (high.integer() && *high.integer() < low.integer_or(1))
    reporter.add("object/combination", *high, "maxReplicas is below minReplicas");
  check_behavior(reporter, spec.at("behavior.scaleUp"));
  check_behavior(reporter, spec.at("behavior.scaleDown"));
}

void check_pdb(const ManifestDocument& d) {
  Reporter& reporter = *d.reporter;
  const View spec = d.view()["spec"];
  if (spec["minAvailable"].exists() && spec["maxUnavailable"].exists()) {
    reporter.add_at_key("pdb/min-and-max", *spec["maxUnavailable"],
                        "minAvailable and maxUnavailable exclude each other", "keep one of them");
  }
  check_int_or_percent(reporter, spec["minAvailable"], true);
  check_int_or_percent(reporter, spec["maxUnavailable"], true);
  check_label_selector(reporter, spec["selector"]);
  const View policy = spec["unhealthyPodEvictionPolicy"];
  check_choice(reporter, policy, {"IfHealthyBudget", "AlwaysAllow"});
  if (policy.is_string() && policy.text().empty())
    reporter.add("object/enum", *policy, "this is no policy", "write AlwaysAllow, or remove the line");
}

void check_scaled_object(const ManifestDocument& d) {
  Reporter& reporter = *d.reporter;
  const View spec = d.view()["spec"];
  for (const Value& item : spec["triggers"].items()) {
    const View trigger(item);
    const View metadata = trigger["metadata"];
    if (trigger["type"].text() != "prometheus") continue;
    for (const std::string_view key : {"serverAddress", "query", "threshold"})
      if (metadata.is_map()) check_present(reporter, metadata, key, "keda/prometheus-field");
  }
  const View fallback = spec["fallback"];
  if (fallback.is_map() && fallback["replicas"].integer() && spec["maxReplicaCount"].integer() &&
      *fallback["replicas"].integer() > *spec["maxReplicaCount"].integer())
    reporter.add("keda/fallback-over-max", *fallback["replicas"], "the fallback is over maxReplicaCount");
  const View idle = spec["idleReplicaCount"];
  if (idle.integer() && *idle.integer() >= spec["minReplicaCount"].integer_or(0))
    reporter.add("object/combination", *idle, "idleReplicaCount must be below minReplicaCount");
}

}  // namespace

void check_scaling_object(const ManifestDocument& d) {
  if (d.is("autoscaling", "HorizontalPodAutoscaler")) check_hpa(d);
  if (d.is("policy", "PodDisruptionBudget")) check_pdb(d);
  if (d.is("keda.sh", "ScaledObject")) check_scaled_object(d);
}

}  // namespace hadal
