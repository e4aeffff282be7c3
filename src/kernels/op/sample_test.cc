#include "kernels/op/sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "kernels/op/cpu_kernels.h"
#include "kernels/op/op_test_util.h"
#include "kernels/op/philox.h"

namespace hadal {
namespace {

// The known-answer vectors that Random123 publishes for philox4x32, 10 rounds (its file kat_vectors).
TEST(Philox, KnownAnswers) {
  using Counter = std::array<uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, UniformIsInRangeAndUsesSeedAndPosition) {
  std::set<double> seen;
  double sum = 0;
  for (uint64_t i = 0; i < 10000; ++i) {
    const double u = philox_uniform(i % 100, (i / 100) << 33);
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    seen.insert(u);
    sum += u;
  }
  EXPECT_EQ(seen.size(), 10000u);
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

class Sample : public testing::TestWithParam<CpuTier> {
 protected:
  std::vector<SampleOutput> run(std::vector<float>& logits, int64_t vocab, const std::vector<SampleRow>& rows,
                                int num_threads = 1) {
    TestContext test(GetParam(), num_threads, sample_arena_bytes(num_threads, vocab));
    std::vector<SampleOutput> outputs(rows.size());
    const auto num_rows = static_cast<int64_t>(logits.size()) / vocab;
    sample(test.ctx(), tensor_of(logits, {num_rows, vocab}), rows, outputs);
    EXPECT_EQ(test.ctx().arena.used(), 0u);
    return outputs;
  }
  TestRandom random_;
};

// The documented steps in float64 with full sorts. `probability` is 0 for tokens that may not be drawn.
std::vector<double> reference_distribution(const std::vector<float>& raw, const SampleRow& row) {
  std::vector<double> x(raw.begin(), raw.end());
  for (const auto& [token, bias] : row.logit_bias) x[static_cast<size_t>(token)] += double{bias};
  for (const int32_t token : row.banned) x[static_cast<size_t>(token)] = -INFINITY;
  for (const TokenCount& c : row.counts) {
    double& logit = x[static_cast<size_t>(c.token)];
    logit = logit > 0 ? logit / double{row.repetition_penalty} : logit * double{row.repetition_penalty};
    if (c.in_output > 0) logit -= double{row.presence_penalty};
    logit -= double{row.frequency_penalty} * c.in_output;
  }
  std::vector<size_t> order(x.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return x[a] > x[b]; });
  std::vector<double> p(x.size());
  if (row.temperature == 0) {
    p[order[0]] = 1;
    return p;
  }
  if (row.top_k > 0) order.resize(std::min(order.size(), static_cast<size_t>(row.top_k)));
  double total = 0;
  const double max = x[order[0]];
  for (const size_t i : order) total += p[i] = std::exp((x[i] - max) / double{row.temperature});
  double mass = 0;
  size_t kept = 0;
  while (kept < order.size() &&
         (kept == 0 || (row.top_p < 1 && mass < double{row.top_p} * total) || row.top_p >= 1)) {
    mass += p[order[kept++]];
  }
  for (size_t i = kept; i < order.size(); ++i) p[order[i]] = 0;
  for (const size_t i : order) {
    if (p[i] < double{row.min_p}) p[i] = 0;
  }
  total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= total;
  return p;
}

// The token that the reference distribution gives for a uniform number; none when it lies within `margin` of
// a border.
std::optional<int32_t> reference_token(const std::vector<double>& p, double uniform, double margin) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] > 0 && std::abs(sum - uniform) < margin && sum > 0) return std::nullopt;
    sum += p[i];
    if (p[i] > 0 && sum > uniform) {
      if (sum - uniform < margin && i + 1 < p.size()) return std::nullopt;
      return static_cast<int32_t>(i);
    }
  }
  return std::nullopt;
}

