// Services, routes and the Pods behind them: selectors that match nothing, ports that are not there, the
// headless Service of a group, timeouts that cut streams.
#include <algorithm>
#include <set>

#include "config/nearest_name.h"
#include "deploy/ingress_controller.h"
#include "deploy/validate/command_text.h"
#include "deploy/validate/pod_facts.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

bool has_port_name(View spec, std::string_view name) {
  for (const View container : all_containers(spec)) {
    for (const Value& port : container["ports"].items()) {
      if (View(port)["name"].text() == name) return true;
    }
  }
  return false;
}

// A kustomization may add the port.
void add_port_finding(const ManifestDocument& d, std::string_view rule, const Value& at, std::string message,
                      std::string fix) {
  Finding& finding = d.reporter->add(rule, at, std::move(message), std::move(fix));
  if (d.in_kustomization) finding.severity = Severity::kInfo;
}

bool has_pods_in(const ManifestSet& set, const ManifestDocument& near) {
  return std::any_of(set.templates.begin(), set.templates.end(), [&](const PodTemplate& pod) {
    const std::string& ns = pod.document->namespace_name;
    // Controllers that are not known here may give their Pods any label.
    return (ns == near.namespace_name || ns.empty() || near.namespace_name.empty()) &&
           pod.document->group != "batch";
  });
}

bool has_foreign_pods(const ManifestSet& set) {
  return std::any_of(set.templates.begin(), set.templates.end(), [](const PodTemplate& pod) {
    return pod.inside_crd && pod.document->kind != "LeaderWorkerSet";
  });
}

// The Pods of the same file, or those with a part of the labels, are who was meant. Others may be made by an
// operator, or be in the cluster.
bool is_likely_meant(const ManifestDocument& d, View selector, const ManifestSet& set) {
  // Enough to tell; many Services that select nothing would each look at all.
  const size_t most = std::min<size_t>(set.templates.size(), 1000);
  for (size_t i = 0; i < most; ++i) {
    const PodTemplate& pod = set.templates[i];
    if (pod.document->file == d.file && pod.document->group != "batch") return true;
    for (const auto& [key, value] : pod_labels(pod)) {
      const std::string wanted = selector[key].any_text();
      const std::string_view candidates[] = {value};
      if (!wanted.empty() && (wanted == value || nearest_name(wanted, candidates) == value)) return true;
    }
  }
  return false;
}

void check_service_selector(const ManifestDocument& d, const RuleContext& context) {
  const View spec = d.view()["spec"];
  const View selector = spec["selector"];
  if (selector.members().empty()) return;
  const auto pods = context.set.selected(selector, d.namespace_name);
  if (pods.empty()) {
    if (!has_pods_in(context.set, d) || has_foreign_pods(context.set)) return;
    Finding& finding =
        d.reporter->add("service/selects-nothing", *selector, "no Pod of these files carries these labels",
                        "write labels of the Pods' template (spec.template.metadata.labels)");
    if (!is_likely_meant(d, selector, context.set)) finding.severity = Severity::kInfo;
    return;
  }
  for (const Value& item : spec["ports"].items()) {
    const View target = View(item)["targetPort"];
    if (!target.is_string() || target.text().empty()) continue;
    const bool found = std::any_of(pods.begin(), pods.end(), [&](const PodTemplate* pod) {
      return has_port_name(pod->view(), target.text());
    });
    if (!found && std::none_of(pods.begin(), pods.end(), [](const PodTemplate* pod) { return pod->partial; }))
      add_port_finding(d, "service/undefined-target-port", *target,
                       "no container behind this Service has a port that is called " + shown_text(target),
                       "name the container's port, or write its number");
  }
}

