#include "deploy/cluster/pod_logs.h"

#include <gtest/gtest.h>

#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

TEST(LogTargets, SayWhichRanksCannotHaveALogYet) {
  const Json group = *parse_json(
      R"({"kind":"LeaderWorkerSet","metadata":{"name":"r1","namespace":"llm"},"spec":{"replicas":1,"leaderWorkerTemplate":{"size":3}}})");
  const char* kPod = R"({"kind":"Pod","metadata":{"name":"%s","namespace":"llm","uid":"%s","labels":{
    "leaderworkerset.sigs.k8s.io/name":"r1","leaderworkerset.sigs.k8s.io/group-index":"0","leaderworkerset.sigs.k8s.io/worker-index":"%s"}},
    "spec":{"nodeName":"%s","containers":[{"name":"engine"}]},"status":{"phase":"Pending"}})";
  char leader[700], worker[700];
  std::snprintf(leader, sizeof leader, kPod, "r1-0", "u0", "0", "node-1");
  std::snprintf(worker, sizeof worker, kPod, "r1-0-1", "u1", "1", "");
  ClusterView view = make_cluster_view({*parse_json(leader), *parse_json(worker)}, 0);
  const auto targets = select_log_targets({group}, view, {}, {});
  ASSERT_TRUE(targets.ok()) << targets.error().message;
  ASSERT_EQ(targets->size(), 3u);
  EXPECT_EQ((*targets)[0].waiting, "") << "a node runs it: the node says what there is";
  EXPECT_NE((*targets)[1].waiting, "") << "no node runs it";
  EXPECT_EQ((*targets)[1].prefix, "[0/1 r1-0-1] ");
  EXPECT_EQ((*targets)[2].waiting, "absent: the pod does not exist yet");
  EXPECT_EQ((*targets)[2].prefix, "[0/2 r1] ");
}

}  // namespace
}  // namespace hadal::cluster
