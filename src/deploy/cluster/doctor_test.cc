#include "deploy/cluster/doctor.h"

#include <gtest/gtest.h>

#include <set>

#include "base/temp_dir.h"
#include "deploy/cluster/doctor_test_util.h"
#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

struct Case {
  const char* rule;
  int pain;
  DoctorSnapshot snapshot;
};

Case log_case(const char* rule, int pain, const std::string& line) {
  return {rule, pain, snapshot_of(lws() + "," + pod(0, kCrashed) + "," + pod(1, kCrashed), log_of(line))};
}

std::vector<Case> pain_cases() {
  const std::string both = lws() + "," + pod(0, kReady) + "," + pod(1, kReady);
  std::vector<Case> out = {
      {"group/dead-rank", 1, snapshot_of(lws() + "," + pod(0, kReady) + "," + pod(1, kCrashed))},
      {"engine/hang", 1,
       snapshot_of(
           both,
           R"("metrics":{"x-0-0":"hadal_running_requests 2\nhadal_steps_total 7\n"},"metricsLater":{"x-0-0":"hadal_running_requests{a=\"b\"} 2\nhadal_steps_total 7\n"})")},
      {"probe/liveness-kills", 2,
       snapshot_of(both + "," +
                   event("Pod", "x-0-0", "Unhealthy", "Liveness probe failed: context deadline exceeded"))},
      log_case(
          "log/collective-timeout", 3,
          "[Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, Timeout(ms)=600000)"),
      {"group/recreate-loop", 4,
       snapshot_of(
           both + "," +
           event("LeaderWorkerSet", "x", "RecreateGroup", "Worker pod x-0-1 failed, recreate group 0", 5))},
      {"group/pull-skew", 5,
       snapshot_of(lws() + "," + pod(0, kCrashed) + "," + pod(1, R"({"phase":"Pending"})") + "," +
                   event("Pod", "x-0-1", "Pulling", "Pulling image a"))},
      log_case("log/leader-not-found", 6, "cannot resolve x-0.x.llm: Name or service not known"),
      {"probe/startup-kills", 7,
       snapshot_of(both + "," +
                   event("Pod", "x-0-1", "Killing", "Container e failed startup probe, will be restarted"))},
      {"group/half-scheduled", 8, snapshot_of(lws() + "," + pod(0, kReady) + "," + pod(1, kPending, ""))},
      {"rollout/no-spare-gpus", 9,
       snapshot_of(lws("", R"({"replicas":1,"updatedReplicas":0})") + "," + pod(0, kReady) + "," +
                   pod(1, kPending, ""))},
      log_case("log/port-taken", 10, "OSError: [Errno 98] Address already in use"),
      log_case("log/no-network-interface", 11, "NCCL WARN Bootstrap : no socket interface found"),
      log_case("log/locked-memory", 12,
               "NCCL WARN Call to ibv_reg_mr failed with error Cannot allocate memory"),
      {"log/tcp-fallback", 13, snapshot_of(both, log_of("NCCL INFO NET/Socket : Using [0]eth0"))},
      log_case("log/shared-memory-full", 14, "OSError: [Errno 28] No space left on device: '/dev/shm/psm_1'"),
      {"route/timeout", 15,
       snapshot_of(both + R"(,{"kind":"Ingress",)" + meta("i") + R"(,"spec":{"ingressClassName":"nginx"}})")},
      {"drain/design", 16,
       snapshot_of(
           lws() + "," +
           pod(0, kReady,
               R"("nodeName":"n1","terminationGracePeriodSeconds":20,"containers":[{"name":"e","lifecycle":{"preStop":{"sleep":{"seconds":20}}}}])"))},
      {"scale/gpu-resource", 17,
       snapshot_of(both + R"(,{"kind":"HorizontalPodAutoscaler",)" + meta("h") +
                   R"(,"spec":{"metrics":[{"type":"Resource","resource":{"name":"nvidia.com/gpu"}}]}})")},
      log_case("log/hub-rate-limit", 18,
               "429 Client Error: Too Many Requests for url: https://huggingface.co/x"),
      log_case("log/arbitrary-uid", 19, "PermissionError: [Errno 13] Permission denied: '/.triton'"),
      {"operator/never-ready", 20,
       snapshot_of(
           R"({"kind":"LLMInferenceService",)" + meta("k") +
           R"(,"status":{"conditions":[{"type":"Ready","status":"False","reason":"R","message":"m"}]}})")},
      {"monitor/selects-nothing", 21,
       snapshot_of(
           both + R"(,{"kind":"PodMonitor",)" + meta("m") +
           R"(,"spec":{"selector":{"matchLabels":{"app":"y"}},"podMetricsEndpoints":[{"port":"metrics"}]}})")},
      {"node/lost", 22,
       snapshot_of(
           lws() + "," + pod(0, kReady) +
           R"(,{"kind":"Node","metadata":{"name":"n1"},"status":{"conditions":[{"type":"Ready","status":"Unknown","message":"Kubelet stopped posting node status."}]}})")},
  };
  return out;
}

TEST(Doctor, NamesEveryPainOfTheTable) {
  std::set<int> seen;
  for (const Case& c : pain_cases()) {
    const DoctorReport report = examine(c.snapshot);
    const Diagnosis* found = find_rule(report, c.rule);
    ASSERT_NE(found, nullptr) << c.rule << "\n" << report.text();
    EXPECT_EQ(found->pain, c.pain) << c.rule;
    EXPECT_FALSE(found->evidence.empty());
    EXPECT_FALSE(found->next_step.empty());
    seen.insert(found->pain);
  }
  for (int pain = 1; pain <= 22; ++pain) EXPECT_TRUE(seen.contains(pain)) << "no case for pain " << pain;
}

TEST(Doctor, SaysNothingOfWhatIsWell) {
  const DoctorSnapshot well = snapshot_of(
      lws("", R"({"replicas":1,"readyReplicas":1,"updatedReplicas":1})") + "," +
          pod(0, kReady,
              R"("nodeName":"n1","terminationGracePeriodSeconds":600,"containers":[{"name":"e","ports":[{"name":"http","containerPort":8000}],"lifecycle":{"preStop":{"httpGet":{"path":"/drain"}}}}])") +
          "," + pod(1, kReady) + R"(,{"kind":"Service",)" + meta("api") +
          R"(,"spec":{"selector":{"leaderworkerset.sigs.k8s.io/worker-index":"0"},"ports":[{"port":80,"targetPort":"http"}]}})",
      log_of("Name or service not known"));
  const DoctorReport report = examine(well);
  EXPECT_FALSE(report.is_wrong()) << report.text();
  EXPECT_EQ(report.num_ready, 2);
  EXPECT_TRUE(examine(snapshot_of("")).findings.empty());
}

TEST(Doctor, PutsTheCauseBeforeItsEchoes) {
  const DoctorReport report = examine(snapshot_of(
      lws() + "," + pod(0, kCrashed) + "," + pod(1, kCrashed),
      R"("logs":{"x-0-1/e previous":"ibv_reg_mr failed: Cannot allocate memory","x-0-0/e":"the group is lost: rank 1 closed the connection"})"));
  ASSERT_GE(report.findings.size(), 3u);
  EXPECT_EQ(report.findings[0].rule, "log/locked-memory") << report.text();
  EXPECT_NE(find_rule(report, "log/rank-lost"), nullptr);
  EXPECT_NE(find_rule(report, "pod/crash"), nullptr);
  const Json json = report.json();
  EXPECT_TRUE(bool_at(json, "wrong"));
  EXPECT_EQ(text_at(json, "findings.0.rule"), "log/locked-memory");
}

TEST(Doctor, OtherCauses) {
  const auto has = [](const std::string& rule, const DoctorSnapshot& snapshot) {
    const DoctorReport report = examine(snapshot);
    EXPECT_NE(find_rule(report, rule), nullptr) << rule << "\n" << report.text();
  };
  has("image/pull",
      snapshot_of(pod(
          0,
          R"({"phase":"Pending","containerStatuses":[{"name":"e","image":"a","state":{"waiting":{"reason":"ImagePullBackOff"}}}]})")));
  has("pod/out-of-memory",
      snapshot_of(pod(
          0,
          R"({"phase":"Running","containerStatuses":[{"name":"e","lastState":{"terminated":{"reason":"OOMKilled","exitCode":137}}}]})")));
  has("pod/config",
      snapshot_of(pod(
          0,
          R"({"phase":"Pending","containerStatuses":[{"name":"e","state":{"waiting":{"reason":"CreateContainerConfigError","message":"secret \"k\" not found"}}}]})")));
  has("pod/evicted",
      snapshot_of(pod(0, R"({"phase":"Failed","reason":"Evicted","message":"low on memory"})")));
  has("schedule/no-node", snapshot_of(pod(0, kPending, "")));
  has("quota/refused", snapshot_of(event("ReplicaSet", "x", "FailedCreate", "exceeded quota: gpus")));
  has("workload/no-pods", snapshot_of(lws("", "{}")));
  has("service/reaches-workers",
      snapshot_of(lws() + "," + pod(0, kReady) + "," + pod(1, kReady) + R"(,{"kind":"Service",)" +
                  meta("api") + R"(,"spec":{"selector":{"app":"x"}}})"));
  has("service/no-endpoints", snapshot_of(pod(0, kReady) + R"(,{"kind":"Service",)" + meta("api") +
                                          R"(,"spec":{"selector":{"app":"nobody"}}})"));
  has("group/pod-group", snapshot_of(pod(0, kPending, R"("schedulerName":"volcano")")));
  has("storage/unbound", snapshot_of(R"({"kind":"PersistentVolumeClaim",)" + meta("c") +
                                     R"(,"spec":{"storageClassName":"none"},"status":{"phase":"Pending"}})"));
  has("download/failed",
      snapshot_of(R"({"kind":"Job",)" + meta("j") +
                  R"(,"status":{"conditions":[{"type":"Failed","status":"True","message":"backoff"}]}})"));
  has("pod/shared-memory",
      snapshot_of(pod(
          0, kReady,
          R"("nodeName":"n","containers":[{"name":"e","resources":{"limits":{"nvidia.com/gpu":"8"}}}])")));
}

