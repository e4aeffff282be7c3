#include "models/decoder_model.h"
#include "models/families.h"

namespace hadal {
namespace {

DecoderLayerLoader family_loader(Architecture architecture) {
  switch (architecture) {
    case Architecture::kLlama:
      return load_llama_layer;
    case Architecture::kQwen2:
      return load_qwen2_layer;
    case Architecture::kQwen3:
      return load_qwen3_layer;
    case Architecture::kDeepseekV3:
      return load_deepseek_v3_layer;
  }
  return nullptr;
}

}  // namespace

Result<std::unique_ptr<Model>> make_model(const ModelConfig& config, const ModelOptions& options) {
  const DecoderLayerLoader loader = family_loader(config.architecture);
  HADAL_CHECK(loader != nullptr);
  if (options.context_length <= 0) {
    return invalid_argument("context length must be positive, not ", options.context_length);
  }
  if (options.kv_dtype != DType::kF16 && options.kv_dtype != DType::kBF16 &&
      options.kv_dtype != DType::kF32) {
    return make_error(ErrorCode::kUnsupported, "KV cache dtype ", dtype_name(options.kv_dtype),
                      " is not supported; use f16, bf16 or f32");
  }
  HADAL_RETURN_IF_ERROR(check_shards(config, options.shard.tp_size));
  return std::unique_ptr<Model>(std::make_unique<DecoderModel>(config, options, loader));
}

}  // namespace hadal
