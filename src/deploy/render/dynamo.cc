// NVIDIA Dynamo: a DynamoGraphDeployment (v1beta1, Dynamo 1.2 and newer) with a frontend and workers whose
// pods come from the same template as everywhere.
#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"
#include "deploy/render/parts.h"
#include "deploy/render/pod.h"
#include "deploy/render/resources.h"

namespace hadal {
namespace {

Json frontend(const RenderContext& c) {
  Json container = obj(
      {{"name", "main"},
       {"image", c.image},
       {"imagePullPolicy", c.spec.engine.pull_policy},
       {"command", arr({"python3", "-m", "dynamo.frontend"})},
       {"args", arr({"--http-port", std::to_string(c.port)})},
       {"env", Json(cache_env(c))},
       {"ports", arr({obj({{"name", "http"}, {"containerPort", c.port}, {"protocol", "TCP"}})})},
       {"resources",
        obj({{"requests", obj({{"cpu", "4"}, {"memory", "8Gi"}})}, {"limits", obj({{"memory", "8Gi"}})}})},
       {"securityContext", container_security(c)},
       {"volumeMounts", arr({model_mount(c, false), cache_mount()})}});
  // lib/llm/src/http/service/service_v2.rs: at SIGTERM the frontend calls itself not ready, takes requests
  // for DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS more (5), and then waits for the open ones without a limit.
  put_why(
      container, "lifecycle", obj({{"preStop", stop_after_delay(c)}}),
      "The frontend still answers while the routers learn that it goes: after SIGTERM it takes requests for "
      "5 s alone, and then ends when the open ones have.");
  Json spec;
  add_pod_basics(c, spec);
  drop_account(spec);
  spec.set("terminationGracePeriodSeconds", c.time.grace);
  spec.set("containers", arr({std::move(container)}));
  spec.set("volumes", arr({model_volume(c, false), cache_volume(c)}));
  return obj({{"name", "Frontend"},
              {"type", "frontend"},
              {"replicas", 1},
              {"podTemplate",
               obj({{"metadata", obj({{"labels", c.labels("frontend")}})}, {"spec", std::move(spec)}})}});
}

Json worker(const RenderContext& c, const RoleContext& role) {
  Json out = obj({{"name", role.kind == RoleKind::kServer ? "worker" : role.component},
                  {"type", role.kind == RoleKind::kServer ? "worker" : role.component},
                  {"replicas", role.replicas}});
  if (role.is_group()) out.set("multinode", obj({{"nodeCount", role.nodes}}));
  out.set("sharedMemorySize", quantity_text(shm_bytes(c, role)));
  out.set("podTemplate", pod_template(c, role, "main"));
  return out;
}

}  // namespace

void render_dynamo(const RenderContext& c, RenderResult& out) {
  JsonArray components{frontend(c)};
  for (const RoleContext& role : c.roles) components.push_back(worker(c, role));
  Json spec = obj({{"backendFramework", c.spec.engine.name}});
  put_why(spec, "components", Json(std::move(components)),
          "Frontend and workers mount the same model: nothing is fetched twice.");
  add_object(out,
             obj({{"apiVersion", "nvidia.com/v1beta1"},
                  {"kind", "DynamoGraphDeployment"},
                  {"metadata", c.metadata(c.spec.name, "server")},
                  {"spec", std::move(spec)}}),
             3);
}

}  // namespace hadal
