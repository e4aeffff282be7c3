#include "config/model_catalog.h"

#include <algorithm>

namespace hadal {
namespace {

// clang-format off
constexpr std::string_view kDeepseekV3 = R"({
  "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "torch_dtype": "bfloat16",
  "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_hidden_layers": 61,
  "num_attention_heads": 128, "num_key_value_heads": 128, "vocab_size": 129280, "q_lora_rank": 1536,
  "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
  "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "n_group": 8, "topk_group": 4,
  "first_k_dense_replace": 3, "moe_layer_freq": 1, "norm_topk_prob": true, "routed_scaling_factor": 2.5,
  "scoring_func": "sigmoid", "topk_method": "noaux_tc", "hidden_act": "silu", "rms_norm_eps": 1e-06,
  "max_position_embeddings": 163840, "rope_theta": 10000, "tie_word_embeddings": false,
  "bos_token_id": 0, "eos_token_id": 1,
  "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096, "beta_fast": 32,
                   "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0},
  "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
                          "weight_block_size": [128, 128]}})";

constexpr std::string_view kDeepseekV2 = R"({
  "architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2", "torch_dtype": "bfloat16",
  "hidden_size": 5120, "intermediate_size": 12288, "moe_intermediate_size": 1536, "num_hidden_layers": 60,
  "num_attention_heads": 128, "num_key_value_heads": 128, "vocab_size": 102400, "q_lora_rank": 1536,
  "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
  "n_routed_experts": 160, "n_shared_experts": 2, "num_experts_per_tok": 6, "n_group": 8, "topk_group": 3,
  "first_k_dense_replace": 1, "moe_layer_freq": 1, "norm_topk_prob": false, "routed_scaling_factor": 16.0,
  "scoring_func": "softmax", "topk_method": "group_limited_greedy", "hidden_act": "silu", "rms_norm_eps": 1e-06,
  "max_position_embeddings": 163840, "rope_theta": 10000, "tie_word_embeddings": false,
  "bos_token_id": 100000, "eos_token_id": 100001,
  "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096, "beta_fast": 32,
                   "beta_slow": 1, "mscale": 0.707, "mscale_all_dim": 0.707}})";

constexpr std::string_view kDeepseekV2Lite = R"({
  "architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2", "torch_dtype": "bfloat16",
  "hidden_size": 2048, "intermediate_size": 10944, "moe_intermediate_size": 1408, "num_hidden_layers": 27,
  "num_attention_heads": 16, "num_key_value_heads": 16, "vocab_size": 102400, "q_lora_rank": null,
  "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
  "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6, "n_group": 1, "topk_group": 1,
  "first_k_dense_replace": 1, "moe_layer_freq": 1, "norm_topk_prob": false, "routed_scaling_factor": 1.0,
  "scoring_func": "softmax", "topk_method": "greedy", "hidden_act": "silu", "rms_norm_eps": 1e-06,
  "max_position_embeddings": 163840, "rope_theta": 10000, "tie_word_embeddings": false,
  "bos_token_id": 100000, "eos_token_id": 100001,
  "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096, "beta_fast": 32,
                   "beta_slow": 1, "mscale": 0.707, "mscale_all_dim": 0.707}})";

constexpr std::string_view kDistillQwen1_5b = R"({
  "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "bfloat16",
  "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
  "num_key_value_heads": 2, "vocab_size": 151936, "max_position_embeddings": 131072,
  "rms_norm_eps": 1e-06, "rope_theta": 10000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": false, "bos_token_id": 151646, "eos_token_id": 151643})";

constexpr std::string_view kDistillQwen7b = R"({
  "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "bfloat16",
  "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
  "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 131072,
  "rms_norm_eps": 1e-06, "rope_theta": 10000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": false, "bos_token_id": 151646, "eos_token_id": 151643})";

