#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>

#include "kernels/op/moe.h"
#include "kernels/op/op_test_util.h"

namespace hadal {
namespace {

struct Golden {
  std::string name;
  int64_t num_tokens = 0;
  MoeGateParams params;
  std::vector<float> logits;
  std::vector<float> bias;
  std::vector<int32_t> ids;
  std::vector<float> weights;
};

Golden read_case(std::istream& in) {
  Golden g;
  bool sigmoid = false;
  bool top_two = false;
  bool has_bias = false;
  in >> g.name >> g.num_tokens >> g.params.num_experts >> g.params.top_k >> g.params.num_groups >>
      g.params.top_k_groups >> sigmoid >> top_two >> g.params.normalize >> g.params.scaling >> has_bias;
  g.params.score = sigmoid ? GateScore::kSigmoid : GateScore::kSoftmax;
  g.params.group_rank = top_two ? GroupRank::kTopTwoSum : GroupRank::kMax;
  g.logits.resize(static_cast<size_t>(g.num_tokens * g.params.num_experts));
  for (float& x : g.logits) in >> x;
  if (has_bias) g.bias.resize(static_cast<size_t>(g.params.num_experts));
  for (float& x : g.bias) in >> x;
  for (int64_t t = 0; t < g.num_tokens; ++t) {
    for (int j = 0; j < g.params.top_k; ++j) in >> g.ids.emplace_back();
    for (int j = 0; j < g.params.top_k; ++j) in >> g.weights.emplace_back();
  }
  return g;
}

struct GateResult {
  std::vector<int32_t> ids;
  std::vector<float> weights;
};

GateResult run_gate(std::vector<float>& logits, std::vector<float>& bias, const MoeGateParams& params,
                    int num_threads = 2) {
  const auto t = static_cast<int64_t>(logits.size()) / params.num_experts;
  GateResult result{std::vector<int32_t>(static_cast<size_t>(t * params.top_k), -7),
                    std::vector<float>(static_cast<size_t>(t * params.top_k))};
  TestContext test(CpuTier::kScalar, num_threads, 0);
  moe_gate(test.ctx(), tensor_of(logits, {t, params.num_experts}),
           bias.empty() ? Tensor() : tensor_of(bias, {params.num_experts}), params,
           tensor_of(result.ids, {t, params.top_k}), tensor_of(result.weights, {t, params.top_k}));
  return result;
}

TEST(MoeGate, EqualsHuggingFaceRouters) {
  std::ifstream in(HADAL_SOURCE_DIR "/src/kernels/op/testdata/moe_gate.txt");
  int count = 0;
  ASSERT_TRUE(in >> count);
  for (int i = 0; i < count; ++i) {
    Golden g = read_case(in);
    ASSERT_TRUE(in) << g.name;
    const GateResult got = run_gate(g.logits, g.bias, g.params);
    EXPECT_EQ(got.ids, g.ids) << g.name;
    for (size_t j = 0; j < g.weights.size(); ++j) {
      EXPECT_NEAR(got.weights[j], g.weights[j], 1e-6 * std::abs(g.weights[j])) << g.name;
    }
  }
}

// The published algorithm, written down a second time with sorting, in float64.
GateResult reference_gate(const std::vector<float>& logits, const std::vector<float>& bias,
                          const MoeGateParams& p) {
  GateResult result;
  const auto n = static_cast<size_t>(p.num_experts);
  for (size_t t = 0; t < logits.size() / n; ++t) {
    std::vector<double> score(logits.begin() + static_cast<int64_t>(t * n),
                              logits.begin() + static_cast<int64_t>((t + 1) * n));
    double total = 0;
    for (double& x : score) {
      x = p.score == GateScore::kSigmoid ? 1 / (1 + std::exp(-x)) : std::exp(x);
      total += x;
    }
    if (p.score == GateScore::kSoftmax) {
      for (double& x : score) x /= total;
    }
    std::vector<double> choice = score;
    for (size_t e = 0; e < bias.size(); ++e) choice[e] += double{bias[e]};
    const size_t per_group = n / static_cast<size_t>(p.num_groups);
    std::vector<std::pair<double, size_t>> groups;
    for (size_t g = 0; g < n / per_group; ++g) {
      std::vector<double> members(choice.begin() + static_cast<int64_t>(g * per_group),
                                  choice.begin() + static_cast<int64_t>((g + 1) * per_group));
      std::sort(members.rbegin(), members.rend());
      const bool two = p.group_rank == GroupRank::kTopTwoSum && per_group > 1;
      groups.emplace_back(-(members[0] + (two ? members[1] : 0)), g);
    }
    std::sort(groups.begin(), groups.end());
    std::vector<std::pair<double, size_t>> experts;
    for (int g = 0; g < p.top_k_groups; ++g) {
      for (size_t e = 0; e < per_group; ++e) {
        const size_t id = groups[static_cast<size_t>(g)].second * per_group + e;
        experts.emplace_back(-choice[id], id);
      }
    }
    std::sort(experts.begin(), experts.end());
    double sum = 0;
    for (int j = 0; j < p.top_k; ++j) sum += score[experts[static_cast<size_t>(j)].second];
    for (int j = 0; j < p.top_k; ++j) {
      const size_t id = experts[static_cast<size_t>(j)].second;
      result.ids.push_back(static_cast<int32_t>(id));
      result.weights.push_back(static_cast<float>(score[id] / (p.normalize ? sum : 1.0) * double{p.scaling}));
    }
  }
  return result;
}

TEST(MoeGate, MatchesFloat64OnRandomShapes) {
  TestRandom random;
  HADAL_SEED_TRACE(random);
  for (int round = 0; round < 200; ++round) {
    MoeGateParams p;
    p.num_groups = static_cast<int>(random.integer(1, 8));
    const int per_group = static_cast<int>(random.integer(2, 32));
    p.num_experts = p.num_groups * per_group;
    p.top_k_groups = static_cast<int>(random.integer(1, p.num_groups));
    p.top_k = static_cast<int>(random.integer(1, std::min(8, per_group * p.top_k_groups)));
    p.score = random.integer(0, 1) != 0 ? GateScore::kSigmoid : GateScore::kSoftmax;
    p.group_rank = random.integer(0, 1) != 0 ? GroupRank::kTopTwoSum : GroupRank::kMax;
    p.normalize = random.integer(0, 1) != 0;
    p.scaling = 2.5f;
    std::vector<float> logits = random.normals(random.integer(1, 40) * p.num_experts, 2.0f);
    std::vector<float> bias;
    if (random.integer(0, 1) != 0) bias = random.normals(p.num_experts, 0.1f);
    const GateResult got = run_gate(logits, bias, p, 3);
    const GateResult expected = reference_gate(logits, bias, p);
    // Random f32 scores may tie within rounding; compare weights where ids differ.
    int different = 0;
    for (size_t i = 0; i < got.ids.size(); ++i) different += got.ids[i] != expected.ids[i] ? 1 : 0;
    EXPECT_LE(different, 2) << round;
    if (different != 0) continue;
    for (size_t i = 0; i < got.ids.size(); ++i) {
      ASSERT_NEAR(got.weights[i], expected.weights[i], 3e-6f * std::abs(expected.weights[i]) + 1e-12f)
          << round;
    }
  }
}

TEST(MoeGate, TiesGoToTheLowerExpert) {
  std::vector<float> logits(16, 0.5f);
  std::vector<float> none;
  MoeGateParams p;
  p.num_experts = 16;
  p.top_k = 4;
  p.num_groups = 4;
  p.top_k_groups = 2;
  EXPECT_EQ(run_gate(logits, none, p).ids, (std::vector<int32_t>{0, 1, 2, 3}));
}

TEST(MoeGate, BadLogitsStillChooseDistinctExperts) {
  std::vector<float> none;
  for (const GateScore score : {GateScore::kSoftmax, GateScore::kSigmoid}) {
    for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
      std::vector<float> logits(16, bad);
      MoeGateParams p;
      p.num_experts = 16;
      p.top_k = 8;
      p.num_groups = 4;
      p.top_k_groups = 2;
      p.score = score;
      p.normalize = true;
      p.group_rank = GroupRank::kTopTwoSum;
      GateResult got = run_gate(logits, none, p);
      std::sort(got.ids.begin(), got.ids.end());
      EXPECT_EQ(std::unique(got.ids.begin(), got.ids.end()), got.ids.end());
      EXPECT_GE(got.ids.front(), 0);
      EXPECT_LT(got.ids.back(), 16);
      for (const float w : got.weights) EXPECT_TRUE(std::isfinite(w)) << bad;
    }
  }
}

}  // namespace
}  // namespace hadal
