#include "layers/token_embedding.h"

namespace hadal {

Result<TokenEmbedding> TokenEmbedding::load(const LoadContext& load, const std::string& name,
                                            int64_t vocab_size, int64_t hidden_size) {
  const ShardRange rows = shard_range(vocab_size, 1, load.tp_size, load.tp_rank);
  HADAL_ASSIGN(const MatrixShard shard,
               read_shard(load, MatrixPart::by_rows(name, vocab_size, hidden_size, rows)));
  const Tensor& source = shard.source.weight;
  if (source.dtype() == DType::kF8E4M3) {
    return make_error(ErrorCode::kUnsupported, load.source.describe(name + ".weight"),
                      " is f8_e4m3: an FP8 embedding table is not supported");
  }
  TokenEmbedding out;
  out.first_row_ = rows.begin;
  out.owner_ = shard.weight_owner;
  out.table_ = Tensor(source.data(), source.dtype(), {rows.count, hidden_size});
  return out;
}

Status TokenEmbedding::forward(ForwardContext& ctx, const Tensor& ids, const Tensor& y) const {
  embedding(ctx.op, ids, table_, first_row_, y);
  if (ctx.comm.size() == 1) return {};
  return ctx.comm.all_reduce(ctx.op.stream, y);
}

}  // namespace hadal