constexpr std::string_view kDistillQwen14b = R"({
  "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "bfloat16",
  "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 48, "num_attention_heads": 40,
  "num_key_value_heads": 8, "vocab_size": 152064, "max_position_embeddings": 131072,
  "rms_norm_eps": 1e-05, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": false, "bos_token_id": 151646, "eos_token_id": 151643})";

constexpr std::string_view kDistillQwen32b = R"({
  "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "bfloat16",
  "hidden_size": 5120, "intermediate_size": 27648, "num_hidden_layers": 64, "num_attention_heads": 40,
  "num_key_value_heads": 8, "vocab_size": 152064, "max_position_embeddings": 131072,
  "rms_norm_eps": 1e-05, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": false, "bos_token_id": 151646, "eos_token_id": 151643})";

constexpr std::string_view kLlama3_1_8b = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
  "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
  "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
  "rope_theta": 500000, "tie_word_embeddings": false, "bos_token_id": 128000, "eos_token_id": 128001,
  "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 8192}})";

constexpr std::string_view kLlama3_1_70b = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
  "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64,
  "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
  "rope_theta": 500000, "tie_word_embeddings": false, "bos_token_id": 128000, "eos_token_id": 128001,
  "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 8192}})";

constexpr std::string_view kLlama3_1_405b = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
  "hidden_size": 16384, "intermediate_size": 53248, "num_hidden_layers": 126, "num_attention_heads": 128,
  "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
  "rope_theta": 500000, "tie_word_embeddings": false, "bos_token_id": 128000, "eos_token_id": 128001,
  "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 8192}})";

constexpr std::string_view kLlama3_2_1b = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
  "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
  "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
  "rope_theta": 500000, "tie_word_embeddings": true, "bos_token_id": 128000, "eos_token_id": 128001,
  "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 8192}})";

constexpr std::string_view kLlama3_2_3b = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
  "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28, "num_attention_heads": 24,
  "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
  "rope_theta": 500000, "tie_word_embeddings": true, "bos_token_id": 128000, "eos_token_id": 128001,
  "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 8192}})";

constexpr std::string_view kQwen2_5_0_5b = R"({
  "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "bfloat16",
  "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
  "num_key_value_heads": 2, "vocab_size": 151936, "max_position_embeddings": 32768,
  "rms_norm_eps": 1e-06, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": true, "bos_token_id": 151643, "eos_token_id": 151645})";

constexpr std::string_view kQwen2_5_1_5b = R"({
  "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "bfloat16",
  "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
  "num_key_value_heads": 2, "vocab_size": 151936, "max_position_embeddings": 32768,
  "rms_norm_eps": 1e-06, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": true, "bos_token_id": 151643, "eos_token_id": 151645})";

constexpr std::string_view kQwen2_5_3b = R"({
  "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "bfloat16",
  "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16,
  "num_key_value_heads": 2, "vocab_size": 151936, "max_position_embeddings": 32768,
  "rms_norm_eps": 1e-06, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": true, "bos_token_id": 151643, "eos_token_id": 151645})";

constexpr std::string_view kQwen2_5_7b = R"({
  "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "bfloat16",
  "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
  "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 32768,
  "rms_norm_eps": 1e-06, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": false, "bos_token_id": 151643, "eos_token_id": 151645})";

constexpr std::string_view kQwen2_5_14b = R"({
  "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "bfloat16",
  "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 48, "num_attention_heads": 40,
  "num_key_value_heads": 8, "vocab_size": 152064, "max_position_embeddings": 32768,
  "rms_norm_eps": 1e-06, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": false, "bos_token_id": 151643, "eos_token_id": 151645})";

constexpr std::string_view kQwen2_5_32b = R"({
  "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "bfloat16",
  "hidden_size": 5120, "intermediate_size": 27648, "num_hidden_layers": 64, "num_attention_heads": 40,
  "num_key_value_heads": 8, "vocab_size": 152064, "max_position_embeddings": 32768,
  "rms_norm_eps": 1e-06, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": false, "bos_token_id": 151643, "eos_token_id": 151645})";

