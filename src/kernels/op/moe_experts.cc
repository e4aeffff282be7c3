// The experts' gated MLPs. Tokens are sorted by expert, so each expert's weights are read once for all its
// rows; the pieces of work are (expert, panel) pairs, so few tokens still occupy every thread. A token's
// experts are added in its own top-k order, by the thread that owns the token: no atomics, and no dependence
// on the batch.
#include <algorithm>
#include <bit>

#include "base/check.h"
#include "kernels/op/linear_compact.h"
#include "kernels/op/linear_kernels.h"
#include "kernels/op/moe.h"

namespace hadal {
namespace {

constexpr int64_t kMaxScratchBytes = int64_t{64} << 20;
constexpr int64_t kMinChunkTokens = 32;

struct ExpertShape {
  LinearLayout gate_up;
  LinearLayout down;
  int64_t hidden = 0;
  int64_t width = 0;  // F

  int64_t row_bytes() const { return gate_up.row_stride + down.row_stride + (2 * width + hidden) * 4; }
  int64_t chunk_tokens(int64_t num_tokens, int64_t top_k) const {
    const int64_t fits = kMaxScratchBytes / (row_bytes() * std::max<int64_t>(1, top_k));
    return std::min(num_tokens, std::max(kMinChunkTokens, fits));
  }
};

ExpertShape expert_shape(std::span<const PackedLinear> gate_up, std::span<const PackedLinear> down) {
  HADAL_CHECK(!gate_up.empty() && gate_up.size() == down.size());
  ExpertShape shape{linear_layout(gate_up[0]), linear_layout(down[0]), down[0].n(), down[0].k()};
  HADAL_CHECK(gate_up[0].n() == 2 * shape.width && gate_up[0].k() == shape.hidden)
      << "gate_up [" << gate_up[0].n() << ", " << gate_up[0].k() << "], down [" << shape.hidden << ", "
      << shape.width << "]";
  const auto same = [](const PackedLinear& a, const PackedLinear& b) {
    return a.n() == b.n() && a.k() == b.k() && a.dtype() == b.dtype() && a.tier() == b.tier() &&
           a.k_shift() == b.k_shift();
  };
  for (size_t e = 0; e < gate_up.size(); ++e)
    HADAL_CHECK(same(gate_up[e], gate_up[0]) && same(down[e], down[0]));
  return shape;
}

// Rows of one chunk of tokens, sorted by expert. Arrays live in the arena.
struct Routing {
  int32_t* position = nullptr;   // [tokens * top_k]: sorted row, or -1 for an expert of another rank
  int32_t* token = nullptr;      // [num_rows]
  int32_t* active = nullptr;     // [num_active] experts with rows
  int32_t* first_row = nullptr;  // [num_active + 1]
  int64_t num_active = 0;
  int64_t num_rows = 0;
};

Routing route(Arena& arena, const int32_t* ids, int64_t num_tokens, int64_t top_k, int first_expert,
              int64_t num_experts) {
  Routing r;
  r.position = arena.alloc_array<int32_t>(num_tokens * top_k);
  r.token = arena.alloc_array<int32_t>(num_tokens * top_k);
  r.active = arena.alloc_array<int32_t>(num_experts);
  r.first_row = arena.alloc_array<int32_t>(num_experts + 1);
  auto* next = arena.alloc_array<int32_t>(num_experts);
  std::fill(next, next + num_experts, 0);
  const auto local = [&](int64_t i) -> int64_t {
    const int64_t e = int64_t{ids[i]} - first_expert;
    return e >= 0 && e < num_experts ? e : -1;
  };
  for (int64_t i = 0; i < num_tokens * top_k; ++i) {
    if (local(i) >= 0) ++next[local(i)];
  }
  for (int64_t e = 0; e < num_experts; ++e) {
    const int32_t count = next[e];
    next[e] = static_cast<int32_t>(r.num_rows);
    if (count == 0) continue;
    r.active[r.num_active] = static_cast<int32_t>(e);
    r.first_row[r.num_active++] = static_cast<int32_t>(r.num_rows);
    r.num_rows += count;
  }
  r.first_row[r.num_active] = static_cast<int32_t>(r.num_rows);
  for (int64_t i = 0; i < num_tokens * top_k; ++i) {
    r.position[i] = local(i) >= 0 ? next[local(i)]++ : -1;
    if (r.position[i] >= 0) r.token[r.position[i]] = static_cast<int32_t>(i / top_k);
  }
  return r;
}

// y[rows of expert e] = x[rows of expert e] W_e^T, for all active experts.
void run_experts(ThreadPool& pool, const Routing& r, std::span<const PackedLinear> weights,
                 const LinearLayout& layout, const std::byte* x, float* y) {
  const int64_t n = weights[0].n();
  const int64_t num_panels = (n + layout.panel_rows - 1) / layout.panel_rows;
  const int64_t count = num_panels * r.num_active;
  const int64_t stream_panels = std::max<int64_t>(1, 131072 / layout.panel_bytes);
  const int64_t grain = std::clamp<int64_t>(count / (pool.num_threads() * 4), 1, stream_panels);
  const LinearKernels& kernels = linear_kernels(weights[0].tier());
  pool.parallel_for(count, grain, [&](int64_t begin, int64_t end, int) {
    while (begin < end) {
      const int64_t slot = begin / num_panels;
      const int64_t panel = begin % num_panels;
      const PackedLinear& w = weights[static_cast<size_t>(r.active[slot])];
      // Of this expert: one may be compact and another not. Rows of x are the same for both.
      const LinearLayout own = linear_layout(w);
      PanelJob job;
      job.layout = &own;
      job.num_panels = std::min(end - begin, num_panels - panel);
      job.panels = w.data() + panel * own.panel_bytes;
      set_outliers(job, w, panel);
      job.num_columns = std::min(job.num_panels * layout.panel_rows, n - panel * layout.panel_rows);
      const int64_t row = r.first_row[slot];
      job.x = x + row * layout.row_stride;
      job.x_stride = layout.row_stride;
      job.num_rows = r.first_row[slot + 1] - row;
      job.y = y + row * n + panel * layout.panel_rows;
      job.y_stride = n;
      job.stream_ahead = kernels.stream_ahead;
      panel_fn(kernels, own)(job);
      begin += job.num_panels;
    }
  });
}

// e^x within 2 units in the last place for |x| <= 87, without branches so that the compiler makes vectors of
// it: x = n ln 2 + r, and a degree-6 Taylor polynomial of r.
float fast_exp(float x) {
  x = std::min(std::max(x, -87.0f), 88.0f);
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const int32_t exponent = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound) + 127;
  return p * std::bit_cast<float>(exponent << 23);
}

// In place: row[:F] = silu(row[:F]) * row[F:].
void silu_mul_row(float* row, int64_t width) {
  for (int64_t i = 0; i < width; ++i) row[i] = row[i] / (1.0f + fast_exp(-row[i])) * row[width + i];
}

void combine(ThreadPool& pool, const Routing& r, const Tensor& weights, const float* expert_out,
             int64_t first_token, int64_t num_tokens, const Tensor& y) {
  const int64_t top_k = weights.dim(1);
  const int64_t hidden = y.dim(1);
  pool.parallel_for(num_tokens, std::max<int64_t>(1, 8192 / hidden), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      float* out = y.ptr<float>() + (first_token + t) * y.stride(0);
      for (int64_t j = 0; j < top_k; ++j) {
        const int32_t position = r.position[t * top_k + j];
        if (position < 0) continue;
        const float weight = weights.ptr<float>()[(first_token + t) * weights.stride(0) + j];
        const float* in = expert_out + position * hidden;
        for (int64_t i = 0; i < hidden; ++i) out[i] += weight * in[i];
      }
    }
  });
}

}  // namespace

