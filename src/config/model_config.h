// ModelConfig: a model's architecture and shapes, read once from config.json or GGUF metadata, checked, then
// const. Field names follow Hugging Face's config.json. A value; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/gguf.h"
#include "base/json.h"
#include "base/result.h"

namespace hadal {

// DeepSeek-V3's FP8 checkpoints: one f32 weight_scale_inv for each block of this many rows and columns.
inline constexpr int64_t kFp8Block = 128;

// One per file in models/.
enum class Architecture {
  kLlama,       // LlamaForCausalLM, MistralForCausalLM; GGUF "llama"
  kQwen2,       // Qwen2ForCausalLM; GGUF "qwen2"
  kQwen3,       // Qwen3ForCausalLM; GGUF "qwen3"
  kDeepseekV3,  // DeepseekV2ForCausalLM, DeepseekV3ForCausalLM; GGUF "deepseek2"
};
std::string_view architecture_name(Architecture architecture);  // "llama", "qwen2", "qwen3", "deepseek_v3"

struct RopeConfig {
  enum class Scaling { kNone, kLinear, kLlama3, kYarn };
  double theta = 10000.0;
  int rotary_dim = 0;        // elements of a head that rotate
  bool interleaved = false;  // pairs (2i, 2i+1): DeepSeek checkpoints, llama-type GGUF; else NeoX halves
  Scaling scaling = Scaling::kNone;
  double factor = 1.0;
  int64_t original_max_position_embeddings = 0;
  double low_freq_factor = 1.0;   // llama3
  double high_freq_factor = 4.0;  // llama3
  double beta_fast = 32.0;        // YaRN 2309.00071
  double beta_slow = 1.0;
  double mscale = 0.0;  // DeepSeek: 0 = absent
  double mscale_all_dim = 0.0;
  std::optional<double> attention_factor;
  // GGUF rope_freqs.weight: divides each frequency, rotary_dim / 2 long; empty = none. Filled by the loader.
  std::vector<float> freq_factors;
};

struct MlaConfig {
  int q_lora_rank = 0;  // 0: q_proj instead of q_a/q_b (V2-Lite)
  int kv_lora_rank = 0;
  int qk_nope_head_dim = 0;
  int qk_rope_head_dim = 0;
  int v_head_dim = 0;
};

struct MoeConfig {
  enum class Score { kSoftmax, kSigmoid };
  enum class TopkMethod { kGreedy, kGroupLimitedGreedy, kNoauxTc };
  int n_routed_experts = 0;
  int num_experts_per_tok = 0;
  int n_shared_experts = 0;
  int moe_intermediate_size = 0;
  int first_k_dense_replace = 0;
  int moe_layer_freq = 1;
  int n_group = 1;
  int topk_group = 1;
  Score score = Score::kSoftmax;
  TopkMethod topk_method = TopkMethod::kGreedy;  // kNoauxTc has e_score_correction_bias
  bool norm_topk_prob = false;
  double routed_scaling_factor = 1.0;
  bool is_moe_layer(int layer) const { return layer >= first_k_dense_replace && layer % moe_layer_freq == 0; }
};

struct ModelConfig {
  Architecture architecture = Architecture::kLlama;
  std::string source_name;  // architectures[0] or general.architecture, for messages
  int hidden_size = 0;
  int intermediate_size = 0;
  int num_hidden_layers = 0;
  int num_attention_heads = 0;
  int num_key_value_heads = 0;
  int head_dim = 0;
  int vocab_size = 0;
  int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  bool tie_word_embeddings = false;
  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;
  bool qk_norm = false;                  // Qwen3: RMSNorm per head on q and k
  int sliding_window = 0;                // 0: full attention
  std::vector<bool> sliding_layers;      // which layers have the window; empty: all
  std::string torch_dtype = "bfloat16";  // of the checkpoint: "bfloat16", "float16", "float32"
  bool fp8_blocks = false;               // DeepSeek FP8: weights e4m3 with 128x128 weight_scale_inv
  int64_t bos_token_id = -1;             // -1: none
  std::vector<int64_t> eos_token_ids;    // config.json and generation_config.json together
  RopeConfig rope;
  std::optional<MlaConfig> mla;  // DeepSeek
  std::optional<MoeConfig> moe;

  // Tokens that a layer's attention looks back at, itself included; 0: all.
  int window_of(int layer) const {
    return sliding_layers.empty() || sliding_layers[static_cast<size_t>(layer)] ? sliding_window : 0;
  }
  bool is_moe_layer(int layer) const { return moe.has_value() && moe->is_moe_layer(layer); }
};

// config.json's text and, where there is one, generation_config.json's (else empty).
// Errors: kInvalidArgument naming the field and what it must be; kUnsupported naming the architecture and
// those hadal has.
Result<ModelConfig> parse_model_config(const Json& config, const Json& generation_config);
Result<ModelConfig> model_config_from_gguf(const GgufFile& file);

// Every cross-field rule (divisibility, ranges, overflow). Called by both parsers.
Status validate_model_config(const ModelConfig& config);

}  // namespace hadal
