// The planner's words: why a layout won or lost, what would work instead, and what the techniques mean.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "plan/layout_rules.h"
#include "plan/planner_internal.h"

namespace hadal {
namespace {

constexpr int kMostNeeded = 256;
constexpr int kMostSockets = 16;  // beyond which nobody serves one model from CPUs

std::string worded(const char* format, auto... values) {
  char text[400];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

// The part of a step that this system has more of than the best one.
std::string cost_of(const PlannedSystem& s) {
  const StepTime& t = s.prediction.step;
  const double total = t.total();
  switch (s.prediction.bottleneck) {
    case Bottleneck::kKvCapacity:
      return "its KV cache holds " + show_count(s.max_requests) + " requests at once and the rest wait";
    case Bottleneck::kPrefill:
      return s.split ? "the GPUs that read prompts are full"
                     : show_percent(s.prediction.prefill_share) + " of the time goes to reading prompts";
    case Bottleneck::kAllReduce:
      return "all-reduces take " + show_percent(t.all_reduce / total) + " of each step";
    case Bottleneck::kExchange:
      return "sending tokens to experts and back takes " + show_percent(t.exchange / total) + " of each step";
    case Bottleneck::kLaunch:
      return "starting kernels takes " + show_percent(t.launch / total) +
             " of each step, more than their work";
    case Bottleneck::kCompute:
      return "arithmetic takes " + show_percent(t.compute / total) + " of each step";
    case Bottleneck::kPipeline:
      return "stages wait for one another";
    case Bottleneck::kMemory:
      return "reading weights and KV takes " + show_percent(t.memory / total) + " of each step";
  }
  return "";
}

std::string slo_failure(const Slo& slo, const PlannedSystem& s) {
  std::string out;
  const auto add = [&](const char* what, double value, double limit) {
    if (value <= limit) return;
    if (!out.empty()) out += " and ";
    out += std::string(what) + " is " + show_ms(value) + ", " + show_percent(value / limit - 1) +
           " over the limit of " + show_ms(limit);
  };
  add("time to first token", s.prediction.ttft_ms, slo.ttft_ms);
  add("time per token", s.prediction.tpot_ms, slo.tpot_ms);
  return out;
}

// What a system's GPUs spend on one answer token, in GPU-milliseconds.
struct TokenCost {
  double memory, compute, all_reduce, exchange, launch, pipeline, prompts;
};
TokenCost token_cost(const PlannedSystem& s) {
  const double all = s.num_gpus() * 1000 / s.output_tokens_s;
  const StepTime& t = s.prediction.step;
  // GPUs that only read prompts, or the share of all GPUs' time that prompts take.
  const double prompts = s.split
                             ? 1.0 - static_cast<double>(s.instances * s.layout.num_ranks()) / s.num_gpus()
                             : s.prediction.prefill_share;
  const double unit = all * (1 - prompts) / t.total();
  return {t.memory * unit, t.compute * unit,  t.all_reduce * unit, t.exchange * unit,
          t.launch * unit, t.pipeline * unit, all * prompts};
}

// Where this system spends more than the best one does.
std::string cost_against(const PlannedSystem& best, const PlannedSystem& s) {
  const TokenCost a = token_cost(best);
  const TokenCost b = token_cost(s);
  const bool groups = s.layout.dp_attention > 1 && !s.split;
  const std::pair<double, std::string> causes[] = {
      {b.memory - a.memory, "its GPUs read more weights and KV for each token"},
      {b.compute - a.compute, s.layout.dp_attention > 1
                                  ? "its groups wait for the slowest, and arithmetic is spread less well"
                                  : "its arithmetic is spread less well"},
      {b.all_reduce - a.all_reduce, "more of its time goes to all-reduces"},
      {b.exchange - a.exchange, "more of its time goes to sending tokens to experts and back"},
      {b.launch - a.launch, "more of its GPUs' time goes to starting kernels, for fewer tokens each"},
      {b.pipeline - a.pipeline, "its stages wait for one another"},
      {b.prompts - a.prompts,
       s.split  ? "its GPUs that read prompts are a larger part of all, and partly idle"
       : groups ? "reading prompts takes more of its time: all groups wait while one of them has a prompt"
                : "reading prompts takes more of its time"},
  };
  const auto most = std::max_element(std::begin(causes), std::end(causes),
                                     [](const auto& x, const auto& y) { return x.first < y.first; });
  return most->first > 0 ? most->second : cost_of(s);
}

std::string why_lost(const PlanRequest& r, const PlannedSystem& best, const PlannedSystem& s) {
  if (!s.meets_slo && r.slo.has_value()) return slo_failure(*r.slo, s) + ": " + cost_of(s);
  const double less = 1 - s.output_tokens_s / best.output_tokens_s;
  if (less < -0.005) {
    return show_percent(-less) +
           " more tokens/s, less than the model is sure of, for a more complicated system";
  }
  std::string out =
      less < 0.03 ? "as fast, but more complicated: " : show_percent(less) + " fewer tokens/s: ";
  const bool fewer = r.load.concurrency == 0 && s.concurrency < best.concurrency * 0.95;
  const bool full =
      s.prediction.bottleneck == Bottleneck::kKvCapacity || s.concurrency >= s.max_requests * 0.98;
  if (fewer && full) return out + "it runs at most " + show_count(s.max_requests) + " requests at once";
  if (fewer) out += "beyond " + show_count(s.concurrency) + " requests at once it is too slow for each; ";
  return out + cost_against(best, s);
}

std::string why_won(const PlanRequest& r, const PlanAnswer& answer) {
  const PlannedSystem& best = answer.systems[0];
  std::string out =
      "bound by " + std::string(bottleneck_name(best.prediction.bottleneck)) + ": " + cost_of(best);
  if (answer.systems.size() > 1 && best.meets_slo) {
    const PlannedSystem& next = answer.systems[1];
    const double more = best.output_tokens_s / next.output_tokens_s - 1;
    out += more >= 0.08 ? "; " + show_percent(more) + " more tokens/s than the next, " + system_name(next)
                        : "; the simplest of those that are as fast within what the model is sure of (8%)";
  }
  if (r.slo.has_value() && best.meets_slo) out += "; it meets the SLO";
  return out;
}

bool spans_nodes(const PlannedSystem& s, int per_node) {
  return s.layout.num_ranks() > per_node || (s.split && s.num_gpus() > per_node);
}

void warn(const PlanContext& c, PlanAnswer& answer) {
  const PlanRequest& r = *c.request;
  if (answer.systems.empty()) return;
  const PlannedSystem& best = answer.systems[0];
  answer.warnings = best.fit.warnings;
  if (spans_nodes(best, c.per_node)) {
    if (!r.network->rdma) {
      answer.warnings.push_back(
          system_name(best) + " spans nodes over " + std::string(r.network->text) +
          ": every layer waits for the network; with RDMA (--network rdma-400) it would not");
    } else {
      answer.warnings.push_back(system_name(best) + " spans nodes and was reckoned with " +
                                std::string(r.network->text) +
                                ": check that the cluster has it (--network says otherwise)");
    }
  }
  const int idle = r.gpus.count - best.num_gpus();
  if (idle > 0)
    answer.warnings.push_back(std::to_string(idle) + " of " + std::to_string(r.gpus.count) +
                              " GPUs stay idle in this layout");
  if (r.load.concurrency > 0 && best.prediction.waiting > 0) {
    answer.warnings.push_back("of " + show_count(r.load.concurrency) + " requests, " +
                              show_count(best.max_requests) + " run at once; the others wait for KV memory");
  }
}

// Whether the request is met with other GPUs; the answer's best system then.
std::optional<PlannedSystem> try_gpus(const PlanRequest& r, GpuCount gpus) {
  PlanRequest other = r;
  other.gpus = gpus;
  other.nodes = 0;
  other.efficiency.reset();
  PlanAnswer answer;
  const int usual = gpus.gpu->gpus_per_node;
  const PlanContext c = make_context(other, std::min(gpus.count, usual));
  rank_and_name(c, answer);
  if (!answer.fits || !answer.meets_slo) return std::nullopt;
  if (r.load.concurrency > 0 && answer.systems[0].prediction.waiting > 0) return std::nullopt;
  if (!r.slo.has_value() && answer.systems[0].tokens_s_per_user < kReadableTokensPerSecond)
    return std::nullopt;
  return answer.systems[0];
}

std::string offer(GpuCount gpus, const PlannedSystem& s) {
  return std::to_string(gpus.count) + "x " + std::string(gpus.gpu->name) + " would do: " + system_name(s) +
         ", first token in " + show_ms(s.prediction.ttft_ms) + ", " + show_ms(s.prediction.tpot_ms) +
         " a token";
}

// Fewer users on the same GPUs.
void advise_concurrency(const PlanRequest& r, PlanAnswer& answer) {
  if (!r.slo.has_value() || r.load.concurrency <= 1 || r.pinned.has_value()) return;
  for (double concurrency = std::floor(r.load.concurrency / 2); concurrency >= 1;
       concurrency = std::floor(concurrency / 2)) {
    PlanRequest fewer = r;
    fewer.load.concurrency = concurrency;
    const auto system = try_gpus(fewer, r.gpus);
    if (!system.has_value()) continue;
    answer.advice.push_back("with " + show_count(concurrency) + " requests at once these GPUs do: " +
                            system_name(*system) + ", first token in " + show_ms(system->prediction.ttft_ms) +
                            ", " + show_ms(system->prediction.tpot_ms) + " a token");
    return;
  }
}

// The same GPUs with weights of fewer bits, where the checkpoint's own cannot be.
void advise_weights(const PlanRequest& r, PlanAnswer& answer) {
  if (answer.fits) return;
  for (const WeightFormat format : {WeightFormat::kInt8, WeightFormat::kInt4}) {
    const WeightMap weights(r.weights->model(), format);
    PlanRequest fewer = r;
    fewer.weights = &weights;
    const auto system = try_gpus(fewer, r.gpus);
    if (!system.has_value()) continue;
    const std::string name(weight_format_name(format));
    answer.advice.push_back("with the weights converted to " + name + " (--weight-dtype " + name + ", " +
                            show_bytes(static_cast<double>(weights.whole().total())) + ") " +
                            offer(r.gpus, *system));
    return;
  }
}

// The same GPUs with the layout left open.
void advise_layout(const PlanRequest& r, PlanAnswer& answer) {
  PlanRequest open = r;
  open.pinned.reset();
  const auto system = try_gpus(open, r.gpus);
  if (system.has_value())
    answer.advice.push_back("leave the layout to the planner (no --tp, --pp, --ep, --dp-attention): " +
                            offer(r.gpus, *system));
}

void advise(const PlanRequest& r, PlanAnswer& answer) {
  if (r.pinned.has_value()) return advise_layout(r, answer);
  advise_weights(r, answer);
  advise_concurrency(r, answer);
  for (int factor = 2; factor <= 16; factor *= 2) {
    const GpuCount more{r.gpus.gpu, r.gpus.count * factor};
    if (more.count > 256) break;
    const auto system = try_gpus(r, more);
    if (!system.has_value()) continue;
    answer.advice.push_back(offer(more, *system));
    break;
  }
  for (const std::string_view name : {"H200", "B200"}) {
    const GpuSpec* gpu = find_gpu(name);
    if (gpu == r.gpus.gpu || gpu == nullptr) continue;
    const auto system = try_gpus(r, {gpu, r.gpus.count});
    if (system.has_value()) answer.advice.push_back(offer({gpu, r.gpus.count}, *system));
  }
}

// Why nothing runs: the reason of the layout that uses the most of the GPUs.
void refuse(const PlanContext& c, PlanAnswer& answer) {
  const PlannedSystem* nearest = nullptr;
  for (const PlannedSystem& other : answer.others) {
    if (other.fit.refusals.empty()) continue;
    const bool larger = nearest == nullptr || other.layout.num_ranks() > nearest->layout.num_ranks();
    if (larger) nearest = &other;
  }
  if (nearest != nullptr) {
    answer.refusals = nearest->fit.refusals;
  } else if (!answer.others.empty()) {
    answer.refusals.push_back(answer.others.back().why);
  }
  if (answer.refusals.empty()) answer.refusals.push_back("no layout of this model uses these GPUs");
  advise(*c.request, answer);
}

}  // namespace

std::string show_ms(double ms) {
  if (ms >= 999.5) return worded(ms >= 9995 ? "%.0f s" : "%.2f s", ms / 1000);
  return worded(ms >= 99.5 ? "%.0f ms" : "%.1f ms", ms);
}

std::string show_count(double count) {
  if (count >= 999'500'000) return worded("%.2fG", count / 1e9);
  if (count >= 999'500) return worded(count >= 9'995'000 ? "%.1fM" : "%.2fM", count / 1e6);
  if (count >= 9'999.5) return worded(count >= 99'950 ? "%.0fk" : "%.1fk", count / 1e3);
  std::string digits = worded("%.0f", count);
  if (digits.size() > 3) digits.insert(digits.size() - 3, ",");
  return digits;
}

std::string show_percent(double share) {
  return worded("%.0f%%", share * 100);
}

std::string system_name(const PlannedSystem& s) {
  const auto times = [](int n, const Layout& l) {
    return n > 1 ? std::to_string(n) + "x " + layout_name(l) : layout_name(l);
  };
  if (s.split)
    return "prefill " + times(s.prefill_instances, s.prefill_layout) + " + decode " +
           times(s.instances, s.layout);
  return times(s.instances, s.layout);
}

std::vector<std::string> explain_system(const PlannedSystem& s, const ModelConfig& m) {
  const Layout& l = s.layout;
  std::vector<std::string> out;
  if (s.split) {
    out.push_back("Split: " + std::to_string(s.prefill_instances * s.prefill_layout.num_ranks()) +
                  " GPUs read prompts and " + std::to_string(s.instances * l.num_ranks()) +
                  " write answers, so a long prompt does not make the others' answers stutter; the "
                  "conversation's memory (KV) is sent over between them.");
  } else if (s.instances > 1) {
    out.push_back("Copies: " + std::to_string(s.instances) +
                  " independent copies of the model behind a load balancer; if one fails, the others go on.");
  }
  const int attention = l.tp / l.dp_attention;
  if (attention > 1)
    out.push_back("TP" + std::to_string(attention) + " (tensor parallel): every layer is cut into " +
                  std::to_string(attention) +
                  " and as many GPUs work on each token together, talking twice a layer.");
  if (l.dp_attention > 1)
    out.push_back("DP attention " + std::to_string(l.dp_attention) + ": each " +
                  (attention > 1 ? "group of GPUs" : "GPU") + " keeps the KV of its own users, " +
                  (m.mla ? "which TP would repeat on every GPU" : "and only theirs") +
                  ", so far more users fit.");
  if (l.ep > 1)
    out.push_back("EP" + std::to_string(l.ep) + " (expert parallel): each GPU has " +
                  std::to_string(m.moe ? m.moe->n_routed_experts / l.ep : 0) + " of the " +
                  std::to_string(m.moe ? m.moe->n_routed_experts : 0) +
                  " experts whole, and tokens travel to their experts and back.");
  if (l.pp > 1)
    out.push_back(
        "PP" + std::to_string(l.pp) + " (pipeline): the layers form " + std::to_string(l.pp) +
        " stages, like an assembly line; little talk between them, but each token passes through all.");
  if (out.empty()) out.push_back("The whole model is on one device, which works alone.");
  return out;
}

void explain_answer(const PlanContext& c, PlanAnswer& answer) {
  const PlanRequest& r = *c.request;
  if (!answer.fits) return refuse(c, answer);
  PlannedSystem& best = answer.systems[0];
  for (size_t i = 1; i < answer.systems.size(); ++i)
    answer.systems[i].why = why_lost(r, best, answer.systems[i]);
  best.why = why_won(r, answer);
  warn(c, answer);
  if (!answer.meets_slo && r.slo.has_value()) {
    answer.refusals.push_back("the SLO is not met: with the best layout, " + system_name(best) + ", " +
                              slo_failure(*r.slo, best));
    advise(r, answer);
  }
}

std::vector<GpuNeed> plan_gpu_needs(const PlanRequest& r) {
  std::vector<GpuNeed> out;
  for (const GpuSpec& gpu : gpu_table()) {
    GpuNeed need;
    need.gpus = {&gpu, 0};
    const int most = gpu.resource.empty() ? kMostSockets : kMostNeeded;
    for (int count = 1; count <= most && need.gpus.count == 0; count *= 2) {
      const auto system = try_gpus(r, {&gpu, count});
      if (!system.has_value()) continue;
      need.gpus.count = count;
      need.system = *system;
    }
    if (need.gpus.count == 0) {
      const auto one = fit_weights(*r.weights, gpu, Layout{}, r.fit);
      const auto least = smallest_layout(*r.weights, gpu, r.fit);
      const bool no_fp8 =
          one.ok() && !one->refusals.empty() && one->refusals[0].find("no FP8") != std::string::npos;
      need.why_not =
          no_fp8
              ? "has no FP8 arithmetic, and the weights are FP8: ask again with --weight-dtype int8 or bf16"
          : !least.has_value() ? "no number of them up to 256 holds the model"
                               : std::to_string(most) + " of them do not reach the load or the SLO";
    }
    out.push_back(std::move(need));
  }
  std::stable_sort(out.begin(), out.end(), [](const GpuNeed& a, const GpuNeed& b) {
    if ((a.gpus.count == 0) != (b.gpus.count == 0)) return b.gpus.count == 0;
    return a.gpus.count < b.gpus.count;
  });
  return out;
}

}  // namespace hadal
