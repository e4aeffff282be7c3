// ResourceQuotas: several of one namespace, and those that are less than what is asked for.
#include <gtest/gtest.h>

#include <algorithm>

#include "deploy/validate.h"

namespace hadal {
namespace {

std::vector<Finding> quota_findings(const std::vector<std::string>& texts, std::string_view rule) {
  std::vector<ManifestFile> files;
  for (size_t i = 0; i < texts.size(); ++i) files.push_back({"f" + std::to_string(i) + ".yaml", texts[i]});
  std::vector<Finding> out;
  for (const Finding& f : validate_manifests(files, {}).findings) {
    if (f.rule == rule) out.push_back(f);
  }
  return out;
}
std::vector<Finding> too_small(const std::string& text) {
  return quota_findings({text}, "quota/too-small");
}

std::string quota(const std::string& name, const std::string& hard, const std::string& rest = "") {
  return "---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: " + name +
         ", namespace: t}\nspec: {hard: {" + hard + "}" + rest + "}\n";
}
std::string spec_of(const std::string& resources, const std::string& init = "") {
  return "{" + init + "containers: [{name: c, image: \"r/c:1\", resources: {" + resources + "}}]}";
}
std::string deployment(const std::string& name, int replicas, const std::string& spec,
                       const std::string& ns = "t") {
  return "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " + name + ", namespace: " + ns +
         "}\nspec: {replicas: " + std::to_string(replicas) + ", selector: {matchLabels: {app: " + name +
         "}}, template: {metadata: {labels: {app: " + name + "}}, spec: " + spec + "}}\n";
}
std::string group(int replicas, int size, bool leader, const std::string& spec) {
  return "---\napiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\nmetadata: {name: g, "
         "namespace: "
         "t}\nspec: {replicas: " +
         std::to_string(replicas) + ", leaderWorkerTemplate: {size: " + std::to_string(size) +
         (leader ? ", leaderTemplate: {spec: " + spec + "}" : "") + ", workerTemplate: {spec: " + spec +
         "}}}\n";
}
std::string gpus(int n) {
  return "limits: {nvidia.com/gpu: " + std::to_string(n) + "}";
}
std::string gpu_quota(int n) {
  return quota("q", "requests.nvidia.com/gpu: \"" + std::to_string(n) + "\"");
}

TEST(Quotas, SeveralOfOneNamespaceDoNotAddUp) {
  const std::string a = quota("qa", "requests.nvidia.com/gpu: \"1\"");
  const std::string b = quota("qb", "requests.nvidia.com/gpu: \"2\", pods: \"9\"");
  const auto found = quota_findings({a, b}, "quota/several");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].file, "f1.yaml");
  EXPECT_EQ(found[0].severity, Severity::kWarning);
  EXPECT_NE(found[0].message.find("qa bounds requests.nvidia.com/gpu"), std::string::npos)
      << found[0].message;
  EXPECT_NE(found[0].message.find("so 1 is all that there is, not 3"), std::string::npos) << found[0].message;
  EXPECT_EQ(quota_findings({quota("qa", "cpu: 1") + quota("qb", "requests.cpu: 2")}, "quota/several").size(),
            1u);
  // Another resource, another namespace, a choice of Pods, the same object twice.
  EXPECT_TRUE(quota_findings({a, quota("qb", "pods: \"9\"")}, "quota/several").empty());
  std::string elsewhere = b;
  elsewhere.replace(elsewhere.find("namespace: t"), 12, "namespace: u");
  EXPECT_TRUE(quota_findings({a, elsewhere}, "quota/several").empty());
  EXPECT_TRUE(quota_findings({a, quota("qb", "requests.nvidia.com/gpu: \"2\"", ", scopes: [Terminating]")},
                             "quota/several")
                  .empty());
  EXPECT_TRUE(quota_findings({a, a}, "quota/several").empty());
}

TEST(Quotas, TwoDeploymentsWithAQuotaEachAreTold) {
  const std::string one =
      quota("qa", "requests.nvidia.com/gpu: \"1\"") + deployment("qa", 1, spec_of(gpus(1)));
  const std::string two =
      quota("qb", "requests.nvidia.com/gpu: \"1\"") + deployment("qb", 1, spec_of(gpus(1)));
  EXPECT_TRUE(quota_findings({one}, "quota/too-small").empty());
  EXPECT_EQ(quota_findings({one, two}, "quota/several").size(), 1u);
  const auto found = quota_findings({one, two}, "quota/too-small");
  ASSERT_EQ(found.size(), 2u);
  // Each file alone is right; they may be a choice.
  EXPECT_EQ(found[0].severity, Severity::kWarning);
  EXPECT_NE(
      found[0].message.find("gets 1 of requests.nvidia.com/gpu, and its workloads in these files ask for 2 "
                            "(Deployment qa 1, Deployment qb 1)"),
      std::string::npos)
      << found[0].message;
  const auto together = quota_findings({one + two}, "quota/too-small");
  ASSERT_EQ(together.size(), 2u);
  EXPECT_EQ(together[0].severity, Severity::kError);
}

