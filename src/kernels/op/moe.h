// Mixture of experts: routing (gate) and the experts' gated MLPs (DeepSeek-V2 2405.04434, DeepSeek-V3
// 2412.19437).
#pragma once

#include <cstdint>
#include <span>

#include "kernels/op/linear.h"

namespace hadal {

enum class GateScore { kSoftmax, kSigmoid };
// How groups are ranked: V2 "group_limited_greedy" takes each group's best score, V3 "noaux_tc" the sum of
// its best two.
enum class GroupRank { kMax, kTopTwoSum };

struct MoeGateParams {
  int num_experts = 0;
  int top_k = 0;
  int num_groups = 1;  // 1: no group limit
  int top_k_groups = 1;
  GateScore score = GateScore::kSoftmax;
  GroupRank group_rank = GroupRank::kMax;
  bool normalize = false;  // divide the chosen weights by their sum (norm_topk_prob)
  float scaling = 1.0f;    // routed_scaling_factor
};

// logits: f32 [T, E]; bias: f32 [E] e_score_correction_bias or undefined: added for the choice, not to the
// weights. ids: i32 [T, k]; weights: f32 [T, k]. Ties go to the lower expert id, as torch.topk on sorted
// input does. ids are in descending order of the choice's score. weights = score (/ sum if normalize) *
// scaling. At most 1024 experts; a NaN logit scores 0. No arena.
void moe_gate(OpContext& ctx, const Tensor& logits, const Tensor& bias, const MoeGateParams& params,
              const Tensor& ids, const Tensor& weights);

// y[t] += sum_j weights[t, j] * down[e](silu(gate[e](x[t])) * up[e](x[t])), e = ids[t, j].
// gate_up[e]: [2F, H] gate rows then up rows; down[e]: [H, F]. Experts that no token chose are not read.
// x: f32 [T, H]; y: f32 [T, H]. Experts of this rank only; an id outside [first_expert, first_expert + E) is
// skipped.
void moe_experts(OpContext& ctx, const Tensor& x, const Tensor& ids, const Tensor& weights,
                 std::span<const PackedLinear> gate_up, std::span<const PackedLinear> down, int first_expert,
                 const Tensor& y);

int64_t moe_arena_bytes(std::span<const PackedLinear> gate_up, std::span<const PackedLinear> down,
                        int64_t num_tokens, int top_k);

}  // namespace hadal
