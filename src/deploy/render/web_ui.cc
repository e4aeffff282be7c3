// Open WebUI in front of the API.
#include "deploy/render/engine.h"
#include "deploy/render/ingress.h"
#include "deploy/render/json_build.h"
#include "deploy/render/parts.h"
#include "deploy/render/pod.h"

namespace hadal {
namespace {

constexpr int64_t kPort = kWebUiPort;
constexpr std::string_view kData = "/app/backend/data";
constexpr std::string_view kImage = "ghcr.io/open-webui/open-webui:v0.6.36";

Json web_container(const RenderContext& c) {
  JsonArray env;
  env.push_back(env_value("OPENAI_API_BASE_URL",
                          "http://" + c.api_service + ":" + std::to_string(c.service_port) + "/v1"));
  if (!c.spec.api_key.secret.empty())
    env.push_back(env_secret("OPENAI_API_KEY", c.spec.api_key.secret, c.spec.api_key.key));
  env.push_back(env_value("ENABLE_OLLAMA_API", "False"));
  env.push_back(env_value("HOME", kData));
  // Sessions outlive a restart; the default place is not writable for other users.
  env.push_back(env_value("WEBUI_SECRET_KEY_FILE", std::string(kData) + "/.webui_secret_key"));
  const auto check = [](int64_t failures) {
    return obj({{"httpGet", obj({{"path", "/health"}, {"port", "http"}})},
                {"periodSeconds", 10},
                {"timeoutSeconds", 5},
                {"failureThreshold", failures}});
  };
  const std::string image = c.spec.web_ui.image.empty() ? std::string(kImage) : c.spec.web_ui.image;
  return obj({{"name", "open-webui"},
              {"image", c.mirrored(image)},
              {"imagePullPolicy", "IfNotPresent"},
              {"env", Json(std::move(env))},
              {"ports", arr({obj({{"name", "http"}, {"containerPort", kPort}, {"protocol", "TCP"}})})},
              {"resources", obj({{"requests", obj({{"cpu", "500m"}, {"memory", "1Gi"}})},
                                 {"limits", obj({{"memory", "2Gi"}})}})},
              {"securityContext", container_security(c)},
              {"startupProbe", check(60)},
              {"readinessProbe", check(3)},
              {"livenessProbe", check(6)},
              {"volumeMounts", arr({obj({{"name", "data"}, {"mountPath", kData}})})}});
}

void add_entry(const RenderContext& c, const std::string& name, RenderResult& out) {
  const WebUiSpec& ui = c.spec.web_ui;
  if (ui.host.empty()) return;
  if (c.profile == ProfileKind::kOpenshift) {
    add_object(out,
               obj({{"apiVersion", "route.openshift.io/v1"},
                    {"kind", "Route"},
                    {"metadata", c.metadata(name, "open-webui")},
                    {"spec", obj({{"host", ui.host},
                                  {"to", obj({{"kind", "Service"}, {"name", name}, {"weight", 100}})},
                                  {"port", obj({{"targetPort", "http"}})},
                                  {"tls", obj({{"termination", "edge"},
                                               {"insecureEdgeTerminationPolicy", "Redirect"}})}})}}),
               4);
    return;
  }
  Json spec;
  put(spec, "ingressClassName", ui.class_name);
  if (!ui.tls_secret.empty())
    spec.set("tls", arr({obj({{"hosts", arr({ui.host})}, {"secretName", ui.tls_secret}})}));
  const Json backend = obj({{"service", obj({{"name", name}, {"port", obj({{"name", "http"}})}})}});
  spec.set(
      "rules",
      arr({obj(
          {{"host", ui.host},
           {"http",
            obj({{"paths", arr({obj({{"path", "/"}, {"pathType", "Prefix"}, {"backend", backend}})})}})}})}));
  Json metadata = c.metadata(name, "open-webui");
  const IngressAnnotations own = ingress_annotations(c, ui.class_name, 3600, "/health");
  if (!own.pairs.empty()) put_why(metadata, "annotations", map_json(own.pairs), own.why);
  add_object(out,
             obj({{"apiVersion", "networking.k8s.io/v1"},
                  {"kind", "Ingress"},
                  {"metadata", std::move(metadata)},
                  {"spec", std::move(spec)}}),
             4);
}

}  // namespace

void render_web_ui(const RenderContext& c, RenderResult& out) {
  if (!c.spec.web_ui.enabled) return;
  const std::string name = c.spec.name + "-open-webui";
  Json claim = obj({{"accessModes", arr({"ReadWriteOnce"})},
                    {"resources", obj({{"requests", obj({{"storage", c.spec.web_ui.size}})}})}});
  put(claim, "storageClassName", c.spec.web_ui.storage_class);
  add_object(out,
             obj({{"apiVersion", "v1"},
                  {"kind", "PersistentVolumeClaim"},
                  {"metadata", c.metadata(name, "open-webui")},
                  {"spec", std::move(claim)}}),
             1);
  Json pod;
  add_pod_basics(c, pod);
  pod.set("containers", arr({web_container(c)}));
  pod.set("volumes", arr({obj({{"name", "data"}, {"persistentVolumeClaim", obj({{"claimName", name}})}})}));
  Json spec = obj({{"replicas", 1},
                   {"strategy", obj({{"type", "Recreate"}})},
                   {"selector", obj({{"matchLabels", c.selector("open-webui")}})}});
  spec.set("template",
           obj({{"metadata", obj({{"labels", c.labels("open-webui")}})}, {"spec", std::move(pod)}}));
  add_object(out,
             obj({{"apiVersion", "apps/v1"},
                  {"kind", "Deployment"},
                  {"metadata", c.metadata(name, "open-webui")},
                  {"spec", std::move(spec)}}),
             5);
  add_object(out,
             obj({{"apiVersion", "v1"},
                  {"kind", "Service"},
                  {"metadata", c.metadata(name, "open-webui")},
                  {"spec", obj({{"type", "ClusterIP"},
                                {"selector", c.selector("open-webui")},
                                {"ports", arr({obj({{"name", "http"},
                                                    {"port", kPort},
                                                    {"targetPort", "http"},
                                                    {"protocol", "TCP"}})})}})}}),
             5);
  add_entry(c, name, out);
}

}  // namespace hadal
