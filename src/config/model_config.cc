#include "config/model_config.h"

#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "config/model_config_internal.h"

namespace hadal {

std::string_view architecture_name(Architecture architecture) {
  switch (architecture) {
    case Architecture::kLlama:
      return "llama";
    case Architecture::kQwen2:
      return "qwen2";
    case Architecture::kQwen3:
      return "qwen3";
    case Architecture::kDeepseekV3:
      return "deepseek_v3";
  }
  return "unknown";
}

const Json* JsonFields::find(std::string_view key) const {
  const Json* value = object_.find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool JsonFields::is_null(std::string_view key) const {
  const Json* value = object_.find(key);
  return value != nullptr && value->is_null();
}

void JsonFields::wrong(std::string_view key, std::string_view expected, const Json& found) {
  std::string shown = to_json(found);
  if (shown.size() > 60) shown = utf8_sanitize(shown.substr(0, 60)) + "...";
  fail(invalid_argument(prefix_, ": \"", key, "\" must be ", expected, "; it is ", shown));
}

int64_t JsonFields::integer(std::string_view key, int64_t fallback, int64_t min, int64_t max) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  // Some writers store whole numbers as 4096.0.
  int64_t number = 0;
  bool whole = value->is_int();
  if (whole) {
    number = value->as_int();
  } else if (value->kind() == Json::Kind::kDouble && std::abs(value->as_double()) < 9e15 &&
             value->as_double() == std::floor(value->as_double())) {
    whole = true;
    number = static_cast<int64_t>(value->as_double());
  }
  if (!whole || number < min || number > max) {
    wrong(key, "an integer from " + std::to_string(min) + " to " + std::to_string(max), *value);
    return fallback;
  }
  return number;
}

double JsonFields::number(std::string_view key, double fallback) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_number()) {
    wrong(key, "a number", *value);
    return fallback;
  }
  return value->as_double();
}

bool JsonFields::boolean(std::string_view key, bool fallback) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) {
    wrong(key, "true or false", *value);
    return fallback;
  }
  return value->as_bool();
}

std::string JsonFields::text(std::string_view key, std::string_view fallback) {
  const Json* value = find(key);
  if (value == nullptr) return std::string(fallback);
  if (!value->is_string()) {
    wrong(key, "a string", *value);
    return std::string(fallback);
  }
  return value->as_string();
}

