// The memory plan: how many KV blocks a server gets, decided once at start. Pure functions; any thread.
//
// The default rule on the CPU, where memory is shared with everything else on the machine: enough for every
// running request to reach the context length, but at most half of what is left beside weights, arena and
// reserve, at most kDefaultKvBytes, and never less than one sequence of the context length.
// --max-total-tokens replaces the rule. KV memory is reserved, not touched: resident memory grows with the
// blocks that are really used.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace hadal {

inline constexpr int64_t kDefaultKvBytes = int64_t{8} << 30;
// Kept free for the tokenizer, requests and buffers of the process.
inline constexpr int64_t kProcessReserveBytes = int64_t{128} << 20;

struct RankMemory {
  int64_t weight_bytes = 0;
  int64_t arena_bytes = 0;
  int64_t block_bytes = 0;  // one KV block, all layers
};

struct MemoryRequest {
  std::vector<RankMemory> ranks;  // of this host
  int64_t available_bytes = 0;    // of this host, before weights were loaded
  int block_size = 32;            // tokens
  int64_t context_length = 0;     // tokens
  int max_running_requests = 0;
  int64_t max_total_tokens = 0;  // 0: the default rule
};

struct MemoryPlan {
  int64_t num_blocks = 0;  // the same on every rank
  int64_t max_tokens = 0;  // num_blocks * block_size
  // Sums over this host's ranks.
  int64_t weight_bytes = 0;
  int64_t arena_bytes = 0;
  int64_t kv_bytes = 0;
  int64_t available_bytes = 0;
};

// Errors: kResourceExhausted saying by how much the model does not fit and what to change.
Result<MemoryPlan> plan_memory(const MemoryRequest& request);

// Before loading: weights that cannot fit at all. file_bytes: all of the checkpoint's tensors.
Status check_weights_fit(int64_t file_bytes, int64_t available_bytes);

// The plan as a table of a few lines, without a final newline.
std::string memory_table(const MemoryPlan& plan, const MemoryRequest& request);

// "1.5 GiB", "144.1 MiB", "12.0 KiB".
std::string format_bytes(int64_t bytes);

}  // namespace hadal
