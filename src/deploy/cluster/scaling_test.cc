#include "deploy/cluster/scaling.h"

#include <gtest/gtest.h>

namespace hadal::cluster {
namespace {

Json managed(const std::string& entries) {
  return *parse_json(R"({"kind":"Deployment","metadata":{"name":"web","namespace":"llm","managedFields":[)" +
                     entries + "]}}");
}

const std::string kOurs =
    R"({"manager":"hadal","operation":"Apply","fieldsV1":{"f:spec":{"f:replicas":{},"f:template":{}}}})";
const std::string kHandOver =
    R"({"manager":"hadal-scale","operation":"Apply","fieldsV1":{"f:spec":{"f:replicas":{}}}})";
const std::string kController =
    R"({"manager":"kube-controller-manager","operation":"Update","subresource":"status","fieldsV1":{"f:status":{"f:replicas":{}}}})";

TEST(Scaling, KnowsWhoHoldsReplicas) {
  EXPECT_TRUE(is_sole_owner_of_replicas(managed(kOurs), "hadal"));
  EXPECT_TRUE(is_sole_owner_of_replicas(managed(kOurs + "," + kController), "hadal")) << "of the status";
  EXPECT_FALSE(is_sole_owner_of_replicas(managed(kOurs + "," + kHandOver), "hadal"));
  EXPECT_FALSE(is_sole_owner_of_replicas(managed(kHandOver), "hadal"));
  EXPECT_FALSE(is_sole_owner_of_replicas(managed(""), "hadal"));
  EXPECT_FALSE(is_sole_owner_of_replicas(
      managed(R"({"manager":"hadal","operation":"Apply","fieldsV1":{"f:spec":{"f:template":{}}}})"),
      "hadal"));
}

TEST(Scaling, KnowsAutoscalersByTheirName) {
  for (const char* name : {"kube-controller-manager", "keda", "keda-operator"})
    EXPECT_TRUE(is_scaler_manager(name)) << name;
  for (const char* name : {"kubectl", "hadal", "hadal-scale", "kedalike", ""})
    EXPECT_FALSE(is_scaler_manager(name)) << name;
}

TEST(Scaling, FindsTheTargetByKindNameAndNamespace) {
  std::vector<ApplyObject> objects(1);
  objects[0].object = *parse_json(
      R"({"kind":"ScaledObject","metadata":{"name":"s","namespace":"llm"},"spec":{"scaleTargetRef":{"kind":"StatefulSet","name":"web"}}})");
  const ScaleRules rules(objects, {});
  const auto is_scaled = [&](const char* kind, const char* name, const char* space) {
    return rules.is_scaled(
        Json(JsonObject{{"kind", kind}, {"metadata", JsonObject{{"name", name}, {"namespace", space}}}}));
  };
  EXPECT_TRUE(is_scaled("StatefulSet", "web", "llm"));
  EXPECT_FALSE(is_scaled("Deployment", "web", "llm"));
  EXPECT_FALSE(is_scaled("StatefulSet", "other", "llm"));
  EXPECT_FALSE(is_scaled("StatefulSet", "web", "prod"));
  EXPECT_FALSE(ScaleRules().is_scaled(objects[0].object));
}

}  // namespace
}  // namespace hadal::cluster
