// Logits of every family's tiny checkpoint against Hugging Face's, prefill at all positions and decode.
#include <gtest/gtest.h>

#include <iostream>

#include "models/model_test_util.h"

namespace hadal {
namespace {

constexpr size_t kWhole = 4096;

std::string test_name(const ::testing::TestParamInfo<const char*>& param) {
  std::string name = param.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '/' || c == '.'; }, '_');
  return name;
}

class FidelityTest : public ::testing::TestWithParam<const char*> {
 protected:
  // A GGUF file lies beside the checkpoint it was made from and has the same answers.
  Golden golden_for(const TestModel& model) const {
    const std::string name = GetParam();
    return load_golden(name.substr(0, name.find('/')), model.config().vocab_size);
  }
  std::map<size_t, std::vector<float>> flipped_for(const TestModel& model) const {
    const std::string name = GetParam();
    return load_flipped(name.substr(0, name.find('/')), model.config().vocab_size);
  }
};

// f32 weights, f32 cache, the oracle's kernels: only the order of additions differs from Hugging Face's fp32.
TEST_P(FidelityTest, F32EqualsHuggingFaceFp32) {
  TestModel model(GetParam(), {});
  const Golden golden = golden_for(model);
  const Difference d = compare(model.run_all(0, golden.prompt, golden.decoded, kWhole), golden.logits);
  EXPECT_LT(d.max, 1e-4) << "noise of Hugging Face's bf16 is " << golden.max_noise;
}

// The checkpoint's own dtype, as served, at every tier of this machine.
TEST_P(FidelityTest, PackedWeightsStayWithinHuggingFacesOwnNoise) {
  const int best = static_cast<int>(detect_cpu().tier);
  for (int tier = 0; tier <= best; ++tier) {
    for (const DType kv : {DType::kF16, DType::kBF16}) {
      TestOptions options;
      options.tier = static_cast<CpuTier>(tier);
      options.kv_dtype = kv;
      options.widen = false;
      options.num_threads = 2;
      TestModel model(GetParam(), options);
      const Golden golden = golden_for(model);
      const auto flipped = model.config().moe ? flipped_for(model) : std::map<size_t, std::vector<float>>();
      const Logits logits = model.run_all(0, golden.prompt, golden.decoded, kWhole);
      const std::string label = std::string(cpu_tier_name(options.tier)) + " " + std::string(dtype_name(kv));
      EXPECT_LT(compare(logits, golden.logits).mean, golden.mean_noise) << label;
      for (size_t i = 0; i < logits.size(); ++i) {
        const double gap = compare({logits[i]}, {golden.logits[i]}).max;
        if (gap < golden.max_noise) continue;
        // Rounding can turn a tie of two experts over, which moves a token's logits by a step, not by noise.
        // Then there was a tie, and the logits are those of the other choice.
        ASSERT_TRUE(flipped.contains(i))
            << label << ": token " << i << " is off by " << gap << " without a tie";
        const double other = compare({logits[i]}, {flipped.at(i)}).max;
        std::cout << label << ": token " << i << " is off by " << gap << ", by " << other
                  << " from its other choice of experts\n";
        EXPECT_LT(other, golden.max_noise) << label << ": token " << i << " is off by " << gap
                                           << ", and not by its closest choice of experts";
      }
    }
  }
}

TEST_P(FidelityTest, GreedyDecodingGivesHuggingFacesTokens) {
  TestModel model(GetParam(), {});
  const Golden golden = golden_for(model);
  Logits last = model.run({{0, golden.prompt}});
  for (size_t i = 0; i < golden.decoded.size(); ++i) {
    const auto& row = last.back();
    const auto token = static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
    ASSERT_EQ(token, golden.decoded[i]) << "step " << i;
    last = model.run({{0, {token}}});
  }
}

