// Where the doctor's causes come from: termination messages, exit codes, and the objects of one deployment.
#include <set>

#include "deploy/cluster/doctor.h"
#include "deploy/cluster/doctor_test_util.h"
#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

// A crashed rank whose log may not be read, and what it left when it ended.
DoctorSnapshot ended(const std::string& terminated, const std::string& list = "containerStatuses",
                     const std::string& state = "lastState") {
  const std::string waiting = state == "state" ? "" : R"("state":{"waiting":{"reason":"CrashLoopBackOff"}},)";
  return snapshot_of(lws() + "," +
                     pod(0, R"({"phase":"Running",")" + list + R"(":[{"name":"e","restartCount":3,)" +
                                waiting + "\"" + state + R"(":{"terminated":{)" + terminated + "}}}]}"));
}

DoctorSnapshot last_words(const std::string& message, const std::string& list = "containerStatuses",
                          const std::string& state = "lastState") {
  return ended(R"("exitCode":1,"message":"Traceback\n)" + message + R"(\nthe end")", list, state);
}

void expect_rule(const DoctorSnapshot& snapshot, const std::string& rule, const std::string& evidence = "") {
  const DoctorReport report = examine(snapshot);
  const Diagnosis* found = find_rule(report, rule);
  ASSERT_NE(found, nullptr) << rule << "\n" << report.text();
  EXPECT_EQ(found->level, DoctorLevel::kError);
  std::string all;
  for (const std::string& line : found->evidence) all += line + "\n";
  EXPECT_NE(all.find(evidence), std::string::npos) << all;
}

