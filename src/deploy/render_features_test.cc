// What single fields of a spec render to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "base/file.h"
#include "deploy/emit.h"
#include "deploy/render.h"
#include "deploy/render_test_util.h"
#include "deploy/spec.h"

namespace hadal {
namespace {

using ::testing::HasSubstr;

RenderResult render(const std::string& text) {
  const auto spec = parse_deploy_spec(text, "s.yaml");
  EXPECT_TRUE(spec.ok()) << (spec.ok() ? "" : spec.error().message);
  auto rendered = render_spec(*spec);
  EXPECT_TRUE(rendered.ok()) << (rendered.ok() ? "" : rendered.error().message);
  return rendered.ok() ? std::move(*rendered) : RenderResult{};
}

const Json& object_of(const RenderResult& rendered, std::string_view kind, std::string_view name = {}) {
  static const Json nothing;
  for (const RenderedObject& object : rendered.objects) {
    if (text(object.object, "kind") == kind && (name.empty() || text(object.object, "metadata/name") == name))
      return object.object;
  }
  ADD_FAILURE() << "no " << kind << " " << name;
  return nothing;
}

const std::string kGroup = "name: r1\nmodel: deepseek-r1\nengine: sglang\ngpus: 16xH200\n";

std::string arguments(const Json& object) {
  return to_json(at(object, "spec/leaderWorkerTemplate/leaderTemplate/spec/containers/0"));
}

TEST(Render, RankComesFromWhatTheControllerHas) {
  EXPECT_THAT(arguments(object_of(render(kGroup), "LeaderWorkerSet")), HasSubstr("$(LWS_WORKER_INDEX)"));
  const std::string old =
      arguments(object_of(render(kGroup + "versions: {lws: 0.5.1}\n"), "LeaderWorkerSet"));
  EXPECT_THAT(old, HasSubstr("$(NODE_RANK)"));
  EXPECT_THAT(old, ::testing::Not(HasSubstr("LWS_WORKER_INDEX")));
  EXPECT_THAT(old, HasSubstr("metadata.labels['leaderworkerset.sigs.k8s.io/worker-index']"));
}

TEST(Render, FieldsOfNewerControllersAreLeftOut) {
  const RenderResult now = render(kGroup), old = render(kGroup + "versions: {lws: 0.6.0}\n");
  EXPECT_EQ(text(object_of(now, "LeaderWorkerSet"), "spec/leaderWorkerTemplate/restartPolicy"),
            "RecreateGroupAfterStart");
  EXPECT_EQ(text(object_of(old, "LeaderWorkerSet"), "spec/leaderWorkerTemplate/restartPolicy"),
            "RecreateGroupOnPodRestart");
  EXPECT_TRUE(
      at(object_of(old, "LeaderWorkerSet"), "spec/rolloutStrategy/rollingUpdateConfiguration/partition")
          .is_null());
}

TEST(Render, GangsOfVolcano) {
  const RenderResult now = render(kGroup + "scheduler: {type: volcano, queue: llm}\n");
  EXPECT_EQ(text(object_of(now, "LeaderWorkerSet"), "metadata/annotations/scheduling.volcano.sh/queue-name"),
            "llm");
  const RenderResult old =
      render(kGroup + "scheduler: {type: volcano, queue: llm}\nversions: {lws: 0.5.1}\n");
  EXPECT_EQ(at(object_of(old, "PodGroup"), "spec/minMember").as_int(), 2);
  EXPECT_THAT(to_json(object_of(old, "LeaderWorkerSet")),
              HasSubstr("\"scheduling.k8s.io/group-name\":\"r1-0\""));
}

TEST(Render, NetworkVariablesMatchDevicesExactly) {
  const std::string env = arguments(
      object_of(render(kGroup + "network: {type: rdma, hcas: [mlx5_0, mlx5_1]}\n"), "LeaderWorkerSet"));
  EXPECT_THAT(env, HasSubstr("{\"name\":\"NCCL_IB_HCA\",\"value\":\"=mlx5_0,mlx5_1\"}"));
  EXPECT_THAT(env, HasSubstr("{\"name\":\"NCCL_SOCKET_IFNAME\",\"value\":\"=eth0\"}"));
  EXPECT_THAT(env, HasSubstr("{\"name\":\"UCX_NET_DEVICES\",\"value\":\"mlx5_0:1,mlx5_1:1\"}"));
  EXPECT_THAT(env, ::testing::Not(HasSubstr("GID_INDEX")));
  EXPECT_THAT(env, HasSubstr("IPC_LOCK"));
  const std::string roce = arguments(
      object_of(render(kGroup + "network: {type: rdma, fabric: roce, gidIndex: 3}\n"), "LeaderWorkerSet"));
  EXPECT_THAT(roce, HasSubstr("{\"name\":\"NCCL_IB_GID_INDEX\",\"value\":\"3\"}"));
}

TEST(Render, ShutdownIsCountedTogether) {
  const RenderResult rendered =
      render(kGroup + "timing: {longestRequestSeconds: 600, endpointSeconds: 20, marginSeconds: 40}\n");
  const Json& pod =
      at(object_of(rendered, "LeaderWorkerSet"), "spec/leaderWorkerTemplate/workerTemplate/spec");
  EXPECT_EQ(at(pod, "terminationGracePeriodSeconds").as_int(), 660);
  const std::string stop = text(pod, "containers/0/lifecycle/preStop/exec/command/2");
  EXPECT_THAT(stop, HasSubstr("\n time.sleep(20)\n"));
  EXPECT_THAT(stop,
              HasSubstr("end=time.time()+640\n"));  // the worker's: after the leader, before the grace ends
  EXPECT_EQ(at(pod, "containers/0/livenessProbe/terminationGracePeriodSeconds").as_int(), 10);
}

const Json& container_of(const RenderResult& rendered, std::string_view kind) {
  const Json& object = object_of(rendered, kind);
  if (kind == "LeaderWorkerSet")
    return at(object, "spec/leaderWorkerTemplate/leaderTemplate/spec/containers/0");
  return at(object,
            kind == "LLMInferenceService" ? "spec/template/containers/0" : "spec/template/spec/containers/0");
}

std::string refusal(const std::string& text) {
  const auto spec = parse_deploy_spec(text, "s.yaml");
  EXPECT_TRUE(spec.ok()) << (spec.ok() ? "" : spec.error().message);
  const auto rendered = render_spec(*spec);
  EXPECT_FALSE(rendered.ok());
  return rendered.ok() ? "" : rendered.error().message;
}

const std::string kOneHost = "name: r1\nmodel: r1-distill-qwen-7b\ngpus: 1xL40S\n";

// vLLM ends at SIGTERM unless it knows --shutdown-timeout; SGLang waits by itself, but its workers do not.
TEST(Render, RunningRequestsEndBeforeTheEngine) {
  const Json old = container_of(render(kOneHost + "engine: vllm\n"), "Deployment");
  const std::string stop = text(old, "lifecycle/preStop/exec/command/2");
  EXPECT_THAT(stop, HasSubstr("time.sleep(15)\n"));
  EXPECT_THAT(stop, HasSubstr("http://127.0.0.1:8000/metrics"));
  EXPECT_THAT(stop, HasSubstr("end=time.time()+915\n"));
  EXPECT_THAT(to_json(old), ::testing::Not(HasSubstr("--shutdown-timeout")));

  const Json now = container_of(render(kOneHost + "engine: {name: vllm, version: v0.18.0}\n"), "Deployment");
  EXPECT_EQ(at(now, "lifecycle/preStop/sleep/seconds").as_int(), 15);
  EXPECT_THAT(to_json(at(now, "args")), HasSubstr("\"--shutdown-timeout\",\"900\""));

  const Json unknown = container_of(
      render(kOneHost + "engine: {name: vllm, image: \"a/b@sha256:" + std::string(64, '0') + "\"}\n"),
      "Deployment");
  EXPECT_TRUE(at(unknown, "lifecycle/preStop/exec").is_object());
  const Json sglang = container_of(render(kOneHost + "engine: sglang\n"), "Deployment");
  EXPECT_EQ(at(sglang, "lifecycle/preStop/sleep/seconds").as_int(), 15);

  const std::string group =
      text(container_of(render(kGroup), "LeaderWorkerSet"), "lifecycle/preStop/exec/command/2");
  EXPECT_THAT(group, HasSubstr("if os.environ['LWS_WORKER_INDEX']=='0':\n time.sleep(15)\nelse:\n"));
  EXPECT_THAT(group, HasSubstr("(os.environ['LWS_LEADER_ADDRESS'],30000)"));
  const std::string vllm = text(
      container_of(render("name: r1\nmodel: deepseek-r1\nengine: vllm\ngpus: 16xH200\n"), "LeaderWorkerSet"),
      "lifecycle/preStop/exec/command/2");
  EXPECT_THAT(vllm, HasSubstr("if os.environ['NODE_RANK']=='0':\n end=time.time()+915\n"));
  EXPECT_THAT(vllm, HasSubstr("else:\n end=time.time()+930\n"));
}

TEST(Render, ProbesOutlastSglangsOwnWait) {
  const Json one = container_of(render(kOneHost + "engine: sglang\n"), "Deployment");
  EXPECT_EQ(text(one, "livenessProbe/httpGet/path"), "/health");
  for (const char* name : {"livenessProbe/timeoutSeconds", "readinessProbe/timeoutSeconds"})
    EXPECT_GT(at(one, name).as_int(), 20) << name;
  EXPECT_THAT(to_json(one), ::testing::Not(HasSubstr("HEALTH_ENDPOINT_GENERATION")));
  const Json group = container_of(render(kGroup), "LeaderWorkerSet");
  const std::string live = text(group, "livenessProbe/exec/command/2");
  EXPECT_THAT(live, HasSubstr("http://127.0.0.1:30000/health',timeout=21)"));
  EXPECT_THAT(live, HasSubstr("!='0': socket.create_connection((os.environ['LWS_LEADER_ADDRESS'],20000)"));
  // A worker of vLLM asks for the leader's API: its rendezvous of data parallel groups closes after the
  // start.
  const Json vllm = container_of(
      render("name: r1\nmodel: deepseek-r1\nengine: {name: vllm, dataParallel: 16}\ngpus: 16xH200\n"),
      "LeaderWorkerSet");
  EXPECT_THAT(text(vllm, "livenessProbe/exec/command/2"),
              HasSubstr("(os.environ['LWS_LEADER_ADDRESS'],8000)"));
}

TEST(Render, SglangsFlagsAreDeclaredOnes) {
  const std::string args = to_json(at(container_of(render(kGroup), "LeaderWorkerSet"), "args"));
  EXPECT_THAT(args, HasSubstr("\"--tp-size\",\"16\""));
  EXPECT_THAT(args, ::testing::Not(HasSubstr("\"--tp\"")));
  EXPECT_THAT(args, HasSubstr("\"--watchdog-timeout\",\"900\""));
  const RenderResult keyed = render(kGroup + "apiKey: k\n");
  EXPECT_TRUE(std::any_of(keyed.findings.begin(), keyed.findings.end(), [](const Finding& finding) {
    return finding.rule == "spec/key-in-log";
  })) << "SGLang logs its key";
}

TEST(Render, VllmStartsWithTheContextThatFits) {
  const std::string model = "name: q\nmodel: r1-distill-qwen-32b\ngpus: 2xL40S\n";
  const RenderResult rendered = render(model + "engine: vllm\n");
  const Json& args = at(container_of(rendered, "Deployment"), "args");
  int64_t length = 0;
  for (size_t i = 0; i + 1 < args.as_array().size(); ++i) {
    if (args.as_array()[i].as_string() == "--max-model-len")
      length = std::stoll(args.as_array()[i + 1].as_string());
  }
  EXPECT_GT(length, 8192);
  EXPECT_LT(length, 92278);
  // One finding of it, with the engine's figure.
  const auto of_length = [](const RenderResult& result) {
    std::vector<std::string> out;
    for (const Finding& f : result.findings) {
      if (f.message.find("longest request") != std::string::npos || f.rule == "spec/context-limited")
        out.push_back(f.message);
    }
    return out;
  };
  ASSERT_EQ(of_length(rendered).size(), 1u);
  EXPECT_THAT(of_length(rendered)[0], HasSubstr(std::to_string(length)));
  EXPECT_EQ(of_length(render(model + "engine: sglang\n")).size(), 1u);
  const Json small =
      container_of(render("name: q\nmodel: r1-distill-qwen-7b\ngpus: 1xH200\nengine: vllm\n"), "Deployment");
  EXPECT_THAT(to_json(at(small, "args")), ::testing::Not(HasSubstr("--max-model-len")));
}

TEST(Render, VersionsOfVllmHaveTheirFlags) {
  const std::string base =
      "name: r1\nmodel: deepseek-r1\ngpus: 16xH200\nengine: {name: vllm, version: v0.11.0";
  EXPECT_THAT(refusal(base + "}\n"), HasSubstr("s.yaml:4:"));
  EXPECT_THAT(refusal(base + "}\n"), HasSubstr("from 0.12: raise engine.version"));
  EXPECT_FALSE(render(base + ", dataParallel: 16, expertParallel: 16}\n").objects.empty());
}

TEST(Render, FlagsThatHadalDoesNotHaveAreRefused) {
  const std::string base = "name: a\nmodel: smollm2-135m\nengine: {extraArgs: [";
  EXPECT_THAT(refusal(base + "--foo-bar]}\n"), HasSubstr("hadal serve has no flag --foo-bar"));
  EXPECT_THAT(refusal(base + "--contxt-length=5]}\n"), HasSubstr("did you mean --context-length?"));
  EXPECT_THAT(refusal(base + "--enable-dp-attention]}\n"), HasSubstr("use --tp"));
  EXPECT_FALSE(render(base + "--chunked-prefill-size, \"512\", --log-level, debug]}\n").objects.empty());
}

// KServe merges its own template under ours: decode has a routing sidecar on port 8000 there.
TEST(Render, KserveDecodeStandsBehindTheSidecar) {
  const RenderResult rendered = render(
      "name: r1\nprofile: kserve\nmodel: deepseek-r1\nengine: vllm\ntopology: prefill-decode\ngpus: 8xH200\n"
      "storage: {claim: ai, create: false, download: false}\n");
  const Json& service = object_of(rendered, "LLMInferenceService");
  const Json& decode = at(service, "spec/template/containers/0");
  EXPECT_THAT(to_json(at(decode, "args")), HasSubstr("\"--port\",\"8001\""));
  EXPECT_EQ(at(decode, "ports/0/containerPort").as_int(), 8001);
  EXPECT_THAT(text(decode, "lifecycle/preStop/exec/command/2"), HasSubstr("127.0.0.1:8001/metrics"));
  const Json& prefill = at(service, "spec/prefill/template/containers/0");
  EXPECT_THAT(to_json(at(prefill, "args")), HasSubstr("\"--port\",\"8000\""));
}

TEST(Render, KserveGroupsHaveATemplateOfKserve) {
  const RenderResult rendered = render(
      "name: r1\nprofile: kserve\nmodel: deepseek-r1\nengine: vllm\ngpus: 16xH200\n"
      "storage: {claim: ai, create: false, download: false}\n");
  const Json& service = object_of(rendered, "LLMInferenceService");
  EXPECT_EQ(to_json(at(service, "spec/parallelism")), R"({"data":2,"dataLocal":1,"tensor":8})");
  EXPECT_TRUE(at(service, "spec/worker/containers/0/livenessProbe/exec").is_object());
  EXPECT_TRUE(at(service, "spec/worker/containers/0/livenessProbe/httpGet").is_null());
}

TEST(Render, DynamosTrtllmHandsItsKvOver) {
  const RenderResult rendered = render(
      "name: r1\nprofile: dynamo\nmodel: deepseek-r1\nengine: trtllm\ntopology: prefill-decode\ngpus: "
      "8xB200\n"
      "storage: {claim: ai, size: 900Gi}\n");
  const std::string all = to_json(object_of(rendered, "DynamoGraphDeployment"));
  for (const char* last : {"true", "false"})
    EXPECT_THAT(all,
                HasSubstr(std::string("{\\\"cache_transceiver_config\\\":{\\\"backend\\\":\\\"DEFAULT\\\"},"
                                      "\\\"disable_overlap_scheduler\\\":") +
                          last + "}"));
}

TEST(Render, StartupBudgetFollowsWeightsAndStorage) {
  const auto budget = [](const std::string& storage) {
    const RenderResult rendered = render(kGroup + storage);
    const Json& probe = at(object_of(rendered, "LeaderWorkerSet"),
                           "spec/leaderWorkerTemplate/leaderTemplate/spec/containers/0/startupProbe");
    return at(probe, "periodSeconds").as_int() * at(probe, "failureThreshold").as_int();
  };
  // 689 GB at 0.5 GB/s take 1,380 s; the budget must hold that with room, and shrink with faster disks.
  EXPECT_GT(budget("storage: {readGBs: 0.5}\n"), 2760);
  EXPECT_LT(budget("storage: {readGBs: 10}\n"), budget("storage: {readGBs: 0.5}\n"));
  // A node's disk of 1 GB/s is nothing unusual: 689 s, beside the 900 s to warm up.
  for (const char* storage :
       {"storage: {type: s3, uri: \"s3://b/r1\", secret: s}\n", "storage: empty-dir\n",
        "storage: {type: host-path, hostPath: /data}\n", "storage: {type: pvc-per-node, claim: c}\n"})
    EXPECT_GT(budget(storage), 2 * 689 + 900) << storage;
}

TEST(Render, OpenshiftChoosesTheUser) {
  const RenderResult rendered =
      render("name: r1\nmodel: r1-distill-qwen-7b\nengine: sglang\ngpus: 1xL40S\nprofile: openshift\n");
  const Json& pod = at(object_of(rendered, "Deployment"), "spec/template/spec");
  EXPECT_TRUE(at(pod, "securityContext/runAsNonRoot").as_bool());
  EXPECT_TRUE(at(pod, "securityContext/runAsUser").is_null());
  EXPECT_TRUE(at(pod, "securityContext/fsGroup").is_null());
  for (const RenderedObject& object : rendered.objects)
    EXPECT_NE(text(object.object, "kind"), "SecurityContextConstraints");
}

TEST(Render, ClaimsFitTheirPods) {
  EXPECT_EQ(text(object_of(render(kGroup), "PersistentVolumeClaim"), "spec/accessModes/0"), "ReadWriteMany");
  EXPECT_EQ(text(object_of(render("name: a\nmodel: smollm2-135m\n"), "PersistentVolumeClaim"),
                 "spec/accessModes/0"),
            "ReadWriteOnce");
  const RenderResult two = render(kGroup + "storage: pvc-per-node\n");
  EXPECT_EQ(text(object_of(two, "PersistentVolumeClaim", "r1-model-1"), "spec/accessModes/0"),
            "ReadWriteOnce");
  EXPECT_FALSE(object_of(two, "Job", "r1-download-1").is_null());
}

TEST(Render, WebUiAsksTheApiServiceNotTheHeadlessOne) {
  const RenderResult rendered = render(kGroup + "openWebUI: true\napiKey: k\n");
  const std::string ui = to_json(object_of(rendered, "Deployment", "r1-open-webui"));
  EXPECT_THAT(ui, HasSubstr("http://r1-api:30000/v1\""));
  EXPECT_FALSE(object_of(rendered, "Service", "r1-api").is_null());
}

// Each metric that rules and dashboards name is one that hadal's own source registers.
TEST(Render, MetricsAreThoseOfTheEngine) {
  const std::string source = *read_file(HADAL_SOURCE_DIR "/src/engine/engine_metrics.cc");
  const RenderResult rendered =
      render("name: a\nmodel: smollm2-135m\nmonitoring: pod-monitor\nautoscaling: keda\n");
  std::set<std::string> names;
  const std::string all = to_manifest_yaml(rendered.objects);
  for (size_t i = all.find("hadal_"); i != std::string::npos; i = all.find("hadal_", i + 1)) {
    size_t end = i;
    while (end < all.size() && (std::isalnum(static_cast<unsigned char>(all[end])) != 0 || all[end] == '_'))
      ++end;
    std::string name = all.substr(i, end - i);
    if (name == "hadal_dev_deployment") continue;
    if (name.ends_with("_bucket")) name.resize(name.size() - 7);
    names.insert(name);
  }
  EXPECT_GE(names.size(), 8u);
  for (const std::string& name : names) EXPECT_THAT(source, HasSubstr("\"" + name + "\"")) << name;
}

// What Prometheus makes of pod=~"...": the whole name must match.
TEST(Render, AlertsLookAtThisDeploymentsPodsAlone) {
  const auto matches = [](const std::string& spec, const std::string& pod) {
    const RenderResult rendered = render(spec + "monitoring: pod-monitor\n");
    const std::string rules = to_json(object_of(rendered, "PrometheusRule"));
    const std::string begin = "restarts_total{namespace=\\\"default\\\",pod=~\\\"";
    const size_t from = rules.find(begin);
    EXPECT_NE(from, std::string::npos) << rules;
    if (from == std::string::npos) return false;
    const size_t pattern = from + begin.size();
    return std::regex_match(pod, std::regex(rules.substr(pattern, rules.find("\\\"", pattern) - pattern)));
  };
  const std::string one = "name: r1\nmodel: smollm2-135m\nopenWebUI: true\n";
  for (const char* pod : {"r1-7d9c4b6f8-x2x4z", "r1-open-webui-5f7d9-abcde"})
    EXPECT_TRUE(matches(one, pod)) << pod;
  for (const char* pod : {"r1-awq-7d9c4b6f8-x2x4z", "r1-awq-0", "r1-awq-0-1", "r10-7d9c4b6f8-x2x4z", "r1"})
    EXPECT_FALSE(matches(one, pod)) << pod;
  for (const char* pod : {"r1-0", "r1-0-1"}) EXPECT_TRUE(matches(kGroup, pod)) << pod;
  EXPECT_FALSE(matches(kGroup, "r1-awq-0-1"));
  const std::string split =
      "name: r1\nmodel: r1-distill-qwen-7b\nengine: sglang\ngpus: 2xH200\ntopology: prefill-decode\n";
  for (const char* pod : {"r1-prefill-7d9c4b6f8-x2x4z", "r1-decode-7d9c4b6f8-x2x4z", "r1-router-7d9c4-x2x4z"})
    EXPECT_TRUE(matches(split, pod)) << pod;
  EXPECT_FALSE(matches(split, "r1-awq-7d9c4b6f8-x2x4z"));
}

}  // namespace
}  // namespace hadal
