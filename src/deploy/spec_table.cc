#include "deploy/spec_table.h"

#include <algorithm>

namespace hadal {
namespace {

void assign(std::string& out, const Json& value) {
  out = value.as_string();
}
void assign(bool& out, const Json& value) {
  out = value.as_bool();
}
void assign(int64_t& out, const Json& value) {
  out = value.as_int();
}
void assign(double& out, const Json& value) {
  out = value.as_double();
}
void assign(std::vector<std::string>& out, const Json& value) {
  out.clear();
  for (const Json& item : value.as_array()) out.push_back(item.as_string());
}
void assign(StringPairs& out, const Json& value) {
  out.clear();
  for (const auto& [key, item] : value.as_object()) out.emplace_back(key, item.as_string());
}

Json show(const std::string& value) {
  return value;
}
Json show(bool value) {
  return value;
}
Json show(int64_t value) {
  return value;
}
Json show(double value) {
  return value;
}
Json show(const std::vector<std::string>& value) {
  return JsonArray(value.begin(), value.end());
}
Json show(const StringPairs& value) {
  JsonObject out;
  for (const auto& [key, item] : value) out.emplace_back(key, item);
  return out;
}

template <typename Owner>
auto& follow(Owner& owner) {
  return owner;
}
template <typename Owner, typename First, typename... Rest>
auto& follow(Owner& owner, First first, Rest... rest) {
  return follow(owner.*first, rest...);
}

// A field by the member pointers that lead to it.
template <auto... Path>
struct Slot {
  static void set(DeploySpec& spec, const Json& value) { assign(follow(spec, Path...), value); }
  static Json get(const DeploySpec& spec) { return show(follow(spec, Path...)); }
};
#define HADAL_SLOT(...) &Slot<__VA_ARGS__>::set, &Slot<__VA_ARGS__>::get

using D = DeploySpec;
constexpr auto S = SpecType::kString;
constexpr auto B = SpecType::kBool;
constexpr auto I = SpecType::kInteger;
constexpr auto N = SpecType::kNumber;
constexpr auto Q = SpecType::kQuantity;
constexpr auto L = SpecType::kStringList;
constexpr auto M = SpecType::kStringMap;
using R = TextRule;
constexpr double kMaxReplicas = 1000;
constexpr double kDay = 86400;

constexpr SpecSection kSections[] = {
    // clang-format off
    {"model", "ref", "Which model is served"},
    {"engine", "name", "The program that serves it"},
    {"gpus", "type", "GPUs of one instance"},
    {"nodes", "count", "Hosts of one instance, and which hosts may be used"},
    {"resources", "", "CPU and memory of one pod, where the computed values are not wanted"},
    {"storage", "type", "Where the weights lie"},
    {"storage.download", "enabled", "How the weights get there"},
    {"exposure", "type", "How clients reach the API"},
    {"exposure.tls", "secret", "TLS of Ingress, Gateway and Route"},
    {"exposure.gateway", "name", "Gateway API"},
    {"exposure.endpointPicker", "service", "Of an InferencePool. It is installed with the gateway, in this namespace; no NetworkPolicy of hadal's selects its pods, and those of tenancy.networkPolicy let it ask the pods for their load"},
    {"apiKey", "secret", "The API key, always from a Secret; without it the API is open to whoever reaches it"},
    {"groupSecret", "secret", "What the hosts of a group of hadal prove to one another"},
    {"scheduler", "type", "Who places the pods"},
    {"network", "type", "The network between the hosts of an instance"},
    {"autoscaling", "type", "How the number of instances follows the load"},
    {"monitoring", "type", "Prometheus and Grafana"},
    {"openWebUI", "enabled", "A chat page in front of the API"},
    {"pdb", "enabled", "PodDisruptionBudget"},
    {"rollout", "strategy", "How a change reaches the pods"},
    {"tenancy", "networkPolicy", "Separation from other tenants of the cluster"},
    {"timing", "", "Seconds that the computed budgets are made of"},
    {"security", "", "Users and rights"},
    {"kserve", "api", "With profile kserve"},
    {"prefill", "replicas", "With topology prefill-decode: the instances that read prompts"},
    {"decode", "replicas", "With topology prefill-decode: the instances that write answers"},
    {"versions", "", "Of what runs in the cluster: fields that it does not have are not rendered"},
    // clang-format on
};

const SpecField kFields[] = {
    // clang-format off
    {"specVersion", I, "Version of this format", "", R::kAny, 1, 1, HADAL_SLOT(&D::spec_version)},
    {"name", S, "Name of the deployment; every object's name begins with it", "", R::kDeployment, 0, 0, HADAL_SLOT(&D::name), true},
    {"namespace", S, "Namespace of every object", "", R::kNamespace, 0, 0, HADAL_SLOT(&D::ns)},
    {"createNamespace", B, "Render the Namespace too (never default). Default: true; false with profile openshift, whose projects are made by oc new-project", "", R::kAny, 0, 0, HADAL_SLOT(&D::create_namespace)},
    {"profile", S, "The kind of cluster: what is rendered for it and what it needs", "plain|tke|openshift|kserve|dynamo", R::kAny, 0, 0, HADAL_SLOT(&D::profile)},
    {"topology", S, "single: one host an instance; group: several hosts an instance; replicas: several instances; prefill-decode: separate instances for prompts and answers. auto: from gpus, nodes and replicas", "auto|single|group|replicas|prefill-decode", R::kAny, 0, 0, HADAL_SLOT(&D::topology)},
    {"replicas", I, "Instances, each of which serves alone", "", R::kAny, 0, kMaxReplicas, HADAL_SLOT(&D::replicas)},
    {"registry", S, "Registry that mirrors every image: put in place of each image's own", "", R::kRegistry, 0, 0, HADAL_SLOT(&D::registry)},
    {"imagePullSecrets", L, "Secrets with registry credentials", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::pull_secrets)},
    {"labels", M, "Further labels of every object and pod", "", R::kLabelValue, 0, 0, HADAL_SLOT(&D::labels)},
    {"annotations", M, "Further annotations of the workload's pods", "", R::kAny, 0, 0, HADAL_SLOT(&D::annotations)},
    {"preflight", B, "Check each host before its rank starts (engine hadal): an init container", "", R::kAny, 0, 0, HADAL_SLOT(&D::preflight)},

