#include "plan/calibration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "plan/memory_terms.h"

namespace hadal {
namespace {

// A constant that is fitted, and where it may lie.
struct Knob {
  double Efficiency::*field;
  double least;
  double most;
};
constexpr std::array<Knob, 5> kKnobs = {{{&Efficiency::memory, 0.1, 1.0},
                                         {&Efficiency::compute, 0.03, 1.0},
                                         {&Efficiency::kernel_us, 0.3, 60},
                                         {&Efficiency::collective, 0.2, 8},
                                         {&Efficiency::straggler, 1.0, 3}}};
// How much a constant's distance from its default counts, so that one result does not move what it says
// nothing of.
constexpr double kPrior = 0.01;

struct Predictor {
  const PlanRequest* request;
  int per_node;
  int kv_bytes;
  std::vector<const CalibrationPoint*> points;
  std::vector<double> most_running;

  Prediction predict(size_t i, const Efficiency& efficiency) const {
    const Roofline roofline(*request->weights, *request->gpus.gpu, *request->network, points[i]->layout,
                            per_node, efficiency, kv_bytes);
    return predict_aggregated(roofline, points[i]->load, most_running[i]);
  }
};

template <typename Visit>
void visit_metrics(const CalibrationPoint& point, const Prediction& p, Visit visit) {
  if (point.ttft_ms.has_value()) visit("TTFT ms", *point.ttft_ms, p.ttft_ms);
  if (point.tpot_ms.has_value()) visit("TPOT ms", *point.tpot_ms, p.tpot_ms);
  if (point.output_tokens_s.has_value()) visit("output tokens/s", *point.output_tokens_s, p.output_tokens_s);
}

double loss(const Predictor& predictor, const Efficiency& efficiency, const Efficiency& start) {
  double sum = 0;
  double count = 0;
  for (size_t i = 0; i < predictor.points.size(); ++i) {
    const Prediction p = predictor.predict(i, efficiency);
    visit_metrics(*predictor.points[i], p, [&](const char*, double measured, double predicted) {
      const double error = std::log(predicted / measured);
      sum += error * error;
      count += 1;
    });
  }
  double prior = 0;
  for (const Knob& knob : kKnobs) {
    const double moved = std::log(efficiency.*knob.field / (start.*knob.field));
    prior += moved * moved;
  }
  return sum / std::max(1.0, count) + kPrior * prior;
}

// Coordinate descent on the constants' logarithms, with steps from 40 % down to 1 %.
Efficiency descend(const Predictor& predictor, const Efficiency& start) {
  Efficiency best = start;
  double least = loss(predictor, best, start);
  for (double step = 0.4; step > 0.008; step /= 2) {
    for (int round = 0; round < 12; ++round) {
      bool moved = false;
      for (const Knob& knob : kKnobs) {
        for (const double factor : {std::exp(step), std::exp(-step)}) {
          Efficiency next = best;
          next.*knob.field = std::clamp(best.*knob.field * factor, knob.least, knob.most);
          const double value = loss(predictor, next, start);
          if (value >= least - 1e-12) continue;
          least = value;
          best = next;
          moved = true;
        }
      }
      if (!moved) break;
    }
  }
  return best;
}

double median_error(const std::vector<CalibrationRow>& rows, double CalibrationRow::*predicted) {
  std::vector<double> errors;
  for (const CalibrationRow& row : rows) errors.push_back(std::abs(row.*predicted / row.measured - 1));
  if (errors.empty()) return 0;
  std::sort(errors.begin(), errors.end());
  return errors[errors.size() / 2];
}

}  // namespace

Result<Calibration> calibrate(const PlanRequest& request, const std::vector<CalibrationPoint>& points) {
  if (points.empty()) return invalid_argument("there are no results to calibrate with");
  HADAL_ASSIGN(const int kv_bytes, kv_element_bytes(request.fit.kv_dtype));
  const int usual = request.gpus.gpu->gpus_per_node;
  const int per_node = request.nodes > 0 ? std::max(1, request.gpus.count / request.nodes) : usual;
  Predictor predictor{&request, per_node, kv_bytes, {}, {}};
  for (const CalibrationPoint& point : points) {
    if (!point.gpu.empty() && find_gpu(point.gpu) != request.gpus.gpu) {
      return invalid_argument(point.origin, " was measured on \"", point.gpu, "\", but --gpus names ",
                              request.gpus.gpu->name, ": constants of one GPU say nothing of another");
    }
    const auto fit = fit_weights(*request.weights, *request.gpus.gpu, point.layout, request.fit);
    if (!fit.ok()) return invalid_argument(point.origin, ": ", fit.error().message);
    const double most = std::floor(static_cast<double>(fit->kv_tokens) / (point.load.isl + point.load.osl));
    if (!fit->fits() || most < 1)
      return invalid_argument(point.origin, ": the model does not fit in the layout that it names: ",
                              fit->fits() ? "no KV for one request" : fit->refusals[0]);
    predictor.points.push_back(&point);
    predictor.most_running.push_back(most);
  }
  Calibration out;
  out.before = default_efficiency(*request.gpus.gpu);
  out.after = descend(predictor, out.before);
  for (size_t i = 0; i < points.size(); ++i) {
    const size_t first = out.rows.size();
    visit_metrics(points[i], predictor.predict(i, out.before),
                  [&](const char* name, double measured, double predicted) {
                    out.rows.push_back({points[i].origin + ": " + name, measured, predicted, 0});
                  });
    size_t row = first;
    visit_metrics(points[i], predictor.predict(i, out.after),
                  [&](const char*, double, double predicted) { out.rows[row++].after = predicted; });
  }
  out.median_error_before = median_error(out.rows, &CalibrationRow::before);
  out.median_error_after = median_error(out.rows, &CalibrationRow::after);
  return out;
}

std::string calibration_text(const Calibration& c) {
  std::string out = "CALIBRATION\n";
  char text[400];
  for (const CalibrationRow& row : c.rows) {
    std::snprintf(text, sizeof text,
                  "  %-46s measured %8.4g   before %8.4g (%+.0f%%)   after %8.4g (%+.0f%%)\n",
                  row.what.substr(0, 46).c_str(), row.measured, row.before,
                  (row.before / row.measured - 1) * 100, row.after, (row.after / row.measured - 1) * 100);
    out += text;
  }
  std::snprintf(text, sizeof text, "  median error: %.0f%% before, %.0f%% after\n",
                c.median_error_before * 100, c.median_error_after * 100);
  out += text;
  std::snprintf(text, sizeof text,
                "  constants: memory %.2f (was %.2f), compute %.2f (%.2f), kernel %.1f us (%.1f), "
                "collectives x%.2f (%.2f), "
                "straggler %.2f (%.2f)\n",
                c.after.memory, c.before.memory, c.after.compute, c.before.compute, c.after.kernel_us,
                c.before.kernel_us, c.after.collective, c.before.collective, c.after.straggler,
                c.before.straggler);
  return out + text;
}

}  // namespace hadal
