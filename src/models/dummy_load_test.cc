// --load-format dummy of every family's configuration: the model loads, its size was known before, it
// computes.
#include <gtest/gtest.h>

#include "models/model_test_util.h"
#include "weights/dummy_source.h"

namespace hadal {
namespace {

OpenedModel open_dummy(const std::string& name, DType dtype) {
  OpenModelOptions options;
  options.format = LoadFormat::kDummy;
  options.dummy_seed = 11;
  options.dummy_dtype = dtype;
  auto opened = open_model(testdata(name), options);
  HADAL_CHECK(opened.ok()) << opened.error().message;
  return std::move(*opened);
}

class DummyLoadTest : public ::testing::TestWithParam<const char*> {};

TEST_P(DummyLoadTest, EveryTensorWasCountedBefore) {
  for (const DType dtype : {DType::kBF16, DType::kF32, DType::kF16, DType::kQ8_0, DType::kQ4_K}) {
    OpenedModel opened = open_dummy(GetParam(), dtype);
    ModelOptions options;
    options.context_length = 64;
    auto model = make_model(opened.config, options);
    ASSERT_TRUE(model.ok());
    EXPECT_GT(opened.source->total_bytes(), 0);
    EXPECT_EQ(opened.source->read_bytes(), 0);
    auto stream = Stream::cpu(1);
    const Status loaded = (*model)->load(*stream, *opened.source);
    ASSERT_TRUE(loaded.ok()) << loaded.to_string();
    EXPECT_EQ(opened.source->read_bytes(), opened.source->total_bytes()) << dtype_name(dtype);
  }
}

TEST_P(DummyLoadTest, PrefillAndDecodeAreFinite) {
  for (const DType dtype : {DType::kBF16, DType::kQ4_0}) {
    TestOptions options;
    options.widen = false;
    options.tier = detect_cpu().tier;
    options.kv_dtype = DType::kF16;
    options.num_threads = 2;
    TestModel model(open_dummy(GetParam(), dtype), options);
    std::vector<int32_t> prompt;
    for (int32_t i = 0; i < 24; ++i) prompt.push_back(i * 37 % model.config().vocab_size);
    float low = INFINITY;
    float high = -INFINITY;
    for (const auto& row : model.run_all(0, prompt, {3, 5}, 16)) {
      for (const float value : row) {
        ASSERT_TRUE(std::isfinite(value));
        low = std::min(low, value);
        high = std::max(high, value);
      }
    }
    EXPECT_LT(low, high);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, DummyLoadTest,
                         ::testing::Values("llama", "llama_tied", "mistral", "qwen2", "qwen2_window", "qwen3",
                                           "deepseek_v2_lite", "deepseek_v2", "deepseek_v2_full",
                                           "deepseek_v3", "deepseek_eps", "deepseek_v3_fp8"));

// The published DeepSeek-R1: 671 billion parameters. Its config.json, less what no reader looks at.
constexpr std::string_view kR1 = R"({"architectures":["DeepseekV3ForCausalLM"],"model_type":"deepseek_v3",
"hidden_size":7168,"intermediate_size":18432,"moe_intermediate_size":2048,"num_hidden_layers":61,
"num_attention_heads":128,"num_key_value_heads":128,"n_shared_experts":1,"n_routed_experts":256,
"routed_scaling_factor":2.5,"kv_lora_rank":512,"q_lora_rank":1536,"qk_rope_head_dim":64,"v_head_dim":128,
"qk_nope_head_dim":128,"topk_method":"noaux_tc","n_group":8,"topk_group":4,"num_experts_per_tok":8,
"moe_layer_freq":1,"first_k_dense_replace":3,"norm_topk_prob":true,"scoring_func":"sigmoid",
"vocab_size":129280,"max_position_embeddings":163840,"rms_norm_eps":1e-06,"rope_theta":10000,
"rope_scaling":{"type":"yarn","factor":40,"original_max_position_embeddings":4096,"beta_fast":32,
"beta_slow":1,"mscale":1.0,"mscale_all_dim":1.0},"torch_dtype":"bfloat16","tie_word_embeddings":false,
"quantization_config":{"quant_method":"fp8","fmt":"e4m3","activation_scheme":"dynamic",
"weight_block_size":[128,128]}})";

// Counted by hand from the published shapes: e4m3 for every projection, bf16 for embedding, lm_head, gates
// and norms, f32 for block scales and score corrections.
TEST(DummySize, OfDeepseekR1IsExact) {
  auto config = parse_json(kR1);
  ASSERT_TRUE(config.ok());
  auto r1 = parse_model_config(*config, Json());
  ASSERT_TRUE(r1.ok()) << r1.error().message;
  const auto fp8 = [](int64_t n, int64_t k) { return n * k + (n + 127) / 128 * ((k + 127) / 128) * 4; };
  const auto mlp = [&](int64_t width) { return 2 * fp8(width, 7168) + fp8(7168, width); };
  const int64_t attention = fp8(1536, 7168) + fp8(128 * 192, 1536) + fp8(576, 7168) + fp8(128 * 256, 512) +
                            fp8(7168, 128 * 128) + 2 * (1536 + 512);
  const int64_t layers = 61 * (attention + 2 * 2 * 7168) + 3 * mlp(18432) +
                         58 * (257 * mlp(2048) + int64_t{2} * 256 * 7168 + 4 * 256);
  const int64_t total = layers + int64_t{2} * (int64_t{2} * 129280 * 7168 + 7168);
  DummySource source(*r1, 0, DType::kBF16);
  EXPECT_EQ(source.total_bytes(), total);
  EXPECT_NEAR(static_cast<double>(total), 673e9, 1e9);
}

TEST(DummySize, AbsurdSizesDoNotOverflow) {
  ModelConfig config;
  config.vocab_size = config.hidden_size = config.intermediate_size = INT32_MAX;
  config.num_hidden_layers = 1000;
  config.num_attention_heads = config.num_key_value_heads = config.head_dim = INT32_MAX;
  DummySource source(config, 0, DType::kF32);
  EXPECT_GT(source.total_bytes(), int64_t{1} << 60);
}

}  // namespace
}  // namespace hadal
