#include "runtime/step_batch.h"

#include <algorithm>
#include <vector>

#include "base/int_math.h"

namespace hadal {
namespace {

template <typename... Args>
Error bad_plan(const StepPlan& plan, const Args&... args) {
  return make_error(ErrorCode::kDataLoss, "step ", plan.step_id, ": ", args...);
}

Status check_tokens(const StepPlan& plan, const DomainPlan& domain, const PlanRow& row, size_t num_previous) {
  if (row.token_offset >= 0) {
    if (int64_t{row.token_offset} + row.num_tokens > static_cast<int64_t>(domain.token_ids.size())) {
      return bad_plan(plan, "sequence ", row.sequence_id, " has tokens past the plan's end");
    }
    return {};
  }
  if (row.num_tokens != 1 || row.previous_sample < 0 ||
      static_cast<size_t>(row.previous_sample) >= num_previous) {
    return bad_plan(plan, "sequence ", row.sequence_id, " takes sample ", row.previous_sample, " of ",
                    num_previous);
  }
  return {};
}

Status check_row(const StepPlan& plan, const DomainPlan& domain, const PlanRow& row, const StepLimits& limits,
                 size_t num_previous) {
  if (row.slot < 0 || row.slot >= limits.max_slots) {
    return bad_plan(plan, "sequence ", row.sequence_id, " is in slot ", row.slot, " of ", limits.max_slots);
  }
  const int64_t end = int64_t{row.first_position} + row.num_tokens;
  if (row.num_tokens < 1 || row.first_position < 0 || end > limits.context_length) {
    return bad_plan(plan, "sequence ", row.sequence_id, " has ", row.num_tokens, " tokens from position ",
                    row.first_position, " with a context of ", limits.context_length);
  }
  if (row.block_offset < 0 || row.num_blocks < 0 ||
      int64_t{row.block_offset} + row.num_blocks > static_cast<int64_t>(domain.block_ids.size()) ||
      int64_t{row.num_blocks} * limits.block_size < end) {
    return bad_plan(plan, "sequence ", row.sequence_id, " has ", row.num_blocks, " blocks for ", end,
                    " tokens");
  }
  if (row.sample_index >= limits.max_samples) {
    return bad_plan(plan, "sample ", row.sample_index, " of at most ", limits.max_samples);
  }
  return check_tokens(plan, domain, row, num_previous);
}

// Sample indices must be a permutation of [0, number of samples).
Status check_sample_indices(const StepPlan& plan, const DomainPlan& domain) {
  const auto sampled = [](const PlanRow& row) { return row.sample_index >= 0; };
  const auto count = static_cast<size_t>(std::count_if(domain.rows.begin(), domain.rows.end(), sampled));
  std::vector<bool> seen(count, false);
  for (const PlanRow& row : domain.rows) {
    if (!sampled(row)) continue;
    const auto index = static_cast<size_t>(row.sample_index);
    if (index >= count || seen[index]) {
      return bad_plan(plan, "sample index ", index, " does not number one of ", count, " samples");
    }
    seen[index] = true;
  }
  return {};
}

int32_t wanted_hidden(const PlanRow& row, RowOutputs outputs) {
  if (outputs == RowOutputs::kAll) return row.num_tokens;
  return outputs == RowOutputs::kLast || row.sample_index >= 0 ? 1 : 0;
}

// The batch's arrays while they are filled.
struct Arrays {
  int32_t* ids;
  int32_t* positions;
  int32_t* slots;
  int32_t* logits_rows;
  int64_t token = 0;
  int32_t hidden = 0;
};

void fill_row(const DomainPlan& domain, const PlanRow& row, std::span<const int32_t> previous,
              int32_t block_size, Arrays& a) {
  const int32_t* blocks = domain.block_ids.data() + row.block_offset;
  for (int32_t i = 0; i < row.num_tokens; ++i, ++a.token) {
    const int32_t position = row.first_position + i;
    a.ids[a.token] = row.token_offset >= 0 ? domain.token_ids[static_cast<size_t>(row.token_offset + i)]
                                           : previous[static_cast<size_t>(row.previous_sample)];
    a.positions[a.token] = position;
    a.slots[a.token] = blocks[position / block_size] * block_size + position % block_size;
  }
}

struct Sizes {
  int64_t tokens = 0;
  int64_t hidden = 0;
  int64_t max_blocks = 1;
};

Sizes measure(const DomainPlan& domain, std::span<const RowOutputs> outputs, int32_t block_size) {
  Sizes sizes;
  for (size_t r = 0; r < domain.rows.size(); ++r) {
    const PlanRow& row = domain.rows[r];
    sizes.tokens += row.num_tokens;
    sizes.hidden += wanted_hidden(row, outputs[r]);
    sizes.max_blocks = std::max(sizes.max_blocks, ceil_div(row.first_position + row.num_tokens, block_size));
  }
  return sizes;
}

}  // namespace

Status check_step(const StepPlan& plan, const DomainPlan& domain, const StepLimits& limits,
                  size_t num_previous) {
  if (domain.rows.size() > static_cast<size_t>(limits.max_slots)) {
    return bad_plan(plan, domain.rows.size(), " rows for ", limits.max_slots, " slots");
  }
  int64_t num_tokens = 0;
  for (const PlanRow& row : domain.rows) {
    HADAL_RETURN_IF_ERROR(check_row(plan, domain, row, limits, num_previous));
    num_tokens += row.num_tokens;
  }
  if (num_tokens > limits.max_tokens) {
    return bad_plan(plan, num_tokens, " tokens, at most ", limits.max_tokens, " fit");
  }
  for (const int32_t token : domain.token_ids) {
    if (token < 0 || token >= limits.vocab_size) {
      return bad_plan(plan, "token ", token, " is not in the vocabulary of ", limits.vocab_size);
    }
  }
  for (const int32_t block : domain.block_ids) {
    if (block < 0 || block >= limits.num_blocks)
      return bad_plan(plan, "block ", block, " of ", limits.num_blocks);
  }
  return check_sample_indices(plan, domain);
}

StepBatch build_step_batch(Arena& arena, const DomainPlan& domain, std::span<const RowOutputs> outputs,
                           std::span<const int32_t> previous_samples, int32_t block_size) {
  const auto num_rows = static_cast<int64_t>(domain.rows.size());
  const Sizes sizes = measure(domain, outputs, block_size);
  StepBatch out;
  ForwardBatch& f = out.forward;
  f.num_tokens = sizes.tokens;
  f.num_sequences = num_rows;
  f.input_ids = arena.alloc(DType::kI32, {sizes.tokens});
  f.positions = arena.alloc(DType::kI32, {sizes.tokens});
  f.logits_rows = arena.alloc(DType::kI32, {sizes.hidden});
  f.attention.slot_mapping = arena.alloc(DType::kI32, {sizes.tokens});
  f.attention.cu_seqlens_q = arena.alloc(DType::kI32, {num_rows + 1});
  f.attention.seq_lens = arena.alloc(DType::kI32, {num_rows});
  f.attention.block_tables = arena.alloc(DType::kI32, {num_rows, sizes.max_blocks});
  auto* hidden = arena.alloc_array<RowHidden>(num_rows);
  out.hidden = {hidden, static_cast<size_t>(num_rows)};

  Arrays arrays{f.input_ids.ptr<int32_t>(), f.positions.ptr<int32_t>(),
                f.attention.slot_mapping.ptr<int32_t>(), f.logits_rows.ptr<int32_t>()};
  auto* starts = f.attention.cu_seqlens_q.ptr<int32_t>();
  starts[0] = 0;
  for (int64_t r = 0; r < num_rows; ++r) {
    const PlanRow& row = domain.rows[static_cast<size_t>(r)];
    fill_row(domain, row, previous_samples, block_size, arrays);
    const int32_t seq_len = row.first_position + row.num_tokens;
    starts[r + 1] = static_cast<int32_t>(arrays.token);
    f.attention.seq_lens.ptr<int32_t>()[r] = seq_len;
    f.attention.max_seq_len = std::max(f.attention.max_seq_len, seq_len);
    const int64_t used = ceil_div(seq_len, block_size);
    int32_t* table = f.attention.block_tables.ptr<int32_t>() + r * sizes.max_blocks;
    std::copy_n(domain.block_ids.begin() + row.block_offset, used, table);
    std::fill(table + used, table + sizes.max_blocks, -1);
    hidden[r] = {arrays.hidden, wanted_hidden(row, outputs[static_cast<size_t>(r)])};
    for (int32_t i = 0; i < hidden[r].count; ++i) {
      arrays.logits_rows[arrays.hidden++] = static_cast<int32_t>(arrays.token) - hidden[r].count + i;
    }
  }
  f.max_position = f.attention.max_seq_len - 1;
  return out;
}

int64_t step_batch_arena_bytes(const StepLimits& limits) {
  const auto padded = [](int64_t bytes) { return (bytes + 127) / 64 * 64; };
  const int64_t blocks = ceil_div(limits.context_length, limits.block_size);
  return 4 * padded(int64_t{limits.max_tokens} * 4) + 2 * padded((int64_t{limits.max_slots} + 1) * 4) +
         padded(limits.max_slots * blocks * 4) +
         padded(int64_t{limits.max_slots} * static_cast<int64_t>(sizeof(RowHidden)));
}

}  // namespace hadal
