// Splits a step's attention over threads in units of (sequence, KV head, tile of query rows[, key
// partition]). A query row is one (token, head of the KV head's group); rows of a tile share every key tile
// they read. Long sequences with few rows are split by key partition too: their states are stored and merged
// in order, which is what an unsplit unit does as it goes, so splitting changes no bit.
#include <algorithm>

#include "base/check.h"
#include "base/int_math.h"
#include "kernels/op/attention_driver.h"
#include "kernels/op/cpu_kernels.h"

namespace hadal {
namespace {

// What a thread's query rows may take of its L2 cache, beside the key tile.
constexpr int64_t kRowBytes = 384 * 1024;
constexpr int kMaxTileRows = 96;
constexpr int kMinTileRows = 24;
// Stored partition states, per thread: bounds what splitting may cost in memory.
constexpr int64_t kPartialBytesPerThread = 2 << 20;
// Units per thread that make the load even.
constexpr int64_t kUnitsPerThread = 6;

// What the arena takes for `bytes`.
int64_t aligned(int64_t bytes) {
  return std::max<int64_t>(1, ceil_div(bytes, 64)) * 64;
}
int v_stride_of(int v_head_dim) {
  return static_cast<int>(ceil_div(v_head_dim, 16) * 16);
}

int max_tile_rows(int head_dim, int v_head_dim) {
  const int64_t row_bytes = (head_dim + 2 * v_stride_of(v_head_dim) + kKeyTile) * 4;
  const int64_t rows = kRowBytes / row_bytes / kRowStep * kRowStep;
  return static_cast<int>(std::clamp<int64_t>(rows, kMinTileRows, kMaxTileRows));
}

struct ThreadScratch {
  AttentionScratch tile;
  float* q = nullptr;
  int32_t* first_key = nullptr;
  int32_t* end_key = nullptr;
  AttentionState part;
  AttentionState total;
};

int64_t state_bytes(int64_t rows, int v_stride) {
  return 2 * aligned(rows * 4) + aligned(rows * v_stride * 4);
}

int64_t thread_bytes(int head_dim, int v_head_dim) {
  const int64_t rows = max_tile_rows(head_dim, v_head_dim);
  const int v_stride = v_stride_of(v_head_dim);
  return aligned(int64_t{head_dim} * kKeyTile * 4) + aligned(int64_t{kKeyTile} * v_stride * 4) +
         aligned(rows * kKeyTile * 4) + aligned(rows * head_dim * 4) + 2 * aligned(rows * 4) +
         2 * state_bytes(rows, v_stride);
}

AttentionState alloc_state(Arena& arena, int64_t rows, int v_stride) {
  AttentionState state;
  state.max = arena.alloc_array<float>(rows);
  state.sum = arena.alloc_array<float>(rows);
  state.acc = arena.alloc_array<float>(rows * v_stride);
  return state;
}

ThreadScratch* alloc_scratch(Arena& arena, int num_threads, const AttentionProblem& p) {
  const int64_t rows = max_tile_rows(p.head_dim, p.v_head_dim);
  const int v_stride = v_stride_of(p.v_head_dim);
  auto* scratch = arena.alloc_array<ThreadScratch>(num_threads);
  for (int i = 0; i < num_threads; ++i) {
    ThreadScratch& s = scratch[i];
    s.tile.k = arena.alloc_array<float>(int64_t{p.head_dim} * kKeyTile);
    s.tile.v = arena.alloc_array<float>(int64_t{kKeyTile} * v_stride);
    s.tile.scores = arena.alloc_array<float>(rows * kKeyTile);
    s.q = arena.alloc_array<float>(rows * p.head_dim);
    s.first_key = arena.alloc_array<int32_t>(rows);
    s.end_key = arena.alloc_array<int32_t>(rows);
    s.part = alloc_state(arena, rows, v_stride);
    s.total = alloc_state(arena, rows, v_stride);
  }
  return scratch;
}

// How one sequence is cut.
struct SequencePlan {
  SequenceRows rows;
  int64_t num_rows = 0;     // per KV head
  int64_t num_tiles = 0;    // of query rows
  int first_partition = 0;  // of keys that any row sees
  int num_partitions = 1;
  bool split = false;       // one unit per partition
  int64_t first_unit = 0;   // of the step
  int64_t first_state = 0;  // split: its states are [KV head][row][partition] from here
  int64_t first_merge = 0;  // split: its (KV head, row) pairs among those of the step
};

struct Plan {
  SequencePlan* sequences = nullptr;
  int64_t num_sequences = 0;
  int64_t num_units = 0;
  int64_t num_states = 0;
  int64_t num_merges = 0;
  int tile_rows = 0;
};

int64_t max_partial_states(int num_threads, int num_heads, int v_head_dim, int64_t num_tokens,
                           int max_seq_len) {
  if (num_threads == 1) return 0;
  const int64_t per_state = v_stride_of(v_head_dim) * 4 + 8;
  const int64_t wanted = num_tokens * num_heads * ceil_div(max_seq_len, kKeyPartition);
  return std::min(wanted, num_threads * kPartialBytesPerThread / per_state);
}

void plan_sequence(const AttentionProblem& p, SequencePlan& s) {
  s.num_rows = s.rows.q_len * (p.num_heads / p.num_kv_heads);
  const int64_t first_end = s.rows.seq_len - s.rows.q_len + 1;
  const int64_t first_key = p.window > 0 ? std::max<int64_t>(0, first_end - p.window) : 0;
  s.first_partition = static_cast<int>(first_key / kKeyPartition);
  s.num_partitions = static_cast<int>(ceil_div(s.rows.seq_len, kKeyPartition)) - s.first_partition;
}

// Rows per tile: as many as the cache holds, fewer where threads would otherwise idle.
int choose_tile_rows(const AttentionProblem& p, int64_t num_rows, int num_threads) {
  const int most = max_tile_rows(p.head_dim, p.v_head_dim);
  const int64_t even = num_rows * p.num_kv_heads / (num_threads * kUnitsPerThread) / kRowStep * kRowStep;
  return static_cast<int>(std::clamp<int64_t>(even, kMinTileRows, most));
}

Plan make_plan(Arena& arena, const AttentionProblem& p, const AttentionBatch& batch, int num_threads,
               int64_t max_states) {
  Plan plan;
  const int64_t num_all = batch.seq_lens.dim(0);
  for (int64_t i = 0; i < num_all; ++i) plan.num_sequences += sequence_rows(batch, i).q_len > 0 ? 1 : 0;
  plan.sequences = arena.alloc_array<SequencePlan>(plan.num_sequences);
  int64_t num_rows = 0;
  int64_t cost = 0;
  SequencePlan* next = plan.sequences;
  for (int64_t i = 0; i < num_all; ++i) {
    const SequenceRows rows = sequence_rows(batch, i);
    if (rows.q_len == 0) continue;
    *next = SequencePlan();
    next->rows = rows;
    plan_sequence(p, *next);
    num_rows += next->num_rows;
    cost += next->num_rows * p.num_kv_heads * next->num_partitions;
    ++next;
  }
  plan.tile_rows = choose_tile_rows(p, num_rows, num_threads);
  const int64_t even_cost = cost / (num_threads * kUnitsPerThread);
  for (int64_t i = 0; i < plan.num_sequences; ++i) {
    SequencePlan& s = plan.sequences[i];
    s.num_tiles = ceil_div(s.num_rows, plan.tile_rows);
    s.first_unit = plan.num_units;
    s.first_state = plan.num_states;
    s.first_merge = plan.num_merges;
    const int64_t pairs = s.num_rows * p.num_kv_heads;
    const int64_t unit_cost = std::min<int64_t>(s.num_rows, plan.tile_rows) * s.num_partitions;
    s.split = num_threads > 1 && s.num_partitions > 1 && unit_cost > even_cost &&
              plan.num_states + pairs * s.num_partitions <= max_states;
    plan.num_units += s.num_tiles * p.num_kv_heads * (s.split ? s.num_partitions : 1);
    if (s.split) {
      plan.num_states += pairs * s.num_partitions;
      plan.num_merges += pairs;
    }
  }
  return plan;
}

// The sequence that holds item `index`, where `first` gives each sequence's first item.
const SequencePlan& find_sequence(const Plan& plan, int64_t SequencePlan::*first, int64_t index) {
  const SequencePlan* begin = plan.sequences;
  const SequencePlan* after =
      std::upper_bound(begin, begin + plan.num_sequences, index,
                       [first](int64_t i, const SequencePlan& s) { return i < s.*first; });
  return *(after - 1);
}

class TiledAttention {
 public:
  TiledAttention(OpContext& ctx, const AttentionProblem& problem, const AttentionBatch& batch)
      : kernels_(cpu_kernels(ctx.cpu_tier).attention),
        p_(problem),
        v_stride_(v_stride_of(problem.v_head_dim)),
        group_(problem.num_heads / problem.num_kv_heads) {
    const int num_threads = ctx.stream.pool().num_threads();
    const int64_t num_tokens = batch.cu_seqlens_q.ptr<int32_t>()[batch.seq_lens.dim(0)];
    const int64_t max_states =
        max_partial_states(num_threads, p_.num_heads, p_.v_head_dim, num_tokens, batch.max_seq_len);
    plan_ = make_plan(ctx.arena, p_, batch, num_threads, max_states);
    scratch_ = alloc_scratch(ctx.arena, num_threads, p_);
    states_ = alloc_state(ctx.arena, plan_.num_states, v_stride_);
  }

