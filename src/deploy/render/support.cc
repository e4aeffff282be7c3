// What the engines, profiles and versions cannot do, said before anything is rendered.
#include <cmath>

#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"
#include "deploy/render/parts.h"
#include "deploy/render/resolve.h"
#include "deploy/spec_check.h"
#include "deploy/spec_table.h"
#include "plan/fit.h"

namespace hadal {
namespace {

constexpr size_t kMaxLwsName = 51;  // LWS adds group, worker and hash to it

template <typename... Words>
Status unsupported(const DeploySpec& spec, std::string_view field, const Words&... words) {
  return make_error(ErrorCode::kUnsupported, spec.place(field), ": ", words...);
}

Status check_engine(const DeploySpec& spec, RenderContext& c) {
  if (c.engine != EngineKind::kHadal && !c.on_gpus())
    return unsupported(spec, "engine", "engine ", spec.engine.name,
                       " needs gpus here: set gpus, or use engine hadal, which serves on CPUs");
  if (c.engine == EngineKind::kHadal) {
    if (c.split)
      return unsupported(spec, "topology",
                         "hadal has no separate prefill and decode in this version: use engine sglang");
    if (spec.engine.pp > 1 || spec.engine.dp > 1 || spec.engine.ep > 1)
      return unsupported(spec, "engine",
                         "hadal has tensor parallelism alone in this version: leave pipelineParallel, "
                         "dataParallel and expertParallel out, or use engine sglang");
    if (spec.engine.memory_fraction > 0)
      return unsupported(spec, "engine.memoryFraction",
                         "hadal chooses its memory itself: leave memoryFraction out");
    if (c.on_gpus())
      c.warn("engine", "hadal-gpu", "hadal computes on the CPU in this version: its GPUs would idle",
             "use engine sglang or vllm on GPUs, or leave gpus out");
  }
  const bool dynamo = c.profile == ProfileKind::kDynamo;
  for (const RoleContext& role : c.roles) {
    if (c.engine == EngineKind::kVllm && role.dp > 1 && role.dp % role.nodes != 0)
      return unsupported(spec, "engine.dataParallel", "vLLM spreads its ", role.dp,
                         " groups evenly over the ", role.nodes, " hosts: choose a multiple");
  }
  if (c.engine == EngineKind::kTrtllm && !dynamo && c.any_group())
    return unsupported(spec, "engine",
                       "TensorRT-LLM starts several hosts through MPI and ssh, which only profile dynamo "
                       "sets up: use profile dynamo, one host, or engine sglang or vllm");
  const bool vllm_split_ok = c.engine == EngineKind::kVllm && c.profile == ProfileKind::kKserve;
  if (c.split && !dynamo && c.engine != EngineKind::kSglang && !vllm_split_ok)
    return unsupported(spec, "topology", "prefill-decode of ", spec.engine.name,
                       " needs a router that only profile dynamo ",
                       c.engine == EngineKind::kVllm ? "or kserve " : "", "brings: use it, or engine sglang");
  if (!spec.api_key.secret.empty() && (dynamo || !engine_traits(c.engine).checks_api_key))
    return unsupported(spec, "apiKey", dynamo ? "Dynamo's frontend" : "trtllm-serve",
                       " checks no API key: leave apiKey out and let the gateway in front authenticate");
  if (c.engine != EngineKind::kHadal && c.gpu_resource.starts_with("amd.com/") && spec.engine.image.empty())
    return unsupported(spec, "engine", "the default images are built for NVIDIA: set engine.image to ",
                       spec.engine.name, "'s ROCm image");
  if (c.engine != EngineKind::kHadal && (spec.model.kv_dtype == "f16" || spec.model.kv_dtype == "f32"))
    return unsupported(spec, "model.kvDtype", spec.engine.name, " has KV of type auto, bf16 and fp8");
  return {};
}

Status check_profile(const DeploySpec& spec, const RenderContext& c) {
  if (c.profile == ProfileKind::kDynamo) {
    if (!version_at_least(spec.versions.dynamo, "1.2"))
      return unsupported(spec, "versions.dynamo", "DynamoGraphDeployment v1beta1 is in Dynamo from 1.2");
    if (c.engine == EngineKind::kHadal)
      return unsupported(spec, "profile",
                         "Dynamo runs sglang, vllm and trtllm: set engine, or use profile plain");
    if (spec.exposure.type == "InferencePool")
      return unsupported(spec, "exposure",
                         "Dynamo's frontend routes itself: use ClusterIP, Ingress or Gateway");
    if (c.storage_type == "pvc-per-node")
      return unsupported(spec, "storage.type", "Dynamo's pods take one claim: use pvc, host-path or oci");
  }
  if (c.profile == ProfileKind::kKserve) {
    if (c.llm_service && c.engine == EngineKind::kTrtllm)
      return unsupported(
          spec, "engine",
          "trtllm cannot be a group under KServe: use engine vllm or sglang, or profile dynamo");
    if (c.split && c.engine != EngineKind::kVllm)
      return unsupported(spec, "topology", "KServe's prefill and decode are vLLM's: use engine vllm");
    if (!c.llm_service && (c.any_group() || c.split))
      return unsupported(spec, "kserve.api", "an InferenceService is one host here: use LLMInferenceService");
    if (c.llm_service && !version_at_least(spec.versions.kserve, "0.17"))
      return unsupported(spec, "versions.kserve",
                         "LLMInferenceService v1alpha2 is in KServe from 0.17: raise versions.kserve, "
                         "or use profile plain");
    if (c.llm_service && c.storage_type == "host-path")
      return unsupported(spec, "storage.type",
                         "an LLMInferenceService names its model by URI: use pvc, s3 or oci");
    if (c.storage_type == "pvc-per-node")
      return unsupported(spec, "storage.type", "KServe's pods take one claim: use pvc, s3, oci or host-path");
    if (c.llm_service && spec.autoscaling.type != "none")
      return unsupported(spec, "autoscaling",
                         "KServe scales an LLMInferenceService itself (spec.scaling): leave autoscaling out");
  }
  if (spec.exposure.type == "Route" && c.profile != ProfileKind::kOpenshift)
    return unsupported(spec, "exposure",
                       "a Route is OpenShift's: use profile openshift, or Ingress or Gateway");
  return {};
}

Status check_network(const DeploySpec& spec, const RenderContext& c) {
  if (spec.network.type == "host" && spec.network.interface.empty() && (c.any_group() || c.split))
    return invalid_argument(
        spec.place("network"),
        ": on the host's network the interface must be said: network.interface, as ens3 (ip "
        "-br addr lists them)");
  return {};
}

Status check_versions(const DeploySpec& spec, RenderContext& c) {
  const VersionsSpec& versions = spec.versions;
  if (!version_at_least(versions.kubernetes, "1.28"))
    return unsupported(spec, "versions.kubernetes", "Kubernetes ", versions.kubernetes,
                       " is too old: 1.28 or newer");
  if (c.storage_type == "oci" && c.model_uri.empty()) {
    if (!version_at_least(versions.kubernetes, "1.31"))
      return unsupported(spec, "storage.type",
                         "Kubernetes has image volumes from 1.31: use pvc, s3 or host-path");
    if (!version_at_least(versions.kubernetes, "1.35"))
      c.warn("storage.type", "image-volume",
             "image volumes need the feature gate ImageVolume before Kubernetes 1.35, in the API "
             "server and on the nodes",
             "check the gate, or use pvc");
  }
  if (c.uses_lws() && !version_at_least(versions.lws, "0.4"))
    return unsupported(spec, "versions.lws", "LeaderWorkerSet ", versions.lws,
                       " does not tell pods the group's size: 0.4 or newer");
  const bool volcano = spec.scheduler.type == "volcano";
  if (volcano && c.uses_lws() && !version_at_least(versions.lws, "0.7") && (c.role().replicas > 1 || c.split))
    return unsupported(spec, "versions.lws",
                       "LeaderWorkerSet has gangs from 0.7; before, hadal makes one PodGroup, for one "
                       "instance: raise versions.lws or set replicas to 1");
  if (spec.rollout.partition > 0 && c.uses_lws() && !version_at_least(versions.lws, "0.7"))
    return unsupported(spec, "rollout.partition", "LeaderWorkerSet has partitions from 0.7");
  if (spec.exposure.type == "Gateway" && !version_at_least(versions.gateway_api, "1.1"))
    return unsupported(spec, "versions.gatewayApi",
                       "HTTPRoute timeouts, without which answers would be cut, are in "
                       "Gateway API from 1.1");
  return {};
}

Status check_storage(const DeploySpec& spec, const RenderContext& c) {
  double size = 0;
  const bool claims = c.storage_type == "pvc" || c.storage_type == "pvc-per-node";
  if (claims && spec.storage.create && c.weight_bytes > 0 && parse_quantity(spec.storage.size, size) &&
      size < c.weight_bytes * 1.02)
    return invalid_argument(spec.place("storage.size"), ": storage.size ", spec.storage.size,
                            " is less than the ", show_bytes(c.weight_bytes),
                            " of the weights and room for the rest of the download: ask for ",
                            quantity_text(std::ceil(c.weight_bytes * 1.15 / (1 << 30)) * (1 << 30)));
  if (claims && spec.storage.create && c.weight_bytes <= 0 && spec.storage.size.empty())
    return invalid_argument(
        spec.place("storage"), ": hadal does not know how large \"", spec.model.ref,
        "\" is: set storage.size, or model.size, or model.like to a model of the same shape");
  if (spec.storage.access_mode == "ReadWriteOnce" && claim_is_shared(c))
    return invalid_argument(
        spec.place("storage.accessMode"),
        ": pods on several hosts mount the claim, and with ReadWriteOnce all but those of one host stay "
        "Pending: use ReadWriteMany, storage pvc-per-node, or one pod");
  if (c.storage_type != "pvc-per-node") return {};
  if (spec.storage.access_mode == "ReadWriteMany")
    return invalid_argument(spec.place("storage.accessMode"),
                            ": pvc-per-node is a claim for each host: use storage pvc with ReadWriteMany");
  const RoleContext& role = c.role();
  const bool ready_made = !role.is_group() || (role.nodes == 2 && role.replicas == 1);
  if (spec.rollout.max_surge > 0 && ready_made)
    return unsupported(
        spec, "rollout.maxSurge",
        "a new pod beside the old one could not mount its ReadWriteOnce claim: leave maxSurge out, "
        "or use storage pvc, which is ReadWriteMany then");
  if (c.split)
    return unsupported(spec, "storage.type",
                       "pvc-per-node is for one workload: use pvc or host-path with prefill-decode");
  if (!role.is_group() && role.replicas > 1)
    return unsupported(spec, "storage.type",
                       "several instances of one host cannot have a claim each: use pvc "
                       "(ReadWriteMany), host-path, s3 or oci");
  const bool two_claims = role.nodes == 2 && role.replicas == 1;
  if (role.is_group() && !two_claims && !version_at_least(spec.versions.lws, "0.8"))
    return unsupported(spec, "storage.type",
                       "LeaderWorkerSet has claims for each rank from 0.8; before, hadal can give "
                       "claims to 2 hosts of 1 instance alone");
  return {};
}

Status check_scaling(const DeploySpec& spec, const RenderContext& c) {
  const AutoscalingSpec& scaling = spec.autoscaling;
  if (scaling.type == "none") return {};
  if (c.profile == ProfileKind::kDynamo)
    return unsupported(spec, "autoscaling", "Dynamo scales through its planner: leave autoscaling out");
  if (c.split)
    return unsupported(spec, "autoscaling",
                       "prefill and decode must scale together: use profile dynamo with its planner, or "
                       "leave autoscaling out");
  if (scaling.type == "keda" && spec.monitoring.type == "none")
    return unsupported(
        spec, "autoscaling",
        "KEDA asks Prometheus for series with the label hadal_dev_deployment, which the monitor adds: "
        "set monitoring: pod-monitor or service-monitor");
  if (engine_traits(c.engine).waiting.empty())
    return unsupported(spec, "autoscaling", spec.engine.name,
                       " exports no queue to scale by: leave autoscaling out");
  if (c.storage_type == "pvc-per-node")
    return unsupported(spec, "autoscaling",
                       "a new instance would have no filled claim: use pvc, host-path, s3 or oci");
  if (spec.scheduler.type == "volcano" && c.uses_lws() && !version_at_least(spec.versions.lws, "0.7"))
    return unsupported(spec, "autoscaling",
                       "the one PodGroup of LeaderWorkerSet before 0.7 does not grow: raise versions.lws");
  return {};
}

Status check_monitoring(const DeploySpec& spec, RenderContext& c) {
  if (c.profile == ProfileKind::kOpenshift && c.storage_type == "host-path")
    c.warn("storage.hostPath", "selinux",
           "SELinux keeps containers out of host directories that are not labelled for them",
           "on each node: semanage fcontext -a -t container_file_t '" + spec.storage.host_path +
               "(/.*)?' && mkdir -p " + spec.storage.host_path + " && restorecon -R " +
               spec.storage.host_path + " (in a MachineConfig, to last)");
  if (spec.monitoring.type == "service-monitor" && c.split && c.profile != ProfileKind::kDynamo)
    return unsupported(spec, "monitoring",
                       "the Service leads to the router alone: use pod-monitor, which sees prefill and "
                       "decode");
  return {};
}

Status check_names(const DeploySpec& spec, const RenderContext& c) {
  const size_t suffix = c.split ? sizeof "-prefill" - 1 : 0;
  if ((c.uses_lws() || c.split || c.llm_service) && spec.name.size() + suffix > kMaxLwsName)
    return invalid_argument(spec.place("name"), ": name has ", spec.name.size(),
                            " letters: LeaderWorkerSet takes at most ", kMaxLwsName - suffix, " here");
  return {};
}

}  // namespace

Status check_support(const DeploySpec& spec, RenderContext& c) {
  HADAL_RETURN_IF_ERROR(check_names(spec, c));
  HADAL_RETURN_IF_ERROR(check_model(spec, c));
  HADAL_RETURN_IF_ERROR(check_engine(spec, c));
  HADAL_RETURN_IF_ERROR(check_engine_flags(spec, c));
  HADAL_RETURN_IF_ERROR(check_profile(spec, c));
  HADAL_RETURN_IF_ERROR(check_network(spec, c));
  HADAL_RETURN_IF_ERROR(check_versions(spec, c));
  HADAL_RETURN_IF_ERROR(check_storage(spec, c));
  HADAL_RETURN_IF_ERROR(check_monitoring(spec, c));
  return check_scaling(spec, c);
}

}  // namespace hadal
