#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/gguf_writer.h"
#include "base/temp_dir.h"
#include "config/model_config.h"

namespace hadal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ModelConfigGgufTest : public ::testing::Test {
 protected:
  Result<ModelConfig> read(const GgufWriter& writer) {
    auto file = GgufFile::open(dir_.write("m.gguf", writer.bytes()));
    EXPECT_TRUE(file.ok()) << file.error().message;
    return model_config_from_gguf(**file);
  }
  ModelConfig good(const GgufWriter& writer) {
    auto config = read(writer);
    EXPECT_TRUE(config.ok()) << config.error().message;
    return config.ok() ? *config : ModelConfig();
  }
  static GgufWriter base(const std::string& arch) {
    GgufWriter w;
    w.add_string("general.architecture", arch).add_string("general.type", "model");
    w.add_u32(arch + ".block_count", 2)
        .add_u32(arch + ".context_length", 512)
        .add_u32(arch + ".embedding_length", 64);
    w.add_u32(arch + ".feed_forward_length", 96).add_u32(arch + ".attention.head_count", 4);
    w.add_f32(arch + ".attention.layer_norm_rms_epsilon", 1e-5f);
    w.add_tensor("token_embd.weight", GgmlType::kF16, {40, 64}, std::string(40 * 128, '\0'));
    return w;
  }
  static GgufWriter deepseek(bool absorbed) {
    const std::string a = "deepseek2.";
    GgufWriter w = base("deepseek2");
    w.add_u32(a + "attention.kv_lora_rank", 32).add_u32(a + "rope.dimension_count", 8);
    w.add_u32(a + "attention.head_count_kv", absorbed ? 1 : 4);
    if (absorbed) {
      w.add_u32(a + "attention.key_length", 40).add_u32(a + "attention.value_length", 32);
      w.add_u32(a + "attention.key_length_mla", 24).add_u32(a + "attention.value_length_mla", 12);
    } else {
      w.add_u32(a + "attention.key_length", 24).add_u32(a + "attention.value_length", 12);
    }
    w.add_u32(a + "expert_count", 8)
        .add_u32(a + "expert_used_count", 2)
        .add_u32(a + "expert_shared_count", 1);
    w.add_u32(a + "expert_feed_forward_length", 16).add_u32(a + "leading_dense_block_count", 1);
    w.add_f32(a + "expert_weights_scale", 2.5f);
    return w;
  }
  TempDir dir_;
};

TEST_F(ModelConfigGgufTest, Llama) {
  const ModelConfig c =
      good(base("llama")
               .add_u32("llama.attention.head_count_kv", 2)
               .add_f32("llama.rope.freq_base", 1e5f)
               .add_u32("llama.rope.dimension_count", 16)
               .add_u32("tokenizer.ggml.bos_token_id", 1)
               .add_u32("tokenizer.ggml.eos_token_id", 2)
               .add_strings("tokenizer.ggml.tokens", {"<|endoftext|>", "<|im_end|>", "<|im_end|>"})
               .add_i32s("tokenizer.ggml.token_type", {3, 1, 3}));
  EXPECT_EQ(c.architecture, Architecture::kLlama);
  EXPECT_EQ(c.source_name, "llama");
  EXPECT_EQ(c.vocab_size, 40);
  EXPECT_EQ(c.head_dim, 16);
  EXPECT_EQ(c.num_key_value_heads, 2);
  EXPECT_EQ(c.rope.theta, 1e5);
  EXPECT_TRUE(c.rope.interleaved);
  EXPECT_TRUE(c.tie_word_embeddings);
  EXPECT_FALSE(c.qkv_bias);
  EXPECT_EQ(c.bos_token_id, 1);
  // The named end token first, then control tokens by text; a normal token of that text is none.
  EXPECT_THAT(c.eos_token_ids, ElementsAre(2, 0));
}

TEST_F(ModelConfigGgufTest, QwenFamiliesRotateHalves) {
  const ModelConfig qwen2 =
      good(base("qwen2").add_tensor("blk.0.attn_q.bias", GgmlType::kF32, {64}, std::string(256, 0)));
  EXPECT_FALSE(qwen2.rope.interleaved);
  EXPECT_TRUE(qwen2.qkv_bias);
  const ModelConfig qwen3 = good(
      base("qwen3").add_u32("qwen3.attention.key_length", 32).add_u32("qwen3.attention.value_length", 32));
  EXPECT_FALSE(qwen3.rope.interleaved);
  EXPECT_TRUE(qwen3.qk_norm);
  EXPECT_EQ(qwen3.head_dim, 32);
  const ModelConfig yarn = good(base("qwen2")
                                    .add_string("qwen2.rope.scaling.type", "yarn")
                                    .add_f32("qwen2.rope.scaling.factor", 4.0f)
                                    .add_u32("qwen2.rope.scaling.original_context_length", 128));
  EXPECT_EQ(yarn.rope.scaling, RopeConfig::Scaling::kYarn);
  EXPECT_EQ(yarn.rope.original_max_position_embeddings, 128);
}

