#include <cerrno>
#include <cstdio>

#include "app/commands.h"
#include "app/signals.h"
#include "base/file.h"
#include "plan/memory_terms.h"
#include "plan/node_request.h"
#include "plan/public_records.h"
#include "plan/report.h"
#include "plan/size_table.h"

namespace hadal {
namespace {

constexpr int kGood = 0;
constexpr int kDoesNotFit = 1;
constexpr int kUsage = 2;
constexpr size_t kLargestResult = size_t{64} << 20;
// hadal's image of the CPU build is under 300 MB; CUDA's libraries make it some gigabytes.
constexpr int64_t kGpuImageBytes = 8'000'000'000;
constexpr int64_t kCpuImageBytes = 300'000'000;

int fail(const Error& error) {
  std::fprintf(stderr, "hadal: %s\n", error.message.c_str());
  return kUsage;
}

Status emit(const PlanConfig& config, const std::string& text) {
  if (!config.output.empty()) return write_file(config.output, text);
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  // A reader that has seen enough (`| head`) is no failure.
  return written || errno == EPIPE ? Status() : errno_error("cannot write to standard output", errno);
}

Layout pinned_layout(const PlanConfig& c) {
  const auto one = [](int n) { return n > 0 ? n : 1; };
  Layout out{.tp = one(c.tp), .pp = one(c.pp), .ep = one(c.ep), .dp_attention = one(c.dp_attention)};
  // EP and DP attention use TP's ranks: alone they say how many there are.
  if (c.tp == 0) out.tp = std::max(out.ep, out.dp_attention);
  return out;
}

Result<PlanRequest> make_request(const PlanConfig& c, const PlanModel& model) {
  PlanRequest r;
  r.model_name = model.name;
  r.weights = &model.weights;
  r.gpus = {find_gpu("H200"), 1};
  if (!c.gpus.empty()) {
    HADAL_ASSIGN(r.gpus, parse_gpus(c.gpus));
  }
  r.nodes = c.nodes;
  r.network = find_network(c.network);
  if (r.network == nullptr)
    return invalid_argument("--network is \"", c.network,
                            "\": it takes rdma-400, rdma-200, rdma-100, tcp-100 or tcp-25");
  r.load = {static_cast<double>(c.isl), static_cast<double>(c.osl), static_cast<double>(c.concurrency)};
  if (!c.slo.empty()) {
    HADAL_ASSIGN(r.slo, parse_slo(c.slo));
  }
  HADAL_RETURN_IF_ERROR(kv_element_bytes(c.kv_dtype).status());
  r.fit.kv_dtype = c.kv_dtype;
  r.fit.static_fraction = c.static_fraction;
  r.fit.max_running_tokens = c.max_step_tokens;
  r.fit.context_length = c.context_length;
  if (c.pins_layout()) r.pinned = pinned_layout(c);
  return r;
}

Result<Calibration> calibrate_from(const PlanConfig& c, const PlanRequest& request) {
  std::vector<CalibrationPoint> points;
  for (const std::string& path : c.calibrate) {
    HADAL_ASSIGN(const std::string text, read_file(path, kLargestResult));
    HADAL_ASSIGN(const auto more, parse_calibration(text, path, pinned_layout(c)));
    points.insert(points.end(), more.begin(), more.end());
  }
  return calibrate(request, points);
}

TimeBudget budget_of(const PlanConfig& c, const PlanModel& model, const PlanRequest& request,
                     const PlanAnswer& answer, StorageKind storage) {
  TimeBudgetInput in;
  const PlannedSystem& best = answer.systems[0];
  const bool cpu = request.gpus.gpu->resource.empty();
  in.image_bytes = cpu ? kCpuImageBytes : kGpuImageBytes;
  in.weight_bytes = model.file_bytes;
  in.num_nodes = std::max(1, (best.layout.num_ranks() + answer.per_node - 1) / answer.per_node);
  in.num_groups = std::max(1, answer.nodes / in.num_nodes);
  in.storage = storage;
  in.storage_gbs = c.storage_gbs;
  in.num_layers = model.weights.model().num_hidden_layers / best.layout.pp;
  if (cpu) in.num_graphs = 0;
  return time_budget(in);
}

Result<int> run_needs(const PlanConfig& c, const PlanModel& model, const PlanRequest& request) {
  NeedsReport report{&model, &request, plan_gpu_needs(request)};
  HADAL_RETURN_IF_ERROR(emit(c, c.format == "json" ? needs_json(report) : needs_text(report)));
  return report.good() ? kGood : kDoesNotFit;
}

Result<int> run(const PlanConfig& c) {
  HADAL_ASSIGN(const PlanModel model, load_plan_model(c.model, c.weight_dtype));
  HADAL_ASSIGN(PlanRequest request, make_request(c, model));
  HADAL_ASSIGN(const StorageKind storage, parse_storage_kind(c.storage));
  if (c.gpus.empty()) return run_needs(c, model, request);
  PlanReport report;
  report.model = &model;
  report.request = &request;
  report.storage = storage;
  report.gpu_hour_price = c.gpu_hour_price;
  report.max_layouts = c.max_layouts;
  if (!c.calibrate.empty()) {
    HADAL_ASSIGN(report.calibration, calibrate_from(c, request));
    request.efficiency = report.calibration->after;
  }
  HADAL_ASSIGN(report.answer, plan_system(request));
  for (const auto& obstacle : {cpu_request_obstacle(c.cpu_request, c.node_cpus),
                               memory_request_obstacle(c.memory_request_gib, c.node_memory_gib)}) {
    if (obstacle.has_value()) report.request_errors.push_back(*obstacle);
  }
  if (report.answer.fits) report.time = budget_of(c, model, request, report.answer, storage);
  if (c.format == "svg" && !report.answer.fits) {
    std::fputs(plan_text(report).c_str(), stderr);
    return kDoesNotFit;
  }
  HADAL_RETURN_IF_ERROR(emit(c, c.format == "json"  ? plan_json(report)
                                : c.format == "svg" ? plan_svg(report)
                                                    : plan_text(report)));
  return report.good() ? kGood : kDoesNotFit;
}

}  // namespace

int run_plan(Settings settings) {
  let_signals_end_process();
  const PlanConfig& c = settings.plan;
  if (c.list || c.table || c.records) {
    const Status status = emit(c, c.list    ? plan_list_text()
                                  : c.table ? size_table_text()
                                            : public_records_text());
    return status.ok() ? kGood : fail(status.error());
  }
  const auto code = run(c);
  return code.ok() ? *code : fail(code.error());
}

}  // namespace hadal