void moe_experts(OpContext& ctx, const Tensor& x, const Tensor& ids, const Tensor& weights,
                 std::span<const PackedLinear> gate_up, std::span<const PackedLinear> down, int first_expert,
                 const Tensor& y) {
  const ExpertShape shape = expert_shape(gate_up, down);
  const int64_t top_k = ids.dim(1);
  HADAL_CHECK(ids.is_contiguous() && x.dim(1) == shape.hidden && y.dim(1) == shape.hidden &&
              ids.dim(0) == x.dim(0));
  ThreadPool& pool = ctx.stream.pool();
  const int64_t chunk = shape.chunk_tokens(x.dim(0), top_k);
  for (int64_t first = 0; first < x.dim(0); first += chunk) {
    Arena::Scope scope(ctx.arena);
    const int64_t num_tokens = std::min(chunk, x.dim(0) - first);
    const Routing r = route(ctx.arena, ids.ptr<int32_t>() + first * top_k, num_tokens, top_k, first_expert,
                            static_cast<int64_t>(gate_up.size()));
    std::byte* staged_x = ctx.arena.alloc_bytes(static_cast<size_t>(staged_bytes(shape.gate_up, r.num_rows)));
    std::byte* staged_h = ctx.arena.alloc_bytes(static_cast<size_t>(staged_bytes(shape.down, r.num_rows)));
    float* h = ctx.arena.alloc_array<float>(r.num_rows * 2 * shape.width);
    float* out = ctx.arena.alloc_array<float>(r.num_rows * shape.hidden);
    const int64_t grain = std::max<int64_t>(1, 8192 / shape.hidden);
    pool.parallel_for(r.num_rows, grain, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        stage_row(gate_up[0].tier(), shape.gate_up, x.ptr<float>() + (first + r.token[i]) * x.stride(0),
                  staged_x + i * shape.gate_up.row_stride);
      }
    });
    run_experts(pool, r, gate_up, shape.gate_up, staged_x, h);
    pool.parallel_for(r.num_rows, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        silu_mul_row(h + i * 2 * shape.width, shape.width);
        stage_row(down[0].tier(), shape.down, h + i * 2 * shape.width, staged_h + i * shape.down.row_stride);
      }
    });
    run_experts(pool, r, down, shape.down, staged_h, out);
    combine(pool, r, weights, out, first, num_tokens, y);
  }
}

int64_t moe_arena_bytes(std::span<const PackedLinear> gate_up, std::span<const PackedLinear> down,
                        int64_t num_tokens, int top_k) {
  const ExpertShape shape = expert_shape(gate_up, down);
  const int64_t rows = shape.chunk_tokens(num_tokens, top_k) * top_k;
  const int64_t routing = rows * 8 + static_cast<int64_t>(gate_up.size() + 1) * 12;
  const int64_t floats = rows * (2 * shape.width + shape.hidden) * 4;
  constexpr int64_t kAlignmentSlack = 16 * 64;
  return routing + floats + staged_bytes(shape.gate_up, rows) + staged_bytes(shape.down, rows) +
         kAlignmentSlack;
}

}  // namespace hadal
