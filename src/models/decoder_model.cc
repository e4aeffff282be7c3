#include "models/decoder_model.h"

#include <algorithm>
#include <string>

#include "kernels/op/copy.h"
#include "models/read_ahead_source.h"

namespace hadal {
namespace {

constexpr size_t kMaxNamesShown = 8;

Status check_all_read(const WeightSource& source) {
  const std::vector<std::string> unread = source.unread();
  if (unread.empty()) return {};
  std::string names;
  for (size_t i = 0; i < std::min(unread.size(), kMaxNamesShown); ++i)
    names += (i > 0 ? ", " : "") + unread[i];
  if (unread.size() > kMaxNamesShown) names += ", ...";
  return invalid_argument("the checkpoint has ", unread.size(),
                          " tensors that this model does not use: ", names,
                          "; its configuration does not fit its weights");
}

}  // namespace

Status DecoderModel::load(Stream& stream, WeightSource& source) {
  ReadAheadSource ahead(source, config_.num_hidden_layers, options_.read_ahead);
  const LoadContext load{stream, ahead, options_.cpu_tier, options_.shard.tp_rank, options_.shard.tp_size};
  const int64_t hidden = config_.hidden_size;
  const int64_t vocab = config_.vocab_size;
  // vocabulary rows
  HADAL_ASSIGN(embedding_, TokenEmbedding::load(load, "model.embed_tokens", vocab, hidden));
  layers_.reserve(static_cast<size_t>(config_.num_hidden_layers));
  for (int i = 0; i < config_.num_hidden_layers; ++i) {
    ahead.begin_layer(i);
    HADAL_ASSIGN(DecoderLayer layer, load_layer_(load, config_, options_, i));
    layers_.push_back(std::move(layer));
  }
  // whole
  HADAL_ASSIGN(norm_, RmsNorm::load(load, "model.norm", hidden, config_.rms_norm_eps));
  // vocabulary rows
  const bool tied = config_.tie_word_embeddings;
  HADAL_ASSIGN(lm_head_, LmHead::load(load, tied ? "model.embed_tokens" : "lm_head", vocab, hidden));
  HADAL_ASSIGN(rotary_, RotaryEmbedding::make(config_.rope, options_.context_length));
  return check_all_read(source);
}

KvSpec DecoderModel::kv_spec() const {
  KvSpec spec;
  spec.num_layers = config_.num_hidden_layers;
  spec.dtype = options_.kv_dtype;
  spec.block_size = options_.block_size;
  if (config_.mla) {
    spec.kind = KvSpec::Kind::kMla;
    spec.head_dim = config_.mla->kv_lora_rank + config_.mla->qk_rope_head_dim;
    return spec;
  }
  const auto heads = shard_heads(config_.num_attention_heads, config_.num_key_value_heads,
                                 options_.shard.tp_size, options_.shard.tp_rank);
  spec.kind = KvSpec::Kind::kGqa;
  spec.num_kv_heads = static_cast<int>(heads->kv.count);
  spec.head_dim = config_.head_dim;
  spec.v_head_dim = config_.head_dim;
  return spec;
}

int64_t DecoderModel::weight_bytes() const {
  int64_t bytes = embedding_.num_bytes() + norm_.num_bytes() + lm_head_.num_bytes() + rotary_.num_bytes();
  for (const DecoderLayer& layer : layers_) bytes += layer.num_bytes();
  return bytes;
}

int64_t DecoderModel::arena_bytes(int64_t num_tokens, int64_t num_logits_rows, int64_t max_seq_len,
                                  int num_threads) const {
  const int64_t rows = arena_f32_bytes(num_tokens * config_.hidden_size);
  int64_t layer_bytes = 0;
  for (const DecoderLayer& layer : layers_) {
    layer_bytes = std::max(layer_bytes, layer.arena_bytes(num_tokens, config_.hidden_size, max_seq_len,
                                                          num_threads, options_.shard.tp_size));
  }
  const int64_t logits =
      arena_f32_bytes(num_logits_rows * config_.vocab_size) + lm_head_.arena_bytes(num_logits_rows);
  // The result's rows stay while the layers run and while logits are computed from them.
  return rows + std::max(rows + layer_bytes, logits);
}

Result<Tensor> DecoderModel::hidden(ForwardContext& ctx, const ForwardBatch& batch, bool all_rows) {
  Arena& arena = ctx.op.arena;
  const int64_t wanted = all_rows ? batch.num_tokens : batch.logits_rows.dim(0);
  const Tensor out = arena.alloc(DType::kF32, {wanted, config_.hidden_size});
  Arena::Scope scope(arena);
  const Tensor x = arena.alloc(DType::kF32, {batch.num_tokens, config_.hidden_size});
  HADAL_RETURN_IF_ERROR(embedding_.forward(ctx, batch.input_ids, x));
  for (size_t i = 0; i < layers_.size(); ++i) {
    HADAL_RETURN_IF_ERROR(layers_[i].forward(ctx, batch, static_cast<int>(i), rotary_, x));
  }
  if (all_rows) {
    norm_.forward(ctx.op, x, out);
  } else {
    gather_rows(ctx.op, x, batch.logits_rows, out);
    norm_.forward(ctx.op, out, out);
  }
  return out;
}

Result<Tensor> DecoderModel::logits(ForwardContext& ctx, const Tensor& hidden) {
  const Tensor out = ctx.op.arena.alloc(DType::kF32, {hidden.dim(0), config_.vocab_size});
  HADAL_RETURN_IF_ERROR(lm_head_.forward(ctx, hidden, out));
  return out;
}

}  // namespace hadal