    {"model.ref", S, "A short name (deepseek-r1), hf:org/name, ms:org/name, s3://bucket/prefix, or an absolute path inside the volume", "", R::kAny, 0, 0, HADAL_SLOT(&D::model, &ModelSpec::ref), true},
    {"model.servedName", S, "Name that clients send as \"model\". Default: the reference's last part in small letters", "", R::kModelName, 0, 0, HADAL_SLOT(&D::model, &ModelSpec::served_name)},
    {"model.path", S, "Directory of the model inside the volume. Default: the repository's name", "", R::kServedFile, 0, 0, HADAL_SLOT(&D::model, &ModelSpec::path)},
    {"model.revision", S, "Commit, tag or branch of the repository", "", R::kModelName, 0, 0, HADAL_SLOT(&D::model, &ModelSpec::revision)},
    {"model.dtype", S, "Type of the checkpoint's weights, where it is another checkpoint than the one that the model is published as (with model.like)", "bf16|f16|fp8|int8|int4", R::kAny, 0, 0, HADAL_SLOT(&D::model, &ModelSpec::dtype)},
    {"model.size", Q, "Bytes of the weights; needed where hadal does not know the model", "", R::kBytes, 0, 0, HADAL_SLOT(&D::model, &ModelSpec::size)},
    {"model.contextLength", I, "Longest prompt plus answer in tokens. Default: the model's own", "", R::kAny, 256, 1e7, HADAL_SLOT(&D::model, &ModelSpec::context_length)},
    {"model.kvDtype", S, "Type of the KV cache", "auto|bf16|f16|fp8|f32", R::kAny, 0, 0, HADAL_SLOT(&D::model, &ModelSpec::kv_dtype)},

    {"model.like", S, "Short name of a known model with the same shape, for a checkpoint that hadal does not know (another quantization, a fine-tune)", "", R::kModelName, 0, 0, HADAL_SLOT(&D::model, &ModelSpec::like)},

