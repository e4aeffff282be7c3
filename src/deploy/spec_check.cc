#include "deploy/spec_check.h"

#include <algorithm>

#include "base/join_text.h"
#include "deploy/engine_flags.h"
#include "deploy/spec_table.h"

namespace hadal {
namespace {

// Absolute, without empty parts and ".".
std::string normal_path(std::string_view path) {
  std::string out;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (!part.empty() && part != ".") out += "/" + std::string(part);
    at = end + 1;
  }
  return out.empty() ? "/" : out;
}

// The host's own directories (Filesystem Hierarchy Standard 3.0), and those that a kubelet and its runtime
// keep.
bool is_system_directory(std::string_view path) {
  constexpr std::string_view kTrees[] = {"/bin",
                                         "/boot",
                                         "/dev",
                                         "/etc",
                                         "/lib",
                                         "/lib32",
                                         "/lib64",
                                         "/proc",
                                         "/root",
                                         "/run",
                                         "/sbin",
                                         "/sys",
                                         "/usr",
                                         "/var/lib/kubelet",
                                         "/var/lib/etcd",
                                         "/var/lib/containerd",
                                         "/var/lib/containers",
                                         "/var/lib/docker",
                                         "/var/run"};
  constexpr std::string_view kAlone[] = {"/", "/home", "/var", "/var/lib", "/var/log", "/var/cache"};
  const std::string normal = normal_path(path);
  return std::any_of(std::begin(kTrees), std::end(kTrees),
                     [&](std::string_view tree) {
                       return normal == tree || normal.starts_with(std::string(tree) + "/");
                     }) ||
         std::find(std::begin(kAlone), std::end(kAlone), normal) != std::end(kAlone);
}

class SpecChecker {
 public:
  explicit SpecChecker(const DeploySpec& spec) : spec_(spec) {}

  Status run() {
    check_names();
    check_storage();
    check_exposure();
    check_scheduling();
    check_network();
    check_tenancy();
    check_gpus();
    check_scaling();
    check_timing();
    check_arguments();
    check_environment();
    if (errors_.empty()) return {};
    return invalid_argument(errors_);
  }

 private:
  template <typename... Words>
  void fail(std::string_view field, const Words&... words) {
    if (!errors_.empty()) errors_ += "\n";
    errors_ += spec_.place(field) + ": " + make_error(ErrorCode::kInvalidArgument, words...).message;
  }

  static double amount(const std::string& text) {
    double value = 0;
    return !text.empty() && parse_quantity(text, value) ? value : 0;
  }

  void check_names() {
    if (spec_.name.starts_with("kube-")) fail("name", "names with kube- belong to Kubernetes");
    if (spec_.ns.starts_with("kube-")) fail("namespace", "namespaces with kube- belong to Kubernetes");
    const auto reserved = [](const std::string& key) {
      return key.starts_with("app.kubernetes.io/") || key.starts_with("hadal.dev/") ||
             key.starts_with("leaderworkerset.sigs.k8s.io/");
    };
    for (const auto& [key, value] : spec_.labels) {
      if (reserved(key)) fail("labels", "label ", key, " is hadal's own: choose another key");
    }
  }

  void check_gpus() {
    if (!spec_.gpus.type.empty()) return;
    for (const auto& [field, value] :
         {std::pair("gpus.count", spec_.gpus.count), std::pair("gpus.perNode", spec_.gpus.per_node)}) {
      if (value > 0) fail(field, "GPUs of which kind? Set gpus.type, or write the order whole: gpus: 8xH200");
    }
  }

