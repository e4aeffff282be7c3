// KServe: ServingRuntime and InferenceService for one host, LLMInferenceService for groups and
// prefill/decode. The pods come from the same template as everywhere.
#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"
#include "deploy/render/parts.h"
#include "deploy/render/pod.h"

namespace hadal {
namespace {

Json& pod_spec_of(Json& pod) {
  for (auto& [key, value] : pod.as_object()) {
    if (key == "spec") return value;
  }
  return pod;
}

// Takes the one container out of a pod's spec.
Json take_container(Json& spec) {
  Json out;
  JsonObject& members = spec.as_object();
  for (auto it = members.begin(); it != members.end(); ++it) {
    if (it->first != "containers") continue;
    out = it->second.as_array().front();
    members.erase(it);
    break;
  }
  return out;
}

void add_serving_runtime(const RenderContext& c, Json container, RenderResult& out) {
  Json spec;
  spec.set("annotations", obj({{"prometheus.io/path", std::string(engine_traits(c.engine).metrics_path)},
                               {"prometheus.io/port", std::to_string(c.port)}}));
  spec.set("supportedModelFormats",
           arr({obj({{"name", "DeepSeek"}, {"version", "1"}, {"autoSelect", true}, {"priority", 1}})}));
  spec.set("multiModel", false);
  spec.set("containers", arr({std::move(container)}));
  Json metadata = c.metadata(c.spec.name, "server");
  metadata.set("annotations",
               obj({{"openshift.io/display-name", c.spec.name + " (" + c.spec.engine.name + ")"}}));
  Json labels = *metadata.find("labels");
  labels.set("opendatahub.io/dashboard", "true");
  metadata.set("labels", std::move(labels));
  add_object(out,
             obj({{"apiVersion", "serving.kserve.io/v1alpha1"},
                  {"kind", "ServingRuntime"},
                  {"metadata", std::move(metadata)},
                  {"spec", std::move(spec)}}),
             1);
}

void add_inference_service(const RenderContext& c, RenderResult& out) {
  const RoleContext& role = c.role();
  Json pod = pod_template(c, role, "kserve-container");
  Json predictor = pod_spec_of(pod);
  add_serving_runtime(c, take_container(predictor), out);
  const bool scaled = c.spec.autoscaling.type != "none";
  predictor.set("labels", c.labels(role.component));
  if (const Json* annotations = pod.find("metadata")->find("annotations"); annotations != nullptr)
    predictor.set("annotations", *annotations);
  predictor.set("minReplicas", role.replicas);
  if (!scaled) predictor.set("maxReplicas", std::max<int64_t>(1, role.replicas));
  predictor.set("timeout", std::max<int64_t>(3600, c.time.longest_request * 2));
  if (role.replicas <= 1) predictor.set("deploymentStrategy", obj({{"type", "Recreate"}}));
  Json model = obj({{"modelFormat", obj({{"name", "DeepSeek"}})}, {"runtime", c.spec.name}});
  put(model, "storageUri", c.model_uri);
  predictor.set("model", std::move(model));
  Json metadata = c.metadata(c.spec.name, "server");
  metadata.set("annotations", obj({{"serving.kserve.io/deploymentMode", "RawDeployment"},
                                   {"serving.kserve.io/autoscalerClass", scaled ? "external" : "none"}}));
  add_object(out,
             obj({{"apiVersion", "serving.kserve.io/v1beta1"},
                  {"kind", "InferenceService"},
                  {"metadata", std::move(metadata)},
                  {"spec", obj({{"predictor", std::move(predictor)}})}}),
             3, "A plain Deployment made by KServe: no scale to zero, since loading takes minutes.");
}

Json parallelism_of(const RenderContext& c, const RoleContext& role) {
  Json out;
  if (role.dp > 1 && c.engine == EngineKind::kVllm && role.dp % role.nodes == 0) {
    out.set("data", role.dp);
    out.set("dataLocal", role.dp / role.nodes);
    out.set("expert", role.ep > 1);
    out.set("tensor", role.tp);
    return out;
  }
  if (role.is_group()) {
    put_why(out, "data", role.nodes,
            "data / dataLocal is how many hosts KServe gives an instance (it has no template for pipeline); "
            "how the ranks share the model is in the arguments.");
    out.set("dataLocal", 1);
  }
  out.set("tensor", std::max<int64_t>(1, role.gpus_per_node));
  return out;
}

// template, worker, replicas, parallelism, labels of the service or of its prefill.
void add_role_spec(const RenderContext& c, const RoleContext& role, Json& spec) {
  Json pod = pod_template(c, role, "main");
  spec.set("replicas", role.replicas);
  spec.set("parallelism", parallelism_of(c, role));
  spec.set("labels", c.labels(role.component));
  const Json pod_spec = pod_spec_of(pod);
  spec.set("template", pod_spec);
  if (role.is_group()) {
    Json worker = pod_spec;
    for (auto& [key, value] : worker.as_object()) {
      if (key == "containers") add_worker_probes(c, role, value.as_array().front());
    }
    put_why(spec, "worker", std::move(worker),
            "The template but for its probes: KServe's own template has httpGet for the leader alone.");
  }
}

void add_llm_service(const RenderContext& c, RenderResult& out) {
  Json spec;
  spec.set("model", obj({{"uri", c.model_uri}, {"name", c.served_name}}));
  add_role_spec(c, c.roles.back(), spec);  // decode, or the one role
  if (c.split) {
    Json prefill;
    add_role_spec(c, c.roles.front(), prefill);
    spec.set("prefill", std::move(prefill));
  }
  const std::string& type = c.spec.exposure.type;
  if (c.split || type == "InferencePool")
    put_why(spec, "router",
            obj({{"gateway", Json(JsonObject{})},
                 {"route", Json(JsonObject{})},
                 {"scheduler", Json(JsonObject{})}}),
            "KServe's own gateway, route and scheduler.");
  add_object(out,
             obj({{"apiVersion", "serving.kserve.io/v1alpha2"},
                  {"kind", "LLMInferenceService"},
                  {"metadata", c.metadata(c.spec.name, "server")},
                  {"spec", std::move(spec)}}),
             3);
}

}  // namespace

void render_kserve(const RenderContext& c, RenderResult& out) {
  if (c.llm_service) {
    add_llm_service(c, out);
  } else {
    add_inference_service(c, out);
  }
}

}  // namespace hadal
