// What the parts of the planner share. Internal to plan/.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plan/planner.h"

namespace hadal {

// One layout of an instance, fitted and timed.
struct LayoutCandidate {
  Layout layout;
  FitAnswer fit;
  bool fits = false;
  std::string why_not;
  std::shared_ptr<const Roofline> roofline;  // where it fits
};

struct PlanContext {
  const PlanRequest* request = nullptr;
  int per_node = 8;
  std::vector<LayoutCandidate> candidates;
};

PlanContext make_context(const PlanRequest& request, int per_node);
// Fills systems, others, fits and meets_slo.
void rank_and_name(const PlanContext& context, PlanAnswer& answer);
// Fills every `why`, refusals, advice and warnings.
void explain_answer(const PlanContext& context, PlanAnswer& answer);

// "1.25 s", "46 ms".
std::string show_ms(double ms);
// "12,345", "712k".
std::string show_count(double count);
std::string show_percent(double share);

}  // namespace hadal
