#include "deploy/render/pod.h"

#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"
#include "deploy/render/resources.h"
#include "deploy/render/workload.h"
#include "deploy/spec_check.h"

namespace hadal {
namespace {

bool host_network(const RenderContext& c, const RoleContext& role) {
  return c.spec.network.type == "host" && (role.is_group() || role.kind != RoleKind::kServer);
}

// Dynamo's operator mounts /dev/shm itself (sharedMemorySize).
bool has_shm_volume(const RenderContext& c, const RoleContext& role) {
  return c.profile != ProfileKind::kDynamo && shm_bytes(c, role) > 0;
}

Json container_port(std::string_view name, int64_t port, bool host) {
  Json out = obj({{"name", name}, {"containerPort", port}});
  // On the host's network the API server wants the two equal.
  if (host) out.set("hostPort", port);
  out.set("protocol", "TCP");
  return out;
}

Json ports_of(const RenderContext& c, const RoleContext& role) {
  const bool host = host_network(c, role), dynamo = c.profile == ProfileKind::kDynamo;
  JsonArray ports;
  if (!dynamo) ports.push_back(container_port("http", engine_port(c, role), host));
  if (role.is_group() && !dynamo) ports.push_back(container_port("dist", kDistPort, host));
  if (role.kind == RoleKind::kPrefill && c.engine == EngineKind::kSglang)
    ports.push_back(container_port("bootstrap", kBootstrapPort, host));
  return Json(std::move(ports));
}

JsonArray engine_env(const RenderContext& c, const RoleContext& role) {
  JsonArray env;
  env.push_back(env_field("POD_NAME", "metadata.name"));
  env.push_back(env_field("POD_IP", "status.podIP"));
  env.push_back(env_field("NODE_NAME", "spec.nodeName"));
  add_engine_env(c, role, env);
  add_network_env(c, role, env);
  for (Json& item : cache_env(c)) env.push_back(std::move(item));
  for (const auto& [name, value] : c.spec.engine.env) {
    std::erase_if(env, [&, key = &name](const Json& item) { return item.find("name")->as_string() == *key; });
    env.push_back(env_value(name, value));
  }
  return env;
}

Json engine_container(const RenderContext& c, const RoleContext& role, std::string_view name) {
  Json out;
  out.set("name", name);
  out.set("image", c.image);
  out.set("imagePullPolicy", c.spec.engine.pull_policy);
  EngineCommand command = engine_command(c, role);
  put(out, "command", std::move(command.command));
  if (const std::string words = args_comment(c, role); !words.empty()) why(out, "args", words);
  out.set("args", Json(std::move(command.args)));
  out.set("env", Json(engine_env(c, role)));
  put(out, "ports", ports_of(c, role));
  add_resources(c, role, out);
  // KServe's template for groups adds more capabilities than are needed; a list of ours takes its place.
  const bool over_template = c.llm_service && role.is_group();
  out.set("securityContext", container_security(c, over_template || has_rdma_devices(c, role)));
  add_probes(c, role, out);
  add_shutdown(c, role, out);
  JsonArray mounts;
  if (c.model_uri.empty()) mounts.push_back(model_mount(c, false));
  mounts.push_back(cache_mount());
  if (has_shm_volume(c, role)) mounts.push_back(obj({{"name", "shm"}, {"mountPath", "/dev/shm"}}));
  mounts.push_back(obj({{"name", "tmp"}, {"mountPath", "/tmp"}}));
  out.set("volumeMounts", Json(std::move(mounts)));
  out.set("terminationMessagePolicy", "FallbackToLogsOnError");
  return out;
}

Json preflight_container(const RenderContext& c, const RoleContext& role, const Json& engine) {
  Json out =
      obj({{"name", "preflight"}, {"image", c.hadal_image}, {"imagePullPolicy", c.spec.engine.pull_policy}});
  JsonArray args{"preflight", "--model-path", c.model_dir, "--cache-dir", "/cache"};
  if (c.on_gpus()) {
    args.emplace_back("--expect-gpus");
    args.emplace_back(std::to_string(role.gpus_per_node));
  }
  if (role.is_group()) {
    for (const std::string& word :
         {std::string("--nnodes"), std::string("$(LWS_GROUP_SIZE)"), std::string("--node-rank"),
          std::string(rank_variable(c)), std::string("--dist-init-addr"),
          "$(LWS_LEADER_ADDRESS):" + std::to_string(kDistPort), std::string("--timeout"),
          std::to_string(c.time.startup)})
      args.emplace_back(word);
  }
  out.set("command", arr({"hadal"}));
  out.set("args", Json(std::move(args)));
  out.set("env", *engine.find("env"));
  out.set("resources", *engine.find("resources"));
  out.set("securityContext", *engine.find("securityContext"));
  out.set("volumeMounts", *engine.find("volumeMounts"));
  out.set("terminationMessagePolicy", "FallbackToLogsOnError");
  return out;
}

// Waits, in sight of kubectl get pods, for the file that hadal pull writes last; an engine without its
// weights would end and be restarted again and again.
Json wait_container(const RenderContext& c) {
  return obj(
      {{"name", "wait-for-model"},
       {"image", c.image},
       {"imagePullPolicy", c.spec.engine.pull_policy},
       {"command", arr({"sh", "-c", "until [ -s \"$0\" ]; do echo \"waiting for $0\"; sleep 10; done"})},
       {"args", arr({c.model_dir + "/.hadal-model.json"})},
       {"resources", obj({{"requests", obj({{"cpu", "100m"}, {"memory", "64Mi"}})},
                          {"limits", obj({{"memory", "256Mi"}})}})},
       {"securityContext", container_security(c)},
       {"volumeMounts", arr({model_mount(c, false)})}});
}

Json affinity_of(const RenderContext& c, const RoleContext& role) {
  Json out;
  if (!c.spec.gpus.product.empty()) {
    const Json term = obj({{"matchExpressions", arr({obj({{"key", "nvidia.com/gpu.product"},
                                                          {"operator", "In"},
                                                          {"values", arr({c.spec.gpus.product})}})})}});
    out.set(
        "nodeAffinity",
        obj({{"requiredDuringSchedulingIgnoredDuringExecution", obj({{"nodeSelectorTerms", arr({term})}})}}));
  }
  const Json labels = obj({{"labelSelector", obj({{"matchLabels", c.selector(role.component)}})},
                           {"topologyKey", "kubernetes.io/hostname"}});
  if (role.is_group() || host_network(c, role)) {
    // Two ranks on one host would share its NICs, and its ports on the host's network.
    out.set("podAntiAffinity", obj({{"requiredDuringSchedulingIgnoredDuringExecution", arr({labels})}}));
  } else if (role.replicas > 1) {
    out.set("podAntiAffinity", obj({{"preferredDuringSchedulingIgnoredDuringExecution",
                                     arr({obj({{"weight", 100}, {"podAffinityTerm", labels}})})}}));
  }
  return out;
}

Json pod_annotations(const RenderContext& c, const RoleContext& role) {
  Json out;
  if (c.spec.scheduler.type == "kueue" && !c.spec.scheduler.topology.empty()) {
    out.set("kueue.x-k8s.io/podset-" + c.spec.scheduler.topology_mode + "-topology",
            c.spec.scheduler.topology);
    // Leader and workers are two pod sets to Kueue: one domain for both.
    if (role.is_group()) out.set("kueue.x-k8s.io/podset-group-name", role.workload);
  }
  if (c.spec.scheduler.type == "volcano") {
    const std::string queue = c.spec.scheduler.queue.empty() ? "default" : c.spec.scheduler.queue;
    out.set("scheduling.volcano.sh/queue-name", queue);
    // Before 0.7 the LeaderWorkerSet's controller makes no PodGroup: ours is joined by name.
    if (role.is_group() && !version_at_least(c.spec.versions.lws, "0.7"))
      out.set("scheduling.k8s.io/group-name", role.workload + "-0");
  }
  if (role.kind == RoleKind::kPrefill && c.engine == EngineKind::kSglang)
    out.set("sglang.ai/bootstrap-port", std::to_string(kBootstrapPort));
  merge_missing(out, map_json(c.spec.annotations));
  return out;
}

// A claim of the LeaderWorkerSet's templates takes the place of the volume that has its name.
Json rank_claim_placeholder() {
  Json out = obj({{"name", "model"}});
  put_why(out, "emptyDir", obj({{"sizeLimit", "1Mi"}}), "Each rank's own claim takes this volume's place.");
  return out;
}

Json volumes_of(const RenderContext& c, const RoleContext& role) {
  JsonArray volumes;
  if (c.model_uri.empty())
    volumes.push_back(has_rank_claims(c) ? rank_claim_placeholder() : model_volume(c, false));
  volumes.push_back(cache_volume(c));
  const double shm = shm_bytes(c, role);
  if (has_shm_volume(c, role)) {
    Json volume = obj({{"name", "shm"}});
    put_why(volume, "emptyDir", obj({{"medium", "Memory"}, {"sizeLimit", quantity_text(shm)}}),
            "Counts in the container's memory limit, which is that much larger.");
    volumes.push_back(std::move(volume));
  }
  volumes.push_back(obj({{"name", "tmp"}, {"emptyDir", obj({{"sizeLimit", "10Gi"}})}}));
  return Json(std::move(volumes));
}

}  // namespace

Json container_security(const RenderContext& c, bool rdma) {
  Json out = obj({{"allowPrivilegeEscalation", false}});
  Json capabilities = obj({{"drop", arr({"ALL"})}});
  if (rdma) {
    put_why(capabilities, "add", arr({"IPC_LOCK"}),
            "RDMA pins memory. This is all it needs: no privileged. Where the user is not root the node's "
            "container runtime must allow memlock (LimitMEMLOCK=infinity) as well.");
  }
  out.set("capabilities", std::move(capabilities));
  if (c.spec.security.read_only_root) out.set("readOnlyRootFilesystem", true);
  return out;
}

Json pod_security(const RenderContext& c) {
  Json out;
  if (!c.spec.security.run_as_root) out.set("runAsNonRoot", true);
  // OpenShift chooses the user of each namespace itself; but host directories, which the step that owns them
  // must know the user of, are for accounts that may run as any.
  if (c.profile != ProfileKind::kOpenshift || c.storage_type == "host-path") {
    // Dynamo's images have a user of their own.
    const bool dynamo = c.profile == ProfileKind::kDynamo && !c.spec.has("security.user");
    const int64_t user = c.spec.security.run_as_root ? 0 : dynamo ? 1000 : c.spec.security.user;
    out.set("runAsUser", user);
    out.set("runAsGroup", user);
    out.set("fsGroup", user);
    put_why(out, "fsGroupChangePolicy", "OnRootMismatch",
            "Kubernetes would else walk over the whole model at each start.");
  }
  out.set("seccompProfile", obj({{"type", "RuntimeDefault"}}));
  return out;
}

void add_pod_basics(const RenderContext& c, Json& spec) {
  spec.set("serviceAccountName", c.service_account);
  spec.set("automountServiceAccountToken", false);
  spec.set("enableServiceLinks", false);
  JsonArray secrets;
  for (const std::string& name : c.spec.pull_secrets) secrets.push_back(obj({{"name", name}}));
  put(spec, "imagePullSecrets", Json(std::move(secrets)));
  spec.set("securityContext", pod_security(c));
}

void add_placement(const RenderContext& c, Json& spec) {
  put(spec, "nodeSelector", map_json(c.spec.nodes.selector));
  JsonArray out;
  if (c.on_gpus())
    out.push_back(obj({{"key", c.gpu_resource}, {"operator", "Exists"}, {"effect", "NoSchedule"}}));
  for (const std::string& taint : c.spec.nodes.tolerations) {
    const size_t equals = taint.find('=');
    if (equals == std::string::npos) {
      out.push_back(obj({{"key", taint}, {"operator", "Exists"}}));
    } else {
      out.push_back(obj(
          {{"key", taint.substr(0, equals)}, {"operator", "Equal"}, {"value", taint.substr(equals + 1)}}));
    }
  }
  for (std::string_view key : {"node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"}) {
    out.push_back(obj({{"key", key},
                       {"operator", "Exists"},
                       {"effect", "NoExecute"},
                       {"tolerationSeconds", c.spec.nodes.fast_loss_seconds}}));
  }
  put_why(spec, "tolerations", Json(std::move(out)),
          "A pod on a node that is gone is replaced after " + std::to_string(c.spec.nodes.fast_loss_seconds) +
              " s, not Kubernetes' 300 s.");
}

JsonArray cache_env(const RenderContext& c) {
  JsonArray env{env_value("HOME", "/cache"), env_value("XDG_CACHE_HOME", "/cache"),
                env_value("TMPDIR", "/tmp")};
  if (c.engine == EngineKind::kHadal) return env;
  // An arbitrary user has no entry in /etc/passwd and no home: Python's getpwuid and every cache would fail.
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"USER", "hadal"},
           {"LOGNAME", "hadal"},
           {"HF_HOME", "/cache/huggingface"},
           {"HF_HUB_OFFLINE", "1"},
           {"TRITON_CACHE_DIR", "/cache/triton"},
           {"TORCHINDUCTOR_CACHE_DIR", "/cache/inductor"},
           {"TORCH_EXTENSIONS_DIR", "/cache/torch_extensions"},
           {"CUDA_CACHE_PATH", "/cache/cuda"},
           {"FLASHINFER_WORKSPACE_BASE", "/cache"},
           {"DG_JIT_CACHE_DIR", "/cache/deep_gemm"},
           {"SGLANG_DG_CACHE_DIR", "/cache/deep_gemm"},
           {"VLLM_CACHE_ROOT", "/cache/vllm"},
           {"NUMBA_CACHE_DIR", "/cache/numba"}}) {
    const std::string_view key = name;
    if (key.starts_with("SGLANG") && c.engine != EngineKind::kSglang) continue;
    if (key.starts_with("VLLM") && c.engine != EngineKind::kVllm) continue;
    env.push_back(env_value(name, value));
  }
  return env;
}

