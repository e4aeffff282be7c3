#include "layers/lm_head.h"

#include "kernels/op/copy.h"

namespace hadal {

ShardRange LmHead::shard(int rank) const {
  return shard_range(vocab_size_, 1, tp_size_, rank);
}

Result<LmHead> LmHead::load(const LoadContext& load, const std::string& name, int64_t vocab_size,
                            int64_t hidden_size) {
  LmHead out;
  out.vocab_size_ = vocab_size;
  out.tp_size_ = load.tp_size;
  HADAL_ASSIGN(out.linear_, Linear::load(load, MatrixPart::by_rows(name, vocab_size, hidden_size,
                                                                   out.shard(load.tp_rank))));
  return out;
}

Status LmHead::forward(ForwardContext& ctx, const Tensor& hidden, const Tensor& logits) const {
  if (tp_size_ == 1) {
    linear_.forward(ctx.op, hidden, logits);
    return {};
  }
  // Equal widths for the gather: rank 0's share is the largest.
  Arena::Scope scope(ctx.op.arena);
  const int64_t rows = hidden.dim(0);
  const int64_t width = shard(0).count;
  const Tensor mine = ctx.op.arena.alloc(DType::kF32, {rows, width});
  const Tensor all = ctx.op.arena.alloc(DType::kF32, {tp_size_, rows, width});
  if (linear_.n() < width) fill_zero(ctx.op, mine);
  linear_.forward(ctx.op, hidden, mine.columns(0, linear_.n()));
  HADAL_RETURN_IF_ERROR(ctx.comm.all_gather(ctx.op.stream, mine, all));
  for (int rank = 0; rank < tp_size_; ++rank) {
    const ShardRange range = shard(rank);
    const Tensor part = all.rows(rank, 1).reshape({rows, width}).columns(0, range.count);
    copy_strided(ctx.op, part, logits.columns(range.begin, range.count));
  }
  return {};
}

int64_t LmHead::arena_bytes(int64_t num_rows) const {
  const int64_t gather = tp_size_ == 1 ? 0
                                       : arena_f32_bytes(num_rows * shard(0).count) +
                                             arena_f32_bytes(tp_size_ * num_rows * shard(0).count);
  return gather + linear_.arena_bytes(num_rows);
}

}  // namespace hadal