TEST(DoctorMessages, SpeakWhereThereIsNoLog) {
  const std::pair<const char*, const char*> cases[] = {
      {"log/gpu-memory", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"},
      {"log/locked-memory", "NCCL WARN Call to ibv_reg_mr failed with error Cannot allocate memory"},
      {"log/arbitrary-uid", "PermissionError: [Errno 13] Permission denied: '/.triton'"},
      {"log/arbitrary-uid", "mkdir /.triton: permission denied"},
      {"log/leader-not-found", "socket.gaierror: [Errno -2] Name or service not known"},
      {"log/leader-not-found", "socket.gaierror: [Errno -5] No address associated with hostname"},
      {"log/leader-not-found", "[c10d] The addresses of (x-0, 20000) cannot be retrieved (gai error: -3)"},
      {"log/bad-arguments", "sglang: error: unrecognized arguments: --enable-metric"},
      {"log/bad-arguments", "argument --dtype: invalid choice: 'fp4' (choose from 'auto', 'half')"},
      {"log/bad-arguments", "error: ambiguous option: --enable-metric could match --enable-metrics"},
      {"log/bad-arguments", "hadal: unknown flag --foo: see --help"},
      {"log/shared-memory-full",
       "RuntimeError: unable to write to file </torch_123>: No space left on device (28)"},
      {"log/context-too-long",
       "ValueError: User-specified max_model_len (200000) is greater than the derived max_model_len "
       "(131072)."},
      {"log/context-too-long",
       "(32.00 GiB KV cache is needed, which is larger than the available KV cache memory"},
      {"log/driver-mismatch",
       "RuntimeError: The NVIDIA driver on your system is too old (found version 12020)"},
      {"log/hub-refused", "hadal: hf.co answers 401 Unauthorized: the repository is gated"},
      {"log/wrong-architecture", "exec /usr/bin/hadal: exec format error"},
      {"log/gpu-too-old", "ValueError: type fp8e4nv not supported in this architecture."},
      {"log/certificate", "hf.co: SSL certificate problem: unable to get local issuer certificate"},
      {"log/read-only", "OSError: [Errno 30] Read-only file system: /models/x"},
      {"log/bad-model", "OSError: /models/DeepSeek-R1 does not appear to have a file named config.json"},
      {"log/shared-memory-full", "OSError: [Errno 28] No space left on device: '/dev/shm/psm_1'"},
  };
  for (const auto& [rule, message] : cases) {
    SCOPED_TRACE(message);
    for (const char* list : {"containerStatuses", "initContainerStatuses"}) {
      for (const char* state : {"state", "lastState"})
        expect_rule(last_words(message, list, state), rule, "last words of x-0-0/e: ");
    }
  }
}

TEST(DoctorMessages, AreNoEvidenceOfSuccessAndNoEcho) {
  const DoctorSnapshot good = ended(R"("exitCode":0,"message":"unrecognized arguments: none")");
  EXPECT_EQ(find_rule(examine(good), "log/bad-arguments"), nullptr) << "it ended well";
  DoctorSnapshot both = last_words("CUDA out of memory");
  both.logs["x-0-0/e previous"] = "CUDA out of memory\n";
  const DoctorReport report = examine(both);
  ASSERT_NE(find_rule(report, "log/gpu-memory"), nullptr);
  EXPECT_EQ(find_rule(report, "log/gpu-memory")->evidence.size(), 1u) << "the same line once\n"
                                                                      << report.text();
}

TEST(DoctorExits, TellTheCause) {
  expect_rule(ended(R"("exitCode":137,"reason":"OOMKilled")"), "pod/out-of-memory", "limit none");
  expect_rule(ended(R"("exitCode":137,"reason":"OOMKilled")", "initContainerStatuses"), "pod/out-of-memory");
  expect_rule(ended(R"("exitCode":137,"reason":"Error")"), "pod/killed", "exit code 137");
  EXPECT_EQ(find_rule(examine(ended(R"("exitCode":137,"reason":"OOMKilled")")), "pod/killed"), nullptr);
  expect_rule(ended(R"("exitCode":127,"reason":"Error")"), "pod/bad-command");
  expect_rule(
      ended(
          R"("exitCode":128,"reason":"StartError","message":"exec: \"hadel\": executable file not found in $PATH")"),
      "pod/bad-command", "hadel");
  expect_rule(ended(R"("exitCode":2)"), "pod/wrong-usage");
  expect_rule(ended(R"("exitCode":132)"), "pod/illegal-instruction");
  expect_rule(ended(R"("exitCode":135)"), "pod/bus-error");
  expect_rule(ended(R"("exitCode":139)"), "pod/segfault");
}

// Two deployments of one namespace; x is well, y is not.
std::string neighbour() {
  const std::string y = R"("labels":{"app":"y"},"annotations":{"hadal.dev/inventory":"llm/y"})";
  const auto object = [&](const std::string& kind, const std::string& spec, const std::string& more = "") {
    return R"(,{"kind":")" + kind + R"(","metadata":{"name":"y","namespace":"llm",)" + y +
           R"(,"creationTimestamp":"2026-01-02T02:00:00Z"},"spec":{)" + spec + "}" + more + "}";
  };
  return object("PodMonitor",
                R"("selector":{"matchLabels":{"app":"gone"}},"podMetricsEndpoints":[{"port":"m"}])") +
         object("ServiceMonitor", R"("selector":{"matchLabels":{"app":"gone"}},"endpoints":[{"port":"m"}])") +
         object(
             "HorizontalPodAutoscaler",
             R"("scaleTargetRef":{"kind":"LeaderWorkerSet","name":"y"},"metrics":[{"type":"Resource","resource":{"name":"nvidia.com/gpu"}}])",
             R"(,"status":{"conditions":[{"type":"ScalingActive","status":"False"}]})") +
         object("ScaledObject",
                R"("scaleTargetRef":{"name":"y"},"triggers":[{"metadata":{"query":"DCGM_FI_DEV_GPU_UTIL"}}])",
                R"(,"status":{"conditions":[{"type":"Ready","status":"False"}]})") +
         object("Ingress", R"("rules":[{"http":{"paths":[{"backend":{"service":{"name":"y"}}}]}}])") +
         object("Service", R"("selector":{"app":"gone"},"ports":[{"port":80}])") +
         object("PersistentVolumeClaim", "", R"(,"status":{"phase":"Pending"})") +
         object("PodGroup", "", R"(,"status":{"phase":"Pending"})") +
         object("HTTPRoute", R"("rules":[{"backendRefs":[{"name":"y"}]}])") +
         object("LeaderWorkerSet", R"("replicas":1,"leaderWorkerTemplate":{"size":1})") + "," +
         event("ReplicaSet", "y-5d9c", "FailedCreate", "exceeded quota: gpus") + "," +
         event("Pod", "y-0", "FailedPreStopHook", "exit 1");
}

TEST(DoctorScope, IsTheDeploymentThatWasNamed) {
  const std::string engine =
      R"("nodeName":"n1","terminationGracePeriodSeconds":600,"containers":[{"name":"e","ports":[{"name":"http","containerPort":8000}],"lifecycle":{"preStop":{"httpGet":{"path":"/drain"}}}}])";
  const std::string well = lws("", R"({"replicas":1,"readyReplicas":1,"updatedReplicas":1})") + "," +
                           pod(0, kReady, engine) + "," + pod(1, kReady);
  DoctorSnapshot snapshot = snapshot_of(well + neighbour());
  EXPECT_NE(find_rule(examine(snapshot), "monitor/selects-nothing"), nullptr) << "the whole namespace";
  snapshot.name = "x";
  EXPECT_FALSE(examine(snapshot).is_wrong()) << examine(snapshot).text();
  snapshot.name = "y";
  const DoctorReport report = examine(snapshot);
  for (const char* rule :
       {"monitor/selects-nothing", "scale/gpu-resource", "scale/no-metric", "scale/gpu-utilisation",
        "route/timeout", "storage/unbound", "group/pod-group", "quota/refused", "drain/hook-failed"})
    EXPECT_NE(find_rule(report, rule), nullptr) << rule << "\n" << report.text();
}

// Events that differ by the pod's name are one refusal.
TEST(DoctorCause, ARefusalIsSaidOnce) {
  std::string events;
  for (int i = 0; i < 8; ++i) {
    const std::string name = "x-" + std::to_string(i);
    events += (i == 0 ? "" : ",") +
              event("StatefulSet", name, "FailedCreate",
                    "create Pod " + name + "-1 in StatefulSet " + name + " failed error: pods \\\"" + name +
                        "-1\\\" is forbidden: exceeded quota: qa, used: 1, limited: 1",
                    3);
  }
  events += "," + event("ReplicaSet", "y", "FailedCreate", "exceeded quota: other");
  const DoctorReport report = examine(snapshot_of(events));
  const Diagnosis* found = find_rule(report, "quota/refused");
  ASSERT_NE(found, nullptr);
  ASSERT_EQ(found->evidence.size(), 2u) << report.text();
  EXPECT_NE(found->evidence[0].find("24 times"), std::string::npos) << found->evidence[0];
  EXPECT_NE(found->evidence[0].find("quota: qa"), std::string::npos) << found->evidence[0];
  EXPECT_EQ(found->evidence[1].find("times"), std::string::npos) << found->evidence[1];
}

// A Service of a group that its controller does not make yet has nothing to lead to.
TEST(DoctorCause, AServiceIsNotBlamedForPodsThatWereNeverMade) {
  const auto group = [](const std::string& name) {
    return R"({"kind":"LeaderWorkerSet",)" + meta(name) +
           R"(,"spec":{"replicas":1,"leaderWorkerTemplate":{"size":2,"workerTemplate":{"metadata":{"labels":{"app":")" +
           name + R"("}},"spec":{"containers":[{"name":"e"}]}}}}})";
  };
  const auto service = [](const std::string& app) {
    return R"({"kind":"Service",)" + meta("api") + R"(,"spec":{"selector":{"app":")" + app +
           R"(","leaderworkerset.sigs.k8s.io/worker-index":"0"},"ports":[{"port":80}]}})";
  };
  const std::string other = "," + pod(0, kReady);
  const DoctorReport waiting = examine(snapshot_of(group("y") + "," + service("y") + other));
  EXPECT_NE(find_rule(waiting, "workload/no-pods"), nullptr) << waiting.text();
  EXPECT_EQ(find_rule(waiting, "service/no-endpoints"), nullptr) << waiting.text();
  const DoctorReport wrong = examine(snapshot_of(group("y") + "," + service("z") + other));
  EXPECT_NE(find_rule(wrong, "service/no-endpoints"), nullptr) << wrong.text();
}

