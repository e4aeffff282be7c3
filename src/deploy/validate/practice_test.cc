// Rules of engines' commands, ports, probes and hooks, and of KServe's and KEDA's objects: what they find,
// and what they leave alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/file.h"
#include "deploy/validate.h"
#include "deploy/validate/fix.h"
#include "deploy/validate/schema.h"

namespace hadal {
namespace {

std::vector<Finding> findings_of(const std::string& text, const ValidateOptions& options = {}) {
  const ManifestFile file{"a.yaml", text};
  return validate_manifests({&file, 1}, options).findings;
}

int count(const std::string& text, std::string_view rule, const ValidateOptions& options = {}) {
  const auto found = findings_of(text, options);
  return static_cast<int>(
      std::count_if(found.begin(), found.end(), [&](const Finding& f) { return f.rule == rule; }));
}

// One container's body, in lines that begin at its first key.
std::string pod(const std::string& container, const std::string& spec = "") {
  std::string out =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: a}}\nspec:\n" + spec + "  containers:\n";
  std::string indented = "  - name: c\n";
  for (size_t at = 0; at < container.size();) {
    const size_t end = std::min(container.find('\n', at), container.size());
    indented += "    " + container.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return out + indented;
}

std::string vllm(const std::string& args, const std::string& rest = "") {
  return pod("image: r/vllm:1\ncommand: [vllm, serve, org/model]\nargs: [" + args + "]\n" + rest);
}
std::string sglang(const std::string& args, const std::string& rest = "") {
  return pod(
      "image: r/sglang:1\ncommand: [python3, -m, sglang.launch_server, --model-path, org/model]\nargs: [" +
      args + "]\n" + rest);
}
std::string trtllm(const std::string& args, const std::string& rest = "") {
  return pod("image: r/trtllm:1\ncommand: [trtllm-serve, org/model]\nargs: [" + args + "]\n" + rest);
}
constexpr char kOneGpu[] = "resources: {limits: {nvidia.com/gpu: 1, memory: 64Gi}}\n";

TEST(EngineFlags, EverySpellingOfASettingIsRead) {
  for (const char* args :
       {"--tensor-parallel-size=2", "--tensor_parallel_size=2", "-tp, \"2\"", "-tp=2", "--tensor-parallel=2"})
    EXPECT_EQ(count(vllm(args, kOneGpu), "engine/more-ranks-than-gpus"), 1) << args;
  for (const char* args :
       {"--tp, \"2\"", "--tp-size=2", "--tensor-parallel=2", "--tensor-parallel-size, \"2\""})
    EXPECT_EQ(count(sglang(args, kOneGpu), "engine/more-ranks-than-gpus"), 1) << args;
  for (const char* args : {"--tp_size=2", "--tensor_parallel_size, \"2\""})
    EXPECT_EQ(count(trtllm(args, kOneGpu), "engine/more-ranks-than-gpus"), 1) << args;
  EXPECT_EQ(count(trtllm("--tp_size=1", kOneGpu), "engine/more-ranks-than-gpus"), 0);
}

TEST(EngineFlags, SettingsThatAreGivenTwiceAreTold) {
  EXPECT_EQ(count(vllm("--tensor-parallel-size=4, --tensor_parallel_size=2"), "engine/flag-twice"), 1);
  EXPECT_EQ(count(vllm("--tensor-parallel-size, \"4\", -tp, \"2\""), "engine/flag-twice"), 1);
  EXPECT_EQ(count(vllm("--served-model-name, a, --served_model_name=b"), "engine/flag-twice"), 1);
  EXPECT_EQ(count(vllm("--max-model-len=1, --max_model_len, \"2\""), "engine/flag-twice"), 1);
  EXPECT_EQ(count(sglang("--tp, \"2\", --tensor-parallel=2"), "engine/flag-twice"), 1);
  EXPECT_EQ(count(trtllm("--tp_size=2, --tensor_parallel_size=4"), "engine/flag-twice"), 1);
  EXPECT_EQ(count(vllm("-tp, \"2\", -pp, \"2\", --max-model-len, \"100\""), "engine/flag-twice"), 0);
  EXPECT_EQ(
      count(vllm("--master-addr, a, --master-port, \"1\", --api-key, k, --api-key, l"), "engine/flag-twice"),
      0);
}

TEST(EngineFlags, SpellingsThatTheEngineDoesNotTakeAreErrors) {
  for (const char* args : {"--tensor_parallel_size=2", "-tp, \"2\""})
    EXPECT_EQ(count(sglang(args), "engine/unknown-flag"), 1) << args;
  for (const char* args : {"--tp-size=2", "--tp, \"2\"", "--max-model-len=100"})
    EXPECT_EQ(count(trtllm(args), "engine/unknown-flag"), 1) << args;
  for (const char* args : {"--tp=2", "--context-length, \"100\"", "--mem-fraction-static=0.8"})
    EXPECT_EQ(count(vllm(args), "engine/unknown-flag"), 1) << args;
  for (const char* args : {"--tensor_parallel_size=2", "-tp, \"2\"", "--served_model_name, a",
                           "--max_model_len=5", "--a-flag-of-a-newer-release"})
    EXPECT_EQ(count(vllm(args), "engine/unknown-flag"), 0) << args;
  EXPECT_EQ(count(vllm("--tensor-parallel=2"), "engine/flag-abbreviated"), 1);
}

TEST(EnginePorts, ProbesAndPortsAreThoseThatItListensOn) {
  const std::string ports = "ports: [{name: http, containerPort: 8000}]\n";
  const std::string probe = "readinessProbe: {httpGet: {path: /health, port: 8000}}\n";
  EXPECT_EQ(count(vllm("--port, \"8080\"", ports + probe), "engine/port"), 2);
  EXPECT_EQ(count(vllm("--port=8080", ports), "engine/port"), 1);
  EXPECT_EQ(count(vllm("--port=8000", ports + probe), "engine/port"), 0);
  EXPECT_EQ(count(vllm("", ports + probe), "engine/port"), 0);
  EXPECT_EQ(count(sglang("", ports + probe), "engine/port"), 2);
  EXPECT_EQ(count(sglang("--port, \"8000\"", ports + probe), "engine/port"), 0);
  EXPECT_EQ(count(trtllm("--port, \"8001\"", ports), "engine/port"), 1);
  // A variable, a settings file, a sidecar before it, another port of its own.
  EXPECT_EQ(count(vllm("--port, $(PORT)", ports + probe), "engine/port"), 0);
  EXPECT_EQ(count(vllm("--config, /etc/vllm.yaml", "ports: [{containerPort: 9}]\n"), "engine/port"), 0);
  EXPECT_EQ(
      count(vllm("--port=8080", probe) + "  - {name: s, image: r/s:1, ports: [{containerPort: 8000}]}\n",
            "engine/port"),
      0);
}

TEST(EnginePorts, ServicesReachThem) {
  const auto service = [](const std::string& port) {
    return "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {app: a}, ports: [{" +
           port + "}]}\n";
  };
  const std::string ports = "ports: [{name: http, containerPort: 8000}]\n";
  EXPECT_EQ(count(vllm("", ports) + service("port: 80, targetPort: 9999"), "service/target-port-closed"), 1);
  EXPECT_EQ(count(vllm("", ports) + service("port: 9999"), "service/target-port-closed"), 1);
  for (const char* good : {"port: 80, targetPort: 8000", "port: 80, targetPort: http", "port: 8000"})
    EXPECT_EQ(count(vllm("", ports) + service(good), "service/target-port-closed"), 0) << good;
  // Who declares nothing may listen on any; what is no engine is not known.
  EXPECT_EQ(count(pod("image: r/x:1\n") + service("port: 9999"), "service/target-port-closed"), 0);
  EXPECT_EQ(count(vllm("", ports) + "  - {name: s, image: r/s:1}\n" + service("port: 9999"),
                  "service/target-port-closed"),
            0);
}

TEST(Probes, PathsAreThoseThatTheEngineHas) {
  const auto probe = [](const std::string& path) {
    return "readinessProbe: {httpGet: {path: " + path + ", port: 8000}, timeoutSeconds: 5}\n";
  };
  for (const char* path : {"/healthz", "/readyz", "/health/ready", "/health_generate", "/v1/health/ready"})
    EXPECT_EQ(count(vllm("", probe(path)), "probe/no-such-path"), 1) << path;
  for (const char* path : {"/health", "/ping", "/load", "/v1/models", "/metrics", "/of/a/middleware"})
    EXPECT_EQ(count(vllm("", probe(path)), "probe/no-such-path"), 0) << path;
  EXPECT_EQ(count(vllm("--root-path, /x", probe("/healthz")), "probe/no-such-path"), 0);
  EXPECT_EQ(count(sglang("--port=8000", probe("/healthz")), "probe/no-such-path"), 1);
  EXPECT_EQ(count(sglang("--port=8000", probe("/health_generate")), "probe/no-such-path"), 0);
  EXPECT_EQ(count(trtllm("", probe("/ping")), "probe/no-such-path"), 1);
  EXPECT_EQ(count(trtllm("", probe("/health")), "probe/no-such-path"), 0);
  EXPECT_EQ(count(pod("image: r/x:1\n" + probe("/healthz")), "probe/no-such-path"), 0);
}

TEST(Hooks, SleepsFitTheGracePeriod) {
  const auto hook = [](const std::string& command) {
    return "image: r/x:1\nlifecycle: {preStop: {exec: {command: [" + command + "]}}}\n";
  };
  for (const char* command : {"sleep, \"60\"", "/bin/sh, -c, \"sleep 60\"", "/bin/sleep, \"30\"",
                              "sh, -c, \"sleep 20; sleep 20\"", "sh, -c, \"sleep 1m\""})
    EXPECT_EQ(count(pod(hook(command)), "pod/pre-stop-uses-grace"), 1) << command;
  for (const char* command : {"sleep, \"5\"", "sh, -c, \"while true; do sleep 60; done\"",
                              "sh, -c, \"echo sleep\"", "sh, -c, \"timeout 5 sleep 60\""})
    EXPECT_EQ(count(pod(hook(command)), "pod/pre-stop-uses-grace"), 0) << command;
  EXPECT_EQ(
      count(pod(hook("sleep, \"60\""), "  terminationGracePeriodSeconds: 120\n"), "pod/pre-stop-uses-grace"),
      0);
  EXPECT_EQ(count(pod("image: r/x:1\nlifecycle: {preStop: {sleep: {seconds: 60}}}\n"), "pod/pre-stop-grace"),
            1);
}

TEST(Security, CapabilitiesAndPrivileges) {
  const auto with = [](const std::string& context) {
    return pod("image: r/x:1\nsecurityContext: " + context + "\n");
  };
  EXPECT_EQ(count(with("{capabilities: {add: [CAP_IPC_LOCK]}}"), "pod/capability"), 1);
  EXPECT_EQ(count(with("{capabilities: {add: [IPC_LOK], drop: [CAP_ALL]}}"), "pod/capability"), 2);
  EXPECT_EQ(
      count(with("{capabilities: {add: [IPC_LOCK, SYS_PTRACE, ipc_lock], drop: [ALL]}}"), "pod/capability"),
      0);
  std::vector<ManifestFile> files{{"a.yaml", with("{capabilities: {add: [CAP_IPC_LOCK]}}")}};
  apply_safe_fixes(files, {});
  EXPECT_EQ(files[0].text, with("{capabilities: {add: [IPC_LOCK]}}"));
  EXPECT_EQ(count(with("{privileged: true}"), "pod/privileged"), 1);
  const auto engine = findings_of(vllm("", "securityContext: {privileged: true}\n"));
  EXPECT_TRUE(std::any_of(engine.begin(), engine.end(), [](const Finding& f) {
    return f.rule == "pod/privileged" && f.severity == Severity::kWarning;
  }));
}

TEST(Images, NamesThatNoRuntimeReads) {
  for (const char* image :
       {"UPPER/Case:tag", "\"nginx@sha256:abc\"", "\"a b\"", "\"nginx:\"", "https://r/x:1"})
    EXPECT_EQ(count(pod(std::string("image: ") + image + "\n"), "pod/image-name"), 1) << image;
  for (const char* image :
       {"nginx", "r.example.com:5000/a/b:1.0-rc_1", "${IMAGE}", "ko://github.com/a/b", "controller:latest",
        "r/x@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"})
    EXPECT_EQ(count(pod(std::string("image: \"") + image + "\"\n"), "pod/image-name"), 0) << image;
}

std::string inference(const std::string& predictor, const std::string& annotations = "{}") {
  return "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: a, annotations: " +
         annotations + "}\nspec: {predictor: " + predictor + "}\n";
}

TEST(Kserve, ReplicasModesAndAddresses) {
  EXPECT_EQ(count(inference("{minReplicas: 3, maxReplicas: 1}"), "kserve/replicas"), 1);
  EXPECT_EQ(count(inference("{minReplicas: 1, maxReplicas: 3}"), "kserve/replicas"), 0);
  EXPECT_EQ(count(inference("{minReplicas: 3, maxReplicas: 0}"), "kserve/replicas"), 0);
  const auto mode = [](const std::string& name) {
    return inference("{}", "{serving.kserve.io/deploymentMode: " + name + "}");
  };
  for (const char* bad : {"RawDeploymnt", "standard", "Raw"})
    EXPECT_EQ(count(mode(bad), "kserve/deployment-mode"), 1) << bad;
  ValidateOptions old;
  old.kserve_version = "0.15.2";
  for (const char* good : {"RawDeployment", "Serverless", "ModelMesh", "Standard", "Knative"})
    EXPECT_EQ(count(mode(good), "kserve/deployment-mode"), 0) << good;
  EXPECT_EQ(count(mode("Standard"), "version/field-too-new", old), 1);
  EXPECT_EQ(count(mode("RawDeployment"), "version/field-too-new", old), 0);
  const auto uri = [](const std::string& text) {
    return count(inference("{model: {modelFormat: {name: huggingface}, storageUri: \"" + text + "\"}}"),
                 "kserve/storage-uri");
  };
  for (const char* bad : {"s3:/b/k", "s3:b/k", "hf:org/model", "s3://", "s3a://b/k"})
    EXPECT_EQ(uri(bad), 1) << bad;
  for (const char* good : {"s3://b/k", "hf://org/model", "pvc://claim/path", "/mnt/models", "oci://r/m:1",
                           "oci+native://r/m:1", "$(URI)"})
    EXPECT_EQ(uri(good), 0) << good;
}

TEST(Autoscalers, ARuleWithoutWordsNamesItsFields) {
  const auto found = findings_of(
      "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\nspec: {scaleTargetRef: {name: "
      "x}, "
      "minReplicaCount: 5, maxReplicaCount: 2, triggers: [{type: cpu, metadata: {value: \"50\"}}]}\n");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].fix.starts_with("change minReplicaCount or maxReplicaCount; what must hold, in CEL: "))
      << found[0].fix;
}

