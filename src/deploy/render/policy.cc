// NetworkPolicies: clients and Prometheus at the pods that answer, the router and the other ranks at those
// that compute, nobody else. What ranks send one another is neither encrypted nor asked for a key.
#include "deploy/render/json_build.h"
#include "deploy/render/parts.h"

namespace hadal {
namespace {

Json port_rule(Json port) {
  return obj({{"protocol", "TCP"}, {"port", std::move(port)}});
}

Json namespace_peer(std::string_view name) {
  return obj({{"namespaceSelector", obj({{"matchLabels", obj({{"kubernetes.io/metadata.name", name}})}})}});
}

// Pods of this deployment with one of the components, in this namespace.
Json pods_peer(const RenderContext& c, JsonArray components) {
  return obj(
      {{"podSelector", obj({{"matchLabels", obj({{"app.kubernetes.io/name", c.spec.name}})},
                            {"matchExpressions", arr({obj({{"key", "app.kubernetes.io/component"},
                                                           {"operator", "In"},
                                                           {"values", Json(std::move(components))}})})}})}});
}

// Those who may call the API; empty: everyone.
JsonArray clients_of(const RenderContext& c) {
  JsonArray out;
  const TenancySpec& tenancy = c.spec.tenancy;
  if (tenancy.allow_namespaces.empty()) return out;
  for (const std::string& name : tenancy.allow_namespaces) out.push_back(namespace_peer(name));
  for (const std::string& range : c.spec.exposure.source_ranges)
    out.push_back(obj({{"ipBlock", obj({{"cidr", range}})}}));
  if (c.spec.exposure.type == "Route") {
    // OpenShift's own label of the namespaces that its routers run in.
    out.push_back(obj({{"namespaceSelector",
                        obj({{"matchLabels", obj({{"policy-group.network.openshift.io/ingress", ""}})}})}}));
  }
  return out;
}

Json api_rule(const RenderContext& c, int64_t port, JsonArray others) {
  Json rule = obj({{"ports", arr({port_rule(port)})}});
  JsonArray from = clients_of(c);
  if (from.empty()) return rule;  // everyone, the others among them
  for (Json& peer : others) from.push_back(std::move(peer));
  rule.set("from", Json(std::move(from)));
  return rule;
}

void add_metrics_rule(const RenderContext& c, Json port, JsonArray& rules) {
  if (c.spec.monitoring.type == "none") return;
  rules.push_back(obj({{"from", arr({namespace_peer(prometheus_namespace(c))})},
                       {"ports", arr({port_rule(std::move(port))})}}));
}

void add_policy(const RenderContext& c, const std::string& name, std::string_view component, JsonArray rules,
                std::string_view note, RenderResult& out) {
  Json spec = obj(
      {{"podSelector", obj({{"matchLabels", c.selector(component)}})}, {"policyTypes", arr({"Ingress"})}});
  spec.set("ingress", Json(std::move(rules)));
  add_object(out,
             obj({{"apiVersion", "networking.k8s.io/v1"},
                  {"kind", "NetworkPolicy"},
                  {"metadata", c.metadata(name, component)},
                  {"spec", std::move(spec)}}),
             0, note);
}

// The chat page asks from its own pod.
JsonArray own_clients(const RenderContext& c) {
  JsonArray out;
  if (c.spec.web_ui.enabled) out.push_back(pods_peer(c, {"open-webui"}));
  // KServe's scheduler, which asks each pod for its load.
  if (c.llm_service && (c.split || c.spec.exposure.type == "InferencePool"))
    out.push_back(
        obj({{"podSelector", obj({{"matchLabels", obj({{"app.kubernetes.io/name", c.spec.name},
                                                       {"app.kubernetes.io/component",
                                                        "llminferenceservice-router-scheduler"}})}})}}));
  return out;
}

// Pods that answer clients.
void add_entry_policy(const RenderContext& c, const std::string& name, std::string_view component,
                      RenderResult& out) {
  JsonArray rules;
  rules.push_back(api_rule(c, c.port, own_clients(c)));
  add_metrics_rule(c, c.port, rules);
  if (component == "router") add_metrics_rule(c, "metrics", rules);
  add_policy(c, name, component, std::move(rules), "The API's clients alone reach what answers them.", out);
}

// Pods that compute: any port among themselves, since their libraries choose them.
void add_engine_policy(const RenderContext& c, const RoleContext& role, RenderResult& out) {
  const bool answers = api_component(c) == role.component;
  const bool scraped = !answers && c.profile != ProfileKind::kDynamo;
  JsonArray rules, ours;
  if (role.is_group() || c.roles.size() > 1 || !answers) {
    for (const RoleContext& other : c.roles) ours.emplace_back(other.component);
    if (!answers && api_component(c) != "decode") ours.emplace_back(std::string(api_component(c)));
    rules.push_back(obj({{"from", arr({pods_peer(c, std::move(ours))})}}));
  }
  if (answers) {
    rules.push_back(api_rule(c, c.port, own_clients(c)));
    add_metrics_rule(c, c.port, rules);
  } else if (scraped) {
    add_metrics_rule(c, c.port, rules);
    if (JsonArray scheduler = own_clients(c); c.llm_service && !scheduler.empty())
      rules.push_back(obj({{"from", Json(std::move(scheduler))}, {"ports", arr({port_rule(c.port)})}}));
  }
  add_policy(c, role.workload, role.component, std::move(rules),
             answers ? "From elsewhere the API alone: what ranks send one another is not encrypted."
                     : "Clients ask the pods in front of these, which alone ask these.",
             out);
}

}  // namespace

std::string prometheus_namespace(const RenderContext& c) {
  if (!c.spec.monitoring.ns.empty()) return c.spec.monitoring.ns;
  return c.profile == ProfileKind::kOpenshift ? "openshift-user-workload-monitoring" : "monitoring";
}

void render_policies(const RenderContext& c, RenderResult& out) {
  if (!c.spec.tenancy.network_policy) return;
  const std::string_view entry = api_component(c);
  if (entry == "router" || entry == "frontend")
    add_entry_policy(c, c.spec.name + "-" + std::string(entry), entry, out);
  for (const RoleContext& role : c.roles) add_engine_policy(c, role, out);
  if (c.spec.web_ui.enabled)
    add_policy(c, c.spec.name + "-open-webui", "open-webui", {api_rule(c, kWebUiPort, {})},
               "The chat page answers with the API's key: its users are the API's clients.", out);
  if (seeds_peers(c)) {
    JsonArray rules{
        obj({{"from", arr({pods_peer(c, {"precache"})})}, {"ports", arr({port_rule(kPeerPort)})}})};
    add_policy(c, c.spec.name + "-precache", "precache", std::move(rules),
               "Nodes feed one another, and nobody else.", out);
  }
}

}  // namespace hadal
