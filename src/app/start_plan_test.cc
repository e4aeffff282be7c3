#include "app/start_plan.h"

#include <gtest/gtest.h>

#include "app/model_digest.h"
#include "base/file.h"
#include "base/temp_dir.h"
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
  fixed.engine.context_length = 1 << 16;
  EXPECT_EQ(plan_start(fixed, config, cpu(), kGiB, 4 * kGiB)->executor.context_length, 1 << 16);
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
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_EQ(plan->executor.context_length, 64);
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

TEST(StartPlan, WeightsBeyondTheMemoryAreRefusedByHowMuch) {
  auto plan = plan_start({}, small_model(), cpu(), 60 * kGiB, 20 * kGiB);
  ASSERT_FALSE(plan.ok());
  EXPECT_NE(plan.error().message.find("its weights alone are 60.0 GiB"), std::string::npos)
      << plan.error().message;
  EXPECT_NE(plan.error().message.find("40.1 GiB short"), std::string::npos) << plan.error().message;
  EXPECT_NE(plan.error().message.find("--nnodes"), std::string::npos);
}

TEST(StartPlan, AKvCacheThatCannotFitIsRefusedBeforeLoading) {
  ModelConfig config = small_model();
  config.max_position_embeddings = 1 << 20;
  Settings settings;
  settings.engine.context_length = 1 << 20;  // 22.5 GiB of cache
  auto plan = plan_start(settings, config, cpu(), kGiB, 16 * kGiB);
  ASSERT_FALSE(plan.ok());
  EXPECT_NE(plan.error().message.find("7.6 GiB short; --context-length"), std::string::npos)
      << plan.error().message;
  settings.engine.context_length = 0;
  settings.engine.max_total_tokens = 1 << 20;
  plan = plan_start(settings, config, cpu(), kGiB, 16 * kGiB);
  ASSERT_FALSE(plan.ok());
  EXPECT_NE(plan.error().message.find("--max-total-tokens"), std::string::npos) << plan.error().message;
  // Little memory, nothing asked: the shortest context, or by how much it does not fit.
  settings.engine.max_total_tokens = 0;
  const int64_t base = kGiB + (int64_t{128} << 20);
  EXPECT_EQ(plan_start(settings, config, cpu(), kGiB, base + (int64_t{6} << 20))->executor.context_length,
            256);
  plan = plan_start(settings, config, cpu(), kGiB, base + (int64_t{5} << 20));
  ASSERT_FALSE(plan.ok());
  EXPECT_NE(plan.error().message.find("640.0 KiB short; --context-length 224 would fit"), std::string::npos)
      << plan.error().message;
}

TEST(StartPlan, TheContextIsNeverLongerThanTheCache) {
  Settings settings;
  settings.engine.context_length = 2048;
  settings.engine.max_total_tokens = 1000;
  auto plan = plan_start(settings, small_model(), cpu(), kGiB / 10, 8 * kGiB);
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_EQ(plan->executor.context_length, 1024);
  EXPECT_NE(plan->context_note.find("--max-total-tokens 1000"), std::string::npos);
  EXPECT_NE(plan->context_note.find("--context-length 2048"), std::string::npos);
  settings.engine.context_length = 0;
  EXPECT_EQ(plan_start(settings, small_model(), cpu(), kGiB / 10, 8 * kGiB)->executor.context_length, 1024);
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
  const std::string first = group_agreement(a, small_model(), *plan, "d");
  EXPECT_NE(first, group_agreement(b, small_model(), *plan, "d"));
  EXPECT_NE(first, group_agreement(a, small_model(), *plan, "e"));
  EXPECT_LT(first.size(), 3000u);
}

TEST(StartPlan, HostsOfDifferentMemoryAgreeOnTheLeastContext) {
  ModelConfig config = small_model();
  config.max_position_embeddings = 1 << 20;
  Settings settings;
  settings.engine.chunked_prefill_size = -1;
  auto large = plan_start(settings, config, cpu(), kGiB, 8 * kGiB);
  auto small = plan_start(settings, config, cpu(), kGiB, 4 * kGiB);
  ASSERT_GT(large->executor.context_length, small->executor.context_length);
  EXPECT_EQ(group_agreement(settings, config, *large, "d"), group_agreement(settings, config, *small, "d"));
  set_context(*large, settings, small->executor.context_length);
  EXPECT_EQ(large->executor.max_step_tokens, small->executor.max_step_tokens);
  EXPECT_EQ(large->chunked_prefill_size, small->chunked_prefill_size);
}

std::string digest_of(const std::string& config_json, int64_t seed, const std::string& dtype) {
  TempDir directory;
  EXPECT_TRUE(write_file(directory.path() + "/config.json", config_json).ok());
  OpenModelOptions options;
  options.format = LoadFormat::kDummy;
  auto opened = open_model(directory.path(), options);
  EXPECT_TRUE(opened.ok()) << opened.error().message;
  EngineConfig engine;
  engine.load_format = "dummy";
  engine.random_seed = seed;
  engine.dummy_dtype = dtype;
  return *model_digest(engine, *opened);
}

TEST(ModelDigest, ChangesWithWhatDescribesTheModel) {
  const std::string config =
      R"({"architectures":["LlamaForCausalLM"],"hidden_size":64,"intermediate_size":128,"num_hidden_layers":1,)"
      R"("num_attention_heads":4,"num_key_value_heads":4,"vocab_size":100,"max_position_embeddings":128,)"
      R"("rms_norm_eps":1e-6,"rope_theta":10000.0})";
  const std::string first = digest_of(config, 1, "bf16");
  EXPECT_EQ(first.size(), 64u);
  EXPECT_EQ(first, digest_of(config, 1, "bf16"));
  EXPECT_NE(first, digest_of(config, 2, "bf16"));
  EXPECT_NE(first, digest_of(config, 1, "f32"));
  std::string theta = config;
  theta.replace(theta.find("10000.0"), 7, "50000.0");
  EXPECT_NE(first, digest_of(theta, 1, "bf16"));
}

}  // namespace
}  // namespace hadal