constexpr std::string_view kQwen2_5_72b = R"({
  "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "bfloat16",
  "hidden_size": 8192, "intermediate_size": 29568, "num_hidden_layers": 80, "num_attention_heads": 64,
  "num_key_value_heads": 8, "vocab_size": 152064, "max_position_embeddings": 32768,
  "rms_norm_eps": 1e-06, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": false, "bos_token_id": 151643, "eos_token_id": 151645})";

constexpr std::string_view kQwen3_0_6b = R"({
  "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "torch_dtype": "bfloat16",
  "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16,
  "num_key_value_heads": 8, "head_dim": 128, "attention_bias": false, "vocab_size": 151936, "max_position_embeddings": 40960,
  "rms_norm_eps": 1e-06, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": true, "bos_token_id": 151643, "eos_token_id": 151645})";

constexpr std::string_view kQwen3_1_7b = R"({
  "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "torch_dtype": "bfloat16",
  "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16,
  "num_key_value_heads": 8, "head_dim": 128, "attention_bias": false, "vocab_size": 151936, "max_position_embeddings": 40960,
  "rms_norm_eps": 1e-06, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": true, "bos_token_id": 151643, "eos_token_id": 151645})";

constexpr std::string_view kQwen3_4b = R"({
  "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "torch_dtype": "bfloat16",
  "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32,
  "num_key_value_heads": 8, "head_dim": 128, "attention_bias": false, "vocab_size": 151936, "max_position_embeddings": 40960,
  "rms_norm_eps": 1e-06, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": true, "bos_token_id": 151643, "eos_token_id": 151645})";

constexpr std::string_view kQwen3_8b = R"({
  "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "torch_dtype": "bfloat16",
  "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36, "num_attention_heads": 32,
  "num_key_value_heads": 8, "head_dim": 128, "attention_bias": false, "vocab_size": 151936, "max_position_embeddings": 40960,
  "rms_norm_eps": 1e-06, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": false, "bos_token_id": 151643, "eos_token_id": 151645})";

constexpr std::string_view kQwen3_14b = R"({
  "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "torch_dtype": "bfloat16",
  "hidden_size": 5120, "intermediate_size": 17408, "num_hidden_layers": 40, "num_attention_heads": 40,
  "num_key_value_heads": 8, "head_dim": 128, "attention_bias": false, "vocab_size": 151936, "max_position_embeddings": 40960,
  "rms_norm_eps": 1e-06, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": false, "bos_token_id": 151643, "eos_token_id": 151645})";

constexpr std::string_view kQwen3_32b = R"({
  "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "torch_dtype": "bfloat16",
  "hidden_size": 5120, "intermediate_size": 25600, "num_hidden_layers": 64, "num_attention_heads": 64,
  "num_key_value_heads": 8, "head_dim": 128, "attention_bias": false, "vocab_size": 151936, "max_position_embeddings": 40960,
  "rms_norm_eps": 1e-06, "rope_theta": 1000000, "use_sliding_window": false, "sliding_window": null,
  "tie_word_embeddings": false, "bos_token_id": 151643, "eos_token_id": 151645})";

constexpr std::string_view kMistral7bV2 = R"({
  "architectures": ["MistralForCausalLM"], "model_type": "mistral", "torch_dtype": "bfloat16",
  "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
  "num_key_value_heads": 8, "vocab_size": 32000, "max_position_embeddings": 32768, "rms_norm_eps": 1e-05,
  "rope_theta": 1000000, "sliding_window": null, "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2})";

constexpr std::string_view kMistral7bV3 = R"({
  "architectures": ["MistralForCausalLM"], "model_type": "mistral", "torch_dtype": "bfloat16",
  "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
  "num_key_value_heads": 8, "vocab_size": 32768, "max_position_embeddings": 32768, "rms_norm_eps": 1e-05,
  "rope_theta": 1000000, "sliding_window": null, "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2})";

