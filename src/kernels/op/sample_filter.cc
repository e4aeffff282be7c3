#include "kernels/op/sample_filter.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

namespace hadal {
namespace {

// Keeps the candidates of `rule` in place, in order. Returns their number.
int64_t keep(const KeepRule& rule, int64_t count, const SampleScratch& scratch) {
  int64_t kept = 0;
  int64_t equal_left = rule.num_equal;
  for (int64_t i = 0; i < count; ++i) {
    const float score = scratch.scores[i];
    if (score > rule.score || (score == rule.score && equal_left-- > 0)) {
      scratch.ids[kept] = scratch.ids[i];
      scratch.scores[kept++] = score;
    }
  }
  return kept;
}

// A lower bound of the k-th largest element: the k-th largest of the blocks' maxima.
float top_k_bound(const SampleKernels& kernels, const float* x, int64_t n, int64_t k,
                  const SampleScratch& scratch) {
  constexpr float kLowest = std::numeric_limits<float>::lowest();  // excludes -inf
  const int64_t num_blocks = (n + kSampleBlock - 1) / kSampleBlock;
  if (k > num_blocks) return kLowest;
  kernels.block_max(x, n, scratch.block_max);
  std::nth_element(scratch.block_max, scratch.block_max + k - 1, scratch.block_max + num_blocks,
                   std::greater<>());
  return std::max(scratch.block_max[k - 1], kLowest);
}

// The rule among work[0, end), of which everything else weighs nothing or is `above` and kept.
KeepRule select_mass(ScoreWeight* work, int64_t end, double above, double mass, const KeepRule& otherwise) {
  int64_t begin = 0;
  uint32_t random = 1;
  while (begin < end) {
    // A pseudo-random pivot: no order of the vocabulary makes this quadratic.
    random = random * 1664525u + 1013904223u;
    const float pivot = work[begin + static_cast<int64_t>(random >> 8) % (end - begin)].score;
    int64_t equal = begin;  // [begin, equal): above the pivot; [equal, i): equal to it; [less, end): below
    int64_t less = end;
    double greater_mass = 0;
    float equal_weight = 0;
    for (int64_t i = begin; i < less;) {
      if (work[i].score > pivot) {
        greater_mass += static_cast<double>(work[i].weight);
        std::swap(work[i++], work[equal++]);
      } else if (work[i].score < pivot) {
        std::swap(work[i], work[--less]);
      } else {
        equal_weight = work[i++].weight;
      }
    }
    if (above + greater_mass >= mass) {
      end = equal;
      continue;
    }
    above += greater_mass;
    for (int64_t taken = 1; taken <= less - equal; ++taken) {
      above += static_cast<double>(equal_weight);
      if (above >= mass) return {pivot, taken};
    }
    begin = less;
  }
  return otherwise;
}

}  // namespace

int64_t select_top_k(const SampleKernels& kernels, const float* x, int64_t n, int64_t k,
                     const SampleScratch& scratch) {
  const float bound = top_k_bound(kernels, x, n, k, scratch);
  const int64_t count = kernels.collect_ge(x, n, bound, scratch.ids);
  for (int64_t i = 0; i < count; ++i) scratch.scores[i] = x[scratch.ids[i]];
  if (count <= k) return count;
  float* work = scratch.weights;
  std::copy_n(scratch.scores, count, work);
  std::nth_element(work, work + k - 1, work + count, std::greater<>());
  KeepRule rule;
  rule.score = work[k - 1];
  rule.num_equal = k - std::count_if(work, work + k, [&](float score) { return score > rule.score; });
  return keep(rule, count, scratch);
}

KeepRule nucleus(const SampleKernels& kernels, int64_t count, double mass, const SampleScratch& scratch) {
  constexpr int64_t kFewCandidates = 256;
  constexpr int kMaxHalvings = 16;
  const float* scores = scratch.scores;
  float high = std::numeric_limits<float>::infinity();  // scores >= high weigh `above`, less than the mass
  float low = -high;                                    // scores >= low weigh the mass or more, if any do
  double above = 0;
  if (count > kFewCandidates) {
    const auto [least, most] = std::minmax_element(scores, scores + count);
    float bottom = *least;
    float top = *most;
    for (int i = 0; i < kMaxHalvings; ++i) {
      const float middle = bottom / 2 + top / 2;
      const double weight = kernels.weight_ge(scores, scratch.weights, count, middle);
      if (weight >= mass) {
        low = bottom = middle;
      } else {
        high = top = middle;
        above = weight;
      }
    }
  }
  int64_t between = 0;
  for (int64_t i = 0; i < count; ++i) {
    scratch.work[between] = {scores[i], scratch.weights[i]};
    between += scores[i] >= low && scores[i] < high ? 1 : 0;
  }
  // Rounding may leave the sum short of the mass: then all of the bracket is kept.
  const KeepRule all{low, count};
  return select_mass(scratch.work, between, above, mass, all);
}

}  // namespace hadal