namespace {

constexpr size_t kMaxEosTokens = 1024;
constexpr int kMostLayersListed = 1 << 16;

// What absent fields mean: transformers 5.23's configuration classes.
struct Family {
  std::string_view class_name;
  Architecture architecture;
  int vocab_size;
  int hidden_size;
  int intermediate_size;
  int num_hidden_layers;
  int num_attention_heads;
  int num_key_value_heads;  // 0: as many as attention heads
  int head_dim;             // 0: hidden_size / num_attention_heads
  int64_t max_position_embeddings;
  int64_t bos_token_id;
  int64_t eos_token_id;
  bool is_v2;  // DeepseekV2ForCausalLM
};
constexpr Family kFamilies[] = {
    {"LlamaForCausalLM", Architecture::kLlama, 32000, 4096, 11008, 32, 32, 0, 0, 2048, 1, 2, false},
    {"MistralForCausalLM", Architecture::kLlama, 32000, 4096, 14336, 32, 32, 8, 0, 131072, 1, 2, false},
    {"Qwen2ForCausalLM", Architecture::kQwen2, 151936, 4096, 22016, 32, 32, 32, 0, 32768, -1, -1, false},
    {"Qwen3ForCausalLM", Architecture::kQwen3, 151936, 4096, 22016, 32, 32, 32, 128, 32768, -1, -1, false},
    {"DeepseekV2ForCausalLM", Architecture::kDeepseekV3, 102400, 4096, 11008, 32, 32, 0, 0, 2048, 1, 2, true},
    {"DeepseekV3ForCausalLM", Architecture::kDeepseekV3, 129280, 7168, 18432, 61, 128, 128, 0, 4096, 0, 1,
     false},
};

Result<const Family*> find_family(const Json& config) {
  const Json* names = config.find("architectures");
  if (names == nullptr || !names->is_array() || names->as_array().empty() ||
      !names->as_array()[0].is_string()) {
    return invalid_argument("config.json: \"architectures\" must be a list with the model's class, such as ",
                            "[\"LlamaForCausalLM\"]; is this a language model's config.json?");
  }
  const std::string& name = names->as_array()[0].as_string();
  for (const Family& family : kFamilies) {
    if (family.class_name == name) return &family;
  }
  return make_error(ErrorCode::kUnsupported, "config.json: architecture \"", name,
                    "\" is not supported; hadal has ", supported_architectures());
}

void read_sizes(JsonFields& f, const Family& family, ModelConfig& c) {
  c.vocab_size = f.small("vocab_size", family.vocab_size);
  c.hidden_size = f.small("hidden_size", family.hidden_size);
  c.intermediate_size = f.small("intermediate_size", family.intermediate_size);
  c.num_hidden_layers = f.small("num_hidden_layers", family.num_hidden_layers);
  c.num_attention_heads = f.small("num_attention_heads", family.num_attention_heads);
  // An explicit null means "as many as attention heads" in every class; absence means the class's default.
  const bool kv_from_heads = family.num_key_value_heads == 0 || f.is_null("num_key_value_heads");
  c.num_key_value_heads =
      f.small("num_key_value_heads", kv_from_heads ? c.num_attention_heads : family.num_key_value_heads);
  c.max_position_embeddings =
      f.integer("max_position_embeddings", family.max_position_embeddings, 1, int64_t{1} << 31);
  c.rms_norm_eps = f.number("rms_norm_eps", 1e-6);
  c.tie_word_embeddings = f.boolean("tie_word_embeddings", false);
  const std::string act = f.text("hidden_act", "silu");
  if (act != "silu" && act != "swish") {
    f.fail(
        make_error(ErrorCode::kUnsupported, "config.json: \"hidden_act\" is \"", act, "\"; hadal has silu"));
  }
}

void read_head_dim(JsonFields& f, const Family& family, ModelConfig& c) {
  if (f.find("head_dim") != nullptr) {
    c.head_dim = f.small("head_dim", 0);
  } else if (family.head_dim != 0 && !f.is_null("head_dim")) {
    c.head_dim = family.head_dim;
  } else if (c.num_attention_heads > 0) {
    if (c.hidden_size % c.num_attention_heads != 0) {
      f.fail(invalid_argument("config.json: \"hidden_size\" (", c.hidden_size,
                              ") must be a multiple of \"num_attention_heads\" (", c.num_attention_heads,
                              ") where \"head_dim\" is not given"));
    }
    c.head_dim = c.hidden_size / c.num_attention_heads;
  }
}

// Qwen2 and Qwen3: "layer_types" says which layers slide; without it those from max_window_layers on do, if
// use_sliding_window.
void read_qwen_window(JsonFields& f, ModelConfig& c) {
  const int window = f.small("sliding_window", f.is_null("sliding_window") ? 0 : 4096);
  const bool use = f.boolean("use_sliding_window", false);
  const int full = f.small("max_window_layers", 28);
  std::vector<bool> slides;
  const Json* types = f.find("layer_types");
  if (types != nullptr && types->is_array()) {
    for (const Json& type : types->as_array()) {
      const std::string name = type.is_string() ? type.as_string() : "";
      if (name != "sliding_attention" && name != "full_attention") {
        f.fail(make_error(ErrorCode::kUnsupported, "config.json: \"layer_types\" holds ",
                          to_json(type).substr(0, 60), "; hadal has full_attention and sliding_attention"));
        return;
      }
      slides.push_back(name == "sliding_attention");
    }
    if (slides.size() != static_cast<size_t>(std::max(c.num_hidden_layers, 0))) {
      f.fail(invalid_argument("config.json: \"layer_types\" has ", slides.size(), " entries for ",
                              c.num_hidden_layers, " layers"));
      return;
    }
  } else if (use) {
    // Absurd counts are refused later.
    const int layers = std::min(c.num_hidden_layers, kMostLayersListed);
    for (int i = 0; i < layers; ++i) slides.push_back(i >= full);
  }
  const auto sliding = std::count(slides.begin(), slides.end(), true);
  if (sliding == 0 || window == 0) return;
  c.sliding_window = window;
  if (sliding != c.num_hidden_layers) c.sliding_layers = std::move(slides);
}

void read_yarn(JsonFields& rope, RopeConfig& out, int64_t max_positions) {
  // factor null: DeepSeek's own files may leave it to the ratio of the context lengths.
  const double ratio = static_cast<double>(max_positions) /
                       static_cast<double>(std::max<int64_t>(1, out.original_max_position_embeddings));
  out.factor = rope.number("factor", ratio);
  const double fast = rope.number("beta_fast", 32.0);
  const double slow = rope.number("beta_slow", 1.0);
  out.beta_fast = fast == 0.0 ? 32.0 : fast;
  out.beta_slow = slow == 0.0 ? 1.0 : slow;
  out.mscale = rope.number("mscale", 0.0);
  out.mscale_all_dim = rope.number("mscale_all_dim", 0.0);
  if (rope.find("attention_factor") != nullptr) out.attention_factor = rope.number("attention_factor", 1.0);
  if (!rope.boolean("truncate", true)) {
    rope.fail(make_error(ErrorCode::kUnsupported, rope.prefix(), ": \"truncate\": false is not supported"));
  }
}

// rope_theta and rope_scaling, or transformers 5's rope_parameters, which holds both.
Status read_rope(JsonFields& f, ModelConfig& c) {
  const char* key = f.find("rope_scaling") != nullptr ? "rope_scaling" : "rope_parameters";
  const Json* object = f.find(key);
  const Json none{JsonObject{}};
  if (object != nullptr && !object->is_object()) {
    return invalid_argument("config.json: \"", key, "\" must be an object or null");
  }
  JsonFields rope(object == nullptr ? none : *object, std::string("config.json: ") + key);
  RopeConfig& out = c.rope;
  out.theta = rope.number("rope_theta", f.number("rope_theta", 10000.0));
  if (rope.number("partial_rotary_factor", f.number("partial_rotary_factor", 1.0)) != 1.0) {
    return make_error(ErrorCode::kUnsupported,
                      "config.json: \"partial_rotary_factor\" other than 1 is not supported");
  }
  const std::string type = rope.text("rope_type", rope.text("type", "default"));
  out.original_max_position_embeddings = f.integer(
      "original_max_position_embeddings",
      rope.integer("original_max_position_embeddings", c.max_position_embeddings, 1, int64_t{1} << 31), 1,
      int64_t{1} << 31);
  if (type == "default") {
    out.original_max_position_embeddings = 0;
  } else if (type == "linear") {
    out.scaling = RopeConfig::Scaling::kLinear;
    out.factor = rope.number("factor", 0.0);
    out.original_max_position_embeddings = 0;
  } else if (type == "llama3") {
    out.scaling = RopeConfig::Scaling::kLlama3;
    out.factor = rope.number("factor", 0.0);
    out.low_freq_factor = rope.number("low_freq_factor", 0.0);
    out.high_freq_factor = rope.number("high_freq_factor", 0.0);
  } else if (type == "yarn") {
    out.scaling = RopeConfig::Scaling::kYarn;
    read_yarn(rope, out, c.max_position_embeddings);
  } else {
    return make_error(ErrorCode::kUnsupported, "config.json: rotary embedding of type \"", type,
                      "\" is not supported; hadal has default, linear, llama3 and yarn");
  }
  return rope.status();
}

Status read_quantization(JsonFields& f, ModelConfig& c) {
  const Json* q = f.find("quantization_config");
  if (q == nullptr) q = f.find("compression_config");
  if (q == nullptr) return {};
  if (!q->is_object())
    return invalid_argument("config.json: \"quantization_config\" must be an object or null");
  JsonFields fields(*q, "config.json: quantization_config");
  const std::string method = fields.text("quant_method", "(none named)");
  const std::string format = fields.text("fmt", "e4m3");
  HADAL_RETURN_IF_ERROR(fields.status());
  if (method != "fp8") {
    return make_error(
        ErrorCode::kUnsupported, "config.json: quantization method \"", method,
        "\" is not supported; hadal reads bf16, f16, f32 and fp8 (128x128 blocks) checkpoints, and GGUF ",
        "files for 4 to 8 bits");
  }
  const Json* block = q->find("weight_block_size");
  const Json wanted(JsonArray{kFp8Block, kFp8Block});
  if (block == nullptr || !(*block == wanted) || format != "e4m3") {
    return make_error(ErrorCode::kUnsupported, "config.json: fp8 with weight_block_size ",
                      block == nullptr ? std::string("absent") : to_json(*block).substr(0, 60), " and fmt ",
                      format, " is not supported; hadal reads e4m3 with [128, 128]");
  }
  c.fp8_blocks = true;
  return {};
}

Status read_dtype(JsonFields& f, ModelConfig& c) {
  const std::string key = f.find("dtype") != nullptr ? "dtype" : "torch_dtype";
  std::string dtype = f.text(key, c.torch_dtype);
  HADAL_RETURN_IF_ERROR(f.status());
  if (dtype.starts_with("torch.")) dtype = dtype.substr(6);
  if (dtype != "bfloat16" && dtype != "float16" && dtype != "float32") {
    return make_error(ErrorCode::kUnsupported, "config.json: \"", key, "\" is \"", dtype,
                      "\"; hadal reads bfloat16, float16 and float32 checkpoints");
  }
  c.torch_dtype = dtype;
  return {};
}

// Appends one id or a list of them, each once.
Status add_eos(const Json* value, std::string_view file, ModelConfig& c) {
  if (value == nullptr || value->is_null()) return {};
  const JsonArray one{*value};
  for (const Json& id : value->is_array() ? value->as_array() : one) {
    if (!id.is_int() || id.as_int() < 0 || c.eos_token_ids.size() >= kMaxEosTokens) {
      return invalid_argument(file, ": \"eos_token_id\" must be a token id or a list of them");
    }
    if (std::find(c.eos_token_ids.begin(), c.eos_token_ids.end(), id.as_int()) == c.eos_token_ids.end()) {
      c.eos_token_ids.push_back(id.as_int());
    }
  }
  return {};
}

Status read_special_tokens(JsonFields& f, const Json& config, const Json& generation, const Family& family,
                           ModelConfig& c) {
  c.bos_token_id = f.is_null("bos_token_id") ? -1 : f.integer("bos_token_id", family.bos_token_id, -1);
  const Json* in_config = config.find("eos_token_id");
  const Json* in_generation = generation.is_object() ? generation.find("eos_token_id") : nullptr;
  HADAL_RETURN_IF_ERROR(add_eos(in_config, "config.json", c));
  HADAL_RETURN_IF_ERROR(add_eos(in_generation, "generation_config.json", c));
  // The class's default would be a false end token for a model that names its own elsewhere.
  if (in_config == nullptr && in_generation == nullptr && family.eos_token_id >= 0) {
    c.eos_token_ids.push_back(family.eos_token_id);
  }
  return {};
}

MlaConfig read_mla(JsonFields& f) {
  MlaConfig mla;
  mla.q_lora_rank = f.is_null("q_lora_rank") ? 0 : f.small("q_lora_rank", 1536);
  mla.kv_lora_rank = f.small("kv_lora_rank", 512);
  mla.qk_nope_head_dim = f.small("qk_nope_head_dim", 128);
  mla.qk_rope_head_dim = f.small("qk_rope_head_dim", 64);
  mla.v_head_dim = f.small("v_head_dim", 128);
  return mla;
}

// A field where only one value exists for this architecture, because its published code has no other.
void require_text(JsonFields& f, std::string_view key, std::string_view value) {
  const std::string found = f.text(key, value);
  if (found != value) {
    f.fail(make_error(ErrorCode::kUnsupported, "config.json: \"", key, "\" is \"", found,
                      "\"; for this architecture hadal has \"", value, "\""));
  }
}

MoeConfig read_moe(JsonFields& f, bool is_v2) {
  MoeConfig moe;
  moe.n_routed_experts = f.small("n_routed_experts", is_v2 ? 64 : 256);
  moe.n_shared_experts = f.is_null("n_shared_experts") ? 0 : f.small("n_shared_experts", is_v2 ? 2 : 1);
  moe.moe_intermediate_size = f.small("moe_intermediate_size", is_v2 ? 1407 : 2048);
  moe.num_experts_per_tok = f.small("num_experts_per_tok", is_v2 ? 0 : 8);
  moe.first_k_dense_replace = f.small("first_k_dense_replace", is_v2 ? 0 : 3);
  moe.moe_layer_freq = f.small("moe_layer_freq", 1);
  moe.n_group = f.is_null("n_group") ? 1 : f.small("n_group", is_v2 ? 1 : 8);
  moe.topk_group = f.is_null("topk_group") ? 1 : f.small("topk_group", is_v2 ? 1 : 4);
  moe.routed_scaling_factor = f.number("routed_scaling_factor", is_v2 ? 1.0 : 2.5);
  moe.norm_topk_prob = f.boolean("norm_topk_prob", !is_v2);
  if (!is_v2) {
    require_text(f, "scoring_func", "sigmoid");
    require_text(f, "topk_method", "noaux_tc");
    moe.score = MoeConfig::Score::kSigmoid;
    moe.topk_method = MoeConfig::TopkMethod::kNoauxTc;
    return moe;
  }
  require_text(f, "scoring_func", "softmax");
  const std::string method = f.text("topk_method", "greedy");
  if (method == "group_limited_greedy") {
    moe.topk_method = MoeConfig::TopkMethod::kGroupLimitedGreedy;
  } else if (method == "greedy") {
    // Published files of greedy models carry n_group all the same; it has no effect there.
    moe.n_group = 1;
    moe.topk_group = 1;
  } else {
    f.fail(make_error(ErrorCode::kUnsupported, "config.json: \"topk_method\" is \"", method,
                      "\"; for DeepseekV2ForCausalLM hadal has \"greedy\" and \"group_limited_greedy\""));
  }
  if (moe.norm_topk_prob) {
    // DeepSeek's own code then drops routed_scaling_factor and transformers ignores the field: no model uses
    // it.
    f.fail(make_error(ErrorCode::kUnsupported, "config.json: \"norm_topk_prob\": true is not supported for ",
                      "DeepseekV2ForCausalLM"));
  }
  return moe;
}

void read_family_fields(JsonFields& f, const Family& family, ModelConfig& c) {
  switch (family.architecture) {
    case Architecture::kLlama:
      if (family.class_name == "MistralForCausalLM") {
        c.sliding_window = f.is_null("sliding_window") ? 0 : f.small("sliding_window", 4096);
        break;
      }
      c.qkv_bias = c.o_bias = f.boolean("attention_bias", false);
      c.mlp_bias = f.boolean("mlp_bias", false);
      break;
    case Architecture::kQwen2:
      c.qkv_bias = true;
      read_qwen_window(f, c);
      break;
    case Architecture::kQwen3:
      c.qkv_bias = c.o_bias = f.boolean("attention_bias", false);
      c.qk_norm = true;
      read_qwen_window(f, c);
      break;
    case Architecture::kDeepseekV3:
      c.mla = read_mla(f);
      c.moe = read_moe(f, family.is_v2);
      // config.json's own head_dim is the rotary part here; a head of q and k has both parts.
      c.head_dim = c.mla->qk_nope_head_dim + c.mla->qk_rope_head_dim;
      c.rope.interleaved = family.is_v2 || f.boolean("rope_interleave", true);
      if (f.boolean("attention_bias", false) || f.boolean("mlp_bias", false)) {
        f.fail(make_error(ErrorCode::kUnsupported,
                          "config.json: biases (\"attention_bias\", \"mlp_bias\") are not ", "supported for ",
                          family.class_name));
      }
      break;
  }
}

}  // namespace