  const Plan& plan() const { return plan_; }

  void run_unit(int64_t unit, int thread) const {
    const SequencePlan& s = find_sequence(plan_, &SequencePlan::first_unit, unit);
    int64_t index = unit - s.first_unit;
    int partition = 0;
    if (s.split) {
      partition = static_cast<int>(index % s.num_partitions);
      index /= s.num_partitions;
    }
    // The last tile has the most keys: first.
    const int64_t tile = s.num_tiles - 1 - index / p_.num_kv_heads;
    const int64_t kv_head = index % p_.num_kv_heads;
    const int64_t first_row = tile * plan_.tile_rows;
    ThreadScratch& scratch = scratch_[thread];
    const AttentionRows rows =
        load_rows(s, kv_head, first_row, std::min<int64_t>(plan_.tile_rows, s.num_rows - first_row), scratch);
    const AttentionKv kv = make_kv(s, kv_head);
    if (s.split) {
      run_split(s, kv, rows, kv_head, first_row, partition, scratch);
      return;
    }
    run_whole(s, kv, rows, scratch);
    for (int r = 0; r < rows.num_rows; ++r) {
      write_row(s, kv_head, first_row + r, scratch.total.sum[r], scratch.total.acc + int64_t{r} * v_stride_);
    }
  }

  // Merges the stored states of one (KV head, row) of a split sequence.
  void run_merge(int64_t pair, int thread) const {
    // Unsplit sequences have no pairs: the last of those that begin here owns this one.
    const SequencePlan& s = find_sequence(plan_, &SequencePlan::first_merge, pair);
    const int64_t index = pair - s.first_merge;
    const AttentionState& total = scratch_[thread].total;
    total.sum[0] = 0;
    for (int i = 0; i < s.num_partitions; ++i) {
      const int64_t at = s.first_state + index * s.num_partitions + i;
      kernels_.merge(total.max, total.sum, total.acc, states_.max[at], states_.sum[at],
                     states_.acc + at * v_stride_, v_stride_);
    }
    write_row(s, index / s.num_rows, index % s.num_rows, total.sum[0], total.acc);
  }

