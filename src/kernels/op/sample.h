// Sampling: penalties, bias, temperature, top-k, top-p, min-p, and the draw; log-probabilities.
// A row's token depends on its own logits, parameters, history and (seed, position) only: the uniform number
// of the draw comes from a counter-based generator (Philox4x32-10, Salmon et al. 2011), so batches never
// change it.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "kernels/ops.h"

namespace hadal {

struct TokenCount {
  int32_t token = 0;
  int32_t in_output = 0;  // times generated
  bool in_prompt = false;
};

struct TokenLogprob {
  int32_t token = 0;
  float logprob = 0;
};

// One row's request. Pointers are borrowed for the call.
struct SampleRow {
  int32_t logits_row = 0;
  float temperature = 1.0f;  // 0: greedy
  int32_t top_k = 0;         // 0: off
  float top_p = 1.0f;
  float min_p = 0.0f;
  float repetition_penalty =
      1.0f;  // CTRL 1909.05858: over prompt and output; divides positive, multiplies negative
  float presence_penalty = 0.0f;  // OpenAI: over the output
  float frequency_penalty = 0.0f;
  uint64_t seed = 0;
  int64_t position = 0;                // index of the token to be sampled in its sequence
  std::span<const TokenCount> counts;  // tokens of prompt and output; empty when no penalty is set
  std::span<const std::pair<int32_t, float>> logit_bias;
  std::span<const int32_t> banned;  // tokens that cannot be chosen (end tokens before min_tokens)
  int32_t num_top_logprobs = -1;    // -1: none asked; 0: the chosen token's only
};

struct SampleOutput {
  int32_t token = 0;
  float logprob = 0;  // of the chosen token, if asked
  // False: no logit is above -inf (all are NaN, as after an overflow in the model), or one is +inf. Set by
  // sample().
  bool finite = true;
  std::vector<TokenLogprob> top;
};

// Order: log-probabilities are read (of the model's own distribution: before bias, penalties and
// temperature), then bias and bans, repetition, presence and frequency penalties, temperature, top-k, top-p,
// min-p, draw. Ties go to the lower token id. logits: f32 [R, V], only read; rows may share one.
// outputs.size() == rows.size(). A NaN logit counts as -inf and +inf as the largest float. If no logit is
// above -inf the token is the lowest id that is not banned (0 when all are). Token ids outside the vocabulary
// in counts, logit_bias and banned are ignored. Temperatures below 1e-5 are greedy. top_p 0 keeps the best
// token; min_p is at most 1.
void sample(OpContext& ctx, const Tensor& logits, std::span<const SampleRow> rows,
            std::span<SampleOutput> outputs);
int64_t sample_arena_bytes(int num_threads, int64_t vocab_size);

// The lowest log-probability reported, also for logits of -inf and NaN (JSON has no infinities).
inline constexpr float kLowestLogprob = -9999.0f;

// log-softmax at chosen tokens, for prompt log-probabilities: token and the top `num_top` of each row. Needs
// sample_arena_bytes of arena. Tokens must be in the vocabulary.
void token_logprobs(OpContext& ctx, const Tensor& logits, std::span<const int32_t> tokens, int num_top,
                    std::span<SampleOutput> outputs);

// Uniform in [0, 1) for (seed, position).
double philox_uniform(uint64_t seed, uint64_t position);

}  // namespace hadal
