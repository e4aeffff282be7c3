#include "kernels/op/sample.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/int_math.h"
#include "kernels/op/cpu_kernels.h"
#include "kernels/op/sample_filter.h"

namespace hadal {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLargest = std::numeric_limits<float>::max();
// Below it the division by the temperature would overflow; the largest logit wins there anyway.
constexpr float kGreedyTemperature = 1e-5f;

// A row of logits without +inf, and its maximum.
struct Row {
  const float* x = nullptr;
  int64_t n = 0;
  float max = 0;
};

// +inf becomes the largest float, so that differences stay numbers; the row is copied to do so.
Row make_row(const SampleKernels& kernels, const float* x, int64_t n, float* copy) {
  const float max = kernels.max(x, n);
  if (max != kInfinity) return {x, n, max};
  for (int64_t i = 0; i < n; ++i) copy[i] = x[i] == kInfinity ? kLargest : x[i];
  return {copy, n, kLargest};
}

float clamp_logprob(double logprob) {
  return logprob > kLowestLogprob ? static_cast<float>(logprob) : kLowestLogprob;
}

double log_sum_exp(const SampleKernels& kernels, const Row& row) {
  if (row.max == -kInfinity) return 0;
  return static_cast<double>(row.max) + std::log(kernels.exp_weights(row.x, row.n, row.max, 1.0f, nullptr));
}

void list_top(const SampleKernels& kernels, const Row& row, double normalizer, int num_top,
              const SampleScratch& scratch, std::vector<TokenLogprob>& top) {
  top.clear();
  if (num_top <= 0) return;
  const int64_t count = select_top_k(kernels, row.x, row.n, std::min<int64_t>(num_top, row.n), scratch);
  for (int64_t i = 0; i < count; ++i) top.push_back({scratch.ids[i], scratch.scores[i]});
  std::sort(top.begin(), top.end(), [](const TokenLogprob& a, const TokenLogprob& b) {
    return a.logprob != b.logprob ? a.logprob > b.logprob : a.token < b.token;
  });
  for (TokenLogprob& entry : top)
    entry.logprob = clamp_logprob(static_cast<double>(entry.logprob) - normalizer);
}

bool changes_logits(const SampleRow& row) {
  const bool penalty =
      row.repetition_penalty != 1.0f || row.presence_penalty != 0.0f || row.frequency_penalty != 0.0f;
  return !row.logit_bias.empty() || !row.banned.empty() || (penalty && !row.counts.empty());
}

// Tokens outside the vocabulary are ignored.
void change_logits(const SampleRow& row, float* x, int64_t n) {
  const auto inside = [n](int32_t token) { return token >= 0 && token < n; };
  for (const auto& [token, bias] : row.logit_bias) {
    if (inside(token)) x[token] += bias;
  }
  for (const int32_t token : row.banned) {
    if (inside(token)) x[token] = -kInfinity;
  }
  for (const TokenCount& count : row.counts) {
    if (!inside(count.token)) continue;
    float& logit = x[count.token];
    if (count.in_prompt || count.in_output > 0) {
      logit = logit > 0 ? logit / row.repetition_penalty : logit * row.repetition_penalty;
    }
    if (count.in_output > 0) {
      logit -= row.presence_penalty + row.frequency_penalty * static_cast<float>(count.in_output);
    }
  }
}

// No logit is above -inf: the lowest token that is not banned, or 0.
int32_t fallback_token(const SampleRow& row, int64_t n) {
  for (int64_t token = 0; token < n; ++token) {
    if (std::find(row.banned.begin(), row.banned.end(), token) == row.banned.end())
      return static_cast<int32_t>(token);
  }
  return 0;
}

// The first element at which the running sum of weights passes `target`; the last that weighs anything at its
// end.
int64_t draw_linear(const float* weights, int64_t n, double target) {
  double sum = 0;
  int64_t last = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (!(weights[i] > 0)) continue;
    sum += static_cast<double>(weights[i]);
    last = i;
    if (sum > target) break;
  }
  return last;
}

// A draw from the whole vocabulary.
int32_t draw_all(const SampleKernels& kernels, const Row& row, float scale, double uniform,
                 const SampleScratch& scratch) {
  const int64_t num_chunks = ceil_div(row.n, kDrawChunk);
  double total = 0;
  for (int64_t c = 0; c < num_chunks; ++c) {
    const int64_t begin = c * kDrawChunk;
    const int64_t len = std::min(kDrawChunk, row.n - begin);
    scratch.sums[c] = kernels.exp_weights(row.x + begin, len, row.max, scale, scratch.weights + begin);
    total += scratch.sums[c];
  }
  double left = uniform * total;
  int64_t chosen = 0;  // the last chunk with weight if rounding runs past the end
  for (int64_t c = 0; c < num_chunks; ++c) {
    if (!(scratch.sums[c] > 0)) continue;
    chosen = c;
    if (scratch.sums[c] > left) break;
    left -= scratch.sums[c];
  }
  const int64_t begin = chosen * kDrawChunk;
  return static_cast<int32_t>(
      begin + draw_linear(scratch.weights + begin, std::min(kDrawChunk, row.n - begin), left));
}

