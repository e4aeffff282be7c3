#include "deploy/cluster/inventory.h"

#include <gtest/gtest.h>

#include <set>

#include "deploy/cluster/apply_input.h"
#include "deploy/cluster/apply_object.h"
#include "deploy/cluster/json_path.h"
#include "deploy/cluster/object_diff.h"

namespace hadal::cluster {
namespace {

InventoryEntry entry(const std::string& kind, const std::string& name, int wave = 3,
                     const std::string& version = "v1") {
  return {version, kind, "llm", name, wave, false};
}

Inventory sample() {
  Inventory out;
  out.name = "dsr1";
  out.namespace_name = "llm";
  out.resource_version = "7";
  RevisionEntry revision;
  revision.revision = 1;
  revision.source = "a.yaml";
  out = begin_revision(
      out, {entry("ConfigMap", "a", 1), entry("Service", "s", 4), entry("PersistentVolumeClaim", "p", 1)},
      revision);
  out.in_progress = false;
  return out;
}

TEST(Inventory, ComesBackAsItWasWritten) {
  Inventory before = sample();
  before.left = {entry("Secret", "old", 1)};
  before.in_progress = true;
  before.num_applied = 2;
  const auto after = read_inventory(to_config_map(before));
  ASSERT_TRUE(after.ok()) << after.error().message;
  EXPECT_EQ(after->name, "dsr1");
  EXPECT_EQ(after->namespace_name, "llm");
  EXPECT_EQ(after->resource_version, "7");
  EXPECT_EQ(after->revision, 1);
  EXPECT_TRUE(after->in_progress);
  EXPECT_EQ(after->num_applied, 2);
  ASSERT_EQ(after->objects.size(), 3u);
  EXPECT_TRUE(after->objects[1].same_object(entry("Service", "s")));
  EXPECT_EQ(after->objects[1].wave, 4);
  ASSERT_EQ(after->left.size(), 1u);
  EXPECT_EQ(after->history[0].source, "a.yaml");
}

TEST(Inventory, RefusesWhatIsNotItsOwn) {
  Json map = to_config_map(sample());
  EXPECT_FALSE(read_inventory(Json(JsonObject{})).ok());
  member_of(map, "data").set("inventory.json", "{}");
  EXPECT_NE(read_inventory(map).error().message.find("another version"), std::string::npos);
  member_of(map, "data")
      .set("inventory.json", R"({"format":1,"objects":[{"apiVersion":"v1","kind":"Pod","name":"../../x"}]})");
  EXPECT_FALSE(read_inventory(map).ok());
}

TEST(Inventory, RevisionsComeBack) {
  const std::vector<Json> objects = {
      *parse_json(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"k":"v"}})")};
  const auto back = read_revision_secret(to_revision_secret(sample(), 4, objects));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, objects);
  EXPECT_EQ(objects_digest(objects), objects_digest(*back));
  EXPECT_NE(objects_digest(objects), objects_digest({}));
}

TEST(Prune, RemovesWhatIsGoneLastWaveFirst) {
  const std::vector<InventoryEntry> now = {entry("ConfigMap", "b", 1)};
  const PrunePlan plan = plan_prune(sample(), now, {});
  ASSERT_EQ(plan.remove.size(), 2u);
  EXPECT_EQ(plan.remove[0].kind, "Service");
  EXPECT_EQ(plan.remove[1].kind, "ConfigMap");
  ASSERT_EQ(plan.kept.size(), 1u);
  EXPECT_EQ(plan.kept[0].entry.kind, "PersistentVolumeClaim");
  EXPECT_EQ(plan_prune(sample(), now, {true, true}).remove.size(), 3u);
  EXPECT_EQ(plan_prune(sample(), now, {false, false}).kept.size(), 3u);
}

TEST(Prune, ANewVersionOfTheSameKindIsTheSameObject) {
  Inventory before = sample();
  before.objects = {entry("HorizontalPodAutoscaler", "h", 5, "autoscaling/v2beta2"),
                    entry("Ingress", "i", 4, "extensions/v1beta1")};
  const std::vector<InventoryEntry> now = {entry("HorizontalPodAutoscaler", "h", 5, "autoscaling/v2"),
                                           entry("Ingress", "i", 4, "networking.k8s.io/v1")};
  const PrunePlan plan = plan_prune(before, now, {});
  ASSERT_EQ(plan.remove.size(), 1u);
  EXPECT_EQ(plan.remove[0].kind, "Ingress");
}

TEST(Prune, AnInterruptedApplyForgetsNothing) {
  RevisionEntry second;
  second.revision = 2;
  const Inventory half =
      begin_revision(sample(), {entry("ConfigMap", "b", 1), entry("Service", "s", 4)}, second);
  EXPECT_TRUE(half.in_progress);
  EXPECT_EQ(half.objects.size(), 2u);
  EXPECT_EQ(half.left.size(), 2u);
  RevisionEntry third;
  third.revision = 3;
  const std::vector<InventoryEntry> now = {entry("ConfigMap", "c", 1)};
  const PrunePlan plan = plan_prune(half, now, {true, true});
  EXPECT_EQ(plan.remove.size(), 4u) << "a, b, s and the claim";
  EXPECT_EQ(begin_revision(half, now, third).left.size(), 4u);
  EXPECT_EQ(begin_revision(half, now, third).history.size(), 3u);
}