// Draws are inverted distribution functions in token order, so the exact token is known for nearly every
// draw.
TEST_P(Sample, DrawsEqualTheFloat64Reference) {
  HADAL_SEED_TRACE(random_);
  int compared = 0;
  for (int round = 0; round < 400; ++round) {
    const int64_t vocab = random_.integer(1, 3) == 1 ? random_.integer(1, 40) : random_.integer(100, 3000);
    std::vector<float> logits = random_.normals(vocab, static_cast<float>(random_.integer(1, 6)));
    std::vector<TokenCount> counts;
    std::vector<std::pair<int32_t, float>> bias;
    std::vector<int32_t> banned;
    SampleRow row;
    row.temperature =
        random_.integer(0, 5) == 0 ? 0.0f : 0.2f + 0.2f * static_cast<float>(random_.integer(0, 9));
    if (random_.integer(0, 1) != 0) row.top_k = static_cast<int32_t>(random_.integer(1, vocab + 5));
    if (random_.integer(0, 1) != 0) row.top_p = 0.01f * static_cast<float>(random_.integer(0, 100));
    if (random_.integer(0, 2) == 0) row.min_p = 0.01f * static_cast<float>(random_.integer(0, 100));
    if (random_.integer(0, 1) != 0 && vocab > 20) {
      row.repetition_penalty = 1.3f;
      row.presence_penalty = 0.4f;
      row.frequency_penalty = 0.2f;
      for (int32_t token = 0; token < 20; ++token) {
        counts.push_back({token, static_cast<int32_t>(random_.integer(0, 3)), true});
      }
      bias = {{3, 4.5f}, {static_cast<int32_t>(vocab) - 1, -2.0f}};
      banned = {5, 6};
    }
    row.counts = counts;
    row.logit_bias = bias;
    row.banned = banned;
    row.seed = static_cast<uint64_t>(random_.integer(0, 1 << 30));
    row.position = random_.integer(0, 100000);
    const std::vector<double> p = reference_distribution(logits, row);
    const auto got = run(logits, vocab, {row})[0].token;
    ASSERT_TRUE(got >= 0 && got < vocab);
    const double uniform = philox_uniform(row.seed, static_cast<uint64_t>(row.position));
    const std::optional<int32_t> expected = reference_token(p, uniform, 1e-5);
    if (!expected || (row.temperature == 0 && p[static_cast<size_t>(got)] == 1)) continue;
    // A set that ends within rounding of top_p or min_p may differ by one token.
    if (got != *expected && (row.top_p < 1 || row.min_p > 0)) {
      SampleRow wider = row;
      wider.top_p = std::min(1.0f, row.top_p + 1e-5f);
      wider.min_p = row.min_p - 1e-5f;
      SampleRow narrower = row;
      narrower.top_p = row.top_p - 1e-5f;
      narrower.min_p = row.min_p + 1e-5f;
      if (reference_distribution(logits, wider) != reference_distribution(logits, narrower)) continue;
    }
    ASSERT_EQ(got, *expected) << "round " << round << " vocab " << vocab << " T " << row.temperature << " k "
                              << row.top_k << " p " << row.top_p << " min_p " << row.min_p;
    ++compared;
  }
  EXPECT_GT(compared, 250);
}

TEST_P(Sample, GreedyTakesTheFirstMaximum) {
  HADAL_SEED_TRACE(random_);
  for (int round = 0; round < 200; ++round) {
    const int64_t vocab = random_.integer(1, 700);
    std::vector<float> logits = random_.normals(vocab);
    const int64_t first = random_.integer(0, vocab - 1);
    logits[static_cast<size_t>(first)] = 9.0f;
    logits[static_cast<size_t>(random_.integer(first, vocab - 1))] = 9.0f;
    SampleRow row;
    row.temperature = 0;
    ASSERT_EQ(run(logits, vocab, {row})[0].token, first);
  }
}

