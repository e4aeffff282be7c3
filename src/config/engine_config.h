// EngineConfig and ParallelConfig: what `serve` and `chat` run, as the flags gave it; validated once, then
// const. 0 or "" means: chosen by hadal at start from the model and the machine, and printed.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace hadal {

struct ParallelConfig {
  int tp_size = 1;             // ranks that share every layer, over all hosts
  int nnodes = 1;              // hosts (processes)
  int node_rank = 0;           // 0 leads: it plans and serves; others only compute
  std::string dist_init_addr;  // HOST:PORT of the leader's rendezvous; needed when nnodes > 1
  std::string group_secret;    // shared by the hosts of a group (--group-secret or HADAL_GROUP_SECRET)
  double dist_timeout = 300;   // seconds to wait for all hosts at start
};

struct EngineConfig {
  std::string model_path;
  std::string tokenizer_path;
  std::string chat_template;  // file that replaces the model's own
  std::string load_format = "auto";
  std::string dummy_dtype = "bf16";  // of random weights (--load-format dummy)
  std::string device = "auto";
  std::string kv_cache_dtype = "auto";
  std::string quantization;
  std::string cpu_tier;  // "": the best this machine has
  int num_threads = 0;   // CPU threads over all ranks of this host
  int64_t context_length = 0;
  int chunked_prefill_size = 0;  // tokens per step
  int max_running_requests = 0;
  int max_queued_requests = 0;
  int64_t max_total_tokens = 0;  // KV cache size in tokens
  int page_size = 32;            // tokens per KV block
  int64_t random_seed = -1;      // of requests without a seed; -1: from the system
  bool disable_radix_cache = false;
  double queue_timeout = 600;     // seconds a request may wait
  double request_timeout = 3600;  // seconds a request may take in all
  double watchdog_timeout = 300;  // seconds without progress after which the engine counts as hung
};

Status validate_engine_config(const EngineConfig& config);
Status validate_parallel_config(const ParallelConfig& config);

}  // namespace hadal
