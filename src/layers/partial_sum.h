// PartialSum: `residual += sum over ranks of this rank's part`. Alone, parts go straight into the residual;
// in a group they go to scratch that is reduced first. Lives within one layer's arena scope; worker thread
// only.
#pragma once

#include "kernels/op/copy.h"
#include "kernels/op/elementwise.h"
#include "layers/forward_batch.h"
#include "layers/load_context.h"

namespace hadal {

class PartialSum {
 public:
  // residual: f32 [T, H].
  PartialSum(ForwardContext& ctx, const Tensor& residual)
      : ctx_(ctx), residual_(residual), target_(residual) {
    if (ctx.comm.size() == 1) return;
    target_ = ctx.op.arena.alloc(DType::kF32, {residual.dim(0), residual.dim(1)});
    fill_zero(ctx.op, target_);
  }
  // Where the rank's parts are added (accumulate = true).
  const Tensor& target() const { return target_; }
  Status finish() {
    if (ctx_.comm.size() == 1) return {};
    HADAL_RETURN_IF_ERROR(ctx_.comm.all_reduce(ctx_.op.stream, target_));
    add_inplace(ctx_.op, residual_, target_);
    return {};
  }
  static int64_t arena_bytes(int64_t num_tokens, int64_t hidden_size, int tp_size) {
    return tp_size == 1 ? 0 : arena_f32_bytes(num_tokens * hidden_size);
  }

 private:
  ForwardContext& ctx_;
  Tensor residual_;
  Tensor target_;
};

}  // namespace hadal
