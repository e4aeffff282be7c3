#include "deploy/cluster/apply_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deploy/cluster/apply_object.h"
#include "deploy/cluster/inventory.h"

namespace hadal::cluster {
namespace {

using ::testing::HasSubstr;

std::string config_map(const std::string& name, const std::string& value, const std::string& meta = "") {
  return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + meta + "}\ndata: {a: " + value +
         "}\n---\n";
}

Result<ApplyInput> read(const std::vector<ManifestFile>& files) {
  return read_apply_input(files, {}, "llm");
}

TEST(ApplyInput, SaysThatThereIsNoName) {
  const std::vector<ManifestFile> files = {{"one.yaml", config_map("a", "x")},
                                           {"two.yaml", config_map("b", "x")}};
  const auto input = read(files);
  ASSERT_TRUE(input.ok()) << input.error().message;
  const std::string name = default_deployment_name(*input, files);
  EXPECT_EQ(name, "");
  const Status named = check_deployment_name(name);
  ASSERT_FALSE(named.ok());
  EXPECT_THAT(named.error().message, HasSubstr("the deployment has no name"));
  EXPECT_THAT(named.error().message, HasSubstr("--name"));
  EXPECT_EQ(default_deployment_name(*input, {{"some/r1/one.yaml", ""}, {"some/r1/two.yaml", ""}}), "r1");
}

TEST(ApplyObject, SaysAConflictWithoutBlanksAtTheLinesEnd) {
  ApplyObject object;
  object.object = *parse_json(R"({"kind":"Service","metadata":{"name":"a"}})");
  ApplyOutcome outcome;
  outcome.kind = ApplyOutcome::Kind::kConflict;
  outcome.message = conflict_text({{".spec.replicas", "kubectl"}});
  EXPECT_THAT(outcome_line(object, outcome), HasSubstr("Service a CONFLICT:\n    .spec.replicas"));
  outcome.kind = ApplyOutcome::Kind::kRefused;
  outcome.message = "spec.ports is missing";
  EXPECT_THAT(outcome_line(object, outcome), HasSubstr("REFUSED: spec.ports is missing"));
  outcome.kind = ApplyOutcome::Kind::kCreated;
  EXPECT_EQ(outcome_line(object, outcome), "Service a created");
}

}  // namespace
}  // namespace hadal::cluster
