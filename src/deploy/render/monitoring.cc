// Monitors, rules and the dashboard, all of the metrics that the engine really exports (EngineTraits).
#include "base/join_text.h"
#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"
#include "deploy/render/metric_text.h"
#include "deploy/render/parts.h"
#include "deploy/render/workload.h"

namespace hadal {
namespace {

Json monitor_labels(const RenderContext& c) {
  Json out = c.labels("monitor");
  if (c.spec.monitoring.labels.empty()) {
    out.set("release", "kube-prometheus-stack");
  } else {
    merge_missing(out, map_json(c.spec.monitoring.labels));
  }
  return out;
}

Json monitor_metadata(const RenderContext& c) {
  return obj({{"name", c.spec.name}, {"namespace", c.spec.ns}, {"labels", monitor_labels(c)}});
}

// Ranks that serve metrics: leaders, of each role.
Json metrics_selector(const RenderContext& c) {
  if (!c.split || c.profile == ProfileKind::kDynamo) return obj({{"matchLabels", api_selector(c)}});
  Json labels = obj({{"app.kubernetes.io/name", c.spec.name}});
  if (c.role().is_group() && c.roles.back().is_group())
    labels.set("leaderworkerset.sigs.k8s.io/worker-index", "0");
  return obj({{"matchLabels", std::move(labels)},
              {"matchExpressions", arr({obj({{"key", "app.kubernetes.io/component"},
                                             {"operator", "In"},
                                             {"values", arr({"prefill", "decode"})}})})}});
}

Json endpoint_of(const RenderContext& c) {
  const EngineTraits& traits = engine_traits(c.engine);
  Json out =
      obj({{"port", "http"},
           {"path", c.profile == ProfileKind::kDynamo ? "/metrics" : std::string(traits.metrics_path)},
           {"interval", std::to_string(c.spec.monitoring.interval) + "s"},
           {"scrapeTimeout", std::to_string(std::min<int64_t>(10, c.spec.monitoring.interval)) + "s"}});
  if (traits.metrics_need_key && !c.spec.api_key.secret.empty())
    put_why(out, "authorization",
            obj({{"type", "Bearer"},
                 {"credentials", obj({{"name", c.spec.api_key.secret}, {"key", c.spec.api_key.key}})}}),
            "hadal asks for the API key at /metrics too.");
  return out;
}

void add_monitor(const RenderContext& c, RenderResult& out) {
  const bool pods = c.spec.monitoring.type == "pod-monitor";
  Json spec = obj({{"namespaceSelector", obj({{"matchNames", arr({c.spec.ns})}})}});
  if (pods) {
    spec.set("selector", metrics_selector(c));
    spec.set("podTargetLabels", arr({"hadal.dev/deployment", "app.kubernetes.io/component"}));
    spec.set("podMetricsEndpoints", arr({endpoint_of(c)}));
  } else {
    spec.set("selector", obj({{"matchLabels", c.selector(api_component(c))}}));
    spec.set("targetLabels", arr({"hadal.dev/deployment", "app.kubernetes.io/component"}));
    spec.set("endpoints", arr({endpoint_of(c)}));
  }
  add_object(out,
             obj({{"apiVersion", "monitoring.coreos.com/v1"},
                  {"kind", pods ? "PodMonitor" : "ServiceMonitor"},
                  {"metadata", monitor_metadata(c)},
                  {"spec", std::move(spec)}}),
             5);
}

// The router's own figures. Without the deployment's label: by that the rules know the engines' instances.
void add_router_monitor(const RenderContext& c, RenderResult& out) {
  const int64_t interval = c.spec.monitoring.interval;
  Json metadata = monitor_metadata(c);
  metadata.set("name", c.spec.name + "-router");
  add_object(out,
             obj({{"apiVersion", "monitoring.coreos.com/v1"},
                  {"kind", "PodMonitor"},
                  {"metadata", std::move(metadata)},
                  {"spec", obj({{"namespaceSelector", obj({{"matchNames", arr({c.spec.ns})}})},
                                {"selector", obj({{"matchLabels", c.selector("router")}})},
                                {"podTargetLabels", arr({"app.kubernetes.io/component"})},
                                {"podMetricsEndpoints",
                                 arr({obj({{"port", "metrics"},
                                           {"path", "/metrics"},
                                           {"interval", std::to_string(interval) + "s"},
                                           {"scrapeTimeout",
                                            std::to_string(std::min<int64_t>(10, interval)) + "s"}})})}})}}),
             5);
}

Json rule(std::string name, std::string expression, std::string wait, std::string severity,
          std::string summary) {
  return obj({{"alert", std::move(name)},
              {"expr", std::move(expression)},
              {"for", std::move(wait)},
              {"labels", obj({{"severity", std::move(severity)}})},
              {"annotations", obj({{"summary", std::move(summary)}})}});
}

// An expression that matches the names of this deployment's pods and, where hadal chooses them, of no other
// whose name begins alike: "r1-0-1" and "r1-7d9c4b-x2x4z", not "r1-awq-0".
std::string pod_pattern(const RenderContext& c) {
  const std::string& name = c.spec.name;
  if (c.profile == ProfileKind::kDynamo || c.llm_service || has_disaggregated_set(c)) return name + "-.*";
  if (c.profile == ProfileKind::kKserve) return name + "-(predictor|open-webui)-.*";
  std::vector<std::string> workloads;
  for (const RoleContext& role : c.roles) workloads.push_back(role.workload);
  if (api_component(c) == "router") workloads.push_back(name + "-router");
  if (c.spec.web_ui.enabled) workloads.push_back(name + "-open-webui");
  const std::string any = join_text(workloads, "|");
  return (workloads.size() == 1 ? any : "(" + any + ")") + "-([0-9]+(-[0-9]+)?|[a-z0-9]+-[a-z0-9]{5})";
}

void add_rules(const RenderContext& c, RenderResult& out) {
  const EngineTraits& traits = engine_traits(c.engine);
  const MonitoringSpec& monitoring = c.spec.monitoring;
  const std::string labels = metric_labels(c), name = c.spec.name, pods = pod_pattern(c);
  JsonArray rules;
  rules.push_back(rule("LlmNoInstance", "absent(up{" + labels + "} == 1)", "2m", "critical",
                       name + ": no instance answers Prometheus"));
  rules.push_back(
      rule("LlmFirstTokenSlow",
           quantile_query(c, 0.99, traits.first_token) + " > " + to_json(Json(monitoring.ttft_p99)), "5m",
           "warning", name + ": one request in a hundred waits too long for its first token"));
  rules.push_back(
      rule("LlmTokensSlow",
           quantile_query(c, 0.99, traits.inter_token) + " > " + to_json(Json(monitoring.inter_token_p99)),
           "5m", "warning", name + ": tokens come slowly"));
  if (!traits.waiting.empty())
    rules.push_back(rule("LlmQueueGrows",
                         "sum(" + std::string(traits.waiting) + "{" + labels + "}) > " +
                             std::to_string(16 * std::max<int64_t>(1, c.spec.autoscaling.waiting_requests)),
                         "10m", "warning", name + ": requests wait; more instances are needed"));
  if (!traits.kv_usage.empty())
    rules.push_back(rule("LlmKvFull", "max(" + kv_usage_query(c) + ") > 0.95", "10m", "warning",
                         name + ": the KV cache is full, requests are preempted or wait"));
  rules.push_back(rule("LlmPodRestarts",
                       "increase(kube_pod_container_status_restarts_total{namespace=\"" + c.spec.ns +
                           "\",pod=~\"" + pods + "\"}[1d]) > 3",
                       "0m", "warning", name + ": a pod restarts again and again"));
  if (monitoring.gpu_rules && c.on_gpus())
    rules.push_back(rule(
        "LlmGpuErrors",
        "increase(DCGM_FI_DEV_XID_ERRORS{namespace=\"" + c.spec.ns + "\",pod=~\"" + pods + "\"}[10m]) > 0",
        "0m", "critical", name + ": a GPU reported an Xid error"));
  add_object(out,
             obj({{"apiVersion", "monitoring.coreos.com/v1"},
                  {"kind", "PrometheusRule"},
                  {"metadata", monitor_metadata(c)},
                  {"spec", obj({{"groups", arr({obj({{"name", c.spec.name},
                                                     {"interval", "30s"},
                                                     {"rules", Json(std::move(rules))}})})}})}}),
             5);
}

void add_dashboard(const RenderContext& c, RenderResult& out) {
  Json metadata = c.metadata(c.spec.name + "-dashboard", "monitor");
  Json labels = *metadata.find("labels");
  labels.set("grafana_dashboard", "1");
  metadata.set("labels", std::move(labels));
  Json object = obj({{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", std::move(metadata)}});
  put_why(object, "data", obj({{c.spec.name + ".json", grafana_dashboard(c)}}),
          "Grafana's sidecar finds it by the label above.");
  add_object(out, std::move(object), 5);
}

}  // namespace

std::string metric_labels(const RenderContext& c) {
  return "hadal_dev_deployment=\"" + c.spec.name + "\",namespace=\"" + c.spec.ns + "\"";
}

std::string kv_usage_query(const RenderContext& c) {
  const std::string labels = metric_labels(c);
  std::string out(engine_traits(c.engine).kv_usage);
  for (size_t at = out.find("%s"); at != std::string::npos; at = out.find("%s", at + labels.size()))
    out.replace(at, 2, labels);
  return out;
}

std::string quantile_query(const RenderContext& c, double quantile, std::string_view histogram) {
  return "histogram_quantile(" + to_json(Json(quantile)) + ", sum by (le) (rate(" + std::string(histogram) +
         "_bucket{" + metric_labels(c) + "}[5m])))";
}

void render_monitoring(const RenderContext& c, RenderResult& out) {
  const MonitoringSpec& monitoring = c.spec.monitoring;
  if (monitoring.type == "none") return;
  add_monitor(c, out);
  if (api_component(c) == "router") add_router_monitor(c, out);
  if (c.profile == ProfileKind::kDynamo) return;  // its own rules and dashboards come with the platform
  if (monitoring.rules) add_rules(c, out);
  if (monitoring.dashboard) add_dashboard(c, out);
}

}  // namespace hadal