TEST(Autoscalers, AnObjectInTwoFilesIsNoSecondScaler) {
  const std::string scaler =
      "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\nspec: {scaleTargetRef: {name: "
      "x}, "
      "triggers: [{type: cpu, metadata: {value: \"50\"}}]}\n---\n";
  EXPECT_EQ(count(scaler + scaler, "hpa/two-scalers"), 0);
  std::string other = scaler;
  other.replace(other.find("{name: a}"), 9, "{name: b}");
  EXPECT_EQ(count(scaler + other, "hpa/two-scalers"), 1);
}

TEST(Flags, ThoseOfNewerReleasesAreNoMisspellings) {
  for (const char* flag : {"--ec-transfer-config", "--kv-transfer-config", "--spec-method", "--mamba-config"})
    EXPECT_EQ(count(vllm(std::string(flag) + "=x"), "engine/unknown-flag"), 0) << flag;
  EXPECT_EQ(count(vllm("--kv-transfer-confg=x"), "engine/unknown-flag"), 1);
}

TEST(Ingresses, EachControllerIsToldOfLongAnswers) {
  const auto found = [](const std::string& class_name, const std::string& note) {
    return count(
        vllm("--port=8000", "ports: [{name: http, containerPort: 8000}]") +
            "---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selector: {app: a}, ports: "
            "[{port: 8000}]}\n"
            "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, annotations: {x: y" +
            note + "}}\nspec: {" + class_name +
            "rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: "
            "{number: 8000}}}}]}}]}\n",
        "net/ingress-timeout");
  };
  const std::string nginx = ", nginx.ingress.kubernetes.io/proxy-read-timeout: \"3600\"";
  const std::string haproxy = ", haproxy.org/timeout-server: 3600s";
  EXPECT_EQ(found("", ""), 1);
  EXPECT_EQ(found("", nginx), 0);
  EXPECT_EQ(found("", haproxy), 0) << "the cluster's default is another";
  EXPECT_EQ(found("", ", kubernetes.io/ingress.class: haproxy"), 1);
  EXPECT_EQ(found("", ", kubernetes.io/ingress.class: haproxy" + haproxy), 0);
  for (const char* name : {"nginx", "haproxy", "contour", "alb", "openshift-default"})
    EXPECT_EQ(found("ingressClassName: " + std::string(name) + ", ", ""), 1) << name;
  for (const char* name : {"traefik", "gce"})
    EXPECT_EQ(found("ingressClassName: " + std::string(name) + ", ", ""), 0) << name;
  EXPECT_EQ(found("ingressClassName: nginx, ", nginx), 0);
  EXPECT_EQ(found("ingressClassName: nginx, ", haproxy), 1) << "not nginx's";
}