std::string supported_architectures() {
  std::string names;
  for (const Family& family : kFamilies) {
    if (!names.empty()) names += ", ";
    names += family.class_name;
  }
  return names;
}

Result<ModelConfig> parse_model_config(const Json& config, const Json& generation_config) {
  if (!config.is_object())
    return invalid_argument("config.json must hold a JSON object; it holds ", config.kind_name());
  HADAL_ASSIGN(const Family* family, find_family(config));
  ModelConfig c;
  c.architecture = family->architecture;
  c.source_name = family->class_name;
  JsonFields f(config, "config.json");
  read_sizes(f, *family, c);
  if (family->architecture != Architecture::kDeepseekV3) read_head_dim(f, *family, c);
  read_family_fields(f, *family, c);
  HADAL_RETURN_IF_ERROR(f.status());
  HADAL_RETURN_IF_ERROR(read_rope(f, c));
  c.rope.rotary_dim = c.mla ? c.mla->qk_rope_head_dim : c.head_dim;
  HADAL_RETURN_IF_ERROR(read_quantization(f, c));
  HADAL_RETURN_IF_ERROR(read_dtype(f, c));
  HADAL_RETURN_IF_ERROR(read_special_tokens(f, config, generation_config, *family, c));
  HADAL_RETURN_IF_ERROR(f.status());
  HADAL_RETURN_IF_ERROR(validate_model_config(c));
  return c;
}

}  // namespace hadal