TEST_F(ModelConfigGgufTest, BothGenerationsOfDeepseek2GiveTheSameModel) {
  for (const bool absorbed : {false, true}) {
    const ModelConfig c =
        good(deepseek(absorbed)
                 .add_u32("deepseek2.expert_gating_func", 2)
                 .add_bool("deepseek2.expert_weights_norm", true)
                 .add_u32("deepseek2.expert_group_count", 4)
                 .add_u32("deepseek2.expert_group_used_count", 2)
                 .add_string("deepseek2.rope.scaling.type", "yarn")
                 .add_f32("deepseek2.rope.scaling.factor", 40.0f)
                 .add_u32("deepseek2.rope.scaling.original_context_length", 4096)
                 .add_f32("deepseek2.rope.scaling.yarn_log_multiplier", 0.0707f)
                 .add_tensor("blk.1.exp_probs_b.bias", GgmlType::kF32, {8}, std::string(32, 0)));
    EXPECT_EQ(c.mla->qk_nope_head_dim, 16);
    EXPECT_EQ(c.mla->qk_rope_head_dim, 8);
    EXPECT_EQ(c.mla->v_head_dim, 12);
    EXPECT_EQ(c.mla->q_lora_rank, 0);
    EXPECT_EQ(c.num_key_value_heads, 4);
    EXPECT_EQ(c.head_dim, 24);
    EXPECT_EQ(c.moe->score, MoeConfig::Score::kSigmoid);
    EXPECT_EQ(c.moe->topk_method, MoeConfig::TopkMethod::kNoauxTc);
    EXPECT_EQ(c.moe->n_group, 4);
    EXPECT_EQ(c.moe->routed_scaling_factor, 2.5);
    EXPECT_TRUE(c.moe->norm_topk_prob);
    EXPECT_DOUBLE_EQ(c.rope.mscale_all_dim, 0.707);
    EXPECT_TRUE(c.rope.interleaved);
  }
  const ModelConfig v2 = good(deepseek(false).add_u32("deepseek2.attention.q_lora_rank", 24));
  EXPECT_EQ(v2.moe->score, MoeConfig::Score::kSoftmax);
  EXPECT_EQ(v2.moe->topk_method, MoeConfig::TopkMethod::kGreedy);
  EXPECT_EQ(v2.mla->q_lora_rank, 24);
}

TEST_F(ModelConfigGgufTest, RefusesByName) {
  const auto message = [&](const GgufWriter& writer) {
    auto config = read(writer);
    EXPECT_FALSE(config.ok());
    return config.ok() ? std::string() : config.error().message;
  };
  EXPECT_THAT(message(GgufWriter()), HasSubstr("general.architecture"));
  EXPECT_THAT(message(base("gemma")), HasSubstr("\"gemma\""));
  EXPECT_THAT(message(GgufWriter().add_string("general.type", "adapter")), HasSubstr("adapter"));
  EXPECT_THAT(message(GgufWriter().add_string("general.architecture", "llama")),
              HasSubstr("llama.embedding_length"));
  EXPECT_THAT(message(base("llama").add_string("llama.attention.head_count_kv", "x")),
              HasSubstr("head_count_kv"));
  EXPECT_THAT(message(base("llama").add_u32("llama.attention.head_count_kv", 3)),
              HasSubstr("num_key_value_heads"));
  EXPECT_THAT(message(base("llama").add_i32s("llama.attention.head_count_kv", {2, 4})),
              HasSubstr("differs between"));
  EXPECT_THAT(message(base("llama").add_u32("llama.expert_count", 8)), HasSubstr("mixture"));
  EXPECT_THAT(message(base("llama").add_u32("llama.rope.dimension_count", 8)),
              HasSubstr("rope.dimension_count"));
  EXPECT_THAT(message(base("llama").add_string("llama.rope.scaling.type", "longrope")),
              HasSubstr("longrope"));
  EXPECT_THAT(message(base("llama").add_f32("llama.rope.freq_base", -1.0f)), HasSubstr("rope_theta"));
  EXPECT_THAT(message(deepseek(true).add_u32("deepseek2.expert_gating_func", 7)),
              HasSubstr("expert_gating_func"));
  EXPECT_THAT(message(deepseek(true).add_u32("deepseek2.expert_group_count", 3)), HasSubstr("n_group"));
}

}  // namespace
}  // namespace hadal