// Chunking, batching and threads must not change a single bit.
TEST_P(FidelityTest, ChunksAndBatchesGiveEqualBits) {
  for (const bool widen : {true, false}) {
    for (const CpuTier tier : {CpuTier::kScalar, detect_cpu().tier}) {
      TestOptions options;
      options.tier = tier;
      options.widen = widen;
      options.kv_dtype = widen ? DType::kF32 : DType::kF16;
      TestModel model(GetParam(), options);
      const Golden golden = golden_for(model);
      const Logits whole = model.run_all(0, golden.prompt, golden.decoded, kWhole);
      options.num_threads = 2;
      for (const size_t chunk : {size_t{1}, size_t{7}, size_t{16}}) {
        TestModel again(GetParam(), options);
        EXPECT_EQ(again.run_all(1, golden.prompt, golden.decoded, chunk), whole)
            << "chunk " << chunk << " " << cpu_tier_name(tier);
      }
      TestModel mixed(GetParam(), options);
      std::vector<int32_t> other(golden.prompt.rbegin(), golden.prompt.rend());
      mixed.run({{3, other}});
      const Logits first = mixed.run({{2, {5}}, {0, golden.prompt}, {3, {6}}});
      const Logits prompt_rows(first.begin() + 1, first.end() - 1);
      const auto prompt_len = static_cast<int64_t>(golden.prompt.size());
      EXPECT_EQ(prompt_rows, Logits(whole.begin(), whole.begin() + prompt_len)) << cpu_tier_name(tier);
      const Logits second = mixed.run({{3, {7}}, {1, other}, {0, {golden.decoded[0]}}});
      EXPECT_EQ(second.back(), whole[golden.prompt.size()]) << cpu_tier_name(tier);
    }
  }
}

TEST_P(FidelityTest, ArenaBoundIsEnoughAndNotWasteful) {
  for (const int64_t tokens : {int64_t{1}, int64_t{24}, int64_t{64}}) {
    TestOptions options;
    options.tier = detect_cpu().tier;
    options.widen = false;
    options.max_tokens = tokens;
    options.num_threads = 2;
    TestModel model(GetParam(), options);
    std::vector<int32_t> ids(static_cast<size_t>(tokens), 5);
    model.run({{0, ids}});
    EXPECT_LE(model.arena_high_water(), model.arena_capacity());
    if (tokens == 64) {
      EXPECT_GT(model.arena_high_water(), model.arena_capacity() / 4) << model.arena_capacity();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, FidelityTest,
                         ::testing::Values("llama", "llama_tied", "mistral", "qwen2", "qwen2_window", "qwen3",
                                           "deepseek_v2_lite", "deepseek_v2", "deepseek_v2_full",
                                           "deepseek_v3", "deepseek_eps", "deepseek_v3_fp8",
                                           "llama/model.gguf", "qwen2/model.gguf", "qwen3/model.gguf",
                                           "deepseek_v2_full/model.gguf", "deepseek_v2_lite/model.gguf",
                                           "deepseek_v3/model.gguf"),
                         test_name);

class MlaFormsTest : public ::testing::TestWithParam<const char*> {};

// The absorbed form against the naive one, which follows the paper's equations for keys and values.
TEST_P(MlaFormsTest, AbsorbedEqualsNaive) {
  TestOptions options;
  TestModel absorbed(GetParam(), options);
  options.mla_absorb = false;
  TestModel naive(GetParam(), options);
  std::vector<int32_t> prompt;
  for (int32_t i = 0; i < 30; ++i) prompt.push_back(4 + (i * 37) % 100);
  const std::vector<int32_t> decoded = {9, 8, 7, 60, 61};
  for (const size_t chunk : {size_t{5}, kWhole}) {
    const int sequence = chunk == kWhole ? 0 : 1;
    const Difference d = compare(absorbed.run_all(sequence, prompt, decoded, chunk),
                                 naive.run_all(sequence, prompt, decoded, chunk));
    EXPECT_LT(d.max, 2e-4) << chunk;
    EXPECT_GT(d.max, 0.0) << "the forms are not two computations";
  }
}

INSTANTIATE_TEST_SUITE_P(Families, MlaFormsTest,
                         ::testing::Values("deepseek_v2_lite", "deepseek_v2", "deepseek_v3",
                                           "deepseek_v3_fp8", "deepseek_v3/model.gguf",
                                           "deepseek_v2_lite/model.gguf"),
                         test_name);

}  // namespace
}  // namespace hadal
