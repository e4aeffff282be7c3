#include "config/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace hadal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Json json(std::string_view text) {
  auto value = parse_json(text);
  HADAL_CHECK(value.ok()) << value.error().message;
  return *value;
}

// {"architectures": [class]} with the members of `extra` on top.
Json config_of(std::string_view class_name, std::string_view extra = "{}") {
  Json config(JsonObject{});
  config.set("architectures", JsonArray{Json(class_name)});
  const Json members = json(extra);
  for (const auto& [key, value] : members.as_object()) config.set(key, value);
  return config;
}

ModelConfig parse(std::string_view class_name, std::string_view extra = "{}",
                  std::string_view generation = "null") {
  auto config = parse_model_config(config_of(class_name, extra), json(generation));
  EXPECT_TRUE(config.ok()) << config.error().message;
  return config.ok() ? *config : ModelConfig();
}

Error error(std::string_view class_name, std::string_view extra, std::string_view generation = "null") {
  auto config = parse_model_config(config_of(class_name, extra), json(generation));
  EXPECT_FALSE(config.ok()) << extra;
  return config.ok() ? Error() : config.error();
}

ModelConfig tiny(const std::string& name) {
  const std::string directory = HADAL_SOURCE_DIR "/src/models/testdata/" + name;
  auto config = parse_model_config(json(*read_file(directory + "/config.json")),
                                   json(*read_file(directory + "/generation_config.json")));
  EXPECT_TRUE(config.ok()) << config.error().message;
  return config.ok() ? *config : ModelConfig();
}

TEST(ModelConfig, DefaultsAreThoseOfTransformers) {
  const ModelConfig llama = parse("LlamaForCausalLM");
  EXPECT_EQ(llama.vocab_size, 32000);
  EXPECT_EQ(llama.num_key_value_heads, 32);
  EXPECT_EQ(llama.head_dim, 128);
  EXPECT_EQ(llama.max_position_embeddings, 2048);
  EXPECT_EQ(llama.sliding_window, 0);
  EXPECT_EQ(llama.bos_token_id, 1);
  EXPECT_THAT(llama.eos_token_ids, ElementsAre(2));
  const ModelConfig mistral = parse("MistralForCausalLM");
  EXPECT_EQ(mistral.num_key_value_heads, 8);
  EXPECT_EQ(mistral.sliding_window, 4096);
  const ModelConfig qwen2 = parse("Qwen2ForCausalLM");
  EXPECT_TRUE(qwen2.qkv_bias);
  EXPECT_FALSE(qwen2.o_bias);
  EXPECT_EQ(qwen2.bos_token_id, -1);
  EXPECT_THAT(qwen2.eos_token_ids, IsEmpty());
  const ModelConfig qwen3 = parse("Qwen3ForCausalLM");
  EXPECT_TRUE(qwen3.qk_norm);
  EXPECT_EQ(qwen3.head_dim, 128);
  const ModelConfig v2 = parse("DeepseekV2ForCausalLM", R"({"num_experts_per_tok": 6})");
  EXPECT_EQ(v2.moe->n_routed_experts, 64);
  EXPECT_EQ(v2.moe->first_k_dense_replace, 0);
  EXPECT_EQ(v2.moe->score, MoeConfig::Score::kSoftmax);
  EXPECT_EQ(v2.num_key_value_heads, 32);
  const ModelConfig v3 = parse("DeepseekV3ForCausalLM");
  EXPECT_EQ(v3.moe->n_group, 8);
  EXPECT_EQ(v3.moe->topk_group, 4);
  EXPECT_EQ(v3.moe->topk_method, MoeConfig::TopkMethod::kNoauxTc);
  EXPECT_TRUE(v3.moe->norm_topk_prob);
  EXPECT_EQ(v3.moe->routed_scaling_factor, 2.5);
  EXPECT_EQ(v3.mla->q_lora_rank, 1536);
  EXPECT_EQ(v3.head_dim, 192);
  EXPECT_EQ(v3.rope.rotary_dim, 64);
  EXPECT_TRUE(v3.rope.interleaved);
  EXPECT_TRUE(v3.is_moe_layer(3));
  EXPECT_FALSE(v3.is_moe_layer(2));
}

