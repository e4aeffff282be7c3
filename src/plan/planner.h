// plan_system: every way to spread a model over a number of GPUs, each with what it holds and how fast it is,
// best first, and why the others lost. `hadal plan` prints it. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/fit.h"
#include "plan/gpus_expression.h"
#include "plan/network_table.h"
#include "plan/roofline.h"
#include "plan/serving_model.h"
#include "plan/weight_map.h"

namespace hadal {

struct Slo {
  double ttft_ms = 0;
  double tpot_ms = 0;
};
// "2s,50ms", "2000,50" (milliseconds). Errors: kInvalidArgument.
Result<Slo> parse_slo(std::string_view text);

struct PlanRequest {
  std::string model_name;  // for words
  const WeightMap* weights = nullptr;
  GpuCount gpus;
  int nodes = 0;  // 0: as many as the GPU's usual server needs
  const Fabric* network = nullptr;
  Workload load;           // concurrency 0: as much as is best
  std::optional<Slo> slo;  // medians
  FitOptions fit;
  std::optional<Layout> pinned;  // only this layout of an instance
  std::optional<Efficiency> efficiency;
};

// Without an SLO, layouts are ranked by throughput among those where a user still gets this many tokens a
// second.
inline constexpr double kReadableTokensPerSecond = 10;

struct PlannedSystem {
  bool split = false;  // prefill and decode on GPUs of their own
  Layout layout;       // of an instance; of a decode instance where split
  int instances = 1;   // replicas; decode instances where split
  Layout prefill_layout;
  int prefill_instances = 0;
  FitAnswer fit;
  FitAnswer prefill_fit;
  bool fits = false;
  bool meets_slo = false;      // true where there is none
  double concurrency = 0;      // of the whole system, as predicted here
  Prediction prediction;       // of an instance; of all where split
  double output_tokens_s = 0;  // of the whole system
  double tokens_s_per_gpu = 0;
  double tokens_s_per_user = 0;
  double max_requests = 0;  // of isl + osl tokens, at once
  int64_t max_context = 0;  // of one request
  std::string why;          // the best: why it won; others: why they lost
  int num_gpus() const {
    return instances * layout.num_ranks() + (split ? prefill_instances * prefill_layout.num_ranks() : 0);
  }
};

struct PlanAnswer {
  std::vector<PlannedSystem> systems;  // that fit, best first
  std::vector<PlannedSystem> others;   // that cannot run, with the reason in `why`
  bool fits = false;                   // something runs
  bool meets_slo = false;
  std::vector<std::string> refusals;  // why nothing runs, or which SLO fails and by how much
  std::vector<std::string> advice;    // what would work
  std::vector<std::string> warnings;
  int per_node = 8;
  int nodes = 1;
};

// Errors: kInvalidArgument for a request that makes no sense (nodes that do not divide the GPUs, ...).
Result<PlanAnswer> plan_system(const PlanRequest& request);

// How many of each GPU the load needs; count 0: no number up to 256 does.
struct GpuNeed {
  GpuCount gpus;
  PlannedSystem system;
  std::string why_not;
};
std::vector<GpuNeed> plan_gpu_needs(const PlanRequest& request);

// "2 copies of TP8", "TP8 reads prompts, 2x TP8 write answers".
std::string system_name(const PlannedSystem& system);
// What a layout means, for someone who buys it: one sentence a technique.
std::vector<std::string> explain_system(const PlannedSystem& system, const ModelConfig& model);

}  // namespace hadal
