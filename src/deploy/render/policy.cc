// NetworkPolicies: clients and Prometheus at the pods that answer, the router and the other ranks at those
// that compute, nobody else. What ranks send one another is neither encrypted nor asked for a key.
#include <algorithm>

#include "deploy/render/engine.h"
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

// What a rendered object leads to: the API, or the chat page in front of it.
enum class Entry { kApi, kChatPage };

// What requests from outside come through: of the chat page an Ingress or a Route of its own.
std::string_view way_in(const RenderContext& c, Entry entry) {
  if (entry == Entry::kApi) return c.spec.exposure.type;
  if (c.spec.web_ui.host.empty()) return "ClusterIP";
  return c.profile == ProfileKind::kOpenshift ? "Route" : "Ingress";
}

// A Gateway's proxies run in the Gateway's namespace where its controller makes them (Istio, kgateway,
// NGINX), and in one of their own elsewhere (Envoy Gateway).
std::string proxy_namespace(const RenderContext& c, std::string_view way) {
  const ExposureSpec& exposure = c.spec.exposure;
  if (!exposure.controller_ns.empty()) return exposure.controller_ns;
  if (way != "Gateway" && (way != "InferencePool" || exposure.gateway.name.empty())) return "";
  return exposure.gateway.ns.empty() ? c.spec.ns : exposure.gateway.ns;
}

// Those between the clients and the pods that answer.
JsonArray proxies_of(const RenderContext& c, Entry entry) {
  JsonArray out;
  const std::string_view way = way_in(c, entry);
  if (way == "Route") {
    // The label of the namespace, or of the hosts, that OpenShift's routers run on; pods of the hosts'
    // network are meant by podSelector {} alone.
    Json router = obj({{"namespaceSelector",
                        obj({{"matchLabels", obj({{"policy-group.network.openshift.io/ingress", ""}})}})}});
    router.set("podSelector", Json(JsonObject{}));
    out.push_back(std::move(router));
  }
  const bool proxied = way == "Ingress" || way == "Gateway" || way == "InferencePool" ||
                       (c.profile == ProfileKind::kKserve && entry == Entry::kApi);
  const std::string proxies = proxied ? proxy_namespace(c, way) : "";
  const auto& allowed = c.spec.tenancy.allow_namespaces;
  if (!proxies.empty() && std::find(allowed.begin(), allowed.end(), proxies) == allowed.end())
    out.push_back(namespace_peer(proxies));
  // The endpoint picker asks each pod for its load. It stands in this namespace, under labels of its own.
  if (way == "InferencePool" && !c.llm_service) out.push_back(obj({{"podSelector", Json(JsonObject{})}}));
  return out;
}

bool restricts_clients(const RenderContext& c) {
  const TenancySpec& tenancy = c.spec.tenancy;
  return tenancy.network_policy && !(tenancy.allow_namespaces.empty() && tenancy.allow_cidrs.empty());
}

// Those who may call the API; empty: everyone.
JsonArray clients_of(const RenderContext& c, Entry entry) {
  JsonArray out;
  const TenancySpec& tenancy = c.spec.tenancy;
  if (!restricts_clients(c)) return out;
  for (const std::string& name : tenancy.allow_namespaces) out.push_back(namespace_peer(name));
  const auto network = [&](const std::string& range) {
    out.push_back(obj({{"ipBlock", obj({{"cidr", range}})}}));
  };
  for (const std::string& range : tenancy.allow_cidrs) network(range);
  if (entry == Entry::kApi) {
    for (const std::string& range : c.spec.exposure.source_ranges) network(range);
  }
  for (Json& proxy : proxies_of(c, entry)) out.push_back(std::move(proxy));
  return out;
}