  void check_storage() {
    const StorageSpec& storage = spec_.storage;
    const std::string type = storage.type;
    // What the model's directory is becomes the property of the pod's user, with all that lies in it.
    if (!storage.host_path.empty() && is_system_directory(storage.host_path))
      fail("storage.hostPath", storage.host_path,
           " is the host's own: name a directory for models, such as /data/models");
    if (!spec_.model.path.empty() && normal_path(spec_.model.path) != "/" + spec_.model.path)
      fail("model.path", "\"", spec_.model.path,
           "\" must name a directory of the model's own inside the volume, without \".\" and empty parts");
    if (type == "s3" && storage.uri.empty() && !spec_.model.ref.starts_with("s3://") &&
        !storage.download.source.starts_with("s3://"))
      fail("storage.type", "storage s3 needs uri: s3://bucket/prefix");
    if (!storage.uri.empty() && !storage.uri.starts_with("s3://"))
      fail("storage.uri", "uri must begin with s3://");
    if (!storage.uri.empty() && !type.empty() && type != "s3")
      fail("storage.uri", "uri goes with storage type s3, not ", type,
           "; to fill a claim from S3 use download.source");
    if (type == "oci" && storage.image.empty())
      fail("storage.type", "storage oci needs image: the one that holds the model");
    if (!storage.image.empty() && !type.empty() && type != "oci")
      fail("storage.image", "image goes with storage type oci, not ", type);
    if (spec_.model.ref.starts_with("oci://"))
      fail("model.ref",
           "an image with the model goes to storage: {type: oci, image: ...}; model.ref names the model");
    const bool claim = type.empty() || type == "pvc" || type == "pvc-per-node";
    if (!storage.claim.empty() && !claim)
      fail("storage.claim", "claim goes with storage types pvc and pvc-per-node, not ", type);
    const std::string& source = storage.download.source.empty() ? spec_.model.ref : storage.download.source;
    if (source.starts_with("/") && storage.download.source.empty() && storage.download.enabled &&
        (type == "s3" || type == "empty-dir") && storage.uri.empty())
      fail("storage.type", "storage ", type,
           " must know where to fetch from: model.ref is a path; set storage.download.source");
  }

  void check_exposure() {
    const ExposureSpec& exposure = spec_.exposure;
    const auto only = [&](std::string_view field, std::initializer_list<std::string_view> types) {
      if (!spec_.has(field) || std::find(types.begin(), types.end(), exposure.type) != types.end()) return;
      fail(field, field, " goes with ", join_text(types, ", "), ", not ", exposure.type);
    };
    only("exposure.nodePort", {"NodePort"});
    only("exposure.host", {"Ingress", "Gateway", "Route", "InferencePool"});
    only("exposure.class", {"Ingress", "LoadBalancer"});
    only("exposure.gateway", {"Gateway", "InferencePool"});
    only("exposure.endpointPicker", {"InferencePool"});
    only("exposure.sourceRanges", {"LoadBalancer"});
    only("exposure.tls", {"Ingress", "Gateway", "Route", "InferencePool"});
    if (exposure.type == "Gateway" && exposure.gateway.name.empty())
      fail("exposure", "exposure Gateway needs gateway: the Gateway's name");
    if (exposure.gateway.create && exposure.gateway.class_name.empty())
      fail("exposure.gateway.create", "a rendered Gateway needs gateway.class: the gatewayClassName");
    if (exposure.gateway.create && !exposure.gateway.ns.empty() && exposure.gateway.ns != spec_.ns)
      fail("exposure.gateway.namespace", "a rendered Gateway is in the deployment's namespace, ", spec_.ns);
    if (exposure.type == "Ingress" && !exposure.tls.secret.empty() && exposure.host.empty())
      fail("exposure.tls", "TLS of an Ingress needs exposure.host");
    if (exposure.type == "Gateway" && !exposure.tls.secret.empty() && !exposure.gateway.create)
      fail("exposure.tls",
           "the certificate belongs to the Gateway: leave tls out and name its HTTPS listener in "
           "gateway.section, or "
           "set gateway.create: true");
    if (exposure.type == "Ingress" && !exposure.class_name.empty() &&
        !check_spec_text(TextRule::kObjectName, exposure.class_name).ok())
      fail("exposure.class", "an ingressClassName is small letters, digits, dashes and dots, not ",
           exposure.class_name);
    if (exposure.host.starts_with("*.") && exposure.type == "Route")
      fail("exposure.host", "a Route takes one host, no *");
    if (!spec_.web_ui.host.empty() && spec_.web_ui.host == exposure.host)
      fail("openWebUI.host", "the web page needs a host of its own");
  }