    {"engine.name", S, "Which engine", "hadal|sglang|vllm|trtllm", R::kAny, 0, 0, HADAL_SLOT(&D::engine, &EngineSpec::name)},
    {"engine.version", S, "Tag of the engine's image", "", R::kTag, 0, 0, HADAL_SLOT(&D::engine, &EngineSpec::version)},
    {"engine.image", S, "The whole image reference, best with a digest", "", R::kImage, 0, 0, HADAL_SLOT(&D::engine, &EngineSpec::image)},
    {"engine.routerImage", S, "Image with sglang_router, where the engine's has none (prefill-decode)", "", R::kImage, 0, 0, HADAL_SLOT(&D::engine, &EngineSpec::router_image)},
    {"engine.imagePullPolicy", S, "When the image is fetched", "Always|IfNotPresent|Never", R::kAny, 0, 0, HADAL_SLOT(&D::engine, &EngineSpec::pull_policy)},
    {"engine.port", I, "Port of the API. Default: hadal and sglang 30000, vllm and trtllm 8000", "", R::kAny, 1024, 65535, HADAL_SLOT(&D::engine, &EngineSpec::port)},
    {"engine.tensorParallel", I, "Ranks that share every layer. Default: all GPUs of the instance", "", R::kAny, 1, 4096, HADAL_SLOT(&D::engine, &EngineSpec::tp)},
    {"engine.pipelineParallel", I, "Pipeline stages", "", R::kAny, 1, 256, HADAL_SLOT(&D::engine, &EngineSpec::pp)},
    {"engine.dataParallel", I, "Groups of ranks with attention and KV of their own (DP attention)", "", R::kAny, 1, 4096, HADAL_SLOT(&D::engine, &EngineSpec::dp)},
    {"engine.expertParallel", I, "Ranks that share the experts whole", "", R::kAny, 1, 4096, HADAL_SLOT(&D::engine, &EngineSpec::ep)},
    {"engine.maxRunningRequests", I, "Requests that run at once. Default: the engine's", "", R::kAny, 1, 1e6, HADAL_SLOT(&D::engine, &EngineSpec::max_running_requests)},
    {"engine.memoryFraction", N, "Share of a GPU's memory for weights and KV. Default: the engine's", "", R::kAny, 0.1, 0.99, HADAL_SLOT(&D::engine, &EngineSpec::memory_fraction)},
    {"engine.transferBackend", S, "How KV goes from prefill to decode (sglang)", "nixl|mooncake", R::kAny, 0, 0, HADAL_SLOT(&D::engine, &EngineSpec::transfer_backend)},
    {"engine.logRequests", B, "One log line a request", "", R::kAny, 0, 0, HADAL_SLOT(&D::engine, &EngineSpec::log_requests)},
    {"engine.extraArgs", L, "Further arguments of the engine, on every rank", "", R::kArgument, 0, 0, HADAL_SLOT(&D::engine, &EngineSpec::extra_args)},
    {"engine.env", M, "Further environment variables, on every rank; no secrets", "", R::kArgument, 0, 0, HADAL_SLOT(&D::engine, &EngineSpec::env)},

    {"gpus.type", S, "H200, H100, H20, A800, ...; or a whole order: 16xH200. Without it: CPU", "", R::kModelName, 0, 0, HADAL_SLOT(&D::gpus, &GpuRequest::type)},
    {"gpus.perNode", I, "GPUs of one pod. Default: all of the usual host", "", R::kAny, 1, 64, HADAL_SLOT(&D::gpus, &GpuRequest::per_node)},
    {"gpus.count", I, "GPUs of one instance, over all its hosts", "", R::kAny, 1, 4096, HADAL_SLOT(&D::gpus, &GpuRequest::count)},
    {"gpus.resource", S, "Resource of the device plugin", "", R::kResource, 0, 0, HADAL_SLOT(&D::gpus, &GpuRequest::resource)},
    {"gpus.product", S, "Value of the node label nvidia.com/gpu.product to ask for. Default: none, so any node with the resource", "", R::kLabelValue, 0, 0, HADAL_SLOT(&D::gpus, &GpuRequest::product)},
    {"gpus.runtimeClass", S, "runtimeClassName of the pods", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::gpus, &GpuRequest::driver_class)},

    {"nodes.count", I, "Hosts of one instance. Default: as many as the GPUs need", "", R::kAny, 1, 256, HADAL_SLOT(&D::nodes, &NodeSpec::count)},
    {"nodes.cpu", Q, "CPUs of one host: requests stay well below", "", R::kCores, 0, 0, HADAL_SLOT(&D::nodes, &NodeSpec::cpu)},
    {"nodes.memory", Q, "Memory of one host: requests stay well below", "", R::kBytes, 0, 0, HADAL_SLOT(&D::nodes, &NodeSpec::memory)},
    {"nodes.selector", M, "Labels that a node must have", "", R::kLabelValue, 0, 0, HADAL_SLOT(&D::nodes, &NodeSpec::selector)},
    {"nodes.tolerations", L, "Taints to tolerate: KEY or KEY=VALUE; the GPU resource's is always tolerated", "", R::kTaint, 0, 0, HADAL_SLOT(&D::nodes, &NodeSpec::tolerations)},
    {"nodes.lossSeconds", I, "How long pods stay on a node that is gone", "", R::kAny, 0, 3600, HADAL_SLOT(&D::nodes, &NodeSpec::fast_loss_seconds)},

    {"resources.cpu", Q, "CPU request", "", R::kCores, 0, 0, HADAL_SLOT(&D::resources, &ResourceSpec::cpu)},
    {"resources.memory", Q, "Memory request and limit; /dev/shm counts in it", "", R::kBytes, 0, 0, HADAL_SLOT(&D::resources, &ResourceSpec::memory)},
    {"resources.shm", Q, "Size of /dev/shm", "", R::kBytes, 0, 0, HADAL_SLOT(&D::resources, &ResourceSpec::shm)},
    {"resources.cache", Q, "Size limit of the writable cache volume", "", R::kBytes, 0, 0, HADAL_SLOT(&D::resources, &ResourceSpec::ephemeral)},