TEST(Doctor, LooksAtOneDeploymentWhereNamed) {
  DoctorSnapshot snapshot =
      snapshot_of(lws() + "," + pod(0, kReady) + "," + pod(1, kReady) + "," + R"({"kind":"Pod",)" +
                  meta("stranger") + R"(,"status":)" + kCrashed + "}");
  EXPECT_NE(find_rule(examine(snapshot), "pod/crash"), nullptr);
  snapshot.name = "x";
  EXPECT_EQ(find_rule(examine(snapshot), "pod/crash"), nullptr);
}

TEST(Doctor, LogsReachNoTerminalRaw) {
  const DoctorReport report =
      examine(snapshot_of(pod(1, kCrashed), log_of(R"(\u001b[2J Address already in use)")));
  EXPECT_EQ(report.text().find('\x1b'), std::string::npos);
}

TEST(Snapshot, ComesBackFromADirectory) {
  const TempDir dir;
  DoctorSnapshot before = snapshot_of(pod(0, kReady), log_of("line"));
  before.metrics["x-0-0"] = "m 1\n";
  before.unseen = {"nodes: forbidden"};
  before.name = "x";
  ASSERT_TRUE(save_snapshot(before, dir.file("s")).ok());
  const auto after = load_snapshot(dir.file("s"));
  ASSERT_TRUE(after.ok()) << after.error().message;
  EXPECT_EQ(after->logs, before.logs);
  EXPECT_EQ(after->metrics, before.metrics);
  EXPECT_EQ(after->objects, before.objects);
  EXPECT_EQ(after->unseen, before.unseen);
  EXPECT_EQ(after->time, before.time);
  dir.write("snapshot.json", R"({"format":1,"logFiles":{"a/b":"../../etc/passwd"}})");
  EXPECT_NE(load_snapshot(dir.path()).error().message.find("outside"), std::string::npos);
  dir.write("snapshot.json", "{}");
  EXPECT_FALSE(load_snapshot(dir.path()).ok());
}

TEST(Snapshot, LeavesSecretsOut) {
  Json object = *parse_json(
      R"({"kind":"Pod","metadata":{"name":"p","managedFields":[1]},"spec":{"containers":[{"env":[{"name":"HF_TOKEN","value":"hunter2"},{"name":"MODE","value":"fast"}]}]}})");
  redact(object);
  const std::string text = to_json(object);
  EXPECT_EQ(text.find("hunter2"), std::string::npos);
  EXPECT_NE(text.find("fast"), std::string::npos);
  EXPECT_EQ(text.find("managedFields"), std::string::npos);
}

}  // namespace
}  // namespace hadal::cluster
