#include "models/decoder_layer.h"

#include <algorithm>

#include "layers/partial_sum.h"

namespace hadal {
namespace {

// The MLP takes this many rows at a time: its wide intermediates then stay in cache and the arena small, and
// weights are still read for many rows at once. Experts see only a part of the rows each, so they get more.
constexpr int64_t kMlpRows = 512;
constexpr int64_t kMoeRows = 1024;

int64_t rows_at_once(const DecoderLayer& layer, int64_t num_tokens) {
  return std::min(num_tokens, std::holds_alternative<Moe>(layer.mlp) ? kMoeRows : kMlpRows);
}

}  // namespace

Status DecoderLayer::forward(ForwardContext& ctx, const ForwardBatch& batch, int layer,
                             const RotaryEmbedding& rotary, const Tensor& x) const {
  Arena& arena = ctx.op.arena;
  const int64_t tokens = x.dim(0);
  const int64_t hidden = x.dim(1);
  {
    Arena::Scope scope(arena);
    const Tensor normed = arena.alloc(DType::kF32, {tokens, hidden});
    attention_norm.forward(ctx.op, x, normed);
    HADAL_RETURN_IF_ERROR(std::visit(
        [&](const auto& a) { return a.forward(ctx, batch, layer, rotary, normed, x); }, attention));
  }
  const int64_t step = rows_at_once(*this, tokens);
  for (int64_t first = 0; first < tokens; first += step) {
    Arena::Scope scope(arena);
    const Tensor rows = x.rows(first, std::min(step, tokens - first));
    const Tensor normed = arena.alloc(DType::kF32, {rows.dim(0), hidden});
    mlp_norm.forward(ctx.op, rows, normed);
    PartialSum sum(ctx, rows);
    std::visit([&](const auto& m) { m.forward(ctx.op, normed, sum.target()); }, mlp);
    HADAL_RETURN_IF_ERROR(sum.finish());
  }
  return {};
}

int64_t DecoderLayer::arena_bytes(int64_t num_tokens, int64_t hidden_size, int64_t max_seq_len,
                                  int num_threads, int tp_size) const {
  const int64_t attend =
      arena_f32_bytes(num_tokens * hidden_size) +
      std::visit([&](const auto& a) { return a.arena_bytes(num_tokens, max_seq_len, num_threads); },
                 attention);
  const int64_t rows = rows_at_once(*this, num_tokens);
  const int64_t feed = arena_f32_bytes(rows * hidden_size) +
                       PartialSum::arena_bytes(rows, hidden_size, tp_size) +
                       std::visit([&](const auto& m) { return m.arena_bytes(rows); }, mlp);
  return std::max(attend, feed);
}

int64_t DecoderLayer::num_bytes() const {
  return attention_norm.num_bytes() + mlp_norm.num_bytes() +
         std::visit([](const auto& a) { return a.num_bytes(); }, attention) +
         std::visit([](const auto& m) { return m.num_bytes(); }, mlp);
}

}  // namespace hadal
