#include "layers/gated_mlp.h"

#include <algorithm>
#include <array>

#include "kernels/op/elementwise.h"

namespace hadal {
namespace {

// Kernels work in runs of 32 inputs: cuts fall there where every rank still gets some.
constexpr int64_t kPreferredUnit = 32;

}  // namespace

Result<ShardRange> shard_intermediate(const LoadContext& load, const std::string& down_proj,
                                      int64_t hidden_size, int64_t intermediate_size) {
  if (load.tp_size == 1) return ShardRange{0, intermediate_size};
  HADAL_ASSIGN(const WeightMatrix down, load.source.read_matrix(down_proj, hidden_size, intermediate_size));
  int64_t unit = dtype_block_len(down.weight.tensor.dtype());
  if (unit == 1 && intermediate_size / kPreferredUnit >= load.tp_size) unit = kPreferredUnit;
  if (intermediate_size / unit < load.tp_size) {
    return make_error(ErrorCode::kUnsupported, "tensor ", down_proj, ".weight: ", intermediate_size,
                      " inputs in blocks of ", unit, " cannot be split over ", load.tp_size, " ranks");
  }
  return shard_range(intermediate_size, unit, load.tp_size, load.tp_rank);
}

Result<GatedMlp> GatedMlp::load(const LoadContext& load, const GatedMlpNames& names, int64_t hidden_size,
                                int64_t intermediate_size, bool bias) {
  HADAL_ASSIGN(const ShardRange range,
               shard_intermediate(load, names.down_proj, hidden_size, intermediate_size));
  const std::array<MatrixPart, 2> gate_up = {
      MatrixPart::by_rows(names.gate_proj, intermediate_size, hidden_size, range, bias),
      MatrixPart::by_rows(names.up_proj, intermediate_size, hidden_size, range, bias),
  };
  GatedMlp out;
  HADAL_ASSIGN(out.gate_up_, Linear::load(load, gate_up));
  HADAL_ASSIGN(out.down_, Linear::load(load, MatrixPart::by_columns(names.down_proj, hidden_size,
                                                                    intermediate_size, range, bias)));
  return out;
}

void GatedMlp::forward(OpContext& ctx, const Tensor& x, const Tensor& target) const {
  Arena::Scope scope(ctx.arena);
  const int64_t tokens = x.dim(0);
  const int64_t width = down_.k();
  const Tensor act = ctx.arena.alloc(DType::kF32, {tokens, width});
  {
    Arena::Scope inner(ctx.arena);
    const Tensor gate_up = ctx.arena.alloc(DType::kF32, {tokens, 2 * width});
    gate_up_.forward(ctx, x, gate_up);
    silu_mul(ctx, gate_up, act);
  }
  down_.forward(ctx, act, target, true);
}

int64_t GatedMlp::arena_bytes(int64_t num_tokens) const {
  const int64_t act = arena_f32_bytes(num_tokens * down_.k());
  const int64_t gate_up = arena_f32_bytes(num_tokens * 2 * down_.k());
  return act + std::max(gate_up + gate_up_.arena_bytes(num_tokens), down_.arena_bytes(num_tokens));
}

}  // namespace hadal