TEST(Claims, TheSizeIsThatOfTheWeightsThatAreLoaded) {
  const auto found = [](const std::string& args) {
    return count(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: m}\nspec: {accessModes: "
        "[ReadWriteMany], resources: {requests: {storage: 400Gi}}}\n---\n" +
            pod("image: r/vllm:1\ncommand: [vllm, serve, " + args +
                "]\nvolumeMounts: [{name: m, mountPath: /models}]\n") +
            "  volumes:\n  - {name: m, persistentVolumeClaim: {claimName: m}}\n",
        "storage/claim-too-small");
  };
  EXPECT_EQ(found("/models/DeepSeek-R1"), 1);
  EXPECT_EQ(found("deepseek-ai/DeepSeek-R1, --served-model-name, r1"), 1);
  EXPECT_EQ(found("/models/DeepSeek-R1-AWQ, --served-model-name, deepseek-r1"), 0) << "quantised";
  EXPECT_EQ(found("/models/DeepSeek-R1, --quantization, awq_marlin"), 0);
  EXPECT_EQ(found("/models/DeepSeek-R1, --quantization, fp8"), 1) << "as it is";
  EXPECT_EQ(found("/models/other, --served-model-name, deepseek-r1"), 0) << "a name, not the weights";
}

// What the schema and a rule both find is told once, by the rule that knows more.
TEST(Findings, OneThingIsToldOnce) {
  const std::string ingress =
      "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec: {rules: [{http: {paths: "
      "[{path: "
      "/, backend: {service: {name: x, port: {number: 80}}}}]}}]}\n";
  EXPECT_EQ(count(ingress, "ingress/path-type"), 1);
  EXPECT_EQ(count(ingress, "schema/required"), 0);
  ValidateOptions options;
  options.disabled_rules = {"ingress/path-type"};
  EXPECT_EQ(count(ingress, "schema/required", options), 1) << "the server refuses it all the same";
  const auto found = findings_of(
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  selector: {matchLabels: {a: b}}\n"
      "  template:\n    metadata: {labels: {a: b}}\n    spec:\n      containers:\n"
      "        - image: a:1\n          ports: [{name: x}]\n          env: [{value: a}]\n"
      "          volumeMounts: [{name: x}]\n      volumes: [{emptyDir: {}}]\n");
  std::set<std::tuple<int, int, std::string>> places;
  for (const Finding& f : found)
    EXPECT_TRUE(places.emplace(f.line, f.column, f.message).second) << f.line << ": " << f.message;
  EXPECT_GE(places.size(), 5u);
}