  void check_scheduling() {
    const SchedulerSpec& scheduler = spec_.scheduler;
    if (scheduler.create_queue && (scheduler.type != "volcano" || scheduler.queue.empty()))
      fail("scheduler.createQueue", "createQueue goes with scheduler volcano and a queue's name");
    if (!scheduler.topology.empty() && scheduler.type != "kueue")
      fail("scheduler.topology", "topology goes with scheduler kueue; elsewhere use exclusiveTopology");
    const RolloutSpec& rollout = spec_.rollout;
    if (rollout.max_unavailable == 0 && rollout.max_surge == 0)
      fail("rollout", "maxUnavailable and maxSurge are both 0: no pod could ever change");
    if (rollout.strategy == "recreate" && rollout.max_surge > 0)
      fail("rollout.maxSurge", "recreate takes the old pods away first: leave maxSurge out");
    if (spec_.pdb.min_available >
        std::max(spec_.replicas, spec_.autoscaling.type == "none" ? 0 : spec_.autoscaling.min))
      fail("pdb.minAvailable", "minAvailable ", spec_.pdb.min_available,
           " is more than there are instances: nodes could "
           "never be drained");
  }

  void check_tenancy() {
    const TenancySpec& tenancy = spec_.tenancy;
    if (!tenancy.allow_namespaces.empty() && !tenancy.network_policy)
      fail("tenancy.allowNamespaces",
           "allowNamespaces restricts nothing without networkPolicy: true: every namespace could call the "
           "API");
  }

  void check_network() {
    const NetworkSpec& network = spec_.network;
    const auto only_with = [&](std::string_view field, bool ok, std::string_view what) {
      if (spec_.has(field) && !ok) fail(field, field, " goes with ", what);
    };
    only_with("network.resource", network.type != "none", "network rdma or host");
    only_with("network.devices", network.type == "rdma" || !network.resource.empty(),
              "network rdma, or host with a resource");
    only_with("network.hcas", network.type != "none", "network rdma or host");
    only_with("network.gidIndex", network.type != "none", "network rdma or host");
    only_with("network.trafficClass", network.type != "none" && network.fabric == "roce", "fabric roce");
    if (network.fabric == "ib" && network.gid_index > 0)
      fail("network.gidIndex", "InfiniBand's GID index is 0; ", network.gid_index,
           " is RoCE's: set fabric: roce, or leave it out");
    const int64_t devices = network.devices, hcas = static_cast<int64_t>(network.hcas.size());
    if (devices > 0 && hcas > devices)
      fail("network.devices", devices, " devices cannot be the ", hcas, " hcas");
    std::vector<std::string> seen = network.hcas;
    std::sort(seen.begin(), seen.end());
    if (std::adjacent_find(seen.begin(), seen.end()) != seen.end())
      fail("network.hcas", "a device is there twice");
  }

  void check_scaling() {
    const AutoscalingSpec& scaling = spec_.autoscaling;
    if (scaling.type == "none") return;
    if (scaling.min > scaling_max(spec_))
      fail("autoscaling.min", "min ", scaling.min, " is above max ", scaling_max(spec_));
  }

  void check_timing() {
    const TimingSpec& timing = spec_.timing;
    if (timing.endpoint_delay + timing.longest_request + timing.margin > 7 * 86400)
      fail("timing", "a shutdown of more than a week is none");
  }

  void check_arguments() {
    for (std::string_view field : {"prefill.extraArgs", "decode.extraArgs", "engine.extraArgs"}) {
      const SpecField* row = find_spec_field(field);
      const Json words = row->get(spec_);
      for (const Json& word : words.as_array()) check_argument(field, word.as_string());
    }
  }

  EngineDialect dialect() const {
    const std::string& name = spec_.engine.name;
    const bool dynamo = spec_.profile == "dynamo";
    if (name == "sglang") return dynamo ? EngineDialect::kDynamoSglang : EngineDialect::kSglang;
    if (name == "vllm") return dynamo ? EngineDialect::kDynamoVllm : EngineDialect::kVllm;
    if (name == "trtllm") return dynamo ? EngineDialect::kDynamoTrtllm : EngineDialect::kTrtllm;
    return EngineDialect::kHadal;
  }

