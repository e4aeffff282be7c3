#include "deploy/cluster/readiness.h"

#include <gtest/gtest.h>

#include "deploy/cluster/json_path.h"
#include "deploy/cluster/object_cache.h"
#include "deploy/cluster/quantity.h"
#include "deploy/cluster/scheduler_message.h"
#include "deploy/cluster/workload_view.h"

namespace hadal::cluster {
namespace {

using State = Readiness::State;
constexpr int64_t kNow = 1767323045;

Json json(const std::string& text) {
  auto out = parse_json(text);
  EXPECT_TRUE(out.ok()) << text;
  return out.ok() ? *out : Json();
}
Json object(const std::string& kind, const std::string& rest) {
  return json(
      R"({"kind":")" + kind +
      R"(","metadata":{"name":"x","namespace":"llm","generation":2,"creationTimestamp":"2026-01-02T03:00:00Z"})" +
      (rest.empty() ? "" : "," + rest) + "}");
}
Json pod(int rank, const std::string& status, const std::string& spec = R"("nodeName":"n1")") {
  const std::string index = std::to_string(rank);
  return json(
      R"({"kind":"Pod","metadata":{"name":"x-0-)" + index +
      R"(","namespace":"llm","labels":{"leaderworkerset.sigs.k8s.io/name":"x",)" +
      R"("leaderworkerset.sigs.k8s.io/group-index":"0","leaderworkerset.sigs.k8s.io/worker-index":")" +
      index + R"("}},"spec":{)" + spec + R"(},"status":)" + status + "}");
}
ClusterView view_of(std::vector<Json> objects) {
  return make_cluster_view(std::move(objects), kNow);
}
State state_of(const Json& live, std::vector<Json> others = {}) {
  return check_readiness(live, view_of(std::move(others))).state;
}
std::string reason_of(const std::string& status, const std::string& spec = R"("nodeName":"n1")",
                      std::vector<Json> others = {}) {
  const Json p = pod(0, status, spec);
  others.push_back(p);
  const PodState s = explain_pod(p, view_of(std::move(others)));
  return s.phase + ": " + s.reason;
}

TEST(Scheduler, TakesTheSentenceApart) {
  const SchedulerMessage m = parse_scheduler_message(
      "0/7 nodes are available: 1 node(s) had untolerated taint {a: b, c: d}, 2 Insufficient nvidia.com/gpu, "
      "3 Insufficient memory, "
      "1 node(s) didn't match Pod's node affinity/selector. preemption: 0/7 nodes are available: 7 No "
      "preemption victims found.");
  ASSERT_TRUE(m.understood);
  EXPECT_EQ(m.total, 7);
  ASSERT_EQ(m.parts.size(), 4u);
  EXPECT_EQ(m.parts[0].text, "node(s) had untolerated taint {a: b, c: d}");
  EXPECT_EQ(m.parts[1].resource, "nvidia.com/gpu");
  EXPECT_EQ(m.parts[1].nodes, 2);
  EXPECT_EQ(m.parts[2].resource, "memory");
  EXPECT_EQ(m.parts[3].text, "node(s) didn't match Pod's node affinity/selector");
  EXPECT_FALSE(parse_scheduler_message("pod group is not ready").understood);
  EXPECT_FALSE(parse_scheduler_message("").understood);
  EXPECT_FALSE(parse_scheduler_message("0/").understood);
}

