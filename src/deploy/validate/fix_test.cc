// Which fixes are done: only those after which their finding is gone and no other stands in its place.
#include "deploy/validate/fix.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hadal {
namespace {

std::string fixed(const std::string& text, FixResult* result = nullptr) {
  std::vector<ManifestFile> files{{"a.yaml", text}};
  FixResult out = apply_safe_fixes(files, {});
  if (result != nullptr) *result = std::move(out);
  return files[0].text;
}

const Finding* find(const ValidationReport& report, std::string_view rule) {
  for (const Finding& f : report.findings) {
    if (f.rule == rule) return &f;
  }
  return nullptr;
}

std::string route(const std::string& timeout) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec:\n"
         "  parentRefs: [{name: g}]\n  rules:\n  - backendRefs: [{name: s, port: 80}]\n"
         "    timeouts: {request: " +
         timeout + "}\n";
}

TEST(Fix, ANumberWhereADurationGoesIsNotQuoted) {
  const ManifestFile file{"a.yaml", route("60")};
  const ValidationReport report = validate_manifests({&file, 1});
  const Finding* f = find(report, "schema/type");
  ASSERT_NE(f, nullptr);
  EXPECT_FALSE(f->safe_fix);
  EXPECT_NE(f->fix.find("60s"), std::string::npos) << f->fix;
  EXPECT_EQ(fixed(route("60")), route("60"));
  const ManifestFile right{"a.yaml", route("60s")};
  EXPECT_FALSE(validate_manifests({&right, 1}).has_errors());
}

TEST(Fix, AnAutoscaledWorkloadKeepsItsReplicas) {
  const std::string text =
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  replicas: 4\n"
      "  selector: {matchLabels: {app: a}}\n  template:\n    metadata: {labels: {app: a}}\n"
      "    spec: {containers: [{name: c, image: r/x:1}]}\n---\n"
      "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec:\n"
      "  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}\n  maxReplicas: 8\n";
  const ManifestFile file{"a.yaml", text};
  const ValidationReport report = validate_manifests({&file, 1});
  const Finding* f = find(report, "hpa/replicas-fight");
  ASSERT_NE(f, nullptr);
  EXPECT_FALSE(f->safe_fix);
  EXPECT_EQ(fixed(text), text);
}

// Two fixes of one text: what cannot stand is told of, and what is left is not offered any more.
TEST(Fix, WhatBringsAnotherFindingToItsPlaceIsNotDone) {
  const std::string text =
      "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\nspec:\n"
      "  scaleTargetRef: {name: x}\n  minReplicaCount: 5\n  maxReplicaCount: \"2\"\n"
      "  triggers:\n  - type: cron\n    metadata: {timezone: UTC, start: 0 1 * * *, end: 0 2 * * *, "
      "desiredReplicas: 1}\n";
  FixResult result;
  const std::string after = fixed(text, &result);
  EXPECT_NE(after.find("desiredReplicas: \"1\""), std::string::npos) << after;
  const ManifestFile file{"a.yaml", after};
  for (const Finding& f : validate_manifests({&file, 1}).findings) {
    if (!f.safe_fix) continue;
    const bool told = std::any_of(result.refused.begin(), result.refused.end(), [&](const RefusedFix& r) {
      return r.finding.rule == f.rule && r.finding.line == f.line && !r.reason.empty();
    });
    EXPECT_TRUE(told) << f.rule << ": " << f.message;
  }
}

TEST(Fix, OneThatFailsDoesNotKeepTheOthersBack) {
  const std::string text = route("60") +
                           "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n"
                           "spec: {ports: [{port: \"80\"}]}\n";
  FixResult result;
  const std::string after = fixed(text, &result);
  EXPECT_NE(after.find("port: 80}]}"), std::string::npos) << after;
  EXPECT_EQ(result.num_fixed, 1);
}

}  // namespace
}  // namespace hadal
