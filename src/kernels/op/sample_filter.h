// The candidate sets of sampling: the k largest, and the nucleus. Internal to kernels/op. Candidates are
// always listed in ascending token id, so that a draw does not depend on how a set was found. Pure functions
// on caller's memory.
#pragma once

#include <cstdint>

#include "kernels/op/cpu_kernels.h"

namespace hadal {

struct ScoreWeight {
  float score = 0;
  float weight = 0;
};

// One thread's memory for a vocabulary of V tokens.
struct SampleScratch {
  float* logits = nullptr;      // [V] the row as changed by bias and penalties
  int32_t* ids = nullptr;       // [V]
  float* scores = nullptr;      // [V] of the candidates, in the order of ids
  float* weights = nullptr;     // [V]
  ScoreWeight* work = nullptr;  // [V] reordered by the selections
  float* block_max = nullptr;   // [ceil(V / kSampleBlock)]
  double* sums = nullptr;       // [ceil(V / kDrawChunk)]
};
inline constexpr int64_t kDrawChunk = 1024;

// Ids of the k largest elements of x[0, n), ties to the lower id, -inf and NaN never: into scratch.ids and
// .scores. Returns their number, at most k.
int64_t select_top_k(const SampleKernels& kernels, const float* x, int64_t n, int64_t k,
                     const SampleScratch& scratch);

// Of `count` candidates, the ones to keep: all above `score` and the first `num_equal` equal to it.
struct KeepRule {
  float score = 0;
  int64_t num_equal = 0;
};

// The smallest set of highest scores among scratch.scores[0, count) whose scratch.weights sum to `mass` or
// more; everything when they never do. Reorders scratch.work only.
KeepRule nucleus(const SampleKernels& kernels, int64_t count, double mass, const SampleScratch& scratch);

}  // namespace hadal
