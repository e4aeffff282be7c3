// Moe: a gate, routed experts and shared experts (DeepSeek-V2 2405.04434, DeepSeek-V3 2412.19437). Every rank
// holds its slice of every expert's intermediate width, so the routing needs no exchange. Worker thread only.
#pragma once

#include <string>
#include <vector>

#include "kernels/op/moe.h"
#include "layers/gated_mlp.h"

namespace hadal {

// Checkpoint names without ".weight". Shard rules: gate whole on every rank; experts as GatedMlp.
struct MoeNames {
  std::string gate;
  std::string correction_bias;       // full name; empty: none
  std::string expert_prefix;         // "model.layers.3.mlp.experts.": + "7.gate_proj" and so on
  std::string shared_expert_prefix;  // "model.layers.3.mlp.shared_experts.": + "gate_proj"; empty: none
};

class Moe {
 public:
  static Result<Moe> load(const LoadContext& load, const ModelConfig& config, const MoeNames& names);
  // target += this rank's part of moe(x). x, target: f32 [T, hidden_size].
  void forward(OpContext& ctx, const Tensor& x, const Tensor& target) const;
  int64_t arena_bytes(int64_t num_tokens) const;
  int64_t num_bytes() const;

 private:
  Status load_experts(const LoadContext& load, const ModelConfig& config, const std::string& prefix);

  Linear gate_;
  Parameter correction_bias_;
  MoeGateParams params_;
  std::vector<PackedLinear> gate_up_;
  std::vector<PackedLinear> down_;
  GatedMlp shared_;
  bool has_shared_ = false;
};

}  // namespace hadal
