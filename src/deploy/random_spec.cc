#include "deploy/random_spec.h"

#include <initializer_list>
#include <string_view>
#include <vector>

namespace hadal {
namespace {

using Words = std::initializer_list<std::string_view>;

class SpecMaker {
 public:
  explicit SpecMaker(std::mt19937& random) : random_(random) {}

  std::string run() {
    line("name: " + pick({"dsr1", "deepseek-r1", "a", "r1-qwen-7b", "llm-with-a-rather-long-name-of-forty"}));
    if (chance(70)) line("namespace: " + pick({"llm", "default", "team-a"}));
    profile_ = chance(50) ? "plain" : pick({"tke", "openshift", "kserve", "dynamo", "plain"});
    line("profile: " + profile_);
    on_gpus_ = chance(75);
    split_ = on_gpus_ && chance(15);
    choose_machines();
    engine();
    model();
    machines();
    storage();
    exposure();
    operations();
    extras();
    return std::move(out_);
  }

 private:
  int number(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  bool chance(int percent) { return number(1, 100) <= percent; }
  std::string pick(Words words) {
    return std::string(*(words.begin() + number(0, static_cast<int>(words.size()) - 1)));
  }
  void line(const std::string& text) { out_ += text + "\n"; }
  void maybe(int percent, const std::string& text) {
    if (chance(percent)) line(text);
  }

  void choose_machines() {
    several_hosts_ = chance(40);
    gpus_ = several_hosts_ ? pick({"16xH200", "16xH200", "16xH20", "16xB200", "32xH100", "16xA800"})
                           : pick({"8xH200", "1xL40S", "2xL40S", "4xH100", "8xB200", "8xMI300X"});
  }

  void engine() {
    engine_ = !on_gpus_              ? "hadal"
              : profile_ == "dynamo" ? pick({"sglang", "vllm", "trtllm"})
                                     : pick({"sglang", "sglang", "vllm", "trtllm", "hadal"});
    line("engine:");
    line("  name: " + engine_);
    maybe(20, "  image: registry.example.com/llm/engine@sha256:" + std::string(64, '4'));
    maybe(20, "  port: " + std::to_string(number(2000, 60000)));
    maybe(20, "  maxRunningRequests: " + std::to_string(number(1, 512)));
    if (engine_ != "hadal") maybe(20, "  memoryFraction: 0.85");
    maybe(15, "  extraArgs: [" + std::string(engine_ == "hadal" ? "--chat-template" : "--some-flag") +
                  ", \"it's {{ hostile }} \\\"text\\\" $(X) %s\"]");
    maybe(15, "  env: {A_FLAG: \"true\", ZERO: \"0123\", VERSION: \"8.0\", COLON: \"a: b # c\"}");
    maybe(10, "  logRequests: false");
  }

  void model() {
    line("model:");
    line("  ref: " +
         (several_hosts_ && on_gpus_ ? pick({"deepseek-r1", "deepseek-r1", "hf:org/Some-Model",
                                             "ms:org/model@v1", "/weights/DeepSeek-R1"})
          : chance(60) ? pick({"deepseek-r1", "r1-distill-qwen-7b", "r1-distill-llama-70b", "smollm2-135m"})
                       : pick({"hf:org/Some-Model", "ms:org/model@v1", "/weights/DeepSeek-R1",
                               "r1-distill-qwen-32b"})));
    maybe(20, "  servedName: my-model");
    maybe(30, "  size: 20Gi");
    maybe(20, "  contextLength: 32768");
    maybe(10, "  kvDtype: fp8");
  }

  void machines() {
    if (on_gpus_) {
      line("gpus: " + gpus_);
    } else if (several_hosts_) {
      line("nodes: " + std::to_string(number(2, 3)));
    }
    if (split_) {
      line("topology: prefill-decode");
      maybe(50, "prefill: {replicas: 2}");
      maybe(50, "decode: {replicas: 1, extraArgs: [--foo]}");
    } else {
      maybe(40, "replicas: " + std::to_string(number(0, 4)));
    }
    if (chance(15)) line("resources: {cpu: 4, memory: 64Gi, shm: 8Gi}");
    if ((several_hosts_ || split_) && chance(60)) {
      line("network: " +
           pick({"{type: rdma, hcas: [mlx5_0, mlx5_1]}",
                 "{type: rdma, fabric: roce, gidIndex: 3, devices: 4}", "{type: host, interface: bond0}",
                 "{type: host, interface: ens3, hcas: [mlx5_2], debug: true, resource: rdma/hca}"}));
    }
    if (chance(30)) {
      line("scheduler: " +
           pick({"kueue", "{type: volcano, queue: llm, createQueue: true}", "{type: kueue, queue: team}",
                 "{type: kueue, topology: cloud.example.com/rack}",
                 several_hosts_ ? "{exclusiveTopology: topology.kubernetes.io/rack}" : "kueue"}));
    }
  }

  void storage() {
    if (chance(15)) return;
    line("storage: " +
         pick({"{type: pvc, size: 900Gi, storageClass: nfs}",
               "{type: pvc, claim: ai-model, create: false, download: false}",
               "{type: pvc-per-node, size: 1Ti}", "{type: host-path, hostPath: /data/models, readGBs: 2.5}",
               "{type: s3, uri: \"s3://bucket/prefix\", secret: minio, endpoint: \"http://minio:9000\"}",
               "{type: oci, image: registry.example.com/models/r1:1}", "empty-dir",
               "{size: 800Gi, download: {source: \"ms:org/name\", tokenSecret: hub}}"}));
  }

  void exposure() {
    if (chance(20)) return;
    line("exposure: " +
         (profile_ == "openshift" && chance(60)
              ? pick({"Route", "{type: Route, host: llm.apps.example.com}",
                      "{type: Route, tls: {termination: none}}"})
              : pick({"ClusterIP", "NodePort", "{type: NodePort, nodePort: 30800}", "LoadBalancer",
                      "{type: LoadBalancer, sourceRanges: [10.0.0.0/8, \"fd00::/8\"]}", "Ingress",
                      "{type: Ingress, host: llm.example.com, class: nginx, tls: llm-tls}",
                      "{type: Gateway, gateway: llm}",
                      "{type: Gateway, host: llm.example.com, tls: t, gateway: {name: llm, create: true, "
                      "class: eg}}",
                      "{type: Gateway, gateway: {name: llm, namespace: envoy, section: https}}",
                      "InferencePool", "{type: InferencePool, gateway: llm}"})));
    maybe(50, "apiKey: my-key");
  }

  void operations() {
    const bool scaled = chance(25);
    if (scaled)
      line("autoscaling: " +
           pick({"hpa", "{type: keda, min: 2, max: 5}", "{type: hpa, min: 1, max: 3, waitingRequests: 8}"}));
    if (scaled || chance(50))
      line("monitoring: " +
           pick({"pod-monitor", "service-monitor",
                 on_gpus_ && profile_ != "dynamo" ? "{type: pod-monitor, gpuRules: true, labels: {team: llm}}"
                                                  : "{type: pod-monitor, interval: 30}"}));
    if (chance(20))
      line("openWebUI: " + pick({"true", "{enabled: true, host: chat.example.com, tlsSecret: chat}"}));
    if (chance(20)) line("pdb: " + pick({"false", "{minAvailable: 0}", "{minAvailable: 1}"}));
    if (chance(20))
      line("rollout: " + pick({"recreate", "rolling", "{maxSurge: 1, maxUnavailable: 0}",
                               several_hosts_ ? "{partition: 1}" : "auto"}));
    if (chance(20))
      line(std::string("tenancy: {networkPolicy: true, allowNamespaces: [clients]") +
           (chance(50) ? ", allowCidrs: [10.0.0.0/8]" : "") + (on_gpus_ ? ", quota: true}" : "}"));
  }

  void extras() {
    if (chance(20))
      line("versions: " + pick({"{lws: 0.5.1, kubernetes: 1.29}", "{lws: 0.7.0}",
                                "{kubernetes: 1.34, lws: 0.8.0}", "{kserve: 0.15.0}"}));
    if (chance(15)) line("labels: {team: llm, cost-center: \"0123\"}");
    if (chance(15)) line("annotations: {example.com/note: \"yes: {{ no }}\"}");
    if (chance(15)) line("registry: mirror.example.com/llm");
    if (chance(10)) line("imagePullSecrets: [regcred]");
    if (chance(15)) line("timing: {longestRequestSeconds: 1800, startupSeconds: 3600}");
    if (chance(10)) line("security: {readOnlyRootFilesystem: true}");
    if (chance(5)) line("security: {serviceAccount: own}");
    if (chance(10)) line("preflight: false");
  }

  std::mt19937& random_;
  std::string out_, profile_, engine_, gpus_;
  bool on_gpus_ = false, split_ = false, several_hosts_ = false;
};

}  // namespace

std::string random_spec(std::mt19937& random) {
  return SpecMaker(random).run();
}

}  // namespace hadal