  // What hadal sets itself, or what would put a secret where everyone reads it.
  void check_argument(std::string_view field, const std::string& word) {
    const std::string name = word.substr(0, word.find('='));
    if (name == "--enable-metric") return fail(field, "the flag is --enable-metrics, and hadal sets it");
    if (name == "--max-running-request")
      return fail(field, "the flag is --max-running-requests: use engine.maxRunningRequests");
    if (const size_t blank = name.find(' '); name.starts_with("-") && blank != std::string::npos)
      return fail(field, "\"", word, "\" is one word to the engine, which has no such flag: write two, ",
                  name.substr(0, blank), " and ", word.substr(blank + 1));
    EngineFlag flag = find_engine_flag(dialect(), word);
    // What is a flag of another engine is meant as that.
    for (const EngineDialect other :
         {EngineDialect::kVllm, EngineDialect::kSglang, EngineDialect::kTrtllm, EngineDialect::kHadal}) {
      if (flag.setting != EngineSetting::kNone) break;
      if (EngineFlag found = find_engine_flag(other, word); !found.abbreviated) flag = std::move(found);
    }
    // Engines have types of KV caches that the spec has no word for.
    if (flag.setting == EngineSetting::kNone ||
        (flag.setting == EngineSetting::kKvDtype && spec_.model.kv_dtype.empty()))
      return;
    const std::string_view own = setting_field(flag.setting);
    const bool as_written = flag.name == name;
    fail(field, name,
         as_written         ? ""
         : flag.abbreviated ? " is the beginning of "
                            : " is ",
         as_written ? "" : flag.name, as_written ? " is hadal's to set" : ", which is hadal's to set",
         own.empty() ? " from the layout: leave it out" : ": use " + std::string(own),
         flag.setting == EngineSetting::kApiKey ? ", from a Secret" : "");
  }

  void check_environment() {
    for (const auto& [name, value] : spec_.engine.env) {
      const bool secret =
          name.find("API_KEY") != std::string::npos || name.find("TOKEN") != std::string::npos ||
          name.find("PASSWORD") != std::string::npos || name.find("SECRET") != std::string::npos;
      if (secret && name.find("TOKENIZ") == std::string::npos &&
          name.find("NUM_TOKENS") == std::string::npos && name.find("MAX_TOKENS") == std::string::npos)
        fail("engine.env", name,
             " looks like a secret: use apiKey, groupSecret or storage.download.tokenSecret, which name "
             "Secrets");
      if (name.starts_with("LWS_")) fail("engine.env", name, " is set by the LeaderWorkerSet's controller");
      if (name == "SGLANG_USE_MODELSCOPE" || name == "VLLM_USE_MODELSCOPE")
        fail("engine.env", name,
             " does nothing here: the model is a local directory; for ModelScope set "
             "storage.download.source to ms:org/name");
      if (name == "NCCL_IB_CUDA_SUPPORT")
        fail("engine.env", "NCCL_IB_CUDA_SUPPORT is obsolete: NCCL does not read it");
      constexpr std::string_view kNetwork[] = {"NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME", "NCCL_IB_HCA",
                                               "NCCL_IB_GID_INDEX",  "UCX_NET_DEVICES",    "NVSHMEM_HCA_LIST",
                                               "NCCL_IB_DISABLE"};
      if (std::find(std::begin(kNetwork), std::end(kNetwork), name) != std::end(kNetwork))
        fail("engine.env", name, " comes from the network section, so that all libraries agree");
    }
  }

  const DeploySpec& spec_;
  std::string errors_;
};

}  // namespace

int64_t scaling_max(const DeploySpec& spec) {
  return spec.autoscaling.max > 0 ? spec.autoscaling.max : std::max<int64_t>(2, spec.replicas * 2);
}

bool version_at_least(std::string_view version, std::string_view least) {
  const auto next = [](std::string_view& text) {
    int64_t value = 0;
    if (text.starts_with("v")) text.remove_prefix(1);
    while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
      value = value * 10 + (text[0] - '0');
      text.remove_prefix(1);
    }
    if (text.starts_with(".")) text.remove_prefix(1);
    return value;
  };
  for (int part = 0; part < 3; ++part) {
    const int64_t have = next(version), want = next(least);
    if (have != want) return have > want;
  }
  return true;
}

Status check_deploy_spec(const DeploySpec& spec) {
  return SpecChecker(spec).run();
}

}  // namespace hadal