TEST(Scheduler, SaysHowMuchIsMissing) {
  const Json wants = pod(0, "{}", R"("containers":[{"resources":{"limits":{"nvidia.com/gpu":"8"}}}])");
  const Json other = pod(1, R"({"phase":"Running"})",
                         R"("nodeName":"n1","containers":[{"resources":{"requests":{"nvidia.com/gpu":3}}}])");
  const Json over = pod(2, R"({"phase":"Succeeded"})",
                        R"("nodeName":"n1","containers":[{"resources":{"requests":{"nvidia.com/gpu":5}}}])");
  const Json n1 =
      json(R"({"kind":"Node","metadata":{"name":"n1"},"status":{"allocatable":{"nvidia.com/gpu":"8"}}})");
  const Json n2 =
      json(R"({"kind":"Node","metadata":{"name":"n2"},"status":{"allocatable":{"nvidia.com/gpu":"4"}}})");
  const std::vector<Json> nodes = {n2, n1}, pods = {other, over};
  EXPECT_EQ(shortage_text(wants, "nvidia.com/gpu", nodes, pods), "asks 8; the freest node, n1, has 5 of 8");
  EXPECT_EQ(shortage_text(wants, "rdma/ib", nodes, pods), "asks 0; no node has any");
  EXPECT_EQ(shortage_text(wants, "nvidia.com/gpu", {}, {}), "asks 8");
}

TEST(Quantity, OfKubernetes) {
  EXPECT_EQ(parse_quantity("16Gi"), 17179869184.0);
  EXPECT_EQ(parse_quantity("500m"), 0.5);
  EXPECT_EQ(parse_quantity("1e3"), 1000.0);
  EXPECT_EQ(parse_quantity("2E"), 2e18);
  EXPECT_EQ(parse_quantity("+1k"), 1000.0);
  EXPECT_FALSE(parse_quantity("").has_value());
  EXPECT_FALSE(parse_quantity("12 Gi").has_value());
  EXPECT_FALSE(parse_quantity("inf").has_value());
  EXPECT_EQ(quantity_text(17179869184.0), "16Gi");
}

TEST(PodState, Reasons) {
  EXPECT_EQ(
      reason_of(
          R"({"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","message":"0/1 nodes are available: 1 Too many pods."}]})",
          ""),
      "unschedulable: no node fits (1 in the cluster): 1 is short of pods (asks 1)");
  EXPECT_EQ(
      reason_of(
          R"({"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulingGated"}]})",
          ""),
      "gated: its scheduling gates are closed (a queue holds it)");
  EXPECT_EQ(
      reason_of(
          R"({"phase":"Pending","initContainerStatuses":[{"name":"preflight","state":{"terminated":{"exitCode":1,"message":"ok\nmemlock: 64 KB, needs unlimited\n"}}}]})"),
      "init failed: init container preflight failed: exit code 1, last words: memlock: 64 KB, needs "
      "unlimited");
  EXPECT_EQ(
      reason_of(
          R"({"phase":"Running","containerStatuses":[{"name":"e","started":true,"ready":false,"restartCount":1,"state":{"running":{}},"lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}}]})"),
      "not ready: container e is not ready; it was restarted: killed for memory (OOMKilled, exit code 137): "
      "raise the memory limit");
  EXPECT_EQ(
      reason_of(R"({"phase":"Failed","reason":"Evicted","message":"The node was low on resource: memory."})"),
      "evicted: The node was low on resource: memory.");
  EXPECT_EQ(
      reason_of(
          R"({"phase":"Running"})", R"("nodeName":"n1")",
          {json(
              R"({"kind":"Node","metadata":{"name":"n1"},"status":{"conditions":[{"type":"Ready","status":"Unknown","message":"Kubelet stopped posting node status.","lastTransitionTime":"2026-01-02T03:03:05Z"}]}})")}),
      "node lost: node n1 is not ready for 60s: Kubelet stopped posting node status.");
  EXPECT_EQ(
      reason_of(
          R"({"phase":"Pending"})", R"("nodeName":"n1")",
          {json(
              R"({"kind":"Event","reason":"FailedMount","message":"timed out","involvedObject":{"kind":"Pod","name":"x-0-0","namespace":"llm"},"lastTimestamp":"2026-01-02T03:04:00Z"})")}),
      "volume or network: timed out");
  EXPECT_EQ(
      reason_of(
          R"({"phase":"Running","containerStatuses":[{"name":"e","started":false,"state":{"running":{}}}]})",
          R"("nodeName":"n1")",
          {json(
              R"({"kind":"Event","reason":"Unhealthy","message":"Startup probe failed: HTTP probe failed with statuscode: 503","involvedObject":{"kind":"Pod","name":"x-0-0","namespace":"llm"},"lastTimestamp":"2026-01-02T03:04:00Z"})")}),
      "starting: container e is starting: Startup probe failed: HTTP probe failed with statuscode: 503");
  EXPECT_EQ(reason_of(R"({"phase":"Succeeded"})"), "done: ");
}

