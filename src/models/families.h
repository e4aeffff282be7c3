// The families' layer loaders, one file each; registry.cc picks one by ModelConfig::architecture.
#pragma once

#include "models/decoder_layer.h"

namespace hadal {

Result<DecoderLayer> load_llama_layer(const LoadContext& load, const ModelConfig& config,
                                      const ModelOptions& options, int layer);
Result<DecoderLayer> load_qwen2_layer(const LoadContext& load, const ModelConfig& config,
                                      const ModelOptions& options, int layer);
Result<DecoderLayer> load_qwen3_layer(const LoadContext& load, const ModelConfig& config,
                                      const ModelOptions& options, int layer);
Result<DecoderLayer> load_deepseek_v3_layer(const LoadContext& load, const ModelConfig& config,
                                            const ModelOptions& options, int layer);

}  // namespace hadal