// Requests that go to every Pod of a group reach workers that do not answer.
void check_whole_group(const ManifestDocument& d, const RuleContext& context) {
  const View spec = d.view()["spec"];
  if (spec["clusterIP"].text() == "None") return;
  const auto pods = context.set.selected(spec["selector"], d.namespace_name);
  std::set<const ManifestDocument*> led;
  for (const PodTemplate* pod : pods) {
    if (pod->serves && pod->document->kind == "LeaderWorkerSet") led.insert(pod->document);
  }
  const bool names_index = spec["selector"]["leaderworkerset.sigs.k8s.io/worker-index"].exists();
  const bool reaches_workers = std::any_of(pods.begin(), pods.end(), [&](const PodTemplate* pod) {
    return pod->role == "worker" && led.count(pod->document) > 0 && !names_index &&
           pod->document->view().at("spec.leaderWorkerTemplate.size").integer_or(1) > 1;
  });
  if (reaches_workers)
    d.reporter->add("service/selects-workers", *spec["selector"],
                    "the Service sends requests to the group's workers too",
                    "add leaderworkerset.sigs.k8s.io/worker-index: \"0\" to the selector");
}

// The Pods that a Service in these files reaches are engines.
bool reaches_engine(const RuleContext& context, const ManifestDocument& near, std::string_view service) {
  const ManifestDocument* found = context.set.find("Service", service, near.namespace_name);
  if (found == nullptr) return false;
  const auto pods = context.set.selected(found->view().at("spec.selector"), found->namespace_name);
  return std::any_of(pods.begin(), pods.end(),
                     [](const PodTemplate* pod) { return serves_model(pod->view()); });
}

void check_backend_port(const ManifestDocument& d, View name, View port, const RuleContext& context) {
  const ManifestDocument* service = context.set.find("Service", name.text(), d.namespace_name);
  if (service == nullptr || !port.exists()) return;
  for (const Value& item : service->view().at("spec.ports").items()) {
    const View p(item);
    if (port.is_string() ? p["name"].text() == port.text() : p["port"].any_text() == port.any_text()) return;
    // A Route names target ports.
    if (d.kind == "Route" && p["targetPort"].any_text() == port.any_text()) return;
  }
  d.reporter->add("service/undefined-port", *port,
                  "the Service " + service->name + " has no port " + shown_text(port),
                  "write one of its ports");
}

struct IngressCut {
  IngressController controller;
  std::string_view says;  // what it does to an answer that takes long
  std::string_view fix;
};
constexpr IngressCut kIngressCuts[] = {
    {IngressController::kNginx, "nginx ends an answer after 60 s without a byte",
     "add the annotations nginx.ingress.kubernetes.io/proxy-read-timeout: \"3600\" and proxy-buffering: "
     "\"off\""},
    {IngressController::kOpenshift, "OpenShift's router ends an answer after 30 s",
     "add the annotation haproxy.router.openshift.io/timeout: 3600s"},
    {IngressController::kHaproxy, "HAProxy ends an answer after 50 s",
     "add the annotations haproxy.org/timeout-server and haproxy-ingress.github.io/timeout-server: 3600s"},
    {IngressController::kContour, "Contour's Envoy ends an answer after 15 s",
     "add the annotation projectcontour.io/response-timeout: 3600s"},
    {IngressController::kAlb, "the load balancer ends an answer after 60 s without a byte",
     "add the annotation alb.ingress.kubernetes.io/load-balancer-attributes: "
     "idle_timeout.timeout_seconds=3600"},
};

// Without a class the cluster's default takes it, nginx most often: another's annotation says that it is not.
void check_ingress_time(const ManifestDocument& d) {
  const View notes = d.view().at("metadata.annotations");
  std::string_view class_name = d.view().at("spec.ingressClassName").text();
  if (class_name.empty()) class_name = notes["kubernetes.io/ingress.class"].text();
  const IngressController controller =
      class_name.empty() ? IngressController::kNginx : ingress_controller_of(class_name);
  for (const IngressCut& row : kIngressCuts) {
    if (!class_name.empty() && row.controller != controller) continue;
    const auto keys = ingress_time_annotations(row.controller);
    if (std::any_of(keys.begin(), keys.end(), [&](std::string_view key) { return notes[key].exists(); }))
      return;
  }
  for (const IngressCut& row : kIngressCuts) {
    if (row.controller == controller)
      d.reporter->add("net/ingress-timeout", *d.view()["metadata"], std::string(row.says),
                      std::string(row.fix));
  }
}

