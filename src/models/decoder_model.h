// DecoderModel: embedding, decoder layers, last norm and lm_head: the frame that all families share. What
// differs, the layers and their tensors' names, comes from the family's DecoderLayerLoader. Owned by
// ModelRunner; worker thread only.
#pragma once

#include <vector>

#include "layers/lm_head.h"
#include "layers/rotary_embedding.h"
#include "layers/token_embedding.h"
#include "models/decoder_layer.h"

namespace hadal {

class DecoderModel final : public Model {
 public:
  DecoderModel(const ModelConfig& config, const ModelOptions& options, DecoderLayerLoader load_layer)
      : config_(config), options_(options), load_layer_(load_layer) {}

  Status load(Stream& stream, WeightSource& source) override;
  KvSpec kv_spec() const override;
  int64_t weight_bytes() const override;
  int64_t arena_bytes(int64_t num_tokens, int64_t num_logits_rows, int64_t max_seq_len,
                      int num_threads) const override;
  Result<Tensor> hidden(ForwardContext& ctx, const ForwardBatch& batch, bool all_rows) override;
  Result<Tensor> logits(ForwardContext& ctx, const Tensor& hidden) override;

 private:
  const ModelConfig config_;
  const ModelOptions options_;
  const DecoderLayerLoader load_layer_;
  TokenEmbedding embedding_;
  std::vector<DecoderLayer> layers_;
  RmsNorm norm_;
  LmHead lm_head_;
  RotaryEmbedding rotary_;
};

}  // namespace hadal