constexpr std::string_view kSmolLm2_135m = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
  "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
  "num_key_value_heads": 3, "vocab_size": 49152, "max_position_embeddings": 8192, "rms_norm_eps": 1e-05,
  "rope_theta": 100000, "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2})";

constexpr std::string_view kSmolLm2_360m = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
  "hidden_size": 960, "intermediate_size": 2560, "num_hidden_layers": 32, "num_attention_heads": 15,
  "num_key_value_heads": 5, "vocab_size": 49152, "max_position_embeddings": 8192, "rms_norm_eps": 1e-05,
  "rope_theta": 100000, "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2})";

constexpr std::string_view kSmolLm2_1_7b = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
  "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24, "num_attention_heads": 32,
  "num_key_value_heads": 32, "vocab_size": 49152, "max_position_embeddings": 8192, "rms_norm_eps": 1e-05,
  "rope_theta": 130000, "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2})";

// num_parameters: what the shapes above give (plan/model_tensors counts them again in a test); they agree with
// the counts that Hugging Face shows beside the models (R1's 685B there has the multi-token-prediction layer).
// weight_bytes: of the tensors, without the files' headers (some tens of KB each). R1's and V3's are the sum of their
// files, headers (12 MB) and multi-token-prediction layer included; Qwen3-0.6B's and 1.7B's files hold the tied head a second time; the others are
// two bytes a parameter.
constexpr CatalogModel kModels[] = {
    {"deepseek-r1", "r1", "deepseek-ai/DeepSeek-R1",
     "deepseek-ai/DeepSeek-R1", 671'026'419'200, 688'586'727'753, kDeepseekV3},
    {"deepseek-r1-0528", "r1-0528", "deepseek-ai/DeepSeek-R1-0528",
     "deepseek-ai/DeepSeek-R1-0528", 671'026'419'200, 688'586'727'753, kDeepseekV3},
    {"deepseek-v3", "v3", "deepseek-ai/DeepSeek-V3",
     "deepseek-ai/DeepSeek-V3", 671'026'419'200, 688'586'727'753, kDeepseekV3},
    {"deepseek-v3-0324", "v3-0324", "deepseek-ai/DeepSeek-V3-0324",
     "deepseek-ai/DeepSeek-V3-0324", 671'026'419'200, 688'586'727'753, kDeepseekV3},
    {"deepseek-v2", "v2", "deepseek-ai/DeepSeek-V2",
     "deepseek-ai/DeepSeek-V2", 235'741'434'880, 471'482'869'760, kDeepseekV2},
    {"deepseek-v2-chat", "v2-chat", "deepseek-ai/DeepSeek-V2-Chat",
     "deepseek-ai/DeepSeek-V2-Chat", 235'741'434'880, 471'482'869'760, kDeepseekV2},
    {"deepseek-v2-lite", "v2-lite", "deepseek-ai/DeepSeek-V2-Lite",
     "deepseek-ai/DeepSeek-V2-Lite", 15'706'484'224, 31'412'968'448, kDeepseekV2Lite},
    {"deepseek-v2-lite-chat", "v2-lite-chat", "deepseek-ai/DeepSeek-V2-Lite-Chat",
     "deepseek-ai/DeepSeek-V2-Lite-Chat", 15'706'484'224, 31'412'968'448, kDeepseekV2Lite},
    {"r1-distill-qwen-1.5b", "deepseek-r1-distill-qwen-1.5b r1-1.5b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
     "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", 1'777'088'000, 3'554'176'000, kDistillQwen1_5b},
    {"r1-distill-qwen-7b", "deepseek-r1-distill-qwen-7b r1-7b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
     "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", 7'615'616'512, 15'231'233'024, kDistillQwen7b},
    {"r1-distill-qwen-14b", "deepseek-r1-distill-qwen-14b r1-14b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B",
     "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", 14'770'033'664, 29'540'067'328, kDistillQwen14b},
    {"r1-distill-qwen-32b", "deepseek-r1-distill-qwen-32b r1-32b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B",
     "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", 32'763'876'352, 65'527'752'704, kDistillQwen32b},
    {"r1-distill-llama-8b", "deepseek-r1-distill-llama-8b r1-8b", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
     "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", 8'030'261'248, 16'060'522'496, kLlama3_1_8b},
    {"r1-distill-llama-70b", "deepseek-r1-distill-llama-70b r1-70b", "deepseek-ai/DeepSeek-R1-Distill-Llama-70B",
     "deepseek-ai/DeepSeek-R1-Distill-Llama-70B", 70'553'706'496, 141'107'412'992, kLlama3_1_70b},
    {"llama-3.1-8b", "llama3.1-8b llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct",
     "LLM-Research/Meta-Llama-3.1-8B-Instruct", 8'030'261'248, 16'060'522'496, kLlama3_1_8b},
    {"llama-3.1-70b", "llama3.1-70b llama-3.1-70b-instruct", "meta-llama/Llama-3.1-70B-Instruct",
     "LLM-Research/Meta-Llama-3.1-70B-Instruct", 70'553'706'496, 141'107'412'992, kLlama3_1_70b},
    {"llama-3.1-405b", "llama3.1-405b llama-3.1-405b-instruct", "meta-llama/Llama-3.1-405B-Instruct",
     "LLM-Research/Meta-Llama-3.1-405B-Instruct", 405'853'388'800, 811'706'777'600, kLlama3_1_405b},
    {"llama-3.3-70b", "llama3.3-70b llama-3.3-70b-instruct", "meta-llama/Llama-3.3-70B-Instruct",
     "LLM-Research/Llama-3.3-70B-Instruct", 70'553'706'496, 141'107'412'992, kLlama3_1_70b},
    {"llama-3.2-1b", "llama3.2-1b llama-3.2-1b-instruct", "meta-llama/Llama-3.2-1B-Instruct",
     "LLM-Research/Llama-3.2-1B-Instruct", 1'235'814'400, 2'471'628'800, kLlama3_2_1b},
    {"llama-3.2-3b", "llama3.2-3b llama-3.2-3b-instruct", "meta-llama/Llama-3.2-3B-Instruct",
     "LLM-Research/Llama-3.2-3B-Instruct", 3'212'749'824, 6'425'499'648, kLlama3_2_3b},
    {"qwen2.5-0.5b", "qwen2.5-0.5b-instruct", "Qwen/Qwen2.5-0.5B-Instruct",
     "Qwen/Qwen2.5-0.5B-Instruct", 494'032'768, 988'065'536, kQwen2_5_0_5b},
    {"qwen2.5-1.5b", "qwen2.5-1.5b-instruct", "Qwen/Qwen2.5-1.5B-Instruct",
     "Qwen/Qwen2.5-1.5B-Instruct", 1'543'714'304, 3'087'428'608, kQwen2_5_1_5b},
    {"qwen2.5-3b", "qwen2.5-3b-instruct", "Qwen/Qwen2.5-3B-Instruct",
     "Qwen/Qwen2.5-3B-Instruct", 3'085'938'688, 6'171'877'376, kQwen2_5_3b},
    {"qwen2.5-7b", "qwen2.5-7b-instruct", "Qwen/Qwen2.5-7B-Instruct",
     "Qwen/Qwen2.5-7B-Instruct", 7'615'616'512, 15'231'233'024, kQwen2_5_7b},
    {"qwen2.5-14b", "qwen2.5-14b-instruct", "Qwen/Qwen2.5-14B-Instruct",
     "Qwen/Qwen2.5-14B-Instruct", 14'770'033'664, 29'540'067'328, kQwen2_5_14b},
    {"qwen2.5-32b", "qwen2.5-32b-instruct", "Qwen/Qwen2.5-32B-Instruct",
     "Qwen/Qwen2.5-32B-Instruct", 32'763'876'352, 65'527'752'704, kQwen2_5_32b},
    {"qwen2.5-72b", "qwen2.5-72b-instruct", "Qwen/Qwen2.5-72B-Instruct",
     "Qwen/Qwen2.5-72B-Instruct", 72'706'203'648, 145'412'407'296, kQwen2_5_72b},
    {"qwen3-0.6b", "", "Qwen/Qwen3-0.6B",
     "Qwen/Qwen3-0.6B", 596'049'920, 1'503'264'768, kQwen3_0_6b},
    {"qwen3-1.7b", "", "Qwen/Qwen3-1.7B",
     "Qwen/Qwen3-1.7B", 1'720'574'976, 4'063'479'808, kQwen3_1_7b},
    {"qwen3-4b", "", "Qwen/Qwen3-4B",
     "Qwen/Qwen3-4B", 4'022'468'096, 8'044'936'192, kQwen3_4b},
    {"qwen3-8b", "", "Qwen/Qwen3-8B",
     "Qwen/Qwen3-8B", 8'190'735'360, 16'381'470'720, kQwen3_8b},
    {"qwen3-14b", "", "Qwen/Qwen3-14B",
     "Qwen/Qwen3-14B", 14'768'307'200, 29'536'614'400, kQwen3_14b},
    {"qwen3-32b", "", "Qwen/Qwen3-32B",
     "Qwen/Qwen3-32B", 32'762'123'264, 65'524'246'528, kQwen3_32b},
    {"mistral-7b-v0.2", "mistral-7b-instruct-v0.2", "mistralai/Mistral-7B-Instruct-v0.2",
     "", 7'241'732'096, 14'483'464'192, kMistral7bV2},
    {"mistral-7b", "mistral-7b-v0.3 mistral-7b-instruct-v0.3", "mistralai/Mistral-7B-Instruct-v0.3",
     "", 7'248'023'552, 14'496'047'104, kMistral7bV3},
    {"smollm2-135m", "smollm2-135m-instruct", "HuggingFaceTB/SmolLM2-135M-Instruct",
     "", 134'515'008, 269'030'016, kSmolLm2_135m},
    {"smollm2-360m", "smollm2-360m-instruct", "HuggingFaceTB/SmolLM2-360M-Instruct",
     "", 361'821'120, 723'642'240, kSmolLm2_360m},
    {"smollm2-1.7b", "smollm2 smollm2-1.7b-instruct", "HuggingFaceTB/SmolLM2-1.7B-Instruct",
     "", 1'711'376'384, 3'422'752'768, kSmolLm2_1_7b},
};
// clang-format on

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

bool has_alias(const CatalogModel& model, std::string_view name) {
  for (std::string_view rest = model.aliases; !rest.empty();) {
    const size_t end = std::min(rest.find(' '), rest.size());
    if (equals_ignoring_case(rest.substr(0, end), name)) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

}  // namespace

std::span<const CatalogModel> model_catalog() {
  return kModels;
}

const CatalogModel* find_catalog_model(std::string_view name) {
  for (std::string_view prefix : {"hf:", "ms:"}) {
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  }
  if (name.empty()) return nullptr;
  for (const CatalogModel& model : kModels) {
    if (equals_ignoring_case(model.name, name) || has_alias(model, name) ||
        equals_ignoring_case(model.huggingface, name) || equals_ignoring_case(model.modelscope, name))
      return &model;
  }
  return nullptr;
}

Result<ModelConfig> catalog_config(const CatalogModel& model) {
  HADAL_ASSIGN(const Json config, parse_json(model.config_json));
  return parse_model_config(config, Json());
}

}  // namespace hadal