TEST(ModelConfig, ReadsBothSpellingsOfRope) {
  const ModelConfig old_one =
      parse("LlamaForCausalLM", R"({"rope_theta": 5e5, "max_position_embeddings": 131072,
      "rope_scaling": {"type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                       "original_max_position_embeddings": 8192}, "torch_dtype": "float16"})");
  const ModelConfig new_one =
      parse("LlamaForCausalLM", R"({"max_position_embeddings": 131072, "dtype": "float16",
      "rope_parameters": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                          "original_max_position_embeddings": 8192, "rope_theta": 5e5}})");
  for (const ModelConfig& c : {old_one, new_one}) {
    EXPECT_EQ(c.rope.scaling, RopeConfig::Scaling::kLlama3);
    EXPECT_EQ(c.rope.theta, 5e5);
    EXPECT_EQ(c.rope.factor, 8.0);
    EXPECT_EQ(c.rope.high_freq_factor, 4.0);
    EXPECT_EQ(c.rope.original_max_position_embeddings, 8192);
    EXPECT_EQ(c.torch_dtype, "float16");
  }
  const ModelConfig none = parse("LlamaForCausalLM", R"({"rope_scaling": null, "rope_theta": 7.0})");
  EXPECT_EQ(none.rope.scaling, RopeConfig::Scaling::kNone);
  EXPECT_EQ(none.rope.theta, 7.0);
  EXPECT_FALSE(none.rope.interleaved);
  const ModelConfig linear =
      parse("LlamaForCausalLM", R"({"rope_scaling": {"type": "linear", "factor": 2}})");
  EXPECT_EQ(linear.rope.scaling, RopeConfig::Scaling::kLinear);
  EXPECT_EQ(linear.rope.factor, 2.0);
}

TEST(ModelConfig, YarnFactorMayComeFromTheContextLengths) {
  const ModelConfig c = parse("Qwen2ForCausalLM", R"({"max_position_embeddings": 131072, "rope_scaling":
      {"type": "yarn", "factor": null, "original_max_position_embeddings": 32768, "attention_factor": 1.5}})");
  EXPECT_EQ(c.rope.factor, 4.0);
  EXPECT_EQ(c.rope.attention_factor, 1.5);
  EXPECT_EQ(c.rope.beta_fast, 32.0);
  EXPECT_EQ(c.rope.mscale, 0.0);
  EXPECT_EQ(parse("Qwen2ForCausalLM", R"({"rope_scaling": {"type": "yarn", "factor": 2}})")
                .rope.original_max_position_embeddings,
            32768);
}

TEST(ModelConfig, EndTokensAreTheUnionOfBothFiles) {
  EXPECT_THAT(
      parse("LlamaForCausalLM", R"({"eos_token_id": [5, 6]})", R"({"eos_token_id": [6, 9]})").eos_token_ids,
      ElementsAre(5, 6, 9));
  EXPECT_THAT(parse("LlamaForCausalLM", "{}", R"({"eos_token_id": 128001})").eos_token_ids,
              ElementsAre(128001));
  EXPECT_THAT(parse("LlamaForCausalLM", R"({"eos_token_id": null})").eos_token_ids, IsEmpty());
  EXPECT_THAT(error("LlamaForCausalLM", "{}", R"({"eos_token_id": "x"})").message,
              HasSubstr("generation_config.json"));
  EXPECT_THAT(error("LlamaForCausalLM", R"({"eos_token_id": [-1]})").message, HasSubstr("eos_token_id"));
}

TEST(ModelConfig, NullMeansAbsentWhereTheClassSaysSo) {
  EXPECT_EQ(parse("MistralForCausalLM", R"({"sliding_window": null})").sliding_window, 0);
  EXPECT_EQ(parse("MistralForCausalLM", R"({"num_key_value_heads": null})").num_key_value_heads, 32);
  EXPECT_EQ(parse("Qwen3ForCausalLM", R"({"head_dim": null})").head_dim, 128);
  EXPECT_EQ(
      parse("DeepseekV2ForCausalLM", R"({"q_lora_rank": null, "num_experts_per_tok": 6})").mla->q_lora_rank,
      0);
  EXPECT_EQ(parse("LlamaForCausalLM", R"({"bos_token_id": null})").bos_token_id, -1);
}

TEST(ModelConfig, QwenSlidingWindowIsOfTheLayersThatHuggingFaceSays) {
  EXPECT_EQ(
      parse("Qwen2ForCausalLM", R"({"sliding_window": 32768, "use_sliding_window": false})").sliding_window,
      0);
  EXPECT_EQ(parse("Qwen2ForCausalLM",
                  R"({"sliding_window": 512, "use_sliding_window": true, "max_window_layers": 32})")
                .sliding_window,
            0);
  EXPECT_EQ(parse("Qwen2ForCausalLM",
                  R"({"sliding_window": 512, "use_sliding_window": true, "max_window_layers": 0})")
                .sliding_window,
            512);
  const ModelConfig late =
      parse("Qwen2ForCausalLM", R"({"use_sliding_window": true, "sliding_window": 512})");
  EXPECT_EQ(late.num_hidden_layers, 32);
  EXPECT_EQ(late.window_of(27), 0);
  EXPECT_EQ(late.window_of(28), 512);
  const ModelConfig listed = parse("Qwen3ForCausalLM", R"({"num_hidden_layers": 3, "sliding_window": 4,
      "use_sliding_window": true,
      "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]})");
  EXPECT_EQ(listed.window_of(0), 4);
  EXPECT_EQ(listed.window_of(1), 0);
  EXPECT_EQ(listed.window_of(2), 4);
  EXPECT_THAT(
      error("Qwen3ForCausalLM", R"({"num_hidden_layers": 3, "layer_types": ["full_attention"]})").message,
      HasSubstr("1 entries for 3 layers"));
  EXPECT_EQ(
      error("Qwen3ForCausalLM", R"({"num_hidden_layers": 1, "layer_types": ["chunked_attention"]})").code,
      ErrorCode::kUnsupported);
}

