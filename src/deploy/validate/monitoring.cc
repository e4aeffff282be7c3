// Monitors that match nothing, alerts that Prometheus refuses, metrics that nobody exports.
#include <algorithm>

#include "base/json.h"
#include "config/nearest_name.h"
#include "deploy/validate/command_text.h"
#include "deploy/validate/promql.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

// What hadal exports (docs/api.md, /metrics). A histogram has _bucket, _sum and _count.
constexpr std::string_view kHadalMetrics[] = {
    "hadal_cached_tokens_total",  "hadal_cancellations_total",  "hadal_generated_tokens_total",
    "hadal_http_active_requests", "hadal_http_request_seconds", "hadal_http_requests_total",
    "hadal_http_tokenizer_queue", "hadal_inter_token_seconds",  "hadal_kv_blocks",
    "hadal_preemptions_total",    "hadal_prompt_tokens_total",  "hadal_queue_seconds",
    "hadal_request_seconds",      "hadal_requests_total",       "hadal_running_requests",
    "hadal_step_seconds",         "hadal_steps_total",          "hadal_time_to_first_token_seconds",
    "hadal_waiting_requests"};

// A rule's own record, or a metric of hadal's that there is.
bool is_known_metric(std::string_view name) {
  for (const std::string_view suffix : {"_bucket", "_sum", "_count", ""}) {
    if (!name.ends_with(suffix)) continue;
    const std::string_view base = name.substr(0, name.size() - suffix.size());
    if (std::find(std::begin(kHadalMetrics), std::end(kHadalMetrics), base) != std::end(kHadalMetrics))
      return true;
  }
  return false;
}

void check_metric(const ManifestDocument& d, const Value& at, const std::string& name) {
  const YamlMark mark = mark_inside(d.reporter->source(), at, name);
  if (name.starts_with("hadal_") && !is_known_metric(name)) {
    const std::string nearest = nearest_name(name, kHadalMetrics);
    Finding& finding =
        d.reporter->add_at_mark("monitor/unknown-metric", mark, "hadal exports no metric " + name,
                                nearest.empty() ? "" : "write " + nearest);
    if (!nearest.empty())
      Reporter::fix_with(finding, replace_inside(d.reporter->source(), at, name, nearest));
  }
  if (name.starts_with("sglang_")) {
    const std::string right = "sglang:" + name.substr(7);
    Finding& finding = d.reporter->add_at_mark(
        "monitor/unknown-metric", mark, "SGLang exports " + right + ", with a colon", "write " + right);
    Reporter::fix_with(finding, replace_inside(d.reporter->source(), at, name, right));
  }
}

void check_expression(const ManifestDocument& d, const Value& at, std::string_view text, bool is_alert) {
  const PromqlAnswer answer = check_promql(text);
  if (!answer.error.empty()) {
    d.reporter->add("promql/syntax", at,
                    "Prometheus cannot read the expression: " + answer.error + " (character " +
                        std::to_string(answer.offset + 1) + ")");
    return;
  }
  if (answer.is_range && is_alert)
    d.reporter->add("promql/syntax", at, "the expression is a range vector: it has no value",
                    "wrap it: rate(metric[5m])");
  for (const std::string& name : answer.metrics) check_metric(d, at, name);
}

void check_prometheus_rule(const ManifestDocument& d) {
  for (const Value& group : d.view().at("spec.groups").items()) {
    for (const Value& item : View(group)["rules"].items()) {
      const View rule(item);
      const View expr = rule["expr"];
      if (expr.is_string()) check_expression(d, *expr, expr.text(), true);
      check_one_of(*d.reporter, rule, {"alert", "record"}, "promql/alert-or-record", true);
      if (rule["record"].exists() && rule["for"].exists())
        d.reporter->add_at_key("promql/alert-or-record", *rule["for"], "a recording rule takes no \"for\"",
                               "remove the line");
    }
  }
}