TEST_P(Sample, TiesAtTopKAndTopPGoToLowerIds) {
  std::vector<float> logits(500, 1.0f);
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SampleRow row;
    row.seed = seed;
    row.top_k = 3;
    EXPECT_LT(run(logits, 500, {row})[0].token, 3);
    row.top_k = 0;
    row.top_p = 0.0101f;  // 6 of 500
    EXPECT_LT(run(logits, 500, {row})[0].token, 6);
  }
}

// Chi-square of 20,000 draws against the exact distribution.
void expect_distribution(const std::vector<double>& p, const std::vector<int>& hits, int draws) {
  double chi = 0;
  int cells = 0;
  double rest_expected = 0;
  double rest_hits = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double expected = p[i] * draws;
    if (p[i] == 0) {
      ASSERT_EQ(hits[i], 0) << i;
    }
    if (expected < 10) {
      rest_expected += expected;
      rest_hits += hits[i];
      continue;
    }
    chi += (hits[i] - expected) * (hits[i] - expected) / expected;
    ++cells;
  }
  if (rest_expected > 10) {
    chi += (rest_hits - rest_expected) * (rest_hits - rest_expected) / rest_expected;
    ++cells;
  }
  // Mean cells - 1, variance 2 (cells - 1); six sigma.
  const double freedom = std::max(1, cells - 1);
  EXPECT_LT(chi, freedom + 6 * std::sqrt(2 * freedom) + 10);
}

TEST_P(Sample, DrawsFollowTheDistribution) {
  HADAL_SEED_TRACE(random_);
  const int64_t vocab = 200;
  const int draws = 20000;
  const std::vector<float> base = random_.normals(vocab, 2.0f);
  std::vector<SampleRow> settings(4);
  settings[1].top_k = 20;
  settings[2].top_p = 0.8f;
  settings[3].top_k = 50;
  settings[3].top_p = 0.95f;
  settings[3].min_p = 0.05f;
  settings[3].temperature = 0.7f;
  for (const SampleRow& setting : settings) {
    std::vector<SampleRow> rows(draws, setting);
    const auto seed = static_cast<uint64_t>(random_.integer(0, 1 << 30));
    for (int i = 0; i < draws; ++i) {
      rows[static_cast<size_t>(i)].seed = seed + static_cast<uint64_t>(i % 7);
      rows[static_cast<size_t>(i)].position = i;
    }
    std::vector<float> logits = base;
    std::vector<int> hits(vocab);
    for (const SampleOutput& output : run(logits, vocab, rows, 2)) ++hits[static_cast<size_t>(output.token)];
    expect_distribution(reference_distribution(base, setting), hits, draws);
  }
}

TEST_P(Sample, ATokenDependsOnItsOwnRowOnly) {
  HADAL_SEED_TRACE(random_);
  const int64_t vocab = 5003;
  const int64_t num_rows = 24;
  std::vector<float> logits = random_.normals(num_rows * vocab, 3.0f);
  std::vector<SampleRow> rows;
  for (int32_t r = 0; r < num_rows; ++r) {
    SampleRow row;
    row.logits_row = r;
    row.temperature = 0.5f * static_cast<float>(r % 4);
    row.top_k = r % 3 == 0 ? 40 : 0;
    row.top_p = r % 5 == 0 ? 0.9f : 1.0f;
    row.min_p = r % 7 == 0 ? 0.02f : 0.0f;
    row.seed = static_cast<uint64_t>(random_.integer(0, 1 << 30));
    row.position = r;
    row.num_top_logprobs = 5;
    rows.push_back(row);
  }
  const std::vector<SampleOutput> together = run(logits, vocab, rows, 3);
  for (size_t r = 0; r < rows.size(); ++r) {
    std::vector<float> one(logits.begin() + static_cast<int64_t>(r) * vocab,
                           logits.begin() + static_cast<int64_t>(r + 1) * vocab);
    SampleRow row = rows[r];
    row.logits_row = 0;
    const SampleOutput alone = run(one, vocab, {row})[0];
    ASSERT_EQ(alone.token, together[r].token) << r;
    ASSERT_EQ(alone.logprob, together[r].logprob) << r;
    ASSERT_EQ(alone.top.size(), together[r].top.size());
  }
}