TEST(DoctorScope, TakesWhatSelectsItsPods) {
  const std::string monitor = R"(,{"kind":"PodMonitor","metadata":{"name":"all","namespace":"llm"},"spec":)";
  const std::string both = lws() + "," + pod(0, kReady) + "," + pod(1, kReady);
  DoctorSnapshot snapshot = snapshot_of(
      both + monitor + R"({"selector":{"matchLabels":{"app":"x"}},"podMetricsEndpoints":[{"port":"m"}]}})");
  snapshot.name = "x";
  EXPECT_NE(find_rule(examine(snapshot), "monitor/selects-nothing"), nullptr) << "a port that is not there";
  snapshot = snapshot_of(both + R"(,{"kind":"HorizontalPodAutoscaler",)" + meta("theirs") +
                         R"(,"spec":{"scaleTargetRef":{"kind":"LeaderWorkerSet","name":"x"},)" +
                         R"("metrics":[{"type":"Resource","resource":{"name":"nvidia.com/gpu"}}]}})");
  snapshot.name = "x";
  EXPECT_NE(find_rule(examine(snapshot), "scale/gpu-resource"), nullptr);
}

// One line for each rule of the table of words.
TEST(DoctorLogs, EveryRuleIsFound) {
  const std::pair<const char*, const char*> cases[] = {
      {"log/rank-lost", "the group is lost: rank 1 closed the connection"},
      {"log/health-check-slow", "Health check failed. Server couldn't get a response from detokenizer"},
      {"log/collective-timeout", "[Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7)"},
      {"log/nccl-system-error",
       "torch.distributed.DistBackendError: NCCL error in: x, unhandled system error"},
      {"log/leader-not-found", "cannot resolve x-0.x.llm: Name or service not known"},
      {"log/leader-unreachable", "The client socket has timed out after 300s while trying to connect to x"},
      {"log/port-taken", "OSError: [Errno 98] Address already in use"},
      {"log/no-network-interface", "NCCL WARN Bootstrap : no socket interface found"},
      {"log/rdma-transport", "NET/IB : Got completion from peer with error 12, opcode 0"},
      {"log/locked-memory", "ibv_reg_mr failed: Cannot allocate memory"},
      {"log/tcp-fallback", "NCCL INFO NET/Socket : Using [0]eth0"},
      {"log/shared-memory-full", "OSError: [Errno 28] No space left on device: '/dev/shm/psm_1'"},
      {"log/disk-full", "OSError: [Errno 28] No space left on device"},
      {"log/stream-cut", "upstream request timeout"},
      {"log/hub-rate-limit", "429 Client Error: Too Many Requests for url: https://huggingface.co/x"},
      {"log/hub-refused", "huggingface_hub.errors.GatedRepoError: 401 Client Error: gated repo"},
      {"log/arbitrary-uid", "KeyError: 'getpwuid(): uid not found: 1000650000'"},
      {"log/bad-arguments", "launch_server.py: error: the following arguments are required: --model-path"},
      {"log/gpu-memory", "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static"},
      {"log/context-too-long", "The model's context is 4096: 5000 tokens is longer than the model's context"},
      {"log/gpu-too-old",
       "RuntimeError: CUDA error: no kernel image is available for execution on the device"},
      {"log/wrong-architecture", "exec ./hadal: exec format error"},
      {"log/certificate",
       "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"},
      {"log/read-only", "mkdir /models/x: read-only file system"},
      {"log/gpu-fault", "CUDA error: an illegal memory access was encountered"},
      {"log/driver-mismatch", "CUDA driver version is insufficient for CUDA runtime version"},
      {"log/config-mismatch",
       "the model of rank 1 differs from the leader's: its settings differ from the leader"},
      {"log/bad-model", "safetensors_rust.SafetensorError: Error: header too large"},
      {"log/other-model",
       "hadal pull: /models/DeepSeek-R1 holds another model, hf:deepseek-ai/DeepSeek-R1, and is left as "
       "it is: give another directory with --to"},
      {"log/preflight", "preflight: error: 8 GPUs are wanted and 7 are there"},
  };
  std::set<std::string_view> seen;
  for (const auto& [rule, line] : cases) {
    const std::string both = lws() + "," + pod(0, kCrashed) + "," + pod(1, kCrashed);
    const DoctorReport report = examine(snapshot_of(both, log_of(line)));
    EXPECT_NE(find_rule(report, rule), nullptr) << rule << "\n" << report.text();
    seen.insert(rule);
  }
  for (const DoctorLogRule& rule : doctor_log_rules()) EXPECT_TRUE(seen.contains(rule.id)) << rule.id;
}