    {"storage.type", S, "pvc: one claim that every host mounts; pvc-per-node: a claim a rank (ReadWriteOnce); host-path: a disk of each host, filled by a DaemonSet; s3: fetched by an init container; oci: an image volume; empty-dir: fetched at each start", "pvc|pvc-per-node|host-path|s3|oci|empty-dir", R::kAny, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::type)},
    {"storage.claim", S, "Name of the PersistentVolumeClaim. Default: NAME-model", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::claim)},
    {"storage.create", B, "Render the claim; false: it is there", "", R::kAny, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::create)},
    {"storage.accessMode", S, "Of the claim, which cannot be changed later: ReadWriteMany where one host may become several. auto: ReadWriteOnce while one pod mounts it", "auto|ReadWriteOnce|ReadWriteMany", R::kAny, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::access_mode)},
    {"storage.size", Q, "Size of the claim. Default: the weights plus 15%", "", R::kBytes, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::size)},
    {"storage.storageClass", S, "StorageClass of the claim. Default: the cluster's (tke: cfs-turbo)", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::storage_class)},
    {"storage.hostPath", S, "Directory on each host (host-path)", "", R::kPath, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::host_path)},
    {"storage.uri", S, "s3://bucket/prefix", "", R::kAny, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::uri)},
    {"storage.endpoint", S, "URL of an S3 service other than AWS", "", R::kUrl, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::endpoint)},
    {"storage.region", S, "Region of the bucket", "", R::kModelName, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::region)},
    {"storage.secret", S, "Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::secret)},
    {"storage.image", S, "Image that holds the model (oci)", "", R::kImage, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::image)},
    {"storage.readGBs", N, "GB/s that one host reads. Default: by type; sets the startup budget", "", R::kAny, 0.01, 1000, HADAL_SLOT(&D::storage, &StorageSpec::read_gbs)},
    {"storage.download.enabled", B, "Fetch the weights (hadal pull); false: they are there", "", R::kAny, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::download, &DownloadSpec::enabled)},
    {"storage.download.source", S, "From where. Default: model.ref", "", R::kAny, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::download, &DownloadSpec::source)},
    {"storage.download.image", S, "Image with hadal, where the engine is another", "", R::kImage, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::download, &DownloadSpec::image)},
    {"storage.download.tokenSecret", S, "Secret with the hub's token", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::download, &DownloadSpec::token_secret)},
    {"storage.download.tokenKey", S, "Its key", "", R::kSecretKey, 0, 0, HADAL_SLOT(&D::storage, &StorageSpec::download, &DownloadSpec::token_key)},
    {"storage.download.deadlineHours", I, "When the download counts as failed. Default: from the size at 100 Mbit/s", "", R::kAny, 1, 1000, HADAL_SLOT(&D::storage, &StorageSpec::download, &DownloadSpec::deadline_hours)},

    {"exposure.type", S, "How the API is reached", "ClusterIP|NodePort|LoadBalancer|Ingress|Gateway|Route|InferencePool", R::kAny, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::type)},
    {"exposure.port", I, "Port of the Service. Default: the engine's", "", R::kAny, 1, 65535, HADAL_SLOT(&D::exposure, &ExposureSpec::port)},
    {"exposure.nodePort", I, "Port on each node (NodePort). Default: the cluster chooses", "", R::kAny, 30000, 32767, HADAL_SLOT(&D::exposure, &ExposureSpec::node_port)},
    {"exposure.host", S, "DNS name (Ingress, Gateway, Route)", "", R::kHost, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::host)},
    {"exposure.path", S, "Path prefix that is let through", "", R::kPath, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::path)},
    {"exposure.class", S, "ingressClassName or loadBalancerClass", "", R::kClass, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::class_name)},
    {"exposure.tls.secret", S, "Secret of type kubernetes.io/tls", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::tls, &TlsSpec::secret)},
    {"exposure.tls.termination", S, "Of a Route", "edge|none", R::kAny, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::tls, &TlsSpec::termination)},
    {"exposure.gateway.name", S, "The Gateway", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::gateway, &GatewaySpec::name)},
    {"exposure.gateway.namespace", S, "Its namespace. Default: ours", "", R::kNamespace, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::gateway, &GatewaySpec::ns)},
    {"exposure.gateway.section", S, "Its listener", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::gateway, &GatewaySpec::section)},
    {"exposure.gateway.create", B, "Render the Gateway too. Of deployments that share a Gateway at most one may: see docs/deploy.md", "", R::kAny, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::gateway, &GatewaySpec::create)},
    {"exposure.gateway.class", S, "gatewayClassName of a rendered Gateway", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::gateway, &GatewaySpec::class_name)},
    {"exposure.endpointPicker.service", S, "Service of the endpoint picker. Default: NAME-epp", "", R::kName, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::picker)},
    {"exposure.endpointPicker.port", I, "Its gRPC port", "", R::kAny, 1, 65535, HADAL_SLOT(&D::exposure, &ExposureSpec::picker_port)},
    {"exposure.endpointPicker.failureMode", S, "When the picker does not answer", "FailOpen|FailClose", R::kAny, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::picker_failure_mode)},
    {"exposure.annotations", M, "Annotations of the Service, Ingress, HTTPRoute or Route", "", R::kAny, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::annotations)},
    {"exposure.controllerNamespace", S, "Namespace that the pods run in through which requests come: of the Ingress controller (ingress-nginx), or of the Gateway's proxies where that is not the Gateway's own (envoy-gateway-system). tenancy.allowNamespaces then lets them in", "", R::kNamespace, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::controller_ns)},
    {"exposure.sourceRanges", L, "Networks that may reach a LoadBalancer", "", R::kCidr, 0, 0, HADAL_SLOT(&D::exposure, &ExposureSpec::source_ranges)},

    {"apiKey.secret", S, "Secret with the API key", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::api_key, &SecretRef::secret)},
    {"apiKey.key", S, "Its key", "", R::kSecretKey, 0, 0, HADAL_SLOT(&D::api_key, &SecretRef::key)},
    {"groupSecret.secret", S, "Secret. Default: NAME-group", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::group_secret, &SecretRef::secret)},
    {"groupSecret.key", S, "Its key", "", R::kSecretKey, 0, 0, HADAL_SLOT(&D::group_secret, &SecretRef::key)},

    {"scheduler.type", S, "Kubernetes' own, Volcano with gangs, or Kueue", "default|volcano|kueue", R::kAny, 0, 0, HADAL_SLOT(&D::scheduler, &SchedulerSpec::type)},
    {"scheduler.queue", S, "Volcano's queue or Kueue's LocalQueue. Default: default", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::scheduler, &SchedulerSpec::queue)},
    {"scheduler.createQueue", B, "Render Volcano's Queue with the GPUs that this deployment needs. Of deployments that share a queue at most one may: see docs/deploy.md", "", R::kAny, 0, 0, HADAL_SLOT(&D::scheduler, &SchedulerSpec::create_queue)},
    {"scheduler.priorityClass", S, "PriorityClass of the pods", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::scheduler, &SchedulerSpec::priority_class)},
    {"scheduler.exclusiveTopology", S, "Node label whose domain a group has to itself", "", R::kLabelKey, 0, 0, HADAL_SLOT(&D::scheduler, &SchedulerSpec::exclusive_topology)},
    {"scheduler.topology", S, "Node label of the domain that a group must stay in (Kueue topology-aware scheduling)", "", R::kLabelKey, 0, 0, HADAL_SLOT(&D::scheduler, &SchedulerSpec::topology)},
    {"scheduler.topologyMode", S, "Whether it must or should", "required|preferred", R::kAny, 0, 0, HADAL_SLOT(&D::scheduler, &SchedulerSpec::topology_mode)},

    {"network.type", S, "none: TCP; rdma: devices of a device plugin; host: the host's network, and RDMA where a resource gives the devices", "none|rdma|host", R::kAny, 0, 0, HADAL_SLOT(&D::network, &NetworkSpec::type)},
    {"network.fabric", S, "InfiniBand or RoCE", "ib|roce", R::kAny, 0, 0, HADAL_SLOT(&D::network, &NetworkSpec::fabric)},
    {"network.resource", S, "Resource of the RDMA device plugin. Default: with network rdma rdma/ib (tke: tke.cloud.tencent.com/tke-shared-rdma); with host none, so TCP", "", R::kResource, 0, 0, HADAL_SLOT(&D::network, &NetworkSpec::resource)},
    {"network.devices", I, "How many of it a pod gets. Default: the number of HCAs, else 1 a GPU", "", R::kAny, 1, 64, HADAL_SLOT(&D::network, &NetworkSpec::devices)},
    {"network.hcas", L, "RDMA devices to use, exactly: mlx5_0. Default: all", "", R::kDevice, 0, 0, HADAL_SLOT(&D::network, &NetworkSpec::hcas)},
    {"network.gidIndex", I, "GID index (RoCE). Default: found by the libraries", "", R::kAny, 0, 255, HADAL_SLOT(&D::network, &NetworkSpec::gid_index)},
    {"network.trafficClass", I, "Traffic class of RoCE packets", "", R::kAny, 0, 255, HADAL_SLOT(&D::network, &NetworkSpec::traffic_class)},
    {"network.interface", S, "Network interface for TCP. Default: eth0, the pod's own", "", R::kInterface, 0, 0, HADAL_SLOT(&D::network, &NetworkSpec::interface)},
    {"network.debug", B, "Let NCCL log what it chose", "", R::kAny, 0, 0, HADAL_SLOT(&D::network, &NetworkSpec::debug)},

    {"autoscaling.type", S, "hpa: HorizontalPodAutoscaler on a metric of the pods; keda: ScaledObject on queue and KV pressure", "none|hpa|keda", R::kAny, 0, 0, HADAL_SLOT(&D::autoscaling, &AutoscalingSpec::type)},
    {"autoscaling.min", I, "Fewest instances", "", R::kAny, 1, kMaxReplicas, HADAL_SLOT(&D::autoscaling, &AutoscalingSpec::min)},
    {"autoscaling.max", I, "Most instances. Default: twice the replicas", "", R::kAny, 1, kMaxReplicas, HADAL_SLOT(&D::autoscaling, &AutoscalingSpec::max)},
    {"autoscaling.waitingRequests", I, "Waiting requests per instance that are right", "", R::kAny, 1, 1e6, HADAL_SLOT(&D::autoscaling, &AutoscalingSpec::waiting_requests)},
    {"autoscaling.kvUsage", N, "Share of the KV cache in use that is right (keda)", "", R::kAny, 0.1, 1, HADAL_SLOT(&D::autoscaling, &AutoscalingSpec::kv_usage)},
    {"autoscaling.prometheus", S, "Prometheus' URL (keda)", "", R::kUrl, 0, 0, HADAL_SLOT(&D::autoscaling, &AutoscalingSpec::prometheus)},
    {"autoscaling.scaleDownMinutes", I, "How long the load must be low", "", R::kAny, 1, 60, HADAL_SLOT(&D::autoscaling, &AutoscalingSpec::scale_down_minutes)},

    {"monitoring.type", S, "What Prometheus' operator finds the pods by", "none|pod-monitor|service-monitor", R::kAny, 0, 0, HADAL_SLOT(&D::monitoring, &MonitoringSpec::type)},
    {"monitoring.namespace", S, "Namespace that Prometheus runs in: a NetworkPolicy lets it in. Default: monitoring (openshift: openshift-user-workload-monitoring)", "", R::kNamespace, 0, 0, HADAL_SLOT(&D::monitoring, &MonitoringSpec::ns)},
    {"monitoring.labels", M, "Labels by which Prometheus picks monitors and rules. Default: release: kube-prometheus-stack", "", R::kLabelValue, 0, 0, HADAL_SLOT(&D::monitoring, &MonitoringSpec::labels)},
    {"monitoring.interval", I, "Seconds between scrapes", "", R::kAny, 5, 300, HADAL_SLOT(&D::monitoring, &MonitoringSpec::interval)},
    {"monitoring.rules", B, "Render a PrometheusRule", "", R::kAny, 0, 0, HADAL_SLOT(&D::monitoring, &MonitoringSpec::rules)},
    {"monitoring.dashboard", B, "Render a Grafana dashboard", "", R::kAny, 0, 0, HADAL_SLOT(&D::monitoring, &MonitoringSpec::dashboard)},
    {"monitoring.gpuRules", B, "Also rules on the metrics of dcgm-exporter", "", R::kAny, 0, 0, HADAL_SLOT(&D::monitoring, &MonitoringSpec::gpu_rules)},
    {"monitoring.ttftSeconds", N, "Alert when the 99th percentile of time to first token is above", "", R::kAny, 0.001, 3600, HADAL_SLOT(&D::monitoring, &MonitoringSpec::ttft_p99)},
    {"monitoring.interTokenSeconds", N, "Alert when the 99th percentile of time between tokens is above", "", R::kAny, 0.001, 60, HADAL_SLOT(&D::monitoring, &MonitoringSpec::inter_token_p99)},

    {"openWebUI.enabled", B, "Render Open WebUI", "", R::kAny, 0, 0, HADAL_SLOT(&D::web_ui, &WebUiSpec::enabled)},
    {"openWebUI.image", S, "Its image", "", R::kImage, 0, 0, HADAL_SLOT(&D::web_ui, &WebUiSpec::image)},
    {"openWebUI.size", Q, "Size of its claim", "", R::kBytes, 0, 0, HADAL_SLOT(&D::web_ui, &WebUiSpec::size)},
    {"openWebUI.storageClass", S, "StorageClass of its claim", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::web_ui, &WebUiSpec::storage_class)},
    {"openWebUI.host", S, "DNS name: renders an Ingress (OpenShift: a Route)", "", R::kHost, 0, 0, HADAL_SLOT(&D::web_ui, &WebUiSpec::host)},
    {"openWebUI.class", S, "Its ingressClassName", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::web_ui, &WebUiSpec::class_name)},
    {"openWebUI.tlsSecret", S, "Its TLS Secret", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::web_ui, &WebUiSpec::tls_secret)},

    {"pdb.enabled", B, "Keep drains of nodes from taking all instances at once", "", R::kAny, 0, 0, HADAL_SLOT(&D::pdb, &PdbSpec::enabled)},
    {"pdb.minAvailable", I, "Instances that must stay. Default: all but one, and at least one: a node drain waits then until the pod is deleted by hand. 0 lets drains go ahead", "", R::kAny, 0, kMaxReplicas, HADAL_SLOT(&D::pdb, &PdbSpec::min_available)},

    {"rollout.strategy", S, "recreate: old pods go first; rolling: one after another. auto: recreate for one instance", "auto|recreate|rolling", R::kAny, 0, 0, HADAL_SLOT(&D::rollout, &RolloutSpec::strategy)},
    {"rollout.maxUnavailable", I, "Instances that may be away during a change", "", R::kAny, 0, kMaxReplicas, HADAL_SLOT(&D::rollout, &RolloutSpec::max_unavailable)},
    {"rollout.maxSurge", I, "Instances more than replicas during a change: needs spare GPUs", "", R::kAny, 0, kMaxReplicas, HADAL_SLOT(&D::rollout, &RolloutSpec::max_surge)},
    {"rollout.partition", I, "Canary of a group: only instances from this number on change", "", R::kAny, 0, kMaxReplicas, HADAL_SLOT(&D::rollout, &RolloutSpec::partition)},

    {"tenancy.networkPolicy", B, "Let in only the API's clients where it is answered, the router and the other ranks where it is computed, and Prometheus at the port of the metrics", "", R::kAny, 0, 0, HADAL_SLOT(&D::tenancy, &TenancySpec::network_policy)},
    {"tenancy.allowNamespaces", L, "Namespaces that may call the API (with networkPolicy), beside what the exposure needs. Default: all", "", R::kNamespace, 0, 0, HADAL_SLOT(&D::tenancy, &TenancySpec::allow_namespaces)},
    {"tenancy.allowCidrs", L, "Networks that may call the API (with networkPolicy), beside allowNamespaces: of clients of a NodePort, of hosts whose own network a controller uses", "", R::kCidr, 0, 0, HADAL_SLOT(&D::tenancy, &TenancySpec::allow_cidrs)},
    {"tenancy.quota", B, "Render a ResourceQuota of the GPUs this deployment needs. It bounds the whole namespace, which should be this deployment's alone", "", R::kAny, 0, 0, HADAL_SLOT(&D::tenancy, &TenancySpec::quota)},

    {"timing.longestRequestSeconds", I, "Longest answer that a shutdown waits for", "", R::kAny, 1, kDay, HADAL_SLOT(&D::timing, &TimingSpec::longest_request)},
    {"timing.endpointSeconds", I, "How long routers take to learn that a pod goes", "", R::kAny, 1, 300, HADAL_SLOT(&D::timing, &TimingSpec::endpoint_delay)},
    {"timing.startupSeconds", I, "Startup budget. Default: from weights, storage rate and warm-up", "", R::kAny, 30, kDay, HADAL_SLOT(&D::timing, &TimingSpec::startup)},
    {"timing.warmUpSeconds", I, "From loaded to ready: compilation, graph capture", "", R::kAny, 1, kDay, HADAL_SLOT(&D::timing, &TimingSpec::warm_up)},
    {"timing.marginSeconds", I, "Added to the longest shutdown", "", R::kAny, 1, 3600, HADAL_SLOT(&D::timing, &TimingSpec::margin)},

    {"security.user", I, "User and group of the containers (not on OpenShift, which chooses)", "", R::kAny, 1, 2147483647, HADAL_SLOT(&D::security, &SecuritySpec::user)},
    {"security.runAsRoot", B, "For images that work as root alone", "", R::kAny, 0, 0, HADAL_SLOT(&D::security, &SecuritySpec::run_as_root)},
    {"security.serviceAccount", S, "ServiceAccount that is there. Default: one is rendered", "", R::kObjectName, 0, 0, HADAL_SLOT(&D::security, &SecuritySpec::service_account)},
    {"security.createSCC", B, "OpenShift: render a SecurityContextConstraints and its RoleBinding where restricted-v2 does not do", "", R::kAny, 0, 0, HADAL_SLOT(&D::security, &SecuritySpec::create_scc)},
    {"security.readOnlyRootFilesystem", B, "Nothing but the volumes can be written", "", R::kAny, 0, 0, HADAL_SLOT(&D::security, &SecuritySpec::read_only_root)},

    {"kserve.api", S, "Default: InferenceService for one host, LLMInferenceService for groups and prefill-decode", "InferenceService|LLMInferenceService", R::kAny, 0, 0, HADAL_SLOT(&D::kserve, &KserveSpec::api)},

