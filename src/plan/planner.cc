#include "plan/planner.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "plan/layout_rules.h"
#include "plan/memory_terms.h"
#include "plan/planner_internal.h"

namespace hadal {
namespace {

// What engines run at once in one attention group, whatever the memory.
constexpr double kMostRunning = 1024;
constexpr double kMostRunningPerGroup = 256;
// Fractions of the GPUs that read prompts.
constexpr double kPrefillFractions[] = {0.125, 0.25, 0.34, 0.5, 0.67, 0.75};
// Within this share of the best throughput, less than the model is sure of, the simpler layout wins.
constexpr double kSameThroughput = 0.08;

std::vector<int> instance_sizes(const PlanRequest& r) {
  std::vector<int> sizes;
  for (int size = 1; size <= r.gpus.count; size *= 2) sizes.push_back(size);
  if (sizes.back() != r.gpus.count) sizes.push_back(r.gpus.count);
  return sizes;
}

std::vector<Layout> layouts_of_size(const PlanRequest& r, int size, int per_node) {
  if (r.pinned.has_value()) {
    if (r.pinned->num_ranks() != size) return {};
    return {*r.pinned};
  }
  std::vector<Layout> out{{.tp = size}};
  // Stages between nodes, or where GPUs of a node have no NVLink, or TP alone cannot be.
  const WeightFormat format = projection_format(r.weights->model(), std::nullopt);
  const bool anywhere = r.gpus.gpu->nvlink_gbs <= 0 || !check_layout(r.weights->model(), out[0], format).ok();
  for (int pp = 2; pp <= size && pp <= 16; pp *= 2) {
    if (size % pp == 0 && (anywhere || size / pp >= per_node)) out.push_back({.tp = size / pp, .pp = pp});
  }
  if (r.weights->model().moe && size > 1) {
    out.push_back({.tp = size, .ep = size});
    out.push_back({.tp = size, .dp_attention = size});
    out.push_back({.tp = size, .ep = size, .dp_attention = size});
    if (size >= 16) out.push_back({.tp = size, .ep = size, .dp_attention = size / 8});
  }
  return out;
}

double group_limit(const Layout& layout) {
  return layout.dp_attention > 1 ? kMostRunningPerGroup * layout.dp_attention : kMostRunning;
}

double most_requests(const PlanRequest& r, const Layout& layout, const FitAnswer& fit) {
  return std::min(group_limit(layout),
                  std::floor(static_cast<double>(fit.kv_tokens) / (r.load.isl + r.load.osl)));
}

// Whether prediction a is preferred to b at this SLO or reading speed.
bool acceptable(const PlanRequest& r, const Prediction& p) {
  if (r.slo.has_value()) return p.ttft_ms <= r.slo->ttft_ms && p.tpot_ms <= r.slo->tpot_ms;
  return p.tpot_ms <= 1000 / kReadableTokensPerSecond;
}

// The concurrencies to try for one system: the one asked for, or powers of two up to what it holds.
std::vector<double> concurrencies(const PlanRequest& r, double most) {
  if (r.load.concurrency > 0) return {r.load.concurrency};
  std::vector<double> out;
  for (double c = 1; c < most; c *= 1.4142135623730951) {
    const double whole = std::round(c);
    if (out.empty() || whole > out.back()) out.push_back(whole);
  }
  out.push_back(std::max(1.0, std::floor(most)));
  return out;
}

void take_prediction(PlannedSystem& system, const Prediction& p, double concurrency, double factor) {
  system.prediction = p;
  system.concurrency = concurrency;
  system.output_tokens_s = p.output_tokens_s * factor;
  system.tokens_s_per_gpu = system.output_tokens_s / system.num_gpus();
  system.tokens_s_per_user = 1000 / p.tpot_ms;
}

// Keeps the best of the concurrencies: the most tokens a second where all is acceptable, else the fastest
// answers.
template <typename Predict>
void choose_concurrency(const PlanRequest& r, PlannedSystem& system, double most, double factor,
                        Predict predict) {
  bool found = false;
  for (const double concurrency : concurrencies(r, most)) {
    const Prediction p = predict(concurrency);
    const bool good = acceptable(r, p);
    if (!found || (good && (!system.meets_slo || p.output_tokens_s * factor > system.output_tokens_s))) {
      take_prediction(system, p, concurrency, factor);
      system.meets_slo = good;
      found = true;
    }
  }
  if (!r.slo.has_value()) system.meets_slo = true;
}

PlannedSystem plan_together(const PlanContext& c, const LayoutCandidate& candidate) {
  const PlanRequest& r = *c.request;
  PlannedSystem out;
  out.layout = candidate.layout;
  out.instances = std::max(1, r.gpus.count / candidate.layout.num_ranks());
  out.fit = candidate.fit;
  out.fits = candidate.fits;
  out.why = candidate.why_not;
  if (!out.fits) return out;
  const double most = most_requests(r, candidate.layout, candidate.fit);
  out.max_requests = most * out.instances;
  out.max_context = candidate.fit.kv_tokens / candidate.layout.dp_attention;
  choose_concurrency(r, out, out.max_requests, out.instances, [&](double concurrency) {
    Workload one = r.load;
    one.concurrency = std::max(1.0, std::ceil(concurrency / out.instances));
    return predict_aggregated(*candidate.roofline, one, most);
  });
  return out;
}

PlannedSystem plan_split(const PlanContext& c, const LayoutCandidate& prefill, int num_prefill,
                         const LayoutCandidate& decode, int num_decode) {
  const PlanRequest& r = *c.request;
  PlannedSystem out;
  out.split = true;
  out.layout = decode.layout;
  out.instances = num_decode;
  out.prefill_layout = prefill.layout;
  out.prefill_instances = num_prefill;
  out.fit = decode.fit;
  out.prefill_fit = prefill.fit;
  out.fits = true;
  const double most = most_requests(r, decode.layout, decode.fit);
  out.max_requests = most * num_decode;
  out.max_context = std::min(decode.fit.kv_tokens / decode.layout.dp_attention,
                             prefill.fit.kv_tokens / prefill.layout.dp_attention);
  SplitSystem system{prefill.roofline.get(), num_prefill, decode.roofline.get(), num_decode, most, 0};
  const int ranks = decode.layout.tp / decode.layout.dp_attention;
  const double bytes = r.load.isl * static_cast<double>(decode.fit.kv_bytes_per_token) * decode.layout.pp;
  const bool across = out.num_gpus() > c.per_node;
  system.transfer_ms =
      send_us(*r.gpus.gpu, *r.network, across, bytes) * (r.weights->model().mla ? 1.0 / ranks : 1) / 1e3;
  choose_concurrency(r, out, out.max_requests, 1, [&](double concurrency) {
    Workload all = r.load;
    all.concurrency = concurrency;
    return predict_split(system, all);
  });
  return out;
}

// Of every size the layout that reads prompts fastest, where one context fits.
std::vector<const LayoutCandidate*> prefill_candidates(const PlanContext& c) {
  std::vector<const LayoutCandidate*> out;
  for (const LayoutCandidate& candidate : c.candidates) {
    if (!candidate.fits) continue;
    const auto rate = [&](const LayoutCandidate& x) {
      return x.roofline->prefill_seconds_per_prompt(c.request->load.isl);
    };
    const int size = candidate.layout.num_ranks();
    const auto same = std::find_if(out.begin(), out.end(),
                                   [&](const LayoutCandidate* x) { return x->layout.num_ranks() == size; });
    if (same == out.end()) {
      out.push_back(&candidate);
    } else if (rate(candidate) < rate(**same)) {
      *same = &candidate;
    }
  }
  return out;
}

void add_splits(const PlanContext& c, std::vector<PlannedSystem>& out) {
  const int total = c.request->gpus.count;
  if (c.request->pinned.has_value()) return;
  for (const LayoutCandidate* prefill : prefill_candidates(c)) {
    const int prefill_size = prefill->layout.num_ranks();
    for (const LayoutCandidate& decode : c.candidates) {
      const int decode_size = decode.layout.num_ranks();
      if (!decode.fits || prefill_size + decode_size > total) continue;
      int last = 0;
      for (const double fraction : kPrefillFractions) {
        const int most = (total - decode_size) / prefill_size;
        const int num_prefill =
            std::clamp(static_cast<int>(std::lround(total * fraction / prefill_size)), 1, most);
        if (num_prefill == last) continue;
        last = num_prefill;
        const int num_decode = (total - num_prefill * prefill_size) / decode_size;
        out.push_back(plan_split(c, *prefill, num_prefill, decode, num_decode));
      }
    }
  }
}

// Simpler first: fewer kinds of instances, no stages, fewer ranks that must work together.
int complexity(const PlannedSystem& s) {
  return (s.split ? 1000 : 0) + (s.layout.pp > 1 ? 300 : 0) + (s.layout.dp_attention > 1 ? 60 : 0) +
         (s.layout.ep > 1 ? 40 : 0) + s.layout.num_ranks();
}

// How far from the limits: at most 1 within them.
double slo_excess(const PlanRequest& r, const PlannedSystem& s) {
  if (!r.slo.has_value()) return 1;
  return std::max(s.prediction.ttft_ms / r.slo->ttft_ms, s.prediction.tpot_ms / r.slo->tpot_ms);
}

void rank_systems(const PlanRequest& r, std::vector<PlannedSystem>& systems) {
  std::stable_sort(systems.begin(), systems.end(), [&](const PlannedSystem& a, const PlannedSystem& b) {
    if (a.meets_slo != b.meets_slo) return a.meets_slo;
    if (!a.meets_slo) return slo_excess(r, a) < slo_excess(r, b);
    return a.output_tokens_s > b.output_tokens_s;
  });
  if (systems.empty() || !systems[0].meets_slo) return;
  const double floor = systems[0].output_tokens_s * (1 - kSameThroughput);
  size_t same = 0;
  while (same < systems.size() && systems[same].meets_slo && systems[same].output_tokens_s >= floor) ++same;
  std::stable_sort(
      systems.begin(), systems.begin() + static_cast<std::ptrdiff_t>(same),
      [](const PlannedSystem& a, const PlannedSystem& b) { return complexity(a) < complexity(b); });
}

// Of systems that differ only in how many instances read prompts, the best.
void keep_one_of_a_kind(std::vector<PlannedSystem>& systems) {
  std::vector<PlannedSystem> kept;
  for (PlannedSystem& s : systems) {
    const auto same = [&](const PlannedSystem& k) {
      if (k.split != s.split) return false;
      if (k.split) return true;
      return layout_name(k.layout) == layout_name(s.layout);
    };
    const auto alike = std::count_if(kept.begin(), kept.end(), same);
    if (alike < (s.split ? 2 : 1)) kept.push_back(std::move(s));
  }
  systems = std::move(kept);
}

Status check_request(const PlanRequest& r, PlanAnswer& answer) {
  if (r.weights == nullptr || r.gpus.gpu == nullptr || r.network == nullptr || r.gpus.count < 1)
    return invalid_argument("a plan needs a model, GPUs and a network");
  const Workload& w = r.load;
  if (!(w.isl >= 1) || !(w.osl >= 1) || !(w.concurrency >= 0) || w.isl > 1e8 || w.osl > 1e8 ||
      w.concurrency > 1e7)
    return invalid_argument(
        "prompts and answers must have from 1 to 100 million tokens, and there may be up to 10 million "
        "requests");
  const int64_t most = r.weights->model().max_position_embeddings;
  if (most > 0 && w.isl + w.osl > static_cast<double>(most))
    return invalid_argument("prompts of ", static_cast<int64_t>(w.isl), " and answers of ",
                            static_cast<int64_t>(w.osl), " tokens are more than the ", most, " positions of ",
                            r.model_name,
                            ": lower --isl or --osl, or name a checkpoint that was made for more");
  if (most > 0 && r.fit.context_length > most)
    return invalid_argument("--context-length ", r.fit.context_length, " is more than the ", most,
                            " positions of ", r.model_name,
                            ": no engine starts with more than the model has");
  const int usual = r.gpus.gpu->gpus_per_node;
  answer.nodes = r.nodes > 0 ? r.nodes : (r.gpus.count + usual - 1) / usual;
  if (r.gpus.count % answer.nodes != 0) {
    return invalid_argument(r.gpus.count, " GPUs do not divide among ", answer.nodes, " nodes; --nodes ",
                            (r.gpus.count + usual - 1) / usual, " and whole servers do");
  }
  answer.per_node = r.gpus.count / answer.nodes;
  return {};
}

}  // namespace

PlanContext make_context(const PlanRequest& r, int per_node) {
  PlanContext c;
  c.request = &r;
  c.per_node = per_node;
  const Efficiency efficiency = r.efficiency.value_or(default_efficiency(*r.gpus.gpu));
  const auto kv_bytes = kv_element_bytes(r.fit.kv_dtype);
  std::vector<int> sizes = instance_sizes(r);
  if (r.pinned.has_value()) sizes = {r.pinned->num_ranks()};
  for (const int size : sizes) {
    for (const Layout& layout : layouts_of_size(r, size, per_node)) {
      if (size > r.gpus.count) continue;
      LayoutCandidate candidate;
      candidate.layout = layout;
      const auto fit = fit_weights(*r.weights, *r.gpus.gpu, layout, r.fit);
      if (!fit.ok()) {
        candidate.why_not = fit.error().message;
        c.candidates.push_back(std::move(candidate));
        continue;
      }
      candidate.fit = *fit;
      candidate.fits = fit->fits() && most_requests(r, layout, *fit) >= 1;
      if (!fit->fits()) {
        candidate.why_not = fit->refusals[0];
      } else if (!candidate.fits) {
        candidate.why_not = "its KV cache holds " + std::to_string(fit->kv_tokens) +
                            " tokens, less than one request of " +
                            std::to_string(static_cast<int64_t>(r.load.isl + r.load.osl));
      }
      if (candidate.fits) {
        candidate.roofline = std::make_shared<Roofline>(*r.weights, *r.gpus.gpu, *r.network, layout, per_node,
                                                        efficiency, *kv_bytes);
      }
      c.candidates.push_back(std::move(candidate));
    }
  }
  return c;
}

void rank_and_name(const PlanContext& c, PlanAnswer& answer) {
  std::vector<PlannedSystem> systems;
  for (const LayoutCandidate& candidate : c.candidates) {
    PlannedSystem system = plan_together(c, candidate);
    (system.fits ? systems : answer.others).push_back(std::move(system));
  }
  add_splits(c, systems);
  rank_systems(*c.request, systems);
  keep_one_of_a_kind(systems);
  answer.systems = std::move(systems);
  answer.fits = !answer.systems.empty();
  answer.meets_slo = answer.fits && answer.systems[0].meets_slo;
}

Result<PlanAnswer> plan_system(const PlanRequest& request) {
  PlanAnswer answer;
  HADAL_RETURN_IF_ERROR(check_request(request, answer));
  // What is wrong with the options is an error; what is wrong with a layout is an answer.
  HADAL_RETURN_IF_ERROR(fit_weights(*request.weights, *request.gpus.gpu, Layout{}, request.fit).status());
  if (request.pinned.has_value() && request.pinned->num_ranks() > request.gpus.count) {
    return invalid_argument(layout_name(*request.pinned), " needs ", request.pinned->num_ranks(),
                            " GPUs; there are ", request.gpus.count);
  }
  const PlanContext context = make_context(request, answer.per_node);
  rank_and_name(context, answer);
  explain_answer(context, answer);
  return answer;
}

Result<Slo> parse_slo(std::string_view text) {
  const size_t comma = text.find(',');
  Slo slo;
  const auto read = [](std::string_view part, double& out) {
    double scale = 1;
    if (part.ends_with("ms")) {
      part.remove_suffix(2);
    } else if (part.ends_with("s")) {
      part.remove_suffix(1);
      scale = 1000;
    }
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), out);
    out *= scale;
    return error == std::errc() && end == part.data() + part.size() && out > 0 && out < 1e9;
  };
  if (comma == std::string_view::npos || !read(text.substr(0, comma), slo.ttft_ms) ||
      !read(text.substr(comma + 1), slo.tpot_ms)) {
    return invalid_argument("\"", text.substr(0, 40),
                            "\" is no SLO: write time to first token and time per token, as 2s,50ms");
  }
  return slo;
}

}  // namespace hadal