Json cache_volume(const RenderContext& c) {
  std::string size = c.spec.resources.ephemeral;
  if (size.empty()) size = c.engine == EngineKind::kHadal ? "2Gi" : "50Gi";
  return obj({{"name", "cache"}, {"emptyDir", obj({{"sizeLimit", size}})}});
}

Json cache_mount() {
  return obj({{"name", "cache"}, {"mountPath", "/cache"}});
}

void drop_account(Json& spec) {
  std::erase_if(spec.as_object(), [](const JsonMember& member) {
    return member.first == "serviceAccountName" || member.first == "automountServiceAccountToken";
  });
}

Json pod_template(const RenderContext& c, const RoleContext& role, std::string_view container_name) {
  Json spec;
  add_pod_basics(c, spec);
  if (c.profile == ProfileKind::kDynamo) drop_account(spec);
  if (c.spec.scheduler.type == "volcano") spec.set("schedulerName", "volcano");
  put(spec, "priorityClassName", c.spec.scheduler.priority_class);
  put(spec, "runtimeClassName", c.spec.gpus.driver_class);
  if (host_network(c, role)) {
    spec.set("hostNetwork", true);
    put_why(spec, "dnsPolicy", "ClusterFirstWithHostNet",
            "On the host's network the leader's name would else be asked of the host's DNS, which does not "
            "know it.");
  }
  put_why(spec, "terminationGracePeriodSeconds", c.time.grace,
          "preStop " + std::to_string(c.spec.timing.endpoint_delay) + " s + the longest request " +
              std::to_string(c.time.longest_request) + " s + margin " + std::to_string(c.spec.timing.margin) +
              " s.");
  add_placement(c, spec);
  put(spec, "affinity", affinity_of(c, role));
  Json engine = engine_container(c, role, container_name);
  JsonArray init;
  const bool fetches = c.storage_type == "s3" || c.storage_type == "empty-dir" || has_rank_claims(c);
  if (is_filled_by_us(c)) init.push_back(wait_container(c));
  if (fetches && c.model_uri.empty() && !c.model_source.empty()) init.push_back(pull_container(c, "fetch"));
  if (c.spec.preflight && c.engine == EngineKind::kHadal && c.profile != ProfileKind::kKserve)
    init.push_back(preflight_container(c, role, engine));
  put(spec, "initContainers", Json(std::move(init)));
  spec.set("containers", arr({std::move(engine)}));
  spec.set("volumes", volumes_of(c, role));
  Json metadata = obj({{"labels", c.labels(role.component)}});
  put(metadata, "annotations", pod_annotations(c, role));
  return obj({{"metadata", std::move(metadata)}, {"spec", std::move(spec)}});
}

}  // namespace hadal