TEST(Autoscalers, ATypeErrorHidesNoRuleAboutOtherFields) {
  const auto scaled = [](const std::string& spec) {
    return "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\nspec: {scaleTargetRef: "
           "{name: x}, "
           "triggers: [{type: cpu, metadata: {value: \"50\"}}], " +
           spec + "}\n";
  };
  EXPECT_EQ(count(scaled("minReplicaCount: 5, maxReplicaCount: 2"), "schema/cel"), 1);
  EXPECT_EQ(count(scaled("minReplicaCount: 5, maxReplicaCount: 2, pollingInterval: \"30\""), "schema/cel"),
            1);
  EXPECT_EQ(count(scaled("minReplicaCount: 5, maxReplicaCount: \"2\""), "schema/cel"), 0);
  EXPECT_EQ(count(scaled("minReplicaCount: 1, maxReplicaCount: 2, pollingInterval: \"30\""), "schema/cel"),
            0);
  EXPECT_EQ(
      count(
          "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: "
          "{scaleTargetRef: "
          "{apiVersion: apps/v1, kind: Deployment, name: x}, minReplicas: 5, maxReplicas: 2, behavior: 7}\n",
          "object/combination"),
      1);
}

TEST(Schemas, FindingsNameTheReleaseThatTheyAreOf) {
  const auto found = findings_of(
      "apiVersion: serving.kserve.io/v1alpha2\nkind: LLMInferenceService\nmetadata: {name: a}\nspec: {model: "
      "{uri: hf://o/m}, "
      "aFieldOfLater: 1}\n");
  EXPECT_TRUE(std::any_of(found.begin(), found.end(), [](const Finding& f) {
    return f.rule == "schema/unknown-field" && f.why.find("KServe 0.20.0") != std::string::npos &&
           f.why.find("--schemas") != std::string::npos;
  }));
  const std::string head =
      read_file(HADAL_SOURCE_DIR "/src/deploy/validate/kube_schema_table.inc")->substr(0, 2000);
  for (const char* group : {"leaderworkerset.x-k8s.io", "disaggregatedset.x-k8s.io", "scheduling.volcano.sh",
                            "serving.kserve.io", "gateway.networking.k8s.io", "inference.networking.k8s.io",
                            "monitoring.coreos.com", "keda.sh", "nvidia.com"}) {
    ASSERT_FALSE(builtin_release(group).empty()) << group;
    EXPECT_NE(head.find(builtin_release(group)), std::string::npos) << builtin_release(group);
  }
}

}  // namespace
}  // namespace hadal