TEST(Readiness, Deployments) {
  const std::string spec = R"("spec":{"replicas":2})";
  EXPECT_EQ(state_of(object("Deployment", spec)), State::kWaiting);
  EXPECT_EQ(
      state_of(object(
          "Deployment",
          spec +
              R"(,"status":{"observedGeneration":2,"replicas":2,"updatedReplicas":2,"availableReplicas":2})")),
      State::kReady);
  EXPECT_EQ(
      state_of(object(
          "Deployment",
          spec +
              R"(,"status":{"observedGeneration":1,"replicas":2,"updatedReplicas":2,"availableReplicas":2})")),
      State::kWaiting);
  EXPECT_EQ(
      state_of(object(
          "Deployment",
          spec +
              R"(,"status":{"observedGeneration":2,"replicas":3,"updatedReplicas":2,"availableReplicas":2})")),
      State::kWaiting);
  EXPECT_EQ(
      state_of(object(
          "Deployment",
          spec +
              R"(,"status":{"observedGeneration":2,"updatedReplicas":1,"conditions":[{"type":"Progressing","status":"False","reason":"ProgressDeadlineExceeded"}]})")),
      State::kFailed);
}

TEST(Readiness, OtherKinds) {
  EXPECT_EQ(state_of(Json()), State::kWaiting);
  EXPECT_EQ(state_of(object("Namespace", R"("status":{"phase":"Active"})")), State::kReady);
  EXPECT_EQ(state_of(object("Job", R"("status":{"conditions":[{"type":"Complete","status":"True"}]})")),
            State::kReady);
  EXPECT_EQ(
      state_of(object("Job", R"("status":{"conditions":[{"type":"Failed","status":"True","message":"m"}]})")),
      State::kFailed);
  EXPECT_EQ(
      state_of(object(
          "StatefulSet",
          R"("spec":{"replicas":1},"status":{"observedGeneration":2,"readyReplicas":1,"updatedReplicas":0,"currentRevision":"a","updateRevision":"b"})")),
      State::kWaiting);
  EXPECT_EQ(
      state_of(object(
          "StatefulSet",
          R"("spec":{"replicas":1},"status":{"observedGeneration":2,"readyReplicas":1,"currentRevision":"b","updateRevision":"b"})")),
      State::kReady);
  EXPECT_EQ(
      state_of(object(
          "DaemonSet",
          R"("status":{"observedGeneration":2,"desiredNumberScheduled":2,"updatedNumberScheduled":2,"numberAvailable":1})")),
      State::kWaiting);
  EXPECT_EQ(
      state_of(object(
          "HTTPRoute",
          R"("status":{"parents":[{"conditions":[{"type":"Accepted","status":"True"},{"type":"ResolvedRefs","status":"False","reason":"BackendNotFound"}]}]})")),
      State::kWaiting);
  EXPECT_EQ(
      state_of(object("HTTPRoute",
                      R"("status":{"parents":[{"conditions":[{"type":"Accepted","status":"True"}]}]})")),
      State::kReady);
  EXPECT_EQ(state_of(object("Gateway", R"("status":{"conditions":[{"type":"Programmed","status":"True"}]})")),
            State::kReady);
  EXPECT_EQ(state_of(object("Service", R"("spec":{"type":"LoadBalancer"})")), State::kWaiting);
  EXPECT_EQ(state_of(object("Service", R"("spec":{"type":"ClusterIP"})")), State::kReady);
  EXPECT_EQ(state_of(object(
                "LLMInferenceService",
                R"("status":{"observedGeneration":2,"conditions":[{"type":"Ready","status":"True"}]})")),
            State::kReady);
  EXPECT_EQ(state_of(object("ScaledObject", "")), State::kWaiting);
  EXPECT_EQ(state_of(object("DynamoGraphDeployment", R"("status":{"state":"successful"})")), State::kReady);
  EXPECT_EQ(state_of(object(
                "Route", R"("status":{"ingress":[{"conditions":[{"type":"Admitted","status":"True"}]}]})")),
            State::kReady);
  EXPECT_EQ(state_of(object("ConfigMap", "")), State::kReady);
}

