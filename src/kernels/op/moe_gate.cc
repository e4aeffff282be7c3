// The gate of kernels/op/moe.h. Plain loops at every tier: a token costs its number of experts, nothing
// beside them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "kernels/op/moe.h"

namespace hadal {
namespace {

constexpr int kMaxExperts = 1024;
constexpr float kExcluded = -std::numeric_limits<float>::infinity();

// NaN and infinities would break the order and the sum; a NaN logit scores 0.
void compute_scores(const float* logits, int n, GateScore kind, float* scores) {
  if (kind == GateScore::kSigmoid) {
    for (int e = 0; e < n; ++e)
      scores[e] = std::isnan(logits[e]) ? 0.0f : 1.0f / (1.0f + std::exp(-logits[e]));
    return;
  }
  constexpr float kLargest = std::numeric_limits<float>::max();
  float max = -kLargest;
  for (int e = 0; e < n; ++e) max = logits[e] > max ? std::min(logits[e], kLargest) : max;
  float sum = 0;
  for (int e = 0; e < n; ++e) {
    scores[e] = std::isnan(logits[e]) ? 0.0f : std::exp(std::min(logits[e], kLargest) - max);
    sum += scores[e];
  }
  // All logits -inf or NaN: all scores 0.
  const float factor = sum > 0 ? sum : 1.0f;
  for (int e = 0; e < n; ++e) scores[e] /= factor;
}

// Index of the largest element that is not taken; the lowest of equals. -inf elements are chosen last, but
// are chosen.
int best_of(const float* values, const bool* taken, int n) {
  int best = -1;
  for (int i = 0; i < n; ++i) {
    if (!taken[i] && (best < 0 || values[i] > values[best])) best = i;
  }
  return best;
}

float group_value(const float* choice, int n, GroupRank rank) {
  float first = kExcluded;
  float second = kExcluded;
  for (int i = 0; i < n; ++i) {
    if (choice[i] > first) {
      second = first;
      first = choice[i];
    } else if (choice[i] > second) {
      second = choice[i];
    }
  }
  return rank == GroupRank::kMax ? first : first + second;
}

// Excludes the experts of all groups but the best top_k_groups.
void limit_groups(const MoeGateParams& params, float* choice) {
  const int per_group = params.num_experts / params.num_groups;
  float values[kMaxExperts];
  bool taken[kMaxExperts] = {};
  for (int g = 0; g < params.num_groups; ++g) {
    values[g] = group_value(choice + g * per_group, per_group, params.group_rank);
  }
  for (int i = 0; i < params.top_k_groups; ++i) taken[best_of(values, taken, params.num_groups)] = true;
  for (int g = 0; g < params.num_groups; ++g) {
    if (!taken[g]) std::fill_n(choice + g * per_group, per_group, kExcluded);
  }
}

void gate_token(const float* logits, const float* bias, const MoeGateParams& params, int32_t* ids,
                float* weights) {
  const int n = params.num_experts;
  float scores[kMaxExperts];
  float choice[kMaxExperts];
  bool taken[kMaxExperts] = {};
  compute_scores(logits, n, params.score, scores);
  for (int e = 0; e < n; ++e) choice[e] = bias != nullptr ? scores[e] + bias[e] : scores[e];
  if (params.num_groups > 1 && params.top_k_groups < params.num_groups) limit_groups(params, choice);
  float sum = 0;
  for (int j = 0; j < params.top_k; ++j) {
    const int e = best_of(choice, taken, n);
    taken[e] = true;
    ids[j] = e;
    weights[j] = scores[e];
    sum += scores[e];
  }
  // 1e-20 as in the published DeepSeek-V3 code: all-zero weights stay 0.
  const float divisor = params.normalize ? sum + 1e-20f : 1.0f;
  for (int j = 0; j < params.top_k; ++j) weights[j] = weights[j] / divisor * params.scaling;
}

}  // namespace

void moe_gate(OpContext& ctx, const Tensor& logits, const Tensor& bias, const MoeGateParams& params,
              const Tensor& ids, const Tensor& weights) {
  const int n = params.num_experts;
  HADAL_CHECK(n > 0 && n <= kMaxExperts && params.num_groups > 0 && n % params.num_groups == 0)
      << n << " experts";
  HADAL_CHECK(params.top_k_groups > 0 && params.top_k_groups <= params.num_groups);
  HADAL_CHECK(params.top_k > 0 && params.top_k <= n / params.num_groups * params.top_k_groups)
      << params.top_k;
  HADAL_CHECK(logits.dtype() == DType::kF32 && logits.rank() == 2 && logits.dim(1) == n)
      << logits.shape_string();
  HADAL_CHECK(!bias.defined() || (bias.dtype() == DType::kF32 && bias.dim(0) == n));
  HADAL_CHECK(ids.dtype() == DType::kI32 && ids.dim(0) == logits.dim(0) && ids.dim(1) == params.top_k);
  HADAL_CHECK(weights.dtype() == DType::kF32 && weights.dim(0) == logits.dim(0) &&
              weights.dim(1) == params.top_k);
  ctx.stream.pool().parallel_for(logits.dim(0), 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      gate_token(logits.ptr<float>() + t * logits.stride(0), bias.defined() ? bias.ptr<float>() : nullptr,
                 params, ids.ptr<int32_t>() + t * ids.stride(0),
                 weights.ptr<float>() + t * weights.stride(0));
    }
  });
}

}  // namespace hadal
