#include "deploy/cluster/immutable_field.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hadal::cluster {
namespace {

using testing::HasSubstr;
using testing::Not;

KubeReply refusal(const std::string& message, const std::string& field = "", int status = 422) {
  KubeReply out;
  out.status = status;
  Json body(JsonObject{{"kind", "Status"}, {"message", message}});
  if (!field.empty())
    body.set("details",
             JsonObject{{"causes", JsonArray{Json(JsonObject{{"field", field}, {"message", "no"}})}}});
  out.body = std::move(body);
  return out;
}

Json claim(const std::string& storage_class, const std::string& size, const std::string& more = "") {
  return *parse_json(
      R"({"kind":"PersistentVolumeClaim","metadata":{"name":"data","namespace":"llm")" + more +
      R"(},"spec":{)" + (storage_class.empty() ? "" : R"("storageClassName":")" + storage_class + R"(",)") +
      R"("accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":")" + size + R"("}}}})");
}

// As the API server of Kubernetes 1.36 says it.
constexpr char kClaimWords[] =
    "PersistentVolumeClaim \"data\" is invalid: spec: Forbidden: spec is immutable after creation except "
    "resources.requests and volumeAttributesClassName for bound claims\n@@ -10,7 +10,7 @@\n- "
    "\"StorageClassName\": \"fast\",\n+ \"StorageClassName\": \"slow\",\n";

TEST(ImmutableField, SaysFieldValuesReasonAndWayOut) {
  const std::string text =
      immutable_refusal(refusal(kClaimWords, "spec"), claim("slow", "1Gi"), claim("fast", "1Gi"));
  EXPECT_THAT(text, HasSubstr("a claim keeps its class"));
  EXPECT_THAT(text, HasSubstr(R"(.spec.storageClassName: from "fast" to "slow")"));
  EXPECT_THAT(text, HasSubstr("kubectl delete persistentvolumeclaim data -n llm"));
  EXPECT_THAT(text, HasSubstr("ITS DATA IS LOST"));
  EXPECT_THAT(text,
              HasSubstr("the cluster says: PersistentVolumeClaim \"data\" is invalid: spec: Forbidden"));
  EXPECT_THAT(text, Not(HasSubstr("@@")));
  EXPECT_THAT(text, Not(HasSubstr("accessModes: from")));
  EXPECT_THAT(immutable_refusal(refusal(kClaimWords, "spec"), claim("fast", "1Gi"), claim("fast", "2Gi")),
              HasSubstr(R"(.spec.resources.requests.storage: from "2Gi" to "1Gi")"));
}

TEST(ImmutableField, NamesTheSpecsFieldsForAnAccessMode) {
  const Json before = claim("fast", "1Gi");
  Json wanted = before;
  Json spec = *before.find("spec");
  spec.set("accessModes", JsonArray{Json("ReadWriteMany")});
  wanted.set("spec", std::move(spec));
  const std::string text = immutable_refusal(refusal(kClaimWords, "spec"), wanted, before);
  EXPECT_THAT(text, HasSubstr("ReadWriteMany"));
  EXPECT_THAT(text, HasSubstr("storage.accessMode: ReadWriteOnce keeps this claim"));
  EXPECT_THAT(text, HasSubstr("storage.claim: another name, as data-2"));
  EXPECT_THAT(immutable_refusal(refusal(kClaimWords, "spec"), claim("slow", "1Gi"), before),
              Not(HasSubstr("storage.accessMode")));
}

TEST(ImmutableField, SaysWhatWasLeftOut) {
  const Json before = claim(
      "fast", "1Gi",
      R"(,"managedFields":[{"manager":"hadal","operation":"Apply","fieldsV1":{"f:spec":{"f:storageClassName":{},"f:accessModes":{}}}}])");
  EXPECT_THAT(immutable_refusal(refusal(kClaimWords, "spec"), claim("", "1Gi"), before),
              HasSubstr(R"(.spec.storageClassName: from "fast" to none (left out))"));
}

TEST(ImmutableField, LooksAtTheFieldThatTheServerNames) {
  const Json before = *parse_json(
      R"({"kind":"Deployment","metadata":{"name":"d"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":"a"}}}})");
  const Json wanted = *parse_json(
      R"({"kind":"Deployment","metadata":{"name":"d"},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"b"}}}})");
  const std::string text = immutable_refusal(
      refusal("Deployment.apps \"d\" is invalid: spec.selector: Invalid value: {}: field is immutable",
              "spec.selector"),
      wanted, before);
  EXPECT_THAT(text, HasSubstr(R"(.spec.selector.matchLabels.app: from "a" to "b")"));
  EXPECT_THAT(text, Not(HasSubstr("replicas")));
}

TEST(ImmutableField, LeavesOtherRefusalsAlone) {
  const Json a = claim("fast", "1Gi"), b = claim("slow", "1Gi");
  EXPECT_EQ(immutable_refusal(refusal(kClaimWords, "spec"), b, Json()), "") << "it is not there yet";
  EXPECT_EQ(immutable_refusal(refusal("spec.x: Required value", "spec.x"), b, a), "");
  EXPECT_EQ(
      immutable_refusal(refusal("spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy "
                                "`type` is 'Recreate'",
                                "spec.strategy.rollingUpdate"),
                        b, a),
      "");
  EXPECT_EQ(immutable_refusal(refusal(kClaimWords, "spec"), a, a), "")
      << "nothing differs: the server's words";
}

TEST(ImmutableField, ShowsNoSecret) {
  const Json before = *parse_json(R"({"kind":"Secret","metadata":{"name":"s"},"data":{"k":"aHVudGVyMg=="}})");
  const Json wanted = *parse_json(R"({"kind":"Secret","metadata":{"name":"s"},"data":{"k":"aHVudGVyMw=="}})");
  const std::string text = immutable_refusal(
      refusal("Secret \"s\" is invalid: data: Forbidden: field is immutable when `immutable` is set", "data"),
      wanted, before);
  EXPECT_THAT(text, HasSubstr(".data.k: from (another) to (a secret)"));
  EXPECT_THAT(text, Not(HasSubstr("aHVud")));
}

}  // namespace
}  // namespace hadal::cluster
