// How clients reach the API: one choice, made right for answers that stream for minutes.
#include <algorithm>

#include "deploy/render/engine.h"
#include "deploy/render/ingress.h"
#include "deploy/render/json_build.h"
#include "deploy/render/parts.h"

namespace hadal {
namespace {

// Longer than any answer: gateways cut streams at 15 s (Envoy), 30 s (OpenShift's router) and 60 s (nginx).
int64_t stream_seconds(const RenderContext& c) {
  return std::max<int64_t>(3600, c.time.longest_request * 2);
}

Json exposure_annotations(const RenderContext& c, StringPairs own) {
  Json out = map_json(c.spec.exposure.annotations);
  merge_missing(out, map_json(own));
  return out;
}

void add_service(const RenderContext& c, RenderResult& out) {
  const ExposureSpec& exposure = c.spec.exposure;
  const bool balancer = exposure.type == "LoadBalancer", node_port = exposure.type == "NodePort";
  Json metadata = c.metadata(c.api_service, api_component(c));
  if (balancer || node_port || exposure.type == "ClusterIP")
    put(metadata, "annotations", exposure_annotations(c, {}));
  Json port = obj({{"name", "http"},
                   {"port", c.service_port},
                   {"targetPort", "http"},
                   {"protocol", "TCP"},
                   {"appProtocol", "http"}});
  if (node_port && exposure.node_port > 0) port.set("nodePort", exposure.node_port);
  Json spec = obj({{"type", balancer ? "LoadBalancer" : node_port ? "NodePort" : "ClusterIP"}});
  put_why(spec, "selector", api_selector(c),
          c.uses_lws() && !c.split
              ? "Leaders alone: they serve. The LeaderWorkerSet's own headless Service, which has its "
                "name, leads to workers too."
              : "The pods that serve.");
  spec.set("ports", arr({std::move(port)}));
  if (balancer) {
    spec.set("externalTrafficPolicy", "Local");
    put(spec, "loadBalancerClass", exposure.class_name);
    JsonArray ranges(exposure.source_ranges.begin(), exposure.source_ranges.end());
    put(spec, "loadBalancerSourceRanges", Json(std::move(ranges)));
  }
  add_object(out,
             obj({{"apiVersion", "v1"},
                  {"kind", "Service"},
                  {"metadata", std::move(metadata)},
                  {"spec", std::move(spec)}}),
             4);
}

void add_ingress(const RenderContext& c, RenderResult& out) {
  const ExposureSpec& exposure = c.spec.exposure;
  const IngressAnnotations own =
      ingress_annotations(c, exposure.class_name, stream_seconds(c), ready_path(c.engine));
  Json metadata = c.metadata(c.spec.name, "route");
  if (Json all = exposure_annotations(c, own.pairs); all.is_object() && !all.as_object().empty())
    put_why(metadata, "annotations", std::move(all), own.why);
  Json backend = obj({{"service", obj({{"name", c.api_service}, {"port", obj({{"name", "http"}})}})}});
  Json rule;
  put(rule, "host", exposure.host);
  rule.set("http", obj({{"paths", arr({obj({{"path", exposure.path},
                                            {"pathType", "Prefix"},
                                            {"backend", std::move(backend)}})})}}));
  Json spec;
  put(spec, "ingressClassName", exposure.class_name);
  if (!exposure.tls.secret.empty())
    spec.set("tls", arr({obj({{"hosts", arr({exposure.host})}, {"secretName", exposure.tls.secret}})}));
  spec.set("rules", arr({std::move(rule)}));
  add_object(out,
             obj({{"apiVersion", "networking.k8s.io/v1"},
                  {"kind", "Ingress"},
                  {"metadata", std::move(metadata)},
                  {"spec", std::move(spec)}}),
             4);
}

void add_gateway(const RenderContext& c, RenderResult& out) {
  const ExposureSpec& exposure = c.spec.exposure;
  const bool tls = !exposure.tls.secret.empty();
  const std::string section =
      exposure.gateway.section.empty() ? (tls ? "https" : "http") : exposure.gateway.section;
  Json listener = obj({{"name", section}, {"port", tls ? 443 : 80}, {"protocol", tls ? "HTTPS" : "HTTP"}});
  put(listener, "hostname", exposure.host);
  if (tls)
    listener.set("tls", obj({{"mode", "Terminate"},
                             {"certificateRefs", arr({obj({{"name", exposure.tls.secret}})})}}));
  listener.set("allowedRoutes", obj({{"namespaces", obj({{"from", "Same"}})}}));
  Json metadata = c.shared_metadata(exposure.gateway.name);
  metadata.set("namespace", c.spec.ns);
  add_object(out,
             obj({{"apiVersion", "gateway.networking.k8s.io/v1"},
                  {"kind", "Gateway"},
                  {"metadata", std::move(metadata)},
                  {"spec", obj({{"gatewayClassName", exposure.gateway.class_name},
                                {"listeners", arr({std::move(listener)})}})}}),
             4);
}

void add_http_route(const RenderContext& c, RenderResult& out) {
  const ExposureSpec& exposure = c.spec.exposure;
  Json parent =
      obj({{"group", "gateway.networking.k8s.io"}, {"kind", "Gateway"}, {"name", exposure.gateway.name}});
  put(parent, "namespace", exposure.gateway.ns);
  if (exposure.gateway.create) {
    parent.set("sectionName", exposure.gateway.section.empty()
                                  ? (exposure.tls.secret.empty() ? "http" : "https")
                                  : exposure.gateway.section);
  } else {
    put(parent, "sectionName", exposure.gateway.section);
  }
  Json backend =
      exposure.type == "InferencePool"
          ? obj({{"group", "inference.networking.k8s.io"}, {"kind", "InferencePool"}, {"name", c.spec.name}})
          : obj({{"name", c.api_service}, {"port", c.service_port}});
  Json rule =
      obj({{"matches", arr({obj({{"path", obj({{"type", "PathPrefix"}, {"value", exposure.path}})}})})}});
  put_why(rule, "timeouts", obj({{"request", "0s"}, {"backendRequest", "0s"}}),
          "No limit: Envoy would else cut an answer after 15 s.");
  rule.set("backendRefs", arr({std::move(backend)}));
  Json spec = obj({{"parentRefs", arr({std::move(parent)})}});
  if (!exposure.host.empty()) spec.set("hostnames", arr({exposure.host}));
  spec.set("rules", arr({std::move(rule)}));
  Json metadata = c.metadata(c.spec.name, "route");
  put(metadata, "annotations", exposure_annotations(c, {}));
  add_object(out,
             obj({{"apiVersion", "gateway.networking.k8s.io/v1"},
                  {"kind", "HTTPRoute"},
                  {"metadata", std::move(metadata)},
                  {"spec", std::move(spec)}}),
             4);
}

void add_route(const RenderContext& c, RenderResult& out) {
  const ExposureSpec& exposure = c.spec.exposure;
  Json metadata = c.metadata(c.spec.name, "route");
  put_why(metadata, "annotations",
          exposure_annotations(
              c, {{"haproxy.router.openshift.io/timeout", std::to_string(stream_seconds(c)) + "s"}}),
          "The router would else cut an answer after 30 s.");
  Json spec;
  put(spec, "host", exposure.host);
  spec.set("to", obj({{"kind", "Service"}, {"name", c.api_service}, {"weight", 100}}));
  spec.set("port", obj({{"targetPort", "http"}}));
  if (exposure.tls.termination != "none") {
    Json tls =
        obj({{"termination", exposure.tls.termination}, {"insecureEdgeTerminationPolicy", "Redirect"}});
    if (!exposure.tls.secret.empty()) tls.set("externalCertificate", obj({{"name", exposure.tls.secret}}));
    spec.set("tls", std::move(tls));
  }
  add_object(out,
             obj({{"apiVersion", "route.openshift.io/v1"},
                  {"kind", "Route"},
                  {"metadata", std::move(metadata)},
                  {"spec", std::move(spec)}}),
             4);
}

void add_inference_pool(const RenderContext& c, RenderResult& out) {
  const ExposureSpec& exposure = c.spec.exposure;
  const std::string picker = exposure.picker.empty() ? c.spec.name + "-epp" : exposure.picker;
  Json spec;
  spec.set("selector", obj({{"matchLabels", api_selector(c)}}));
  spec.set("targetPorts", arr({obj({{"number", c.port}})}));
  put_why(spec, "endpointPickerRef",
          obj({{"kind", "Service"},
               {"name", picker},
               {"port", obj({{"number", exposure.picker_port}})},
               {"failureMode", exposure.picker_failure_mode}}),
          "The endpoint picker's own Service: it is installed with the gateway, not here.");
  add_object(out,
             obj({{"apiVersion", "inference.networking.k8s.io/v1"},
                  {"kind", "InferencePool"},
                  {"metadata", c.metadata(c.spec.name, "route")},
                  {"spec", std::move(spec)}}),
             4);
}

}  // namespace

std::string_view api_component(const RenderContext& c) {
  if (c.profile == ProfileKind::kDynamo) return "frontend";
  if (!c.split) return "server";
  return c.llm_service ? "decode" : "router";
}

Json api_selector(const RenderContext& c) {
  Json out = c.selector(api_component(c));
  if (c.profile != ProfileKind::kDynamo && !c.split && c.role().is_group())
    out.set("leaderworkerset.sigs.k8s.io/worker-index", "0");
  return out;
}

void render_services(const RenderContext& c, RenderResult& out) {
  const ExposureSpec& exposure = c.spec.exposure;
  add_service(c, out);
  if (exposure.type == "Ingress") add_ingress(c, out);
  if (exposure.type == "Route") add_route(c, out);
  if (exposure.type == "InferencePool") add_inference_pool(c, out);
  if (exposure.type == "Gateway" || (exposure.type == "InferencePool" && !exposure.gateway.name.empty())) {
    if (exposure.gateway.create) add_gateway(c, out);
    add_http_route(c, out);
  }
}

}  // namespace hadal
