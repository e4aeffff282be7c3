#include <algorithm>
#include <array>
#include <cmath>

#include "config/model_config.h"

namespace hadal {
namespace {

// Keys are those of ggml's docs/gguf.md and, for deepseek2, of the files that its converter writes.
class GgufFields {
 public:
  GgufFields(const GgufFile& file, std::string arch) : file_(file), arch_(std::move(arch)) {}

  const Status& status() const { return status_; }
  void fail(Error error) {
    if (status_.ok()) status_ = std::move(error);
  }
  std::string key(std::string_view name) const { return arch_ + "." + std::string(name); }
  std::string path() const { return file_.files().empty() ? "the GGUF file" : file_.files()[0].path(); }
  bool has(std::string_view name) const { return file_.has(key(name)); }

  // One integer; or, where a converter wrote one per layer, their common value.
  int64_t integer(std::string_view name, int64_t fallback, int64_t min = 0, int64_t max = INT32_MAX);
  int small(std::string_view name, int fallback) { return static_cast<int>(integer(name, fallback)); }
  int required(std::string_view name);
  double number(std::string_view name, double fallback);
  bool boolean(std::string_view name, bool fallback);
  std::string text(std::string_view name, std::string_view fallback);

 private:
  void wrong(std::string_view name, std::string_view expected) {
    fail(invalid_argument(path(), ": metadata key \"", key(name), "\" must be ", expected));
  }
  const GgufFile& file_;
  std::string arch_;
  Status status_;
};

int64_t GgufFields::integer(std::string_view name, int64_t fallback, int64_t min, int64_t max) {
  if (!has(name)) return fallback;
  std::optional<int64_t> value = file_.get_int(key(name));
  if (const auto* each = file_.get_ints(key(name)); each != nullptr && !each->empty()) {
    value = each->front();
    if (std::any_of(each->begin(), each->end(), [&](int64_t v) { return v != each->front(); })) {
      fail(make_error(ErrorCode::kUnsupported, path(), ": \"", key(name),
                      "\" differs between layers; hadal has models ", "where all layers are alike"));
      return fallback;
    }
  }
  if (!value || *value < min || *value > max) {
    wrong(name, "an integer from " + std::to_string(min) + " to " + std::to_string(max));
    return fallback;
  }
  return *value;
}

int GgufFields::required(std::string_view name) {
  if (!has(name)) {
    fail(invalid_argument(path(), ": metadata key \"", key(name),
                          "\" is missing: the file is not a whole model"));
    return 0;
  }
  return small(name, 0);
}

double GgufFields::number(std::string_view name, double fallback) {
  if (!has(name)) return fallback;
  const auto value = file_.get_double(key(name));
  if (!value) wrong(name, "a number");
  return value.value_or(fallback);
}

bool GgufFields::boolean(std::string_view name, bool fallback) {
  if (!has(name)) return fallback;
  const auto value = file_.get_bool(key(name));
  if (!value) wrong(name, "a boolean");
  return value.value_or(fallback);
}

std::string GgufFields::text(std::string_view name, std::string_view fallback) {
  if (!has(name)) return std::string(fallback);
  const auto* value = file_.get_string(key(name));
  if (value == nullptr) wrong(name, "a string");
  return value == nullptr ? std::string(fallback) : *value;
}

struct GgufArch {
  std::string_view name;
  Architecture architecture;
  // Pairs (2i, 2i + 1): the llama converter permutes Q and K for it, deepseek2 is published so.
  bool interleaved;
};
constexpr GgufArch kArchs[] = {
    {"llama", Architecture::kLlama, true},
    {"qwen2", Architecture::kQwen2, false},
    {"qwen3", Architecture::kQwen3, false},
    {"deepseek2", Architecture::kDeepseekV3, true},
};

Result<const GgufArch*> find_arch(const GgufFile& file) {
  const std::string path = file.files().empty() ? "the GGUF file" : file.files()[0].path();
  const std::string* type = file.get_string("general.type");
  if (type != nullptr && *type != "model") {
    return make_error(ErrorCode::kUnsupported, path, " holds a \"", *type, "\", not a model");
  }
  const std::string* name = file.get_string("general.architecture");
  if (name == nullptr) {
    return invalid_argument(
        path, ": metadata key \"general.architecture\" is missing: the file is not a whole model");
  }
  for (const GgufArch& arch : kArchs) {
    if (arch.name == *name) return &arch;
  }
  return make_error(ErrorCode::kUnsupported, path, ": architecture \"", *name,
                    "\" is not supported; of GGUF files hadal reads llama, qwen2, qwen3 and deepseek2");
}

void read_sizes(GgufFields& f, const GgufFile& file, ModelConfig& c) {
  c.hidden_size = f.required("embedding_length");
  c.num_hidden_layers = f.required("block_count");
  c.intermediate_size = f.integer("feed_forward_length", 0) == 0 ? f.required("feed_forward_length")
                                                                 : f.small("feed_forward_length", 0);
  c.num_attention_heads = f.required("attention.head_count");
  c.num_key_value_heads = f.small("attention.head_count_kv", c.num_attention_heads);
  c.max_position_embeddings = f.integer("context_length", 0, 1, int64_t{1} << 31);
  if (!f.has("context_length")) f.required("context_length");
  if (!f.has("attention.layer_norm_rms_epsilon")) f.required("attention.layer_norm_rms_epsilon");
  // A float in the file: 1e-5f widened is 9.99999974e-06, as llama.cpp uses it.
  c.rms_norm_eps = f.number("attention.layer_norm_rms_epsilon", 1e-6);
  c.sliding_window = f.small("attention.sliding_window", 0);
  const GgufTensorInfo* embedding = file.find_tensor("token_embd.weight");
  if (embedding != nullptr && embedding->shape.size() == 2) {
    c.vocab_size = static_cast<int>(std::min<int64_t>(embedding->shape[0], INT32_MAX));
  } else if (const auto* tokens = file.get_strings("tokenizer.ggml.tokens")) {
    c.vocab_size = static_cast<int>(tokens->size());
  } else {
    c.vocab_size = f.required("vocab_size");
  }
  c.tie_word_embeddings = file.find_tensor("output.weight") == nullptr;
}

void read_rope(GgufFields& f, const GgufArch& arch, ModelConfig& c) {
  RopeConfig& r = c.rope;
  r.interleaved = arch.interleaved;
  r.theta = f.number("rope.freq_base", 10000.0);
  r.rotary_dim = f.small("rope.dimension_count", c.mla ? c.mla->qk_rope_head_dim : c.head_dim);
  const int whole = c.mla ? c.mla->qk_rope_head_dim : c.head_dim;
  if (r.rotary_dim != whole) {
    f.fail(make_error(ErrorCode::kUnsupported, f.path(), ": \"", f.key("rope.dimension_count"), "\" is ",
                      r.rotary_dim, " but ", whole, " elements of a head rotate in this architecture"));
  }
  // Files from before rope.scaling.* name a linear factor only.
  const double legacy = f.number("rope.scale_linear", 1.0);
  const std::string type = f.text("rope.scaling.type", legacy != 1.0 ? "linear" : "none");
  r.factor = f.number("rope.scaling.factor", legacy);
  if (type == "none" || (type == "linear" && r.factor == 1.0)) {
    r.factor = 1.0;
  } else if (type == "linear") {
    r.scaling = RopeConfig::Scaling::kLinear;
  } else if (type == "yarn") {
    r.scaling = RopeConfig::Scaling::kYarn;
    r.original_max_position_embeddings =
        f.integer("rope.scaling.original_context_length", c.max_position_embeddings, 1, int64_t{1} << 31);
    r.beta_fast = f.number("rope.scaling.yarn_beta_fast", 32.0);
    r.beta_slow = f.number("rope.scaling.yarn_beta_slow", 1.0);
    const double attention = f.number("rope.scaling.attn_factor", 1.0);
    if (attention != 1.0 && !c.mla)
      r.attention_factor = attention * (1.0 + 0.1 * std::log(std::max(1.0, r.factor)));
    if (c.mla) {
      // The converter stores 0.1 * mscale_all_dim as a float; every published model has mscale equal to it.
      const double mscale = 10.0 * f.number("rope.scaling.yarn_log_multiplier", 0.0);
      r.mscale = r.mscale_all_dim = std::round(mscale * 1e6) / 1e6;
    }
  } else {
    f.fail(make_error(ErrorCode::kUnsupported, f.path(), ": rotary scaling of type \"", type,
                      "\" is not supported; hadal has none, linear and yarn"));
  }
}

MlaConfig read_mla(GgufFields& f, const ModelConfig& c) {
  MlaConfig mla;
  mla.q_lora_rank = f.small("attention.q_lora_rank", 0);
  mla.kv_lora_rank = f.required("attention.kv_lora_rank");
  mla.qk_rope_head_dim = f.required("rope.dimension_count");
  // Newer files describe the absorbed form (one KV head of kv_lora_rank + rope) and keep the expanded sizes
  // in *_mla.
  const bool absorbed = f.has("attention.key_length_mla");
  const int key = absorbed ? f.required("attention.key_length_mla") : f.required("attention.key_length");
  mla.v_head_dim = absorbed ? f.required("attention.value_length_mla") : f.required("attention.value_length");
  mla.qk_nope_head_dim = key - mla.qk_rope_head_dim;
  if (mla.qk_nope_head_dim < 1 && f.status().ok()) {
    f.fail(invalid_argument(f.path(), ": the key length (", key, ") of ", c.source_name,
                            " must exceed rope.dimension_count (", mla.qk_rope_head_dim, ")"));
  }
  return mla;
}

MoeConfig read_moe(GgufFields& f, const GgufFile& file, const ModelConfig& c) {
  MoeConfig m;
  m.n_routed_experts = f.required("expert_count");
  m.num_experts_per_tok = f.required("expert_used_count");
  m.n_shared_experts = f.small("expert_shared_count", 0);
  m.moe_intermediate_size = f.required("expert_feed_forward_length");
  m.first_k_dense_replace = f.small("leading_dense_block_count", 0);
  m.routed_scaling_factor = f.number("expert_weights_scale", 1.0);
  if (m.routed_scaling_factor == 0.0) m.routed_scaling_factor = 1.0;
  m.norm_topk_prob = f.boolean("expert_weights_norm", false);
  const int64_t gate = f.integer("expert_gating_func", 1);
  if (gate != 1 && gate != 2) {
    f.fail(make_error(ErrorCode::kUnsupported, f.path(), ": \"", f.key("expert_gating_func"), "\" is ", gate,
                      "; hadal has 1 (softmax) and 2 (sigmoid)"));
  }
  m.score = gate == 2 ? MoeConfig::Score::kSigmoid : MoeConfig::Score::kSoftmax;
  // Files from before the group keys: DeepSeek-V3's own config.json has 8 groups of which 4 are used, V2's 8
  // and 3.
  int groups = 1;
  int used = 1;
  if (m.n_routed_experts == 256 && gate == 2 && c.num_hidden_layers >= 61) {
    groups = 8;
    used = 4;
  } else if (m.n_routed_experts == 160 && gate == 1) {
    groups = 8;
    used = 3;
  }
  m.n_group = std::max(1, f.small("expert_group_count", groups));
  m.topk_group = std::max(1, f.small("expert_group_used_count", used));
  const std::string bias = "blk." + std::to_string(m.first_k_dense_replace) + ".exp_probs_b.bias";
  if (file.find_tensor(bias) != nullptr) {
    m.topk_method = MoeConfig::TopkMethod::kNoauxTc;
  } else if (m.n_group > 1) {
    m.topk_method = MoeConfig::TopkMethod::kGroupLimitedGreedy;
  }
  return m;
}

void add_eos(ModelConfig& c, std::optional<int64_t> id) {
  if (!id || *id < 0 || *id > INT32_MAX) return;
  if (std::find(c.eos_token_ids.begin(), c.eos_token_ids.end(), *id) == c.eos_token_ids.end()) {
    c.eos_token_ids.push_back(*id);
  }
}

// The named end tokens, and control tokens whose text says that a turn or text ends (what
// generation_config.json lists for Hugging Face checkpoints is not in a GGUF file).
void read_special_tokens(const GgufFile& file, ModelConfig& c) {
  c.bos_token_id = file.get_int("tokenizer.ggml.bos_token_id").value_or(-1);
  if (c.bos_token_id < 0 || c.bos_token_id > INT32_MAX) c.bos_token_id = -1;
  for (const char* key : {"eos", "eot", "eom"}) {
    add_eos(c, file.get_int("tokenizer.ggml." + std::string(key) + "_token_id"));
  }
  constexpr int64_t kControl = 3;
  constexpr std::array<std::string_view, 8> kEndTexts = {
      "<|endoftext|>", "<|im_end|>", "<|end_of_text|>", "<|eot_id|>",
      "<|eom_id|>",    "<|end|>",    "<|EOT|>",         "<｜end▁of▁sentence｜>"};
  const auto* tokens = file.get_strings("tokenizer.ggml.tokens");
  const auto* types = file.get_ints("tokenizer.ggml.token_type");
  if (tokens == nullptr || types == nullptr) return;
  for (size_t i = 0; i < std::min(tokens->size(), types->size()); ++i) {
    if ((*types)[i] != kControl) continue;
    if (std::find(kEndTexts.begin(), kEndTexts.end(), (*tokens)[i]) != kEndTexts.end()) {
      add_eos(c, static_cast<int64_t>(i));
    }
  }
}

void read_family_fields(GgufFields& f, const GgufFile& file, ModelConfig& c) {
  if (c.architecture == Architecture::kDeepseekV3) {
    c.num_key_value_heads = c.num_attention_heads;
    c.mla = read_mla(f, c);
    c.moe = read_moe(f, file, c);
    c.head_dim = c.mla->qk_nope_head_dim + c.mla->qk_rope_head_dim;
    return;
  }
  const int heads = std::max(1, c.num_attention_heads);
  c.head_dim = f.small("attention.key_length", c.hidden_size / heads);
  if (!f.has("attention.key_length") && c.hidden_size % heads != 0) {
    f.fail(invalid_argument(f.path(), ": embedding_length (", c.hidden_size,
                            ") must be a multiple of head_count (", heads, ")"));
  }
  if (f.small("attention.value_length", c.head_dim) != c.head_dim) {
    f.fail(make_error(ErrorCode::kUnsupported, f.path(), ": key_length and value_length differ, which ",
                      c.source_name, " models do not have"));
  }
  if (f.integer("expert_count", 0) > 0) {
    f.fail(make_error(ErrorCode::kUnsupported, f.path(), ": mixture-of-experts models of architecture ",
                      c.source_name, " are not supported"));
  }
  c.qkv_bias = file.find_tensor("blk.0.attn_q.bias") != nullptr;
  c.o_bias = file.find_tensor("blk.0.attn_output.bias") != nullptr;
  c.mlp_bias = file.find_tensor("blk.0.ffn_down.bias") != nullptr;
  c.qk_norm = c.architecture == Architecture::kQwen3;
}

}  // namespace

Result<ModelConfig> model_config_from_gguf(const GgufFile& file) {
  HADAL_ASSIGN(const GgufArch* arch, find_arch(file));
  GgufFields f(file, std::string(arch->name));
  ModelConfig c;
  c.architecture = arch->architecture;
  c.source_name = arch->name;
  read_sizes(f, file, c);
  HADAL_RETURN_IF_ERROR(f.status());
  read_family_fields(f, file, c);
  HADAL_RETURN_IF_ERROR(f.status());
  read_rope(f, *arch, c);
  HADAL_RETURN_IF_ERROR(f.status());
  read_special_tokens(file, c);
  HADAL_RETURN_IF_ERROR(validate_model_config(c));
  return c;
}

}  // namespace hadal