 private:
  AttentionKv make_kv(const SequencePlan& s, int64_t kv_head) const {
    const int64_t element = dtype_block_bytes(p_.kv_dtype);
    AttentionKv kv;
    kv.k = p_.k + kv_head * p_.k_head_stride * element;
    kv.v = p_.v + kv_head * p_.v_head_stride * element;
    kv.k_block_stride = p_.k_block_stride * element;
    kv.v_block_stride = p_.v_block_stride * element;
    kv.k_row_stride = p_.k_row_stride * element;
    kv.v_row_stride = p_.v_row_stride * element;
    kv.blocks = s.rows.blocks;
    kv.block_size = p_.block_size;
    kv.head_dim = p_.head_dim;
    kv.v_head_dim = p_.v_head_dim;
    kv.v_stride = v_stride_;
    kv.dtype = p_.kv_dtype;
    return kv;
  }

  AttentionRows load_rows(const SequencePlan& s, int64_t kv_head, int64_t first_row, int64_t count,
                          ThreadScratch& scratch) const {
    for (int64_t r = 0; r < count; ++r) {
      const int64_t token = (first_row + r) / group_;
      const int64_t head = kv_head * group_ + (first_row + r) % group_;
      const float* q = p_.q + (s.rows.first_row + token) * p_.q_token_stride + head * p_.q_head_stride;
      kernels_.scale(q, p_.scale, p_.head_dim, scratch.q + r * p_.head_dim);
      const int64_t end = s.rows.seq_len - s.rows.q_len + token + 1;
      scratch.end_key[r] = static_cast<int32_t>(end);
      scratch.first_key[r] = static_cast<int32_t>(p_.window > 0 ? std::max<int64_t>(0, end - p_.window) : 0);
    }
    AttentionRows rows;
    rows.num_rows = static_cast<int>(count);
    rows.q = scratch.q;
    rows.first_key = scratch.first_key;
    rows.end_key = scratch.end_key;
    return rows;
  }