TEST(Readiness, ClaimsThatWaitForAPod) {
  const Json pending =
      object("PersistentVolumeClaim", R"("spec":{"storageClassName":"fast"},"status":{"phase":"Pending"})");
  EXPECT_EQ(state_of(pending), State::kWaiting);
  const Json late = json(
      R"({"kind":"StorageClass","metadata":{"name":"fast"},"volumeBindingMode":"WaitForFirstConsumer"})");
  EXPECT_EQ(state_of(pending, {late}), State::kReady);
  EXPECT_EQ(state_of(object("PersistentVolumeClaim", R"("status":{"phase":"Lost"})")), State::kFailed);
}

TEST(Readiness, GroupsRankByRank) {
  const Json lws = object(
      "LeaderWorkerSet",
      R"("spec":{"replicas":1,"startupPolicy":"LeaderReady","leaderWorkerTemplate":{"size":3}},"status":{"observedGeneration":2,"replicas":1})");
  const Json leader = pod(0, R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}]})");
  const Json worker = pod(
      1,
      R"({"phase":"Running","containerStatuses":[{"name":"e","restartCount":7,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":9}}}]})");
  const ClusterView view = view_of({leader, worker});
  const Readiness r = check_readiness(lws, view);
  EXPECT_EQ(r.state, State::kFailed) << "seven crashes are hopeless";
  EXPECT_EQ(r.summary, "0 of 1 groups ready");
  ASSERT_EQ(r.details.size(), 2u);
  EXPECT_EQ(r.details[0].subject, "group 0 rank 1 (x-0-1)");
  EXPECT_EQ(r.details[0].text, "crash loop: container e crashed 7 times: exit code 9");
  EXPECT_EQ(r.details[1].subject, "group 0 rank 2");
  const auto ranks = ranks_of(lws, view);
  ASSERT_EQ(ranks.size(), 3u);
  EXPECT_TRUE(ranks[2].state.leader_missing);
  const Json done = object(
      "LeaderWorkerSet",
      R"("spec":{"replicas":1,"leaderWorkerTemplate":{"size":3}},"status":{"observedGeneration":2,"readyReplicas":1,"updatedReplicas":1})");
  EXPECT_EQ(state_of(done), State::kReady);
  const Json alone = object("LeaderWorkerSet", R"("spec":{"replicas":1})");
  EXPECT_NE(check_readiness(alone, view_of({})).details[0].text.find("lws-system"), std::string::npos);
}

TEST(WatchReader, TakesWholeLines) {
  WatchReader reader;
  auto events = reader.feed("{\"type\":\"ADDED\",\"object\":{\"a\":1}}\n{\"type\":\"BOOK");
  ASSERT_TRUE(events.ok());
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ((*events)[0].type, "ADDED");
  events = reader.feed("MARK\"}\n\n");
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ((*events)[0].type, "BOOKMARK");
  EXPECT_FALSE(reader.feed("nonsense\n").ok());
}

}  // namespace
}  // namespace hadal::cluster
