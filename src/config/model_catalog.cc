#include "config/model_catalog.h"

#include <algorithm>

namespace hadal {
namespace {

constexpr std::string_view kDeepseekR1Config = R"({
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

// num_parameters and weight_bytes: huggingface.co/deepseek-ai/DeepSeek-R1 (model card; file list).
constexpr CatalogModel kModels[] = {
    {"deepseek-r1", "r1", "deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1", 671'026'419'200,
     688'586'727'753, kDeepseekR1Config},
};

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