struct Candidates {
  int64_t count = 0;  // in scratch.ids, .scores, .weights
  double listed = 0;  // their weight
  double total = 0;   // weight of the distribution they come from
};

void weigh(const SampleKernels& kernels, const Row& row, float scale, const SampleScratch& scratch,
           Candidates& c) {
  c.listed = kernels.exp_weights(scratch.scores, c.count, row.max, scale, scratch.weights);
}

// Without top-k: the tokens within a distance of the best one, far enough to hold the nucleus and all that
// min-p keeps.
Candidates list_by_distance(const SampleKernels& kernels, const Row& row, const SampleRow& params,
                            float scale, const SampleScratch& scratch) {
  constexpr double kFirstDistance = 8;   // in units of log-probability: tokens down to e^-8 of the best
  constexpr double kLastDistance = 110;  // exp(-110) is 0 in f32
  const bool limit_mass = params.top_p < 1.0f;
  // A little further than needed: the exact comparison is made on weights.
  const double min_p_distance =
      params.min_p > 0 ? 0.01 - std::log(static_cast<double>(params.min_p)) : kLastDistance;
  Candidates c;
  c.total = limit_mass ? kernels.exp_weights(row.x, row.n, row.max, scale, nullptr) : 0;
  double distance = limit_mass ? kFirstDistance : kLastDistance;
  for (;; distance *= 2) {
    const bool last = distance >= min_p_distance || distance >= kLastDistance;
    const double reach = std::min({distance, min_p_distance, kLastDistance});
    const double bound = static_cast<double>(row.max) - reach / static_cast<double>(scale);
    c.count =
        kernels.collect_ge(row.x, row.n, static_cast<float>(std::max(bound, -double{kLargest})), scratch.ids);
    for (int64_t i = 0; i < c.count; ++i) scratch.scores[i] = row.x[scratch.ids[i]];
    weigh(kernels, row, scale, scratch, c);
    if (last || c.listed >= static_cast<double>(params.top_p) * c.total) return c;
  }
}

int32_t draw_filtered(const SampleKernels& kernels, const Row& row, const SampleRow& params, float scale,
                      double uniform, const SampleScratch& scratch) {
  Candidates c;
  if (params.top_k > 0 && params.top_k < row.n) {
    c.count = select_top_k(kernels, row.x, row.n, params.top_k, scratch);
    weigh(kernels, row, scale, scratch, c);
    c.total = c.listed;
  } else {
    c = list_by_distance(kernels, row, params, scale, scratch);
  }
  KeepRule rule{-kInfinity, 0};
  if (params.top_p < 1.0f) {
    constexpr double kSomeMass = 1e-300;  // top_p 0 keeps one token
    rule =
        nucleus(kernels, c.count, std::max(static_cast<double>(params.top_p) * c.total, kSomeMass), scratch);
  }
  // Dropped tokens weigh nothing. The best token weighs about 1 and is never dropped: min_p is at most 1.
  double total = 0;
  int64_t equal_left = rule.num_equal;
  for (int64_t i = 0; i < c.count; ++i) {
    const float score = scratch.scores[i];
    const bool in_nucleus = score > rule.score || (score == rule.score && equal_left-- > 0);
    if (!in_nucleus || (scratch.weights[i] < params.min_p && score != row.max)) scratch.weights[i] = 0;
    total += static_cast<double>(scratch.weights[i]);
  }
  return scratch.ids[draw_linear(scratch.weights, c.count, uniform * total)];
}

int32_t choose_token(const SampleKernels& kernels, const Row& row, const SampleRow& params,
                     const SampleScratch& scratch) {
  if (row.max == -kInfinity) return fallback_token(params, row.n);
  if (!(params.temperature >= kGreedyTemperature)) {
    return static_cast<int32_t>(kernels.find_equal(row.x, 0, row.n, row.max));
  }
  const float scale = 1.0f / params.temperature;
  const double uniform = philox_uniform(params.seed, static_cast<uint64_t>(params.position));
  const bool top_k = params.top_k > 0 && params.top_k < row.n;
  if (!top_k && !(params.top_p < 1.0f) && !(params.min_p > 0))
    return draw_all(kernels, row, scale, uniform, scratch);
  return draw_filtered(kernels, row, params, scale, uniform, scratch);
}

