// LmHead: hidden states to logits over the whole vocabulary. Ranks compute ranges of it and gather all.
// Owned by the model; worker thread only.
#pragma once

#include "layers/forward_batch.h"
#include "layers/linear.h"

namespace hadal {

class LmHead {
 public:
  LmHead() = default;
  // `name` + ".weight" [vocab_size, hidden_size]: lm_head, or the embedding table where they are tied.
  static Result<LmHead> load(const LoadContext& load, const std::string& name, int64_t vocab_size,
                             int64_t hidden_size);
  // hidden: f32 [R, hidden_size]; logits: f32 [R, vocab_size].
  Status forward(ForwardContext& ctx, const Tensor& hidden, const Tensor& logits) const;
  int64_t arena_bytes(int64_t num_rows) const;
  int64_t num_bytes() const { return linear_.num_bytes(); }

 private:
  ShardRange shard(int rank) const;
  Linear linear_;
  int64_t vocab_size_ = 0;
  int tp_size_ = 1;
};

}  // namespace hadal
