// Calibration: results of a benchmark of one's own system fit the roofline's efficiency constants, and say
// how far off its predictions were before and are after. Files are untrusted input. Pure functions; any
// thread.
//
// Files that are read (docs/plan.md has examples):
//   hadal bench   {"gpu": "H200", "layout": {"tp": 8, "pp": 1, "ep": 1, "dp_attention": 1}, "replicas": 1,
//   "results":
//                  [{"isl": 1024, "osl": 1024, "concurrency": 64, "ttft_ms": {"p50": 360}, "tpot_ms":
//                  {"p50": 29.8},
//                    "output_tokens_per_s": 2078}]}
//   bench_serving SGLang's and vLLM's: random_input_len or total_input_tokens / completed, max_concurrency,
//                 median_ttft_ms, median_tpot_ms, output_throughput; one object, or one a line
//   aiperf        profile_export_aiperf.json: input_sequence_length.avg, output_sequence_length.avg,
//                 time_to_first_token.p50, inter_token_latency.p50, output_token_throughput.avg,
//                 input_config.loadgen.concurrency
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/planner.h"

namespace hadal {

// One benchmarked load. Medians.
struct CalibrationPoint {
  std::string origin;  // "result.json, result 2"
  Workload load;       // of one replica
  Layout layout;
  std::string gpu;  // as the file names it; "" where it does not
  std::optional<double> ttft_ms;
  std::optional<double> tpot_ms;
  std::optional<double> output_tokens_s;  // of one replica
};

// layout: of files that name none. Errors: kInvalidArgument naming the file, the field and what it must be.
Result<std::vector<CalibrationPoint>> parse_calibration(std::string_view text, const std::string& origin,
                                                        const Layout& layout);

struct CalibrationRow {
  std::string what;  // "result.json, result 2: TPOT ms"
  double measured = 0;
  double before = 0;
  double after = 0;
};
struct Calibration {
  Efficiency before;
  Efficiency after;
  std::vector<CalibrationRow> rows;
  double median_error_before = 0;  // of |predicted / measured - 1|
  double median_error_after = 0;
};
// Errors: kInvalidArgument: no points, another GPU than the request's, a layout that the model cannot take or
// that does not fit.
Result<Calibration> calibrate(const PlanRequest& request, const std::vector<CalibrationPoint>& points);
std::string calibration_text(const Calibration& calibration);

}  // namespace hadal
