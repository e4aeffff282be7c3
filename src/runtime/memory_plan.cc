#include "runtime/memory_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <limits>

#include "base/int_math.h"

namespace hadal {
namespace {

struct Totals {
  int64_t weights = 0;
  int64_t arena = 0;
  int64_t block = 0;
};

Totals add_ranks(const MemoryRequest& request) {
  Totals totals;
  for (const RankMemory& rank : request.ranks) {
    totals.weights += rank.weight_bytes;
    totals.arena += rank.arena_bytes;
    totals.block += rank.block_bytes;
  }
  return totals;
}

Error does_not_fit(const MemoryRequest& request, const Totals& totals, int64_t num_blocks, int64_t left) {
  const int64_t short_by = num_blocks * totals.block - left;
  const int64_t fitting_tokens = std::max<int64_t>(left / totals.block, 0) * request.block_size;
  std::string advice;
  if (fitting_tokens > 0) {
    const char* flag = request.max_total_tokens > 0 ? "--max-total-tokens" : "--context-length";
    advice = std::string(flag) + " " + std::to_string(fitting_tokens) + " would fit";
  } else {
    advice = "weights and arena alone are too large: use a smaller or more quantised model";
  }
  const std::string arena = totals.arena > 0 ? " + arena " + format_bytes(totals.arena) : "";
  return make_error(
      ErrorCode::kResourceExhausted, "the model does not fit in memory: weights ",
      format_bytes(totals.weights), arena, " + KV cache of ", num_blocks * request.block_size, " tokens ",
      format_bytes(num_blocks * totals.block), " + reserve ", format_bytes(kProcessReserveBytes), ", but ",
      format_bytes(request.available_bytes), " are available: ", format_bytes(short_by), " short; ", advice,
      "; a smaller --chunked-prefill-size or --max-running-requests shrinks the arena, more --nnodes "
      "spread the model");
}

}  // namespace

Result<MemoryPlan> plan_memory(const MemoryRequest& request) {
  const Totals totals = add_ranks(request);
  HADAL_CHECK(totals.block > 0 && request.block_size > 0 && request.context_length > 0);
  const int64_t left = request.available_bytes - totals.weights - totals.arena - kProcessReserveBytes;
  const int64_t one_sequence = ceil_div(request.context_length, request.block_size);
  int64_t num_blocks = 0;
  if (request.max_total_tokens > 0) {
    num_blocks = ceil_div(request.max_total_tokens, request.block_size);
  } else {
    const int64_t all_running = one_sequence * std::max(request.max_running_requests, 1);
    const int64_t cap = std::min(left / 2, kDefaultKvBytes) / totals.block;
    num_blocks = std::max(one_sequence, std::min(all_running, cap));
  }
  // Slots (block * block_size + offset) are 32-bit.
  num_blocks = std::min<int64_t>(num_blocks, std::numeric_limits<int32_t>::max() / request.block_size);
  if (num_blocks > left / totals.block) return does_not_fit(request, totals, num_blocks, left);
  MemoryPlan plan;
  plan.num_blocks = num_blocks;
  plan.max_tokens = num_blocks * request.block_size;
  plan.weight_bytes = totals.weights;
  plan.arena_bytes = totals.arena;
  plan.kv_bytes = num_blocks * totals.block;
  plan.available_bytes = request.available_bytes;
  return plan;
}

Status check_weights_fit(int64_t file_bytes, int64_t available_bytes) {
  const int64_t needed = file_bytes + kProcessReserveBytes;
  if (needed <= available_bytes) return {};
  return make_error(
      ErrorCode::kResourceExhausted, "the model does not fit in memory: its weights alone are ",
      format_bytes(file_bytes), ", the process needs ", format_bytes(kProcessReserveBytes),
      " beside them, and ", format_bytes(available_bytes),
      " are available: ", format_bytes(needed - available_bytes),
      " short; use a smaller or more quantised model, or spread it over more hosts with --nnodes "
      "and --tp");
}

std::string memory_table(const MemoryPlan& plan, const MemoryRequest& request) {
  std::string text;
  char line[160];
  const auto add = [&](const char* name, int64_t bytes, const std::string& note) {
    std::snprintf(line, sizeof(line), "%s%-10s %12s%s%s", text.empty() ? "" : "\n", name,
                  format_bytes(bytes).c_str(), note.empty() ? "" : "   ", note.c_str());
    text += line;
  };
  const size_t ranks = request.ranks.size();
  add("weights", plan.weight_bytes, ranks > 1 ? "on " + std::to_string(ranks) + " ranks" : "");
  add("arena", plan.arena_bytes, "");
  add("KV cache", plan.kv_bytes,
      std::to_string(plan.num_blocks) + " blocks of " + std::to_string(request.block_size) +
          " tokens, taken as used");
  add("total", plan.weight_bytes + plan.arena_bytes + plan.kv_bytes,
      "of " + format_bytes(plan.available_bytes) + " available");
  std::snprintf(line, sizeof(line), "\nmax tokens %12lld   context length %lld, %d running requests at most",
                static_cast<long long>(plan.max_tokens), static_cast<long long>(request.context_length),
                request.max_running_requests);
  return text + line;
}

std::string format_bytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (std::abs(value) >= 1024.0 && unit + 1 < std::size(kUnits)) {
    value /= 1024.0;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace hadal