TEST(ModelConfig, Fp8BlocksAreReadAndOtherMethodsNamed) {
  EXPECT_TRUE(parse("DeepseekV3ForCausalLM", R"({"quantization_config": {"quant_method": "fp8", "fmt": "e4m3",
      "weight_block_size": [128, 128], "activation_scheme": "dynamic"}})")
                  .fp8_blocks);
  for (const char* bad :
       {R"({"quantization_config": {"quant_method": "gptq"}})",
        R"({"quantization_config": {"quant_method": "fp8"}})",
        R"({"quantization_config": {"quant_method": "fp8", "weight_block_size": [64, 64]}})",
        R"({"compression_config": {"quant_method": "compressed-tensors"}})"}) {
    EXPECT_EQ(error("DeepseekV3ForCausalLM", bad).code, ErrorCode::kUnsupported) << bad;
  }
  EXPECT_THAT(error("LlamaForCausalLM", R"({"quantization_config": {"quant_method": "awq"}})").message,
              HasSubstr("\"awq\""));
}

TEST(ModelConfig, UnknownArchitecturesAreNamedWithThoseHadalHas) {
  const Error gemma = error("GemmaForCausalLM", "{}");
  EXPECT_EQ(gemma.code, ErrorCode::kUnsupported);
  EXPECT_THAT(gemma.message, HasSubstr("GemmaForCausalLM"));
  EXPECT_THAT(gemma.message, HasSubstr("DeepseekV3ForCausalLM"));
  EXPECT_THAT(parse_model_config(json("{}"), Json()).error().message, HasSubstr("architectures"));
  EXPECT_THAT(parse_model_config(json("[]"), Json()).error().message, HasSubstr("array"));
}

