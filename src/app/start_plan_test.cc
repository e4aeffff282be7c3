#include "app/start_plan.h"

#include <gtest/gtest.h>

#include "text/reasoning_parser.h"

namespace hadal {
namespace {

ModelConfig small_model() {
  ModelConfig config;
  config.num_hidden_layers = 30;
  config.hidden_size = 576;
  config.num_attention_heads = 9;
  config.num_key_value_heads = 3;
  config.head_dim = 64;
  config.vocab_size = 49152;
  config.max_position_embeddings = 2048;
  return config;
}

CpuInfo cpu() {
  CpuInfo info;
  info.tier = CpuTier::kAvx512;
  info.num_cpus = 4;
  return info;
}

constexpr int64_t kGiB = int64_t{1} << 30;

TEST(StartPlan, TakesTheModelsContextWhereItFits) {
  auto plan = plan_start({}, small_model(), cpu(), kGiB / 10, 8 * kGiB);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->executor.context_length, 2048);
  EXPECT_EQ(plan->executor.num_threads, 4);
  EXPECT_EQ(plan->executor.max_step_tokens, 512 + 128);
  EXPECT_EQ(plan->chunked_prefill_size, 512);
  EXPECT_TRUE(plan->context_note.empty());
}

TEST(StartPlan, ShortensTheContextToTheMemoryAndSaysSo) {
  ModelConfig config = small_model();
  config.max_position_embeddings = 1 << 20;
  auto plan = plan_start({}, config, cpu(), kGiB, 4 * kGiB);
  ASSERT_TRUE(plan.ok());
  EXPECT_LT(plan->executor.context_length, 1 << 20);
  EXPECT_EQ(plan->executor.context_length % 32, 0);
  EXPECT_LE(plan->executor.context_length * kv_bytes_per_token(config, DType::kF16), 3 * kGiB / 2);
  EXPECT_NE(plan->context_note.find("--context-length"), std::string::npos);
  Settings fixed;
  fixed.engine.context_length = 1 << 19;
  EXPECT_EQ(plan_start(fixed, config, cpu(), kGiB, 4 * kGiB)->executor.context_length, 1 << 19);
  fixed.engine.context_length = 1 << 21;
  EXPECT_FALSE(plan_start(fixed, config, cpu(), kGiB, 4 * kGiB).ok());
}

TEST(StartPlan, SaysThatTheTokensGivenShortenTheContext) {
  Settings settings;
  settings.engine.max_total_tokens = 1024;
  auto plan = plan_start(settings, small_model(), cpu(), kGiB / 10, 8 * kGiB);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->executor.context_length, 1024);
  EXPECT_NE(plan->context_note.find("--max-total-tokens 1024"), std::string::npos) << plan->context_note;
  EXPECT_EQ(plan->context_note.find("free memory"), std::string::npos) << plan->context_note;
  settings.engine.max_total_tokens = 64;
  plan = plan_start(settings, small_model(), cpu(), kGiB / 10, 8 * kGiB);
  ASSERT_FALSE(plan.ok());
  EXPECT_NE(plan.error().message.find("--max-total-tokens"), std::string::npos) << plan.error().message;
}

// The names that the flag accepts and those that text/ knows.
TEST(StartPlan, EveryReasoningParserIsKnown) {
  for (std::string_view name : kReasoningParsers) {
    EXPECT_TRUE(name == "auto" || parse_reasoning_kind(name).ok()) << name;
  }
}

TEST(StartPlan, SaysWhenNothingFits) {
  auto plan = plan_start({}, small_model(), cpu(), 4 * kGiB, 4 * kGiB);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, ErrorCode::kResourceExhausted);
  EXPECT_NE(plan.error().message.find("its weights alone are"), std::string::npos) << plan.error().message;
  // However long a context was asked for.
  Settings fixed;
  fixed.engine.context_length = 512;
  auto asked = plan_start(fixed, small_model(), cpu(), 600 * kGiB, 4 * kGiB);
  ASSERT_FALSE(asked.ok());
  EXPECT_NE(asked.error().message.find("596.1 GiB short; use"), std::string::npos) << asked.error().message;
}

TEST(StartPlan, RefusesATierTheMachineLacks) {
  Settings settings;
  settings.engine.cpu_tier = "amx";
  EXPECT_FALSE(plan_start(settings, small_model(), cpu(), kGiB / 10, 8 * kGiB).ok());
  settings.engine.cpu_tier = "avx2";
  EXPECT_EQ(plan_start(settings, small_model(), cpu(), kGiB / 10, 8 * kGiB)->executor.cpu_tier,
            CpuTier::kAvx2);
}

TEST(StartPlan, WholePromptsInOneStep) {
  Settings settings;
  settings.engine.chunked_prefill_size = -1;
  settings.engine.max_running_requests = 8;
  EXPECT_EQ(plan_start(settings, small_model(), cpu(), kGiB / 10, 8 * kGiB)->executor.max_step_tokens,
            2048 + 8);
}

TEST(StartPlan, MlaCacheIsSmallAndReplicated) {
  ModelConfig r1;
  r1.num_hidden_layers = 61;
  r1.mla = MlaConfig{1536, 512, 128, 64, 128};
  EXPECT_EQ(kv_bytes_per_token(r1, DType::kBF16), 70272);
}

TEST(StartPlan, AgreementNamesWhatMustBeEqual) {
  Settings a;
  Settings b;
  b.parallel.tp_size = 2;
  const auto plan = plan_start({}, small_model(), cpu(), kGiB / 10, 8 * kGiB);
  EXPECT_NE(group_agreement(a, small_model(), *plan), group_agreement(b, small_model(), *plan));
  EXPECT_LT(group_agreement(a, small_model(), *plan).size(), 3000u);
}

}  // namespace
}  // namespace hadal
