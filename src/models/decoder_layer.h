// DecoderLayer: one pre-norm transformer layer, put together by a family's loader from the layers it uses.
// A plain aggregate owned by DecoderModel; worker thread only.
#pragma once

#include <variant>

#include "layers/attention.h"
#include "layers/gated_mlp.h"
#include "layers/mla_attention.h"
#include "layers/moe.h"
#include "layers/rms_norm.h"
#include "models/model.h"

namespace hadal {

struct DecoderLayer {
  RmsNorm attention_norm;
  std::variant<Attention, MlaAttention> attention;
  RmsNorm mlp_norm;
  std::variant<GatedMlp, Moe> mlp;

  // x: f32 [T, hidden_size], in place.
  Status forward(ForwardContext& ctx, const ForwardBatch& batch, int layer, const RotaryEmbedding& rotary,
                 const Tensor& x) const;
  int64_t arena_bytes(int64_t num_tokens, int64_t hidden_size, int64_t max_seq_len, int num_threads,
                      int tp_size) const;
  int64_t num_bytes() const;
};

// A family's loader of layer `layer`: reads its tensors under their checkpoint names, each with its shard
// rule.
using DecoderLayerLoader = Result<DecoderLayer> (*)(const LoadContext& load, const ModelConfig& config,
                                                    const ModelOptions& options, int layer);

}  // namespace hadal