// Grafana's panels: every "expr" of the JSON.
void walk_dashboard(const ManifestDocument& d, const Value& at, const Json& json, int depth) {
  if (depth > 40) return;
  if (json.is_array()) {
    for (const Json& item : json.as_array()) walk_dashboard(d, at, item, depth + 1);
  }
  if (!json.is_object()) return;
  for (const auto& [key, value] : json.as_object()) {
    if (key == "expr" && value.is_string() && !value.as_string().empty()) {
      const PromqlAnswer answer = check_promql(value.as_string());
      // Variables stand where no number can: what follows is not understood here.
      if (!answer.error.empty() && value.as_string().find('$') == std::string::npos)
        d.reporter->add_at_mark("promql/syntax",
                                mark_inside(d.reporter->source(), at, value.as_string().substr(0, 40)),
                                "Prometheus cannot read the panel's expression " +
                                    value.as_string().substr(0, 80) + ": " + answer.error);
      for (const std::string& name : answer.metrics) check_metric(d, at, name);
    } else {
      walk_dashboard(d, at, value, depth + 1);
    }
  }
}

void check_dashboard(const ManifestDocument& d) {
  if (!d.view().at("metadata.labels")["grafana_dashboard"].exists()) return;
  for (const ValueMember& entry : d.view()["data"].members()) {
    const View text(entry.value);
    if (!entry.key.ends_with(".json") || !text.is_string()) continue;
    const Result<Json> json = parse_json(text.text());
    if (!json.ok()) {
      d.reporter->add("monitor/dashboard-json", entry.value,
                      "the dashboard is no JSON: " + json.error().message);
      continue;
    }
    walk_dashboard(d, entry.value, *json, 0);
  }
}

bool namespace_selected(const ManifestDocument& monitor, const std::string& ns) {
  const View selector = monitor.view().at("spec.namespaceSelector");
  if (selector["any"].is_true() || ns.empty()) return true;
  if (selector["matchNames"].items().empty())
    return monitor.namespace_name.empty() || ns == monitor.namespace_name;
  return std::any_of(selector["matchNames"].items().begin(), selector["matchNames"].items().end(),
                     [&](const Value& name) { return View(name).text() == ns; });
}

void report_namespace(const ManifestDocument& d, const std::string& ns) {
  d.reporter->add(
      "monitor/namespace", *d.view()["spec"],
      "the monitor looks into its own namespace, " + d.namespace_name + ", and what it selects is in " + ns,
      "add namespaceSelector: {matchNames: [" + ns + "]}");
}

void check_service_monitor(const ManifestDocument& d, const RuleContext& context) {
  const View spec = d.view()["spec"];
  const View selector = spec["selector"];
  std::vector<const ManifestDocument*> services;
  const ManifestDocument* elsewhere = nullptr;
  bool any_service = false;
  for (const ManifestDocument& other : context.set.documents) {
    if (!other.is("", "Service")) continue;
    any_service = true;
    if (!selector_matches(selector, other.view().at("metadata.labels"))) continue;
    if (namespace_selected(d, other.namespace_name)) {
      services.push_back(&other);
    } else {
      elsewhere = &other;
    }
  }
  if (services.empty() && elsewhere != nullptr) return report_namespace(d, elsewhere->namespace_name);
  if (services.empty()) {
    if (any_service || !context.set.templates.empty())
      d.reporter->add("monitor/selects-nothing", selector.exists() ? *selector : *spec,
                      "no Service of these files carries these labels (in metadata.labels)",
                      "write labels of the Service itself, not of its Pods");
    return;
  }
  for (const Value& item : spec["endpoints"].items()) {
    const View port = View(item)["port"];
    if (port.text().empty()) continue;
    const bool found = std::any_of(services.begin(), services.end(), [&](const ManifestDocument* service) {
      const auto ports = service->view().at("spec.ports").items();
      return std::any_of(ports.begin(), ports.end(),
                         [&](const Value& p) { return View(p)["name"].text() == port.text(); });
    });
    if (!found)
      d.reporter->add("monitor/undefined-port", *port,
                      "no selected Service has a port that is called " + shown_text(port),
                      "write the name of a port of the Service");
  }
}

