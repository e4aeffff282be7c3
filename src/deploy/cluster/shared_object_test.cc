#include "deploy/cluster/shared_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deploy/cluster/history_report.h"
#include "deploy/cluster/server_check.h"
#include "deploy/cluster/status_report.h"

namespace hadal::cluster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Json json_of(const char* text) {
  return *parse_json(text);
}

TEST(Shared, KindsAndManagers) {
  for (const char* kind : {"Namespace", "Queue", "StorageClass", "Gateway"})
    EXPECT_TRUE(is_shared_kind(kind));
  for (const char* kind : {"Deployment", "ConfigMap", "HTTPRoute", "ClusterRole"})
    EXPECT_FALSE(is_shared_kind(kind)) << kind;
  EXPECT_EQ(shared_manager("llm/a"), "hadal:llm/a");
  EXPECT_EQ(shared_manager(""), "hadal");
  EXPECT_TRUE(is_hadal_manager("hadal") && is_hadal_manager("hadal:llm/a"));
  EXPECT_FALSE(is_hadal_manager("hadalx"));
}

TEST(Shared, NamesTheFieldsThatAreMissing) {
  const Json live = json_of(
      R"({"metadata":{"name":"g","uid":"u","labels":{"a":"1"}},"spec":{"weight":1,"listeners":[{"name":"http","port":80,"protocol":"HTTP"}]}})");
  EXPECT_THAT(
      missing_fields(json_of(R"({"metadata":{"name":"x","labels":{"a":"1"}},"spec":{"weight":1}})"), live),
      IsEmpty());
  EXPECT_THAT(missing_fields(json_of(R"({"spec":{"listeners":[{"name":"http","port":80}]}})"), live),
              IsEmpty())
      << "what the server fills in is no difference";
  EXPECT_THAT(
      missing_fields(
          json_of(R"({"metadata":{"labels":{"b":"2"}},"spec":{"weight":2,"listeners":[{"port":81}]}})"),
          live),
      ElementsAre(".metadata.labels.b", ".spec.weight", ".spec.listeners[0].port"));
  EXPECT_THAT(missing_fields(json_of(R"({"spec":{"listeners":[]}})"), live), ElementsAre(".spec.listeners"));
}

TEST(DryRun, KnowsARefusalForWantOfANamespace) {
  ApplyOutcome outcome;
  outcome.message = R"(namespaces "llm" not found)";
  EXPECT_EQ(missing_namespace(outcome), "") << "no refusal";
  outcome.kind = ApplyOutcome::Kind::kRefused;
  EXPECT_EQ(missing_namespace(outcome), "llm");
  outcome.message = R"(configmaps "llm" not found)";
  EXPECT_EQ(missing_namespace(outcome), "");
}

TEST(Planned, IsNeverPruned) {
  Inventory before;
  before.objects = {{"v1", "ConfigMap", "llm", "a", 1, false}, {"v1", "Queue", "", "q", 0, true}};
  const PrunePlan plan = plan_prune(before, {}, {true, true});
  ASSERT_EQ(plan.remove.size(), 1u);
  EXPECT_EQ(plan.remove[0].name, "a");
  EXPECT_EQ(begin_revision(before, {}, {}).left.size(), 1u);
}

TEST(Planned, UntilItsWaveComes) {
  Inventory before, now;
  before.objects = {{"v1", "Service", "llm", "s", 1, false}, {"v1", "Job", "llm", "j", 2, true}};
  now.objects = {{"v1", "Queue", "", "q", 0, false},
                 {"v1", "Service", "llm", "s", 1, false},
                 {"v1", "Job", "llm", "j", 2, false}};
  mark_planned(now, before);
  open_wave(now, 0);
  EXPECT_FALSE(now.objects[0].planned);
  EXPECT_FALSE(now.objects[1].planned) << "it is in the cluster";
  EXPECT_TRUE(now.objects[2].planned);
  now.name = "x";
  now.namespace_name = "llm";
  const auto read = read_inventory(to_config_map(now));
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(read->objects[2].planned);
  EXPECT_FALSE(read->objects[0].planned);
}

TEST(Status, DoesNotSayNothingRunsWhereItMayNotLook) {
  const ClusterView view;
  EXPECT_TRUE(make_status_report(view, nullptr, Json()).all_ready);
  const StatusReport blind = make_status_report(view, nullptr, Json(), {"Pod", "Deployment"});
  EXPECT_FALSE(blind.all_ready);
  EXPECT_THAT(blind.text, HasSubstr("cannot tell"));
  EXPECT_THAT(blind.text, Not(HasSubstr("nothing runs here")));
  EXPECT_TRUE(make_status_report(view, nullptr, Json(), {"Node", "StorageClass"}).all_ready);
}

TEST(History, NewestFirstWithTheCurrentOne) {
  Inventory inventory;
  inventory.revision = 2;
  inventory.history = {{1, "2026-01-01T00:00:00Z", "a.yaml", "", 3, false},
                       {2, "2026-01-02T00:00:00Z", "b.yaml", "", 12, true}};
  EXPECT_EQ(history_text(inventory),
            "REVISION  TIME                  SOURCE  OBJECTS  STATE\n"
            "2         2026-01-02T00:00:00Z  b.yaml  12       current\n"
            "1         2026-01-01T00:00:00Z  a.yaml  3        too large to be kept: no rollback to it\n");
  EXPECT_EQ(to_json(*history_json(inventory).as_array()[1].find("current")), "true");
}

}  // namespace
}  // namespace hadal::cluster