TEST(DoctorObjects, FurtherRulesAreFound) {
  const auto has = [](const std::string& rule, const std::string& objects) {
    const DoctorReport report = examine(snapshot_of(objects));
    EXPECT_NE(find_rule(report, rule), nullptr) << rule << "\n" << report.text();
  };
  const std::string both = lws() + "," + pod(0, kReady) + "," + pod(1, kReady);
  has("network/headless-service",
      both + R"(,{"kind":"Service",)" + meta("x") + R"(,"spec":{"clusterIP":"None"}})");
  has("network/prefix-names",
      lws() + "," +
          pod(0, kReady, R"("containers":[{"name":"e","env":[{"name":"NCCL_IB_HCA","value":"mlx5_1"}]}])"));
  has("route/refused",
      both + R"(,{"kind":"HTTPRoute",)" + meta("r") +
          R"(,"status":{"parents":[{"conditions":[{"type":"Accepted","status":"False","reason":"NoMatchingParent"}]}]}})");
  has("group/unprobed-ranks",
      lws(R"(,"workerTemplate":{"spec":{"containers":[{"name":"e"}]}})") + "," + pod(0, kReady));
  has("probe/liveness-design",
      pod(0, kReady,
          R"("containers":[{"name":"e","livenessProbe":{"httpGet":{"path":"/health_generate"}}}])"));
  has("group/restarted-alone", R"({"kind":"LeaderWorkerSet",)" + meta("x") +
                                   R"(,"spec":{"leaderWorkerTemplate":{"size":2,"restartPolicy":"None"}}},)" +
                                   pod(1, kCrashed));
  has("schedule/host-ports",
      pod(0,
          R"({"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","message":"0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports."}]})",
          ""));
  has("pod/stuck-terminating",
      pod(0, kReady, R"("nodeName":"n1")", R"(,"deletionTimestamp":"2026-01-02T03:00:00Z")"));
  has("schedule/held", pod(0, R"({"phase":"Pending"})", ""));
  has("pod/volume", pod(0, R"({"phase":"Pending"})") + "," +
                        event("Pod", "x-0-0", "FailedMount", "MountVolume.SetUp failed: no such claim"));
  has("pod/init",
      pod(0,
          R"({"phase":"Pending","initContainerStatuses":[{"name":"preflight","state":{"terminated":{"exitCode":1}}}]})"));
}

}  // namespace
}  // namespace hadal::cluster