struct Bad {
  const char* class_name;
  const char* extra;
  const char* names;  // what the message must hold
};
class ModelConfigBad : public ::testing::TestWithParam<Bad> {};
TEST_P(ModelConfigBad, IsRefusedByName) {
  EXPECT_THAT(error(GetParam().class_name, GetParam().extra).message, HasSubstr(GetParam().names));
}
INSTANTIATE_TEST_SUITE_P(
    All, ModelConfigBad,
    ::testing::Values(
        Bad{"LlamaForCausalLM", R"({"hidden_size": "x"})", "hidden_size"},
        Bad{"LlamaForCausalLM", R"({"hidden_size": 0})", "hidden_size"},
        Bad{"LlamaForCausalLM", R"({"hidden_size": -4096})", "hidden_size"},
        Bad{"LlamaForCausalLM", R"({"hidden_size": 1e300})", "hidden_size"},
        Bad{"LlamaForCausalLM", R"({"hidden_size": 4097})", "multiple of \"num_attention_heads\""},
        Bad{"LlamaForCausalLM", R"({"vocab_size": 9223372036854775807})", "vocab_size"},
        Bad{"LlamaForCausalLM", R"({"vocab_size": 2147483647})", "vocab_size"},
        Bad{"LlamaForCausalLM", R"({"num_hidden_layers": 0})", "num_hidden_layers"},
        Bad{"LlamaForCausalLM", R"({"num_attention_heads": 0})", "num_attention_heads"},
        Bad{"LlamaForCausalLM", R"({"num_key_value_heads": 5})", "multiple of num_key_value_heads"},
        Bad{"LlamaForCausalLM", R"({"num_key_value_heads": 0})", "num_key_value_heads"},
        Bad{"LlamaForCausalLM", R"({"head_dim": 63})", "even"},
        Bad{"LlamaForCausalLM",
            R"({"num_attention_heads": 65536, "num_key_value_heads": 65536, "head_dim": 8192})",
            "num_attention_heads * head_dim"},
        Bad{"LlamaForCausalLM", R"({"rms_norm_eps": 0})", "rms_norm_eps"},
        Bad{"LlamaForCausalLM", R"({"tie_word_embeddings": 1})", "tie_word_embeddings"},
        Bad{"LlamaForCausalLM", R"({"hidden_act": "gelu"})", "hidden_act"},
        Bad{"LlamaForCausalLM", R"({"torch_dtype": "int8"})", "torch_dtype"},
        Bad{"LlamaForCausalLM", R"({"rope_theta": -1})", "rope_theta"},
        Bad{"LlamaForCausalLM", R"({"rope_scaling": []})", "rope_scaling"},
        Bad{"LlamaForCausalLM", R"({"rope_scaling": {"type": "dynamic", "factor": 2}})", "dynamic"},
        Bad{"LlamaForCausalLM", R"({"rope_scaling": {"type": "linear"}})", "factor"},
        Bad{"LlamaForCausalLM", R"({"rope_scaling": {"type": "linear", "factor": "2"}})", "factor"},
        Bad{"LlamaForCausalLM", R"({"rope_scaling": {"type": "llama3", "factor": 8}})", "low_freq_factor"},
        Bad{"LlamaForCausalLM", R"({"rope_scaling": {"type": "yarn", "factor": 8, "truncate": false}})",
            "truncate"},
        Bad{"LlamaForCausalLM",
            R"({"rope_scaling": {"type": "yarn", "factor": 8, "beta_fast": 1, "beta_slow": 2}})",
            "beta_slow"},
        Bad{"LlamaForCausalLM", R"({"partial_rotary_factor": 0.5})", "partial_rotary_factor"},
        Bad{"DeepseekV2ForCausalLM", "{}", "num_experts_per_tok"},
        Bad{"DeepseekV2ForCausalLM", R"({"num_experts_per_tok": 6, "norm_topk_prob": true})",
            "norm_topk_prob"},
        Bad{"DeepseekV2ForCausalLM", R"({"num_experts_per_tok": 6, "topk_method": "noaux_tc"})",
            "topk_method"},
        Bad{"DeepseekV2ForCausalLM", R"({"num_experts_per_tok": 6, "attention_bias": true})",
            "attention_bias"},
        Bad{"DeepseekV3ForCausalLM", R"({"scoring_func": "softmax"})", "scoring_func"},
        Bad{"DeepseekV3ForCausalLM", R"({"n_routed_experts": 255})", "multiple of n_group"},
        Bad{"DeepseekV3ForCausalLM", R"({"topk_group": 9})", "topk_group"},
        Bad{"DeepseekV3ForCausalLM", R"({"num_experts_per_tok": 200})", "num_experts_per_tok"},
        Bad{"DeepseekV3ForCausalLM", R"({"n_routed_experts": 8, "num_experts_per_tok": 2})", "best two"},
        Bad{"DeepseekV3ForCausalLM", R"({"num_key_value_heads": 1})", "num_key_value_heads"},
        Bad{"DeepseekV3ForCausalLM", R"({"kv_lora_rank": 0})", "kv_lora_rank"},
        Bad{"DeepseekV3ForCausalLM", R"({"qk_rope_head_dim": 63})", "even"},
        Bad{"DeepseekV3ForCausalLM", R"({"moe_layer_freq": 0})", "moe_layer_freq"},
        Bad{"DeepseekV3ForCausalLM", R"({"routed_scaling_factor": 0})", "routed_scaling_factor"},
        Bad{"DeepseekV3ForCausalLM", R"({"n_routed_experts": 65536, "moe_intermediate_size": 1000000,
                                         "num_hidden_layers": 4000})",
            "parameters"}));

TEST(ModelConfig, ReadsTheTinyCheckpoints) {
  const ModelConfig llama = tiny("llama");
  EXPECT_EQ(llama.rope.scaling, RopeConfig::Scaling::kLlama3);
  EXPECT_THAT(llama.eos_token_ids, ElementsAre(2, 3));
  const ModelConfig tied = tiny("llama_tied");
  EXPECT_TRUE(tied.tie_word_embeddings && tied.qkv_bias && tied.o_bias && tied.mlp_bias);
  EXPECT_EQ(tied.head_dim, 24);
  EXPECT_EQ(tied.torch_dtype, "float32");
  EXPECT_EQ(tiny("mistral").sliding_window, 7);
  EXPECT_EQ(tiny("qwen2").num_hidden_layers, 3);
  EXPECT_EQ(tiny("qwen3").rope.scaling, RopeConfig::Scaling::kYarn);
  const ModelConfig lite = tiny("deepseek_v2_lite");
  EXPECT_EQ(lite.mla->q_lora_rank, 0);
  EXPECT_EQ(lite.rope.mscale, 0.707);
  EXPECT_EQ(tiny("deepseek_v2").moe->topk_method, MoeConfig::TopkMethod::kGroupLimitedGreedy);
  EXPECT_EQ(tiny("deepseek_v3").moe->n_group, 3);
  EXPECT_TRUE(tiny("deepseek_v3_fp8").fp8_blocks);
}

}  // namespace
}  // namespace hadal
