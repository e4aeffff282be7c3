// What hadal plan prints: a report in words for a buyer, JSON for programs, and a picture of the layout. Pure
// functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/calibration.h"
#include "plan/model_source.h"
#include "plan/planner.h"
#include "plan/time_budget.h"

namespace hadal {

struct PlanReport {
  const PlanModel* model = nullptr;
  const PlanRequest* request = nullptr;
  PlanAnswer answer;
  TimeBudget time;  // of the best system
  StorageKind storage = StorageKind::kNvme;
  std::vector<std::string> request_errors;  // CPU and memory requests that no node can give
  std::optional<Calibration> calibration;
  double gpu_hour_price = 0;  // 0: unknown
  int max_layouts = 8;        // shown
  bool good() const { return answer.fits && answer.meets_slo && request_errors.empty(); }
};

std::string plan_text(const PlanReport& report);
// Fields: docs/plan.md. Ends with a newline.
std::string plan_json(const PlanReport& report);
// The best system's nodes, GPUs and what each holds. "" where nothing fits.
std::string plan_svg(const PlanReport& report);

// Without --gpus: how many of each GPU.
struct NeedsReport {
  const PlanModel* model = nullptr;
  const PlanRequest* request = nullptr;
  std::vector<GpuNeed> needs;
  bool good() const { return !needs.empty() && needs.front().gpus.count > 0; }
};
std::string needs_text(const NeedsReport& report);
std::string needs_json(const NeedsReport& report);

// `hadal plan --list`: the catalog, the GPUs and the networks.
std::string plan_list_text();

// One part of a GPU's memory, largest of weights first, then KV, work space and what is free.
struct MemoryRow {
  std::string name;
  std::string dtype;  // of weights and KV; "" of the rest
  int64_t bytes = 0;
  enum class Kind { kWeights, kKv, kWork, kFree } kind = Kind::kWeights;
};
// Of GPU `rank` of stage `stage` of an instance with this layout.
std::vector<MemoryRow> memory_rows(const WeightMap& weights, const Layout& layout, const FitAnswer& fit,
                                   int stage, int rank, std::string_view kv_dtype);

}  // namespace hadal
