#include "base/json.h"
#include "plan/layout_rules.h"
#include "plan/memory_terms.h"
#include "plan/report.h"

namespace hadal {
namespace {

Json layout_json(const Layout& l) {
  return JsonObject{{"tp", l.tp}, {"pp", l.pp}, {"ep", l.ep}, {"dp_attention", l.dp_attention}};
}

Json strings_json(const std::vector<std::string>& texts) {
  JsonArray out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

Json rank_json(const RankBytes& r) {
  return JsonObject{{"capacity", r.capacity},
                    {"weights", r.weights},
                    {"activations", r.activations},
                    {"graphs", r.graphs},
                    {"communication", r.communication},
                    {"runtime", r.runtime},
                    {"kv", r.kv}};
}

Json step_json(const StepTime& t) {
  return JsonObject{{"total_ms", t.total() / 1e3},     {"memory_ms", t.memory / 1e3},
                    {"compute_ms", t.compute / 1e3},   {"all_reduce_ms", t.all_reduce / 1e3},
                    {"exchange_ms", t.exchange / 1e3}, {"launch_ms", t.launch / 1e3},
                    {"pipeline_ms", t.pipeline / 1e3}};
}

Json system_json(const PlannedSystem& s) {
  JsonObject out{{"name", system_name(s)},
                 {"layout", layout_json(s.layout)},
                 {"instances", s.instances},
                 {"gpus", s.num_gpus()}};
  if (s.split)
    out.emplace_back(
        "prefill", JsonObject{{"layout", layout_json(s.prefill_layout)}, {"instances", s.prefill_instances}});
  out.emplace_back("fits", s.fits);
  out.emplace_back("why", s.why);
  if (!s.fits) return out;
  const Prediction& p = s.prediction;
  out.emplace_back("meets_slo", s.meets_slo);
  out.emplace_back("concurrency", s.concurrency);
  out.emplace_back("ttft_ms", p.ttft_ms);
  out.emplace_back("tpot_ms", p.tpot_ms);
  out.emplace_back("output_tokens_per_s", s.output_tokens_s);
  out.emplace_back("output_tokens_per_s_per_gpu", s.tokens_s_per_gpu);
  out.emplace_back("tokens_per_s_per_user", s.tokens_s_per_user);
  out.emplace_back("bottleneck", bottleneck_name(p.bottleneck));
  out.emplace_back("max_requests", s.max_requests);
  out.emplace_back("max_context_tokens", s.max_context);
  out.emplace_back("kv_tokens_per_instance", s.fit.kv_tokens);
  out.emplace_back("kv_bytes_per_token_per_rank", s.fit.kv_bytes_per_token);
  out.emplace_back("rank_bytes", rank_json(s.fit.rank));
  out.emplace_back("decode_step", step_json(p.step));
  return out;
}

Json model_json(const PlanModel& m, const PlanRequest& q) {
  const ModelConfig& c = m.weights.model();
  const PartBytes whole = m.weights.whole();
  JsonObject parts;
  for (size_t i = 0; i < kNumWeightParts; ++i) {
    if (whole.bytes[i] > 0)
      parts.emplace_back(std::string(weight_part_name(static_cast<WeightPart>(i))), whole.bytes[i]);
  }
  const int kv = kv_element_bytes(q.fit.kv_dtype).value();
  return JsonObject{{"name", m.name},
                    {"architecture", architecture_name(c.architecture)},
                    {"parameters", m.weights.num_parameters()},
                    {"active_parameters", m.weights.active_parameters()},
                    {"weight_dtype", m.weights.dominant_format()},
                    {"weight_bytes", whole.total()},
                    {"file_bytes", m.file_bytes},
                    {"weight_bytes_by_part", parts},
                    {"kv_bytes_per_token", kv_bytes_per_token(c, Layout{}, c.num_hidden_layers, kv)},
                    {"context_length", c.max_position_embeddings}};
}

Json request_json(const PlanRequest& q) {
  JsonObject out{{"isl", q.load.isl},
                 {"osl", q.load.osl},
                 {"concurrency", q.load.concurrency},
                 {"network", q.network->name},
                 {"kv_dtype", q.fit.kv_dtype}};
  if (q.slo.has_value())
    out.emplace_back("slo", JsonObject{{"ttft_ms", q.slo->ttft_ms}, {"tpot_ms", q.slo->tpot_ms}});
  return out;
}

Json time_json(const TimeBudget& t) {
  JsonArray recovery;
  for (const RecoveryForecast& f : t.recovery)
    recovery.emplace_back(JsonObject{{"cause", f.cause}, {"seconds", f.seconds}, {"steps", f.steps}});
  return JsonObject{{"image_pull_s", t.image_pull_s},
                    {"start_s", t.start_s},
                    {"load_s", t.load_s},
                    {"graphs_s", t.graphs_s},
                    {"total_s", t.total_s},
                    {"startup_budget_s", t.startup_budget_s},
                    {"startup_failure_threshold", t.startup_failure_threshold},
                    {"job_deadline_s", t.job_deadline_s},
                    {"progress_deadline_s", t.progress_deadline_s},
                    {"recovery", recovery}};
}

Json calibration_json(const Calibration& c) {
  const auto constants = [](const Efficiency& e) {
    return Json(JsonObject{{"memory", e.memory},
                           {"compute", e.compute},
                           {"kernel_us", e.kernel_us},
                           {"collective", e.collective},
                           {"straggler", e.straggler}});
  };
  JsonArray rows;
  for (const CalibrationRow& r : c.rows)
    rows.emplace_back(
        JsonObject{{"what", r.what}, {"measured", r.measured}, {"before", r.before}, {"after", r.after}});
  return JsonObject{{"before", constants(c.before)},
                    {"after", constants(c.after)},
                    {"median_error_before", c.median_error_before},
                    {"median_error_after", c.median_error_after},
                    {"rows", rows}};
}

// Of the best system, a rank of each stage: {"stage": 0, "parts": [{"name", "dtype", "bytes"}, ...]}.
Json memory_json(const PlanReport& r) {
  const PlannedSystem& s = r.answer.systems[0];
  JsonArray stages;
  for (int stage = 0; stage < s.layout.pp; ++stage) {
    JsonArray parts;
    for (const MemoryRow& row :
         memory_rows(r.model->weights, s.layout, s.fit, stage, 0, r.request->fit.kv_dtype))
      parts.emplace_back(JsonObject{{"name", row.name}, {"dtype", row.dtype}, {"bytes", row.bytes}});
    stages.emplace_back(JsonObject{{"stage", stage}, {"parts", parts}});
  }
  return stages;
}

}  // namespace

std::string plan_json(const PlanReport& r) {
  const PlanRequest& q = *r.request;
  JsonArray layouts;
  for (const PlannedSystem& s : r.answer.systems) layouts.push_back(system_json(s));
  if (r.answer.fits) layouts[0].set("rank_memory", memory_json(r));
  JsonArray impossible;
  for (const PlannedSystem& s : r.answer.others) impossible.push_back(system_json(s));
  JsonObject out{{"version", 1},
                 {"model", model_json(*r.model, q)},
                 {"gpus", JsonObject{{"name", q.gpus.gpu->name},
                                     {"count", q.gpus.count},
                                     {"nodes", r.answer.nodes},
                                     {"memory_bytes", q.gpus.gpu->memory_bytes}}},
                 {"request", request_json(q)},
                 {"good", r.good()},
                 {"fits", r.answer.fits},
                 {"meets_slo", r.answer.meets_slo},
                 {"refusals", strings_json(r.answer.refusals)},
                 {"request_errors", strings_json(r.request_errors)},
                 {"advice", strings_json(r.answer.advice)},
                 {"warnings", strings_json(r.answer.warnings)},
                 {"layouts", layouts},
                 {"impossible", impossible}};
  if (r.answer.fits) out.emplace_back("time", time_json(r.time));
  if (r.calibration.has_value()) out.emplace_back("calibration", calibration_json(*r.calibration));
  return to_json(out, 2) + "\n";
}

std::string needs_json(const NeedsReport& r) {
  JsonArray needs;
  for (const GpuNeed& n : r.needs) {
    JsonObject one{{"gpu", n.gpus.gpu->name}, {"count", n.gpus.count}};
    if (n.gpus.count > 0) {
      one.emplace_back("system", system_json(n.system));
    } else {
      one.emplace_back("why_not", n.why_not);
    }
    needs.emplace_back(std::move(one));
  }
  const Json out(JsonObject{{"version", 1},
                            {"model", model_json(*r.model, *r.request)},
                            {"request", request_json(*r.request)},
                            {"good", r.good()},
                            {"gpu_needs", needs}});
  return to_json(out, 2) + "\n";
}

}  // namespace hadal