TEST_P(Sample, LogprobsAreTheModelsOwn) {
  HADAL_SEED_TRACE(random_);
  const int64_t vocab = 3001;
  std::vector<float> logits = random_.normals(vocab, 3.0f);
  double total = 0;
  for (const float x : logits) total += std::exp(double{x});
  std::vector<size_t> order(static_cast<size_t>(vocab));
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  const std::pair<int32_t, float> bias[] = {{static_cast<int32_t>(order[100]), 50.0f}};
  const int32_t banned[] = {static_cast<int32_t>(order[0])};
  SampleRow row;
  row.temperature = 0.3f;
  row.logit_bias = bias;
  row.banned = banned;
  row.num_top_logprobs = 20;
  const SampleOutput got = run(logits, vocab, {row})[0];
  EXPECT_EQ(got.token, static_cast<int32_t>(order[100]));
  EXPECT_NEAR(got.logprob, double{logits[order[100]]} - std::log(total), 1e-5);
  ASSERT_EQ(got.top.size(), 20u);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(got.top[i].token, static_cast<int32_t>(order[i]));
    EXPECT_NEAR(got.top[i].logprob, double{logits[order[i]]} - std::log(total), 1e-5);
  }

  std::vector<int32_t> tokens = {17};
  std::vector<SampleOutput> outputs(1);
  TestContext test(GetParam(), 2, sample_arena_bytes(2, vocab));
  token_logprobs(test.ctx(), tensor_of(logits, {1, vocab}), tokens, 3, outputs);
  EXPECT_EQ(outputs[0].token, 17);
  EXPECT_NEAR(outputs[0].logprob, double{logits[17]} - std::log(total), 1e-5);
  ASSERT_EQ(outputs[0].top.size(), 3u);
  EXPECT_EQ(outputs[0].top[2].token, static_cast<int32_t>(order[2]));
}

TEST_P(Sample, BadLogitsNeverLeaveTheVocabulary) {
  HADAL_SEED_TRACE(random_);
  const float bad[] = {std::nanf(""), INFINITY, -INFINITY, 3.4e38f, -3.4e38f, 0.0f};
  for (int round = 0; round < 600; ++round) {
    const int64_t vocab = random_.integer(1, 300);
    std::vector<float> logits = random_.normals(vocab);
    const int64_t num_bad = random_.integer(0, 1) != 0 ? vocab : random_.integer(0, vocab);
    const int64_t kinds = random_.integer(1, 6);
    for (int64_t i = 0; i < num_bad; ++i) logits[static_cast<size_t>(i)] = bad[random_.integer(0, kinds - 1)];
    SampleRow row;
    row.temperature = static_cast<float>(random_.integer(0, 2));
    row.top_k = static_cast<int32_t>(random_.integer(0, 1) * random_.integer(1, 50));
    row.top_p = random_.integer(0, 1) != 0 ? 0.9f : 1.0f;
    row.min_p = random_.integer(0, 1) != 0 ? 0.1f : 0.0f;
    row.num_top_logprobs = 5;
    row.seed = static_cast<uint64_t>(round);
    const bool any = std::any_of(logits.begin(), logits.end(), [](float x) { return x > -INFINITY; });
    std::vector<int32_t> banned = {0};
    if (!any) row.banned = banned;
    const SampleOutput got = run(logits, vocab, {row})[0];
    ASSERT_TRUE(got.token >= 0 && got.token < vocab) << got.token;
    const bool infinite = std::count(logits.begin(), logits.end(), INFINITY) > 0;
    ASSERT_EQ(got.finite, any && !infinite);
    if (any) {
      ASSERT_TRUE(logits[static_cast<size_t>(got.token)] > -INFINITY) << got.token;
    } else {
      ASSERT_EQ(got.token, vocab > 1 ? 1 : 0);
    }
    ASSERT_TRUE(std::isfinite(got.logprob));
    for (const TokenLogprob& top : got.top) ASSERT_TRUE(std::isfinite(top.logprob));
  }
}