#define HADAL_ROLE_FIELDS(ROLE, MEMBER)                                                                        \
    {ROLE ".replicas", I, "Instances of this role", "", R::kAny, 1, kMaxReplicas, HADAL_SLOT(MEMBER, &RoleSpec::replicas)}, \
    {ROLE ".nodes", I, "Hosts of one instance. Default: as the deployment's", "", R::kAny, 1, 256, HADAL_SLOT(MEMBER, &RoleSpec::nodes)}, \
    {ROLE ".gpus", I, "GPUs of one instance. Default: as the deployment's", "", R::kAny, 1, 4096, HADAL_SLOT(MEMBER, &RoleSpec::gpus)}, \
    {ROLE ".tensorParallel", I, "Default: all GPUs of the instance", "", R::kAny, 1, 4096, HADAL_SLOT(MEMBER, &RoleSpec::tp)}, \
    {ROLE ".dataParallel", I, "Default: engine.dataParallel", "", R::kAny, 1, 4096, HADAL_SLOT(MEMBER, &RoleSpec::dp)}, \
    {ROLE ".expertParallel", I, "Default: engine.expertParallel", "", R::kAny, 1, 4096, HADAL_SLOT(MEMBER, &RoleSpec::ep)}, \
    {ROLE ".memoryFraction", N, "Default: engine.memoryFraction", "", R::kAny, 0.1, 0.99, HADAL_SLOT(MEMBER, &RoleSpec::memory_fraction)}, \
    {ROLE ".extraArgs", L, "Further arguments of this role", "", R::kArgument, 0, 0, HADAL_SLOT(MEMBER, &RoleSpec::extra_args)}
    HADAL_ROLE_FIELDS("prefill", &D::prefill),
    HADAL_ROLE_FIELDS("decode", &D::decode),