void sample_row(const SampleKernels& kernels, const float* logits, int64_t n, const SampleRow& params,
                const SampleScratch& scratch, SampleOutput& output) {
  const bool changes = changes_logits(params);
  output.top.clear();
  output.logprob = 0;
  double normalizer = 0;
  Row row = make_row(kernels, logits, n, scratch.logits);
  output.finite = row.max != -kInfinity && row.x == logits;  // make_row copies a row that holds +inf
  const bool logprobs = params.num_top_logprobs >= 0;
  if (logprobs) {
    normalizer = log_sum_exp(kernels, row);
    list_top(kernels, row, normalizer, params.num_top_logprobs, scratch, output.top);
  }
  if (changes) {
    if (row.x != scratch.logits) std::copy_n(row.x, n, scratch.logits);
    change_logits(params, scratch.logits, n);
    row = make_row(kernels, scratch.logits, n, scratch.logits);
  }
  output.token = choose_token(kernels, row, params, scratch);
  if (logprobs)
    output.logprob = clamp_logprob(std::min(double{logits[output.token]}, double{kLargest}) - normalizer);
}

size_t aligned(int64_t bytes) {
  return (static_cast<size_t>(bytes) + 63) / 64 * 64;
}

SampleScratch* make_scratch(Arena& arena, int num_threads, int64_t n) {
  auto* scratch = arena.alloc_array<SampleScratch>(num_threads);
  for (int i = 0; i < num_threads; ++i) {
    scratch[i].logits = arena.alloc_array<float>(n);
    scratch[i].ids = arena.alloc_array<int32_t>(n);
    scratch[i].scores = arena.alloc_array<float>(n);
    scratch[i].weights = arena.alloc_array<float>(n);
    scratch[i].work = arena.alloc_array<ScoreWeight>(n);
    scratch[i].block_max = arena.alloc_array<float>(ceil_div(n, kSampleBlock));
    scratch[i].sums = arena.alloc_array<double>(ceil_div(n, kDrawChunk));
  }
  return scratch;
}

}  // namespace

int64_t sample_arena_bytes(int num_threads, int64_t vocab_size) {
  const auto n = [](int64_t count, size_t bytes) { return aligned(count * static_cast<int64_t>(bytes)); };
  const size_t per_thread = 4 * n(vocab_size, 4) + n(vocab_size, sizeof(ScoreWeight)) +
                            n(ceil_div(vocab_size, kSampleBlock), 4) + n(ceil_div(vocab_size, kDrawChunk), 8);
  return static_cast<int64_t>(n(num_threads, sizeof(SampleScratch)) +
                              static_cast<size_t>(num_threads) * per_thread);
}

void sample(OpContext& ctx, const Tensor& logits, std::span<const SampleRow> rows,
            std::span<SampleOutput> outputs) {
  HADAL_CHECK(logits.dtype() == DType::kF32 && logits.rank() == 2 && logits.dim(1) > 0)
      << logits.shape_string();
  HADAL_CHECK(rows.size() == outputs.size());
  for (const SampleRow& row : rows) {
    HADAL_CHECK(row.logits_row >= 0 && row.logits_row < logits.dim(0)) << row.logits_row;
  }
  const SampleKernels& kernels = cpu_kernels(ctx.cpu_tier).sample;
  const Arena::Scope scope(ctx.arena);
  const SampleScratch* scratch = make_scratch(ctx.arena, ctx.stream.pool().num_threads(), logits.dim(1));
  ctx.stream.pool().parallel_for(
      static_cast<int64_t>(rows.size()), 1, [&](int64_t begin, int64_t end, int thread) {
        for (int64_t i = begin; i < end; ++i) {
          const SampleRow& row = rows[static_cast<size_t>(i)];
          sample_row(kernels, logits.ptr<float>() + row.logits_row * logits.stride(0), logits.dim(1), row,
                     scratch[thread], outputs[static_cast<size_t>(i)]);
        }
      });
}

void token_logprobs(OpContext& ctx, const Tensor& logits, std::span<const int32_t> tokens, int num_top,
                    std::span<SampleOutput> outputs) {
  HADAL_CHECK(logits.dtype() == DType::kF32 && logits.rank() == 2 && logits.dim(1) > 0)
      << logits.shape_string();
  HADAL_CHECK(tokens.size() == outputs.size() && static_cast<int64_t>(tokens.size()) <= logits.dim(0));
  for (const int32_t token : tokens) HADAL_CHECK(token >= 0 && token < logits.dim(1)) << "token " << token;
  const SampleKernels& kernels = cpu_kernels(ctx.cpu_tier).sample;
  const Arena::Scope scope(ctx.arena);
  const SampleScratch* scratch = make_scratch(ctx.arena, ctx.stream.pool().num_threads(), logits.dim(1));
  ctx.stream.pool().parallel_for(
      static_cast<int64_t>(tokens.size()), 1, [&](int64_t begin, int64_t end, int thread) {
        for (int64_t i = begin; i < end; ++i) {
          const auto u = static_cast<size_t>(i);
          const Row row = make_row(kernels, logits.ptr<float>() + i * logits.stride(0), logits.dim(1),
                                   scratch[thread].logits);
          const double normalizer = log_sum_exp(kernels, row);
          outputs[u].token = tokens[u];
          outputs[u].logprob = clamp_logprob(static_cast<double>(row.x[tokens[u]]) - normalizer);
          list_top(kernels, row, normalizer, num_top, scratch[thread], outputs[u].top);
        }
      });
}

}  // namespace hadal
