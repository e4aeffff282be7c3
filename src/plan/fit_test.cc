// fit_model against figures that others published, and by hand.
#include "plan/fit.h"

#include <gtest/gtest.h>

#include <random>

#include "plan/gpu_table.h"
#include "plan/layout_rules.h"
#include "plan/memory_terms.h"
#include "plan/plan_test_util.h"
#include "plan/weight_map.h"

namespace hadal {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;

const GpuSpec& gpu_of(std::string_view name) {
  const GpuSpec* gpu = find_gpu(name);
  HADAL_CHECK(gpu != nullptr) << name;
  return *gpu;
}
FitAnswer fit(std::string_view model, std::string_view gpu, const Layout& layout,
              const FitOptions& options = {}, std::string_view dtype = {}) {
  return fit_model(config_of(model), gpu_of(gpu), layout, dtype, options).value();
}

// SGLang's document "Deploy On Kubernetes" (two nodes of eight H20-96G, --tp 16 --mem-fraction-static 0.93):
// its log says max_total_num_tokens=712400.
TEST(Fit, R1OnSixteenH20) {
  FitOptions options;
  options.static_fraction = 0.93;
  const FitAnswer answer = fit("deepseek-r1", "H20-96G", {.tp = 16}, options);
  EXPECT_TRUE(answer.fits());
  EXPECT_EQ(answer.kv_bytes_per_token, 70'272);
  EXPECT_NEAR(static_cast<double>(answer.kv_tokens), 712'400, 712'400 * 0.01);
  EXPECT_NEAR(static_cast<double>(answer.rank.kv) / kGiB, 46.6, 0.5);
}

// github.com/ai-dynamo/aisimulate pull request 263: R1 on 8x H200, TP8, static fraction 0.82: about 509k
// tokens observed.
TEST(Fit, R1OnEightH200) {
  FitOptions options;
  options.static_fraction = 0.82;
  const FitAnswer answer = fit("deepseek-r1", "H200", {.tp = 8}, options);
  EXPECT_NEAR(static_cast<double>(answer.kv_tokens), 509'000, 509'000 * 0.05);
}

TEST(Fit, RefusesWhatCannotBe) {
  // 642 GiB of files on 4x 80 GB.
  const FitAnswer four = fit("deepseek-r1", "H100", {.tp = 4});
  ASSERT_FALSE(four.fits());
  EXPECT_NE(four.refusals[0].find("(627 GiB) do not fit on 4x H100 (79.6 GiB each)"), std::string::npos)
      << four.refusals[0];
  EXPECT_NE(four.refusals[0].find("16x H100 do"), std::string::npos) << four.refusals[0];
  // No FP8 on Ampere.
  const FitAnswer a800 = fit("deepseek-r1", "A800", {.tp = 16});
  ASSERT_FALSE(a800.fits());
  EXPECT_NE(a800.refusals[0].find("A800 has no FP8"), std::string::npos);
  EXPECT_NE(a800.refusals[0].find("1.34 TB"), std::string::npos) << a800.refusals[0];
  EXPECT_TRUE(fit("deepseek-r1", "A800", {.tp = 16}, {}, "int8").fits());
  EXPECT_FALSE(fit("deepseek-r1", "A800", {.tp = 16}, {}, "bf16").fits());
  // FP8 R1 does not fit on 8x H100 either.
  EXPECT_FALSE(fit("deepseek-r1", "H100", {.tp = 8}).fits());
  EXPECT_TRUE(fit("deepseek-r1", "H200", {.tp = 8}).fits());
}

TEST(Fit, RefusesAContextThatIsTooLong) {
  FitOptions options;
  options.context_length = 131072;
  EXPECT_FALSE(fit("llama-3.1-8b", "L40S", {},
                   [] {
                     FitOptions o;
                     o.context_length = 1'000'000;
                     return o;
                   }())
                   .fits());
  EXPECT_TRUE(fit("llama-3.1-8b", "H100", {}, options).fits());
}

TEST(Fit, ShapesThatDoNotDivide) {
  const auto heads = fit_model(config_of("qwen2.5-7b"), gpu_of("H100"), {.tp = 8});  // 28 heads
  ASSERT_FALSE(heads.ok());
  EXPECT_NE(heads.error().message.find("28 attention heads"), std::string::npos);
  EXPECT_NE(heads.error().message.find("TP4 can"), std::string::npos) << heads.error().message;
  // 18432 / 32 numbers of a dense layer are four and a half blocks of FP8, and 2048 / 32 of an expert half a
  // block.
  const auto blocks = fit_model(config_of("deepseek-r1"), gpu_of("H100"), {.tp = 32});
  ASSERT_FALSE(blocks.ok());
  EXPECT_NE(blocks.error().message.find("intermediate size of 18432 in FP8 blocks"), std::string::npos);
  EXPECT_NE(blocks.error().message.find("TP16 can"), std::string::npos);
  EXPECT_NE(blocks.error().message.find("EP32"), std::string::npos);
  EXPECT_FALSE(fit_model(config_of("deepseek-v2-lite"), gpu_of("H100"), {.tp = 3, .ep = 3}).ok());
  EXPECT_FALSE(fit_model(config_of("llama-3.1-8b"), gpu_of("H100"), {.tp = 2, .ep = 2}).ok());
  EXPECT_FALSE(fit_model(config_of("llama-3.1-8b"), gpu_of("H100"), {.tp = 1, .pp = 33}).ok());
  EXPECT_FALSE(fit_model(config_of("llama-3.1-8b"), gpu_of("H100"), {.tp = 0}).ok());
}

TEST(Fit, KvPerToken) {
  EXPECT_EQ(fit("deepseek-r1", "H200", {.tp = 8}).kv_bytes_per_token, 61 * 576 * 2);
  EXPECT_EQ(fit("deepseek-r1", "H200", {.tp = 8, .ep = 8, .dp_attention = 8}).kv_bytes_per_token,
            61 * 576 * 2);
  FitOptions fp8;
  fp8.kv_dtype = "fp8";
  EXPECT_EQ(fit("deepseek-r1", "H200", {.tp = 8}, fp8).kv_bytes_per_token, 61 * 576);
  // docs of the models: Llama 3.1 8B 131,072 B, 70B 327,680 B, Qwen2.5-7B 57,344 B, Qwen3-8B 147,456 B.
  EXPECT_EQ(fit("llama-3.1-8b", "H100", {}).kv_bytes_per_token, 131'072);
  EXPECT_EQ(fit("llama-3.1-70b", "H100", {.tp = 8}).kv_bytes_per_token, 327'680 / 8);
  EXPECT_EQ(fit("qwen2.5-7b", "H100", {}).kv_bytes_per_token, 57'344);
  EXPECT_EQ(fit("llama-3.1-70b", "H100", {.tp = 16}).kv_bytes_per_token, 327'680 / 8);
  EXPECT_EQ(fit("qwen3-8b", "H100", {}).kv_bytes_per_token, 147'456);
}

TEST(Fit, DpAttentionMultipliesTheTokens) {
  const FitAnswer tp = fit("deepseek-r1", "H200", {.tp = 8, .ep = 8});
  const FitAnswer dp = fit("deepseek-r1", "H200", {.tp = 8, .ep = 8, .dp_attention = 8});
  EXPECT_GT(dp.rank.weights, tp.rank.weights);
  EXPECT_GT(dp.kv_tokens, 3 * tp.kv_tokens);
  EXPECT_EQ(dp.kv_tokens, dp.rank.kv / dp.kv_bytes_per_token * 8);
}

TEST(Fit, ThePartsOfARankFillItsMemory) {
  const FitAnswer answer = fit("llama-3.1-8b", "H100", {});
  const RankBytes& r = answer.rank;
  EXPECT_EQ(r.weights + r.activations + r.graphs + r.communication + r.runtime + r.kv, r.capacity);
  EXPECT_EQ(r.communication, 0);
}

TEST(Fit, WarnsOfAFractionThatLeavesTooLittle) {
  FitOptions options;
  options.static_fraction = 0.985;
  EXPECT_FALSE(fit("llama-3.1-8b", "H100", {}, options).warnings.empty());
  options.static_fraction = 1.0;
  EXPECT_FALSE(fit_model(config_of("llama-3.1-8b"), gpu_of("H100"), {}, {}, options).ok());
}

TEST(Fit, MoreMemoryNeverHoldsLess) {
  std::mt19937 random(7);
  const Layout kLayouts[] = {{.tp = 1}, {.tp = 2},          {.tp = 4},
                             {.tp = 8}, {.tp = 4, .pp = 2}, {.tp = 1, .pp = 8}};
  for (const std::string_view name : {"llama-3.1-8b", "llama-3.1-70b", "deepseek-v2", "qwen3-32b"}) {
    for (int i = 0; i < 20; ++i) {
      GpuSpec gpu = gpu_of("H100");
      gpu.memory_bytes = (int64_t{1} << 30) * static_cast<int64_t>(20 + random() % 200);
      GpuSpec larger = gpu;
      larger.memory_bytes += static_cast<int64_t>(random() % (int64_t{20} << 30));
      const Layout& layout = kLayouts[random() % std::size(kLayouts)];
      const FitAnswer a = fit_model(config_of(name), gpu, layout).value();
      const FitAnswer b = fit_model(config_of(name), larger, layout).value();
      EXPECT_GE(b.kv_tokens, a.kv_tokens);
      EXPECT_TRUE(!a.fits() || b.fits());
      FitOptions fp8;
      fp8.kv_dtype = "fp8";
      EXPECT_GE(fit_model(config_of(name), gpu, layout, {}, fp8).value().kv_tokens, a.kv_tokens);
      EXPECT_GE(fit_model(config_of(name), gpu, layout, "int4").value().kv_tokens, a.kv_tokens);
    }
  }
}

TEST(Fit, MoreRanksNeverHoldFewerTokens) {
  for (const std::string_view name : {"llama-3.1-70b", "qwen3-32b", "qwen2.5-72b"}) {
    int64_t last = 0;
    for (int tp = 1; tp <= 8; tp *= 2) {
      const int64_t tokens = fit(name, "H200", {.tp = tp}).kv_tokens;
      EXPECT_GE(tokens, last) << name << " TP" << tp;
      last = tokens;
    }
  }
}

TEST(Fit, SmallestLayouts) {
  const auto smallest = [](std::string_view model, std::string_view gpu, std::string_view dtype = {}) {
    const WeightMap map(config_of(model), parse_weight_format(dtype).value());
    const auto layout = smallest_layout(map, gpu_of(gpu));
    return layout.has_value() ? layout->num_ranks() : 0;
  };
  EXPECT_EQ(smallest("deepseek-r1", "H200"), 8);
  EXPECT_EQ(smallest("deepseek-r1", "H100"), 16);
  EXPECT_EQ(smallest("deepseek-r1", "H20"), 8);
  EXPECT_EQ(smallest("deepseek-r1", "A800", "bf16"), 32);
  EXPECT_EQ(smallest("llama-3.1-70b", "H100"), 2);
  EXPECT_EQ(smallest("llama-3.1-8b", "L40S"), 1);
  EXPECT_EQ(smallest("llama-3.1-405b", "H200"), 8);
}

TEST(Fit, CommunicationByHand) {
  const ModelConfig r1 = config_of("deepseek-r1");
  // DeepEP: 256 experts x 128 tokens x (16 + 14,336 B) to receive, x 14,336 B to send, twice.
  const auto bytes = communication_bytes(r1, {.tp = 16, .ep = 16, .dp_attention = 16}, gpu_of("H200"));
  EXPECT_EQ(bytes.experts, 2 * int64_t{256 * 128} * (14336 + 14352));
  EXPECT_EQ(communication_bytes(r1, {.tp = 1}, gpu_of("H200")).total(), 0);
}

}  // namespace
}  // namespace hadal