Json api_rule(const RenderContext& c, Entry entry, int64_t port, JsonArray others) {
  Json rule = obj({{"ports", arr({port_rule(port)})}});
  JsonArray from = clients_of(c, entry);
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
  rules.push_back(api_rule(c, Entry::kApi, c.port, own_clients(c)));
  // What the monitors scrape: the router has a port for it.
  add_metrics_rule(c, component == "router" ? Json("metrics") : Json(c.port), rules);
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
    rules.push_back(api_rule(c, Entry::kApi, c.port, own_clients(c)));
    add_metrics_rule(c, engine_port(c, role), rules);
  } else if (scraped) {
    add_metrics_rule(c, engine_port(c, role), rules);
    if (JsonArray scheduler = own_clients(c); c.llm_service && !scheduler.empty())
      rules.push_back(obj({{"from", Json(std::move(scheduler))}, {"ports", arr({port_rule(c.port)})}}));
  }
  add_policy(c, role.workload, role.component, std::move(rules),
             answers ? "From elsewhere the API alone: what ranks send one another is not encrypted."
                     : "Clients ask the pods in front of these, which alone ask these.",
             out);
}

// One of the namespaces that are let in is, by its name, that of an Ingress controller or of a Gateway's
// proxies.
bool allows_a_controller(const RenderContext& c) {
  constexpr std::string_view kNames[] = {"ingress", "gateway", "nginx",   "istio",  "envoy", "traefik",
                                         "contour", "kong",    "haproxy", "apisix", "edge"};
  const auto& allowed = c.spec.tenancy.allow_namespaces;
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& name) {
    return std::any_of(std::begin(kNames), std::end(kNames),
                       [&](std::string_view part) { return name.find(part) != std::string::npos; });
  });
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
    add_policy(c, c.spec.name + "-open-webui", "open-webui", {api_rule(c, Entry::kChatPage, kWebUiPort, {})},
               "The chat page answers with the API's key: its users are the API's clients.", out);
  if (seeds_peers(c)) {
    JsonArray rules{
        obj({{"from", arr({pods_peer(c, {"precache"})})}, {"ports", arr({port_rule(kPeerPort)})}})};
    add_policy(c, c.spec.name + "-precache", "precache", std::move(rules),
               "Nodes feed one another, and nobody else.", out);
  }
}

void warn_of_shut_out(RenderContext& c) {
  if (!restricts_clients(c)) return;
  const ExposureSpec& exposure = c.spec.exposure;
  const bool balancer = exposure.type == "LoadBalancer" && exposure.source_ranges.empty();
  if ((balancer || exposure.type == "NodePort") && c.spec.tenancy.allow_cidrs.empty())
    c.warn(
        "tenancy.allowNamespaces", "outside",
        "clients from outside of the cluster are in no namespace, and so are shut out",
        balancer
            ? "set exposure.sourceRanges to their networks"
            : "set tenancy.allowCidrs to their networks and that of the nodes, or use an Ingress or Gateway");
  const bool ingress =
      exposure.type == "Ingress" || (c.spec.web_ui.enabled && way_in(c, Entry::kChatPage) == "Ingress");
  if (!exposure.controller_ns.empty() || allows_a_controller(c)) return;
  if (ingress)
    c.warn(
        "tenancy.allowNamespaces", "ingress-shut-out",
        "requests come through the Ingress controller, and the NetworkPolicy shuts it out unless its "
        "namespace is among these",
        "set exposure.controllerNamespace to it, such as ingress-nginx; where the controller uses its hosts' "
        "own network, set tenancy.allowCidrs to that of the hosts");
  if (c.profile == ProfileKind::kKserve) {
    c.warn("tenancy.allowNamespaces", "gateway-shut-out",
           "KServe makes a route of its own to the service, and the NetworkPolicy shuts that route's proxies "
           "out unless their namespace is among these",
           "set exposure.controllerNamespace to it, such as kserve, istio-system or envoy-gateway-system");
    return;
  }
  if (exposure.type != "Gateway" && exposure.type != "InferencePool") return;
  const std::string own = proxy_namespace(c, exposure.type);
  c.warn("tenancy.allowNamespaces", "gateway-shut-out",
         own.empty()
             ? "requests come through a Gateway that the spec does not name, and the NetworkPolicy shuts its "
               "proxies out unless their namespace is among these"
             : "the Gateway's proxies are let in from its own namespace, " + own +
                   "; some controllers run them elsewhere",
         "set exposure.controllerNamespace to the namespace of its proxies, such as envoy-gateway-system");
}

}  // namespace hadal