void check_pod_monitor(const ManifestDocument& d, const RuleContext& context) {
  const View spec = d.view()["spec"];
  const View labels = spec.at("selector.matchLabels");
  if (labels.members().empty() || context.set.templates.empty()) return;
  const auto pods = context.set.selected(labels, "");
  const bool foreign =
      std::any_of(context.set.templates.begin(), context.set.templates.end(),
                  [](const PodTemplate& p) { return p.inside_crd && p.document->kind != "LeaderWorkerSet"; });
  if (pods.empty()) {
    if (!foreign)
      d.reporter->add("monitor/selects-nothing", *labels, "no Pod of these files carries these labels",
                      "write labels of the Pods' template");
    return;
  }
  if (std::none_of(pods.begin(), pods.end(),
                   [&](const PodTemplate* p) { return namespace_selected(d, p->document->namespace_name); }))
    return report_namespace(d, pods[0]->document->namespace_name);
  for (const Value& item : spec["podMetricsEndpoints"].items()) {
    const View port = View(item)["port"];
    if (port.text().empty()) continue;
    const bool found = std::any_of(pods.begin(), pods.end(), [&](const PodTemplate* pod) {
      const auto containers = all_containers(pod->view());
      return std::any_of(containers.begin(), containers.end(), [&](View c) {
        const auto ports = c["ports"].items();
        return std::any_of(ports.begin(), ports.end(),
                           [&](const Value& p) { return View(p)["name"].text() == port.text(); });
      });
    });
    if (!found && !foreign)
      d.reporter->add("monitor/undefined-port", *port,
                      "no selected Pod has a port that is called " + shown_text(port),
                      "write the name of a container's port");
  }
}

// prometheus.io/port against what the containers listen on.
void check_annotation(const PodTemplate& pod) {
  View port = View(pod.metadata)["annotations"]["prometheus.io/port"];
  if (!port.exists()) port = pod.view()["annotations"]["prometheus.io/port"];
  if (!port.exists()) return;
  bool any = false;
  std::string listening;
  for (const Value& item : pod.view()["containers"].items()) {
    for (const Value& p : View(item)["ports"].items()) {
      any = true;
      if (View(p)["containerPort"].any_text() == port.any_text()) return;
      listening = View(p)["containerPort"].any_text();
    }
    const EngineProgram engine = engine_command(View(item));
    for (const std::string_view name : {"--port", "--metrics-port"}) {
      const auto number = engine.flag({name});
      if (!number) continue;
      any = true;
      if (*number == port.any_text()) return;
      if (number->find('$') != std::string::npos) return;
      if (listening.empty()) listening = *number;
    }
  }
  if (!any) return;
  Finding& finding = pod.reporter().add(
      "monitor/annotation-port", *port,
      "prometheus.io/port is " + port.any_text() + ", and the containers listen on " + listening,
      "write \"" + listening + "\"");
  Reporter::fix_with(finding, replace_scalar(*port, listening, true));
}

void check_keda_query(const ManifestDocument& d) {
  for (const Value& item : d.view().at("spec.triggers").items()) {
    const View query = View(item).at("metadata.query");
    if (View(item)["type"].text() == "prometheus" && query.is_string())
      check_expression(d, *query, query.text(), true);
  }
}

}  // namespace

void check_monitoring(const RuleContext& context) {
  for (const ManifestDocument& d : context.set.documents) {
    if (d.is("monitoring.coreos.com", "PrometheusRule")) check_prometheus_rule(d);
    if (d.is("monitoring.coreos.com", "ServiceMonitor")) check_service_monitor(d, context);
    if (d.is("monitoring.coreos.com", "PodMonitor")) check_pod_monitor(d, context);
    if (d.is("", "ConfigMap")) check_dashboard(d);
    if (d.is("keda.sh", "ScaledObject")) check_keda_query(d);
  }
  for (const PodTemplate& pod : context.set.templates) check_annotation(pod);
}

}  // namespace hadal