TEST_P(Sample, InfinityWins) {
  std::vector<float> logits(100, 1.0f);
  logits[41] = INFINITY;
  for (const float temperature : {0.0f, 1.0f}) {
    for (const float top_p : {0.5f, 1.0f}) {
      SampleRow row;
      row.temperature = temperature;
      row.top_p = top_p;
      EXPECT_EQ(run(logits, 100, {row})[0].token, 41);
    }
  }
}

TEST_P(Sample, KernelsMatchTheScalarOnes) {
  HADAL_SEED_TRACE(random_);
  const SampleKernels& kernels = cpu_kernels(GetParam()).sample;
  const SampleKernels& oracle = cpu_kernels_scalar()->sample;
  for (int round = 0; round < 300; ++round) {
    const int64_t n = random_.integer(1, 400);
    std::vector<float> x = random_.normals(n, 20.0f);
    for (int i = 0; i < 5; ++i)
      x[static_cast<size_t>(random_.integer(0, n - 1))] = i < 2 ? std::nanf("") : -INFINITY;
    const float max = oracle.max(x.data(), n);
    ASSERT_EQ(kernels.max(x.data(), n), max);
    ASSERT_EQ(kernels.find_equal(x.data(), 0, n, max), oracle.find_equal(x.data(), 0, n, max));
    ASSERT_EQ(kernels.find_equal(x.data(), 0, n, 1e9f), n);
    std::vector<float> blocks(16, 5.0f);
    std::vector<float> expected_blocks(16, 5.0f);
    kernels.block_max(x.data(), n, blocks.data());
    oracle.block_max(x.data(), n, expected_blocks.data());
    ASSERT_EQ(blocks, expected_blocks);
    std::vector<int32_t> ids(static_cast<size_t>(n), -1);
    std::vector<int32_t> expected_ids(static_cast<size_t>(n), -1);
    const float threshold = round % 4 == 0 ? -INFINITY : random_.normal(20.0f);
    const int64_t count = oracle.collect_ge(x.data(), n, threshold, expected_ids.data());
    ASSERT_EQ(kernels.collect_ge(x.data(), n, threshold, ids.data()), count);
    ids.resize(static_cast<size_t>(count));
    expected_ids.resize(static_cast<size_t>(count));
    ASSERT_EQ(ids, expected_ids);
    if (max == -INFINITY) continue;
    std::vector<float> w(static_cast<size_t>(n));
    const double sum = kernels.exp_weights(x.data(), n, max, 0.7f, w.data());
    ASSERT_EQ(kernels.exp_weights(x.data(), n, max, 0.7f, nullptr), sum);
    ASSERT_NEAR(kernels.weight_ge(x.data(), w.data(), n, threshold),
                oracle.weight_ge(x.data(), w.data(), n, threshold), 1e-9);
    double expected_sum = 0;
    for (size_t i = 0; i < w.size(); ++i) {
      // The argument as f32, as all tiers round it.
      const double expected = std::isnan(x[i]) ? 0.0 : std::exp(double{(x[i] - max) * 0.7f});
      ASSERT_NEAR(w[i], expected, 1e-6 * expected + 1e-37) << x[i];
      expected_sum += double{w[i]};
    }
    ASSERT_NEAR(sum, expected_sum, 1e-6 * expected_sum);
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, Sample, testing::ValuesIn(test_tiers()),
                         [](const auto& p) { return std::string(cpu_tier_name(p.param)); });

}  // namespace
}  // namespace hadal