TEST(Quotas, WhatWorkloadsAskForIsCountedAsTheServerDoes) {
  EXPECT_EQ(too_small(gpu_quota(15) + deployment("d", 2, spec_of(gpus(8)))).size(), 1u);
  EXPECT_TRUE(too_small(gpu_quota(16) + deployment("d", 2, spec_of(gpus(8)))).empty());
  EXPECT_TRUE(too_small(gpu_quota(1) + deployment("d", 2, spec_of(gpus(8)), "u")).empty());
  for (const bool leader : {true, false}) {
    EXPECT_EQ(too_small(gpu_quota(31) + group(2, 2, leader, spec_of(gpus(8)))).size(), 1u) << leader;
    EXPECT_TRUE(too_small(gpu_quota(32) + group(2, 2, leader, spec_of(gpus(8)))).empty()) << leader;
    EXPECT_TRUE(too_small(gpu_quota(8) + group(1, 1, leader, spec_of(gpus(8)))).empty()) << leader;
  }
  // Requests before limits; init containers where they are more; sidecars besides.
  const std::string memory = quota("q", "requests.memory: 10Gi");
  EXPECT_TRUE(
      too_small(memory + deployment("d", 1, spec_of("requests: {memory: 10Gi}, limits: {memory: 20Gi}")))
          .empty());
  const auto over = too_small(memory + deployment("d", 1, spec_of("limits: {memory: 10752Mi}")));
  ASSERT_EQ(over.size(), 1u);
  EXPECT_NE(over[0].message.find("ask for 10.5Gi"), std::string::npos) << over[0].message;
  const auto with_init = [](const std::string& rest) {
    return spec_of(
        "requests: {memory: 6Gi}",
        "initContainers: [{name: i, image: \"r/i:1\", resources: {requests: {memory: 8Gi}}" + rest + "}], ");
  };
  EXPECT_TRUE(too_small(memory + deployment("d", 1, with_init(""))).empty());
  EXPECT_EQ(too_small(memory + deployment("d", 1, with_init(", restartPolicy: Always"))).size(), 1u);
  EXPECT_EQ(
      too_small(quota("q", "limits.cpu: 1500m") + deployment("d", 2, spec_of("limits: {cpu: 800m}"))).size(),
      1u);
  EXPECT_EQ(too_small(quota("q", "pods: \"2\"") + deployment("d", 3, spec_of(""))).size(), 1u);
}

TEST(Quotas, OfComputeAskEachContainerForAValue) {
  const auto missing = [](const std::string& text) {
    return quota_findings({text}, "quota/value-missing").size();
  };
  const std::string limits = quota("q", "limits.cpu: \"64\"");
  const std::string bare = deployment("d", 1, spec_of("limits: {memory: 1Gi}"));
  EXPECT_EQ(missing(limits + bare), 1u);
  EXPECT_EQ(missing(limits + deployment("d", 1, spec_of("requests: {cpu: 1}"))), 1u);
  EXPECT_EQ(missing(limits + deployment("d", 1, spec_of("limits: {cpu: 1}"))), 0u);
  EXPECT_EQ(missing(quota("q", "cpu: \"64\"") + deployment("d", 1, spec_of("limits: {cpu: 1}"))), 0u);
  EXPECT_EQ(missing(limits + deployment("d", 1,
                                        spec_of("limits: {cpu: 1}",
                                                "initContainers: [{name: i, image: \"r/i:1\"}], "))),
            1u);
  EXPECT_EQ(
      missing(limits + bare +
              "---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: l, namespace: t}\nspec: {limits: "
              "[{type: Container, default: {cpu: 1}}]}\n"),
      0u);
  EXPECT_EQ(missing(gpu_quota(8) + deployment("d", 1, spec_of(""))), 0u);
  EXPECT_EQ(missing(limits + deployment("d", 1, spec_of(""), "u")), 0u);
}

TEST(Quotas, JobsEndAndAutoscalersCountAtTheirLeast) {
  const auto job = [](int n) {
    return "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: j, namespace: t}\nspec: {template: {spec: "
           "{restartPolicy: Never, containers: [{name: c, image: \"r/c:1\", resources: {" +
           gpus(n) + "}}]}}}\n";
  };
  EXPECT_TRUE(too_small(gpu_quota(8) + deployment("d", 1, spec_of(gpus(8))) + job(8)).empty());
  EXPECT_EQ(too_small(gpu_quota(8) + deployment("d", 1, spec_of(gpus(8))) + job(9)).size(), 1u);
  const std::string scaler =
      "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: h, namespace: "
      "t}\nspec: "
      "{scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: d}, minReplicas: 2, maxReplicas: 4}\n";
  EXPECT_EQ(too_small(gpu_quota(15) + deployment("d", 1, spec_of(gpus(8))) + scaler).size(), 1u);
  EXPECT_TRUE(too_small(gpu_quota(16) + deployment("d", 3, spec_of(gpus(8))) + scaler).empty());
}

}  // namespace
}  // namespace hadal