#undef HADAL_ROLE_FIELDS

    {"versions.kubernetes", S, "Kubernetes", "", R::kVersion, 0, 0, HADAL_SLOT(&D::versions, &VersionsSpec::kubernetes)},
    {"versions.lws", S, "LeaderWorkerSet controller", "", R::kVersion, 0, 0, HADAL_SLOT(&D::versions, &VersionsSpec::lws)},
    {"versions.volcano", S, "Volcano", "", R::kVersion, 0, 0, HADAL_SLOT(&D::versions, &VersionsSpec::volcano)},
    {"versions.kserve", S, "KServe. The default is that of the schemas that hadal deploy validate has built in; groups and prefill-decode need 0.17", "", R::kVersion, 0, 0, HADAL_SLOT(&D::versions, &VersionsSpec::kserve)},
    {"versions.keda", S, "KEDA", "", R::kVersion, 0, 0, HADAL_SLOT(&D::versions, &VersionsSpec::keda)},
    {"versions.gatewayApi", S, "Gateway API", "", R::kVersion, 0, 0, HADAL_SLOT(&D::versions, &VersionsSpec::gateway_api)},
    {"versions.dynamo", S, "Dynamo operator", "", R::kVersion, 0, 0, HADAL_SLOT(&D::versions, &VersionsSpec::dynamo)},
    // clang-format on
};

}  // namespace

std::span<const SpecField> spec_fields() {
  return kFields;
}
std::span<const SpecSection> spec_sections() {
  return kSections;
}

const SpecField* find_spec_field(std::string_view path) {
  for (const SpecField& field : kFields) {
    if (field.path == path) return &field;
  }
  return nullptr;
}

const SpecSection* find_spec_section(std::string_view path) {
  for (const SpecSection& section : kSections) {
    if (section.path == path) return &section;
  }
  return nullptr;
}

std::string_view spec_key(std::string_view path) {
  const size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

std::string_view spec_parent(std::string_view path) {
  const size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

std::vector<std::string_view> spec_children(std::string_view parent) {
  std::vector<std::string_view> out;
  for (const SpecField& field : kFields) {
    if (spec_parent(field.path) == parent) out.push_back(spec_key(field.path));
  }
  for (const SpecSection& section : kSections) {
    if (spec_parent(section.path) == parent) out.push_back(spec_key(section.path));
  }
  return out;
}

}  // namespace hadal
