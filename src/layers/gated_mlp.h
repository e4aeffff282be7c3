// GatedMlp: down(silu(gate(x)) * up(x)) (2002.05202). Ranks split the intermediate width. Worker thread only.
#pragma once

#include <string>

#include "layers/forward_batch.h"
#include "layers/linear.h"

namespace hadal {

// Checkpoint names without ".weight". Shard rules: gate and up by rows, down by columns.
struct GatedMlpNames {
  std::string gate_proj;
  std::string up_proj;
  std::string down_proj;
};

// The rank's range of the intermediate width: at block boundaries of the down projection's dtype.
// Errors: kUnsupported where there are fewer blocks than ranks.
Result<ShardRange> shard_intermediate(const LoadContext& load, const std::string& down_proj,
                                      int64_t hidden_size, int64_t intermediate_size);

class GatedMlp {
 public:
  GatedMlp() = default;
  static Result<GatedMlp> load(const LoadContext& load, const GatedMlpNames& names, int64_t hidden_size,
                               int64_t intermediate_size, bool bias);
  // target += this rank's part of mlp(x). x, target: f32 [T, hidden_size].
  void forward(OpContext& ctx, const Tensor& x, const Tensor& target) const;
  int64_t arena_bytes(int64_t num_tokens) const;
  int64_t num_bytes() const { return gate_up_.num_bytes() + down_.num_bytes(); }

 private:
  Linear gate_up_;
  Linear down_;
};

}  // namespace hadal