  void run_whole(const SequencePlan& s, const AttentionKv& kv, const AttentionRows& rows,
                 ThreadScratch& scratch) const {
    const AttentionState& total = scratch.total;
    const AttentionState& part = scratch.part;
    const int end = (rows.end_key[rows.num_rows - 1] + kKeyPartition - 1) / kKeyPartition;
    const int first = std::max(s.first_partition, rows.first_key[0] / kKeyPartition);
    kernels_.partition(kv, rows, first, scratch.tile, total);
    for (int i = first + 1; i < end; ++i) {
      kernels_.partition(kv, rows, i, scratch.tile, part);
      for (int r = 0; r < rows.num_rows; ++r) {
        kernels_.merge(total.max + r, total.sum + r, total.acc + int64_t{r} * v_stride_, part.max[r],
                       part.sum[r], part.acc + int64_t{r} * v_stride_, v_stride_);
      }
    }
  }

  void run_split(const SequencePlan& s, const AttentionKv& kv, const AttentionRows& rows, int64_t kv_head,
                 int64_t first_row, int partition, ThreadScratch& scratch) const {
    kernels_.partition(kv, rows, s.first_partition + partition, scratch.tile, scratch.part);
    for (int r = 0; r < rows.num_rows; ++r) {
      const int64_t at =
          s.first_state + (kv_head * s.num_rows + first_row + r) * s.num_partitions + partition;
      states_.max[at] = scratch.part.max[r];
      states_.sum[at] = scratch.part.sum[r];
      std::copy_n(scratch.part.acc + int64_t{r} * v_stride_, v_stride_, states_.acc + at * v_stride_);
    }
  }

  void write_row(const SequencePlan& s, int64_t kv_head, int64_t row, float sum, const float* acc) const {
    const int64_t token = row / group_;
    const int64_t head = kv_head * group_ + row % group_;
    float* out = p_.out + (s.rows.first_row + token) * p_.out_token_stride + head * p_.out_head_stride;
    kernels_.scale(acc, 1.0f / sum, p_.v_head_dim, out);
  }

  const AttentionKernels& kernels_;
  const AttentionProblem& p_;
  int v_stride_;
  int group_;
  Plan plan_;
  ThreadScratch* scratch_ = nullptr;
  AttentionState states_;
};

}  // namespace

int64_t attention_tiled_bytes(int num_threads, int num_heads, int head_dim, int v_head_dim,
                              int64_t num_tokens, int max_seq_len) {
  const int64_t states = max_partial_states(num_threads, num_heads, v_head_dim, num_tokens, max_seq_len);
  return aligned(num_tokens * static_cast<int64_t>(sizeof(SequencePlan))) +
         aligned(num_threads * static_cast<int64_t>(sizeof(ThreadScratch))) +
         num_threads * thread_bytes(head_dim, v_head_dim) + state_bytes(states, v_stride_of(v_head_dim));
}

void attention_tiled(OpContext& ctx, const AttentionProblem& problem, const AttentionBatch& batch) {
  const Arena::Scope scope(ctx.arena);
  const TiledAttention attention(ctx, problem, batch);
  ThreadPool& pool = ctx.stream.pool();
  pool.parallel_for(attention.plan().num_units, 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t unit = begin; unit < end; ++unit) attention.run_unit(unit, thread);
  });
  const int64_t num_merges = attention.plan().num_merges;
  pool.parallel_for(num_merges, std::max<int64_t>(1, num_merges / (pool.num_threads() * 4)),
                    [&](int64_t begin, int64_t end, int thread) {
                      for (int64_t pair = begin; pair < end; ++pair) attention.run_merge(pair, thread);
                    });
}

}  // namespace hadal
