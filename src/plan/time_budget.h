// TimeBudget: how long a rank takes from "scheduled" to "ready", by step, and what follows from it: the
// startup probe's budget, a Job's deadline, and the time to recover from each kind of failure. A small pure
// function; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hadal {

// Where the weights are read from while the engine starts.
enum class StorageKind { kPageCache, kNvme, kLocalSsd, kCfsTurbo, kNfs, kS3, kHttp };
std::string_view storage_kind_name(StorageKind kind);  // "nvme"
// Errors: kInvalidArgument naming those there are.
Result<StorageKind> parse_storage_kind(std::string_view name);

struct StorageRate {
  StorageKind kind = StorageKind::kNvme;
  double node_gbs = 0;    // GB/s that one node reads
  double shared_gbs = 0;  // GB/s of all nodes together; 0: each node has its own
  std::string_view source;
};
const StorageRate& storage_rate(StorageKind kind);

struct TimeBudgetInput {
  int64_t image_bytes = 0;   // compressed, as it is pulled; 0: on the node already
  int64_t weight_bytes = 0;  // of the files that are read
  int num_nodes = 1;         // of the group; each reads all of them
  int num_groups = 1;        // that start at once and share the storage
  StorageKind storage = StorageKind::kNvme;
  double storage_gbs = 0;       // measured, of one node; 0: the table's
  double image_pull_gbs = 0.2;  // registry to node, unpacking included
  int num_layers = 61;
  int num_graphs = 36;           // batch sizes captured; 0: none (the CPU)
  double download_gbs = 0.0125;  // of the model's one-time fetch: 100 Mbit/s
};

struct RecoveryForecast {
  std::string cause;  // "a process crashes"
  double seconds = 0;
  std::string steps;  // what the seconds are made of, for the report
};

struct TimeBudget {
  double image_pull_s = 0;
  double start_s = 0;  // processes, rendezvous of the ranks, communicators
  double load_s = 0;
  double graphs_s = 0;
  double total_s = 0;        // expected
  int startup_budget_s = 0;  // what the startup probe must allow, from the container's start: (start, load,
                             // graphs) x 3, at least 300, in tens
  int startup_failure_threshold = 0;  // with a period of 10 s
  double download_s = 0;              // of the one-time fetch
  int job_deadline_s = 0;             // of the download Job: x 3, at least an hour
  int progress_deadline_s = 0;        // of a Deployment: image pull and startup budget
  std::vector<RecoveryForecast> recovery;
};

// Every input that is not positive where it must be counts as the default.
TimeBudget time_budget(const TimeBudgetInput& input);

}  // namespace hadal