void check_ingress_practice(const ManifestDocument& d, const RuleContext& context) {
  bool engine = false;
  for (const Value& rule : d.view().at("spec.rules").items()) {
    for (const Value& path : View(rule).at("http.paths").items()) {
      const View service = View(path).at("backend.service");
      const View port = service["port"];
      check_backend_port(d, service["name"], port["name"].exists() ? port["name"] : port["number"], context);
      engine = engine || reaches_engine(context, d, service["name"].text());
    }
  }
  if (engine) check_ingress_time(d);
}

void check_route_practice(const ManifestDocument& d, const RuleContext& context) {
  const View to = d.view().at("spec.to");
  check_backend_port(d, to["name"], d.view().at("spec.port.targetPort"), context);
  if (reaches_engine(context, d, to["name"].text()) &&
      !d.view().at("metadata.annotations")["haproxy.router.openshift.io/timeout"].exists())
    d.reporter->add("net/route-timeout", *d.view()["metadata"],
                    "OpenShift's router ends an answer after 30 s",
                    "add the annotation haproxy.router.openshift.io/timeout: 3600s");
}

void check_http_route_practice(const ManifestDocument& d, const RuleContext& context) {
  for (const Value& item : d.view().at("spec.rules").items()) {
    bool engine = false;
    for (const Value& backend_item : View(item)["backendRefs"].items()) {
      const View backend(backend_item);
      if (backend["kind"].exists() && backend["kind"].text() != "Service") {
        engine = engine || backend["kind"].text() == "InferencePool";
        continue;
      }
      if (backend["namespace"].exists()) continue;
      check_backend_port(d, backend["name"], backend["port"], context);
      engine = engine || reaches_engine(context, d, backend["name"].text());
    }
    if (engine && !View(item)["timeouts"].exists())
      d.reporter->add("net/gateway-timeout", item,
                      "gateways end an answer after their default time, 15 s in Envoy's",
                      "add timeouts: {request: 0s, backendRequest: 0s}");
  }
}

void check_exposure(const ManifestDocument& d, const RuleContext& context) {
  const View type = d.view().at("spec.type");
  if (type.text() != "LoadBalancer") return;
  for (const PodTemplate* pod : context.set.selected(d.view().at("spec.selector"), d.namespace_name)) {
    for (const Value& item : pod->view()["containers"].items()) {
      const EngineProgram engine = engine_command(View(item));
      if (engine.kind == EngineName::kNone || engine.flag({"--api-key", "--api-key-file"})) continue;
      const auto env = View(item)["env"].items();
      if (std::any_of(env.begin(), env.end(), [](const Value& e) {
            return View(e)["name"].text().find("API_KEY") != std::string_view::npos;
          }))
        continue;
      d.reporter->add("service/public-without-key", *type,
                      "the engine is open to everyone who reaches the load balancer",
                      "start it with an API key from a Secret, or put a gateway before it");
      return;
    }
  }
}

}  // namespace

void check_services(const RuleContext& context) {
  for (const ManifestDocument& d : context.set.documents) {
    if (d.is("", "Service")) {
      check_service_selector(d, context);
      check_whole_group(d, context);
      check_engine_service(d, context);
      check_exposure(d, context);
      if (const ManifestDocument* group = context.set.find("LeaderWorkerSet", d.name, d.namespace_name);
          group != nullptr)
        d.reporter->add("service/name-of-group", *d.view().at("metadata.name"),
                        "LeaderWorkerSet makes a headless Service of its own name, " + d.name,
                        "give this Service another name");
    }
    if (d.is("networking.k8s.io", "Ingress")) check_ingress_practice(d, context);
    if (d.is("route.openshift.io", "Route")) check_route_practice(d, context);
    if (d.is("gateway.networking.k8s.io", "HTTPRoute")) check_http_route_practice(d, context);
  }
}

}  // namespace hadal