std::vector<RevisionEntry> revisions(int num, const std::set<int>& failed) {
  std::vector<RevisionEntry> out;
  for (int i = 1; i <= num; ++i) {
    RevisionEntry& entry = out.emplace_back();
    entry.revision = i;
    entry.ended = !failed.contains(i);
  }
  return out;
}

TEST(Revisions, AreBoundedAndTheLastGoodOneStays) {
  Inventory inventory;
  inventory.history = revisions(10, {});
  EXPECT_TRUE(revisions_to_forget(inventory).empty());
  inventory.history = revisions(12, {});
  EXPECT_EQ(revisions_to_forget(inventory), (std::vector<int>{1, 2}));
  inventory.history = revisions(12, {3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  EXPECT_EQ(revisions_to_forget(inventory), (std::vector<int>{1, 3}));
  inventory.history = revisions(11, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  EXPECT_EQ(revisions_to_forget(inventory), (std::vector<int>{1}));
}

TEST(Revisions, OneGoesBackToTheLastThatEnded) {
  Inventory inventory;
  EXPECT_EQ(revision_to_go_back_to(inventory), 0);
  inventory.history = revisions(1, {});
  EXPECT_EQ(revision_to_go_back_to(inventory), 0);
  inventory.history = revisions(5, {});
  EXPECT_EQ(revision_to_go_back_to(inventory), 4);
  inventory.history = revisions(5, {3, 4, 5});
  EXPECT_EQ(revision_to_go_back_to(inventory), 2);
  inventory.history[1].stored = false;
  EXPECT_EQ(revision_to_go_back_to(inventory), 1);
  inventory.history = revisions(3, {1, 2, 3});
  EXPECT_EQ(revision_to_go_back_to(inventory), 2);
}

TEST(Names, OfDeployments) {
  EXPECT_TRUE(check_deployment_name("dsr1-x").ok());
  for (const char* bad :
       {"", "A", "-a", "a-", "a.b", "a_b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})
    EXPECT_FALSE(check_deployment_name(bad).ok()) << bad;
}

TEST(Conflicts, NameFieldAndManager) {
  const Json status = *parse_json(R"({"details":{"causes":[
    {"reason":"FieldManagerConflict","message":"conflict with \"kubectl-client-side-apply\" using apps/v1","field":".spec.replicas"},
    {"reason":"Other","message":"x"},
    {"reason":"FieldManagerConflict","message":"conflict with \"hpa\" with subresource \"scale\" using apps/v1 at 2026-01-01T00:00:00Z","field":".a"}]}})");
  const auto conflicts = read_conflicts(status);
  ASSERT_EQ(conflicts.size(), 2u);
  EXPECT_EQ(conflicts[0].field, ".spec.replicas");
  EXPECT_EQ(conflicts[0].manager, "kubectl-client-side-apply");
  EXPECT_EQ(conflicts[1].manager, "hpa");
}

TEST(Diff, IsUnified) {
  EXPECT_EQ(unified_diff("a\n", "a\n", "x", "y"), "");
  EXPECT_EQ(unified_diff("", "a\nb\n", "x", "y"), "--- x\n+++ y\n@@ -0,0 +1,2 @@\n+a\n+b\n");
  EXPECT_EQ(unified_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n", "x", "y"),
            "--- x\n+++ y\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
  const std::string far =
      unified_diff("a\n1\n2\n3\n4\n5\n6\n7\n8\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\n8\nB\n", "x", "y");
  EXPECT_NE(far.find("@@ -1,4 +1,4 @@"), std::string::npos) << far;
  EXPECT_NE(far.find("@@ -7,4 +7,4 @@"), std::string::npos) << far;
}

TEST(Diff, WritesYaml) {
  const Json value = *parse_json(
      R"({"a":{"b":[{"c":"x","d":[1,2]},{"e":{}}],"f":[]},"g":"yes","h":"1","i":"a: b","j":"two\nlines","k":null,"l":"plain words"})");
  EXPECT_EQ(
      to_yaml(value),
      "a:\n  b:\n  - c: x\n    d:\n    - 1\n    - 2\n  - e: {}\n  f: []\ng: \"yes\"\nh: \"1\"\ni: \"a: b\"\n"
      "j: |-\n  two\n  lines\nk: null\nl: plain words\n");
}

TEST(Diff, HidesSecretsAndTheServersOwn) {
  const Json secret = *parse_json(
      R"({"kind":"Secret","metadata":{"name":"s","uid":"u","managedFields":[],"annotations":{"hadal.dev/inventory":"llm/x"}},"data":{"k":"aHVudGVyMg=="},"status":{}})");
  const std::string text = to_yaml(comparable(secret));
  EXPECT_EQ(text.find("aHVudGVyMg"), std::string::npos);
  EXPECT_EQ(text.find("hadal.dev"), std::string::npos);
  EXPECT_EQ(text.find("uid"), std::string::npos);
}

TEST(Waves, OfPlainManifests) {
  EXPECT_EQ(wave_of(*parse_json(R"({"kind":"Namespace"})")), 0);
  EXPECT_EQ(wave_of(*parse_json(R"({"kind":"ConfigMap"})")), 1);
  EXPECT_EQ(wave_of(*parse_json(R"({"kind":"ConfigMap","metadata":{"labels":{"grafana_dashboard":"1"}}})")),
            5);
  EXPECT_EQ(wave_of(*parse_json(R"({"kind":"LeaderWorkerSet"})")), 3);
  EXPECT_EQ(wave_of(*parse_json(R"({"kind":"SomethingElse"})")), 5);
}

}  // namespace
}  // namespace hadal::cluster
