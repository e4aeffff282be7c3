// SGLang's router in front of prefill and decode: it finds their leaders by label, so either side can grow.
#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"
#include "deploy/render/parts.h"
#include "deploy/render/pod.h"

namespace hadal {
namespace {

constexpr int64_t kRouterMetricsPort = 29000;

void add_rights(const RenderContext& c, const std::string& name, RenderResult& out) {
  add_object(
      out, obj({{"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", c.metadata(name, "router")}}),
      0);
  add_object(out,
             obj({{"apiVersion", "rbac.authorization.k8s.io/v1"},
                  {"kind", "Role"},
                  {"metadata", c.metadata(name, "router")},
                  {"rules", arr({obj({{"apiGroups", arr({""})},
                                      {"resources", arr({"pods"})},
                                      {"verbs", arr({"get", "list", "watch"})}})})}}),
             0, "The router watches the pods of this namespace to find prefill and decode.");
  add_object(
      out,
      obj({{"apiVersion", "rbac.authorization.k8s.io/v1"},
           {"kind", "RoleBinding"},
           {"metadata", c.metadata(name, "router")},
           {"roleRef", obj({{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "Role"}, {"name", name}})},
           {"subjects", arr({obj({{"kind", "ServiceAccount"}, {"name", name}, {"namespace", c.spec.ns}})})}}),
      0);
}

void add_selector(const RenderContext& c, const RoleContext& role, JsonArray& args) {
  args.emplace_back("--" + role.component + "-selector");
  const Json labels = c.selector(role.component);
  for (const auto& [key, value] : labels.as_object()) args.emplace_back(key + "=" + value.as_string());
  if (role.is_group()) args.emplace_back("leaderworkerset.sigs.k8s.io/worker-index=0");
}

Json router_container(const RenderContext& c) {
  JsonArray args{"-m",
                 "sglang_router.launch_router",
                 "--pd-disaggregation",
                 "--service-discovery",
                 "--service-discovery-namespace",
                 c.spec.ns,
                 "--service-discovery-port",
                 std::to_string(c.port)};
  for (const RoleContext& role : c.roles) add_selector(c, role, args);
  for (const std::string& word :
       {std::string("--host"), std::string("0.0.0.0"), std::string("--port"), std::to_string(c.port),
        std::string("--prometheus-host"), std::string("0.0.0.0"), std::string("--prometheus-port"),
        std::to_string(kRouterMetricsPort), std::string("--request-timeout-secs"),
        std::to_string(c.time.longest_request)})
    args.emplace_back(word);
  JsonArray env = cache_env(c);
  if (!c.spec.api_key.secret.empty()) {
    args.emplace_back("--api-key");
    args.emplace_back("$(API_KEY)");
    env.insert(env.begin(), env_secret("API_KEY", c.spec.api_key.secret, c.spec.api_key.key));
  }
  const auto check = [](std::string_view path, int64_t failures) {
    return obj({{"httpGet", obj({{"path", path}, {"port", "http"}})},
                {"periodSeconds", 10},
                {"timeoutSeconds", 5},
                {"failureThreshold", failures}});
  };
  return obj(
      {{"name", "router"},
       {"image", c.router_image},
       {"imagePullPolicy", c.spec.engine.pull_policy},
       {"command", arr({"python3"})},
       {"args", Json(std::move(args))},
       {"env", Json(std::move(env))},
       {"ports",
        arr({obj({{"name", "http"}, {"containerPort", c.port}, {"protocol", "TCP"}}),
             obj({{"name", "metrics"}, {"containerPort", kRouterMetricsPort}, {"protocol", "TCP"}})})},
       {"resources",
        obj({{"requests", obj({{"cpu", "2"}, {"memory", "4Gi"}})}, {"limits", obj({{"memory", "4Gi"}})}})},
       {"securityContext", container_security(c)},
       {"startupProbe", check("/liveness", 30)},
       {"readinessProbe", check("/readiness", 2)},
       {"livenessProbe", check("/liveness", 6)},
       {"lifecycle",
        obj({{"preStop",
              obj({{"exec",
                    obj({{"command", arr({"sleep", std::to_string(c.spec.timing.endpoint_delay)})}})}})}})},
       {"volumeMounts", arr({cache_mount()})},
       {"terminationMessagePolicy", "FallbackToLogsOnError"}});
}

}  // namespace

void render_router(const RenderContext& c, RenderResult& out) {
  if (!c.split || c.profile == ProfileKind::kDynamo || c.profile == ProfileKind::kKserve) return;
  const std::string name = c.spec.name + "-router";
  add_rights(c, name, out);
  Json pod;
  add_pod_basics(c, pod);
  pod.set("serviceAccountName", name);
  put_why(pod, "automountServiceAccountToken", true,
          "The router asks the API server for pods; nothing else here does.");
  pod.set("terminationGracePeriodSeconds", c.time.grace);
  pod.set("containers", arr({router_container(c)}));
  pod.set("volumes", arr({cache_volume(c)}));
  Json spec = obj({{"replicas", 1}, {"selector", obj({{"matchLabels", c.selector("router")}})}});
  spec.set("template", obj({{"metadata", obj({{"labels", c.labels("router")}})}, {"spec", std::move(pod)}}));
  add_object(out,
             obj({{"apiVersion", "apps/v1"},
                  {"kind", "Deployment"},
                  {"metadata", c.metadata(name, "router")},
                  {"spec", std::move(spec)}}),
             3);
}

}  // namespace hadal
