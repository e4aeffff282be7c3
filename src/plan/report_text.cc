#include <algorithm>
#include <cmath>
#include <cstdio>

#include "config/model_catalog.h"
#include "plan/layout_rules.h"
#include "plan/memory_terms.h"
#include "plan/planner_internal.h"
#include "plan/report.h"

namespace hadal {
namespace {

constexpr size_t kWidth = 96;
constexpr int kBarWidth = 40;

std::string text_of(const char* format, auto... values) {
  char text[600];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

// Words in lines of kWidth, the first after `lead`, the others under its end.
std::string wrap(const std::string& lead, const std::string& words) {
  std::string out;
  std::string line = lead;
  const std::string indent(lead.size(), ' ');
  for (size_t begin = 0; begin < words.size();) {
    const size_t end = std::min(words.find(' ', begin), words.size());
    const std::string word = words.substr(begin, end - begin);
    begin = end + 1;
    const bool empty = line.size() == lead.size();
    if (!empty && line.size() + 1 + word.size() > kWidth) {
      out += line + "\n";
      line = indent + word;
      continue;
    }
    if (!empty) line += ' ';
    line += word;
  }
  return out + line + "\n";
}

std::string show_parameters(int64_t count) {
  return count >= 100'000'000'000 ? text_of("%.0fB", static_cast<double>(count) / 1e9)
         : count >= 1'000'000'000 ? text_of("%.1fB", static_cast<double>(count) / 1e9)
                                  : text_of("%.0fM", static_cast<double>(count) / 1e6);
}

std::string show_seconds(double s) {
  if (s < 90) return text_of("%.0f s", s);
  if (s < 5400) return text_of("%.0f min", s / 60);
  return text_of("%.1f h", s / 3600);
}

// Digits in groups of three.
std::string show_exact(int64_t count) {
  std::string digits = std::to_string(count);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

std::string title(const PlanReport& r) {
  const PlanRequest& q = *r.request;
  std::string out = "hadal plan: " + r.model->name + " on " + std::to_string(q.gpus.count) + "x " +
                    std::string(q.gpus.gpu->name);
  if (r.answer.nodes > 1)
    out += ", " + std::to_string(r.answer.nodes) + " nodes of " + std::to_string(r.answer.per_node);
  return out + "\n\n";
}

std::string load_words(const PlanRequest& q, double concurrency) {
  return show_count(concurrency) + (concurrency == 1 ? " request" : " requests at once") + ", prompts of " +
         show_count(q.load.isl) + " and answers of " + show_count(q.load.osl) + " tokens";
}

std::string verdict(const PlanReport& r) {
  const PlanAnswer& a = r.answer;
  std::string out;
  for (const std::string& error : r.request_errors) out += wrap("NO: ", error);
  if (!a.fits) {
    for (const std::string& refusal : a.refusals) out += wrap("NO: ", refusal + ".");
  } else {
    const PlannedSystem& best = a.systems[0];
    const std::string speed = show_count(best.output_tokens_s) + " tokens/s in all, first token in " +
                              show_ms(best.prediction.ttft_ms) + ", then " +
                              show_ms(best.prediction.tpot_ms) + " a token (" +
                              text_of("%.0f", best.tokens_s_per_user) + " tokens/s a user), with " +
                              load_words(*r.request, best.concurrency);
    if (a.meets_slo) {
      const bool as_asked = r.request_errors.empty();
      out += wrap(as_asked ? "YES: " : "     ", std::string(as_asked ? "it fits" : "The model itself fits") +
                                                    ". Best: " + system_name(best) + ". " + speed + ".");
    } else {
      out += wrap("NO: ", "it fits, but " + a.refusals[0] + ".");
    }
    if (r.gpu_hour_price > 0) {
      const double price = best.num_gpus() * r.gpu_hour_price / (best.output_tokens_s * 3600) * 1e6;
      out += wrap("     ",
                  text_of("At %.2f an hour a GPU: %.2f for a million answer tokens, %.2f an hour in all.",
                          r.gpu_hour_price, price, best.num_gpus() * r.gpu_hour_price));
    }
  }
  for (const std::string& advice : a.advice) out += wrap("     Instead: ", advice + ".");
  return out;
}

std::string model_words(const PlanReport& r) {
  const ModelConfig& m = r.model->weights.model();
  const int64_t all = r.model->weights.num_parameters();
  const int64_t active = r.model->weights.active_parameters();
  std::string words = show_parameters(all) + " parameters";
  if (m.moe)
    words += " (" + show_parameters(active) +
             " at work for each token: " + std::to_string(m.moe->num_experts_per_tok) + " of " +
             std::to_string(m.moe->n_routed_experts) + " experts)";
  const auto weights = static_cast<double>(r.model->weights.whole().total());
  words += ", " + r.model->weights.dominant_format() + ": " + show_bytes(weights) + " (" +
           show_memory(weights) + ") to load. KV cache: ";
  const int64_t kv =
      kv_bytes_per_token(m, Layout{}, m.num_hidden_layers, kv_element_bytes(r.request->fit.kv_dtype).value());
  words += show_exact(kv) + " bytes a token in " + r.request->fit.kv_dtype;
  words += m.mla ? " (MLA's latent: every GPU of a TP group has all of it)."
                 : text_of(" (%d KV heads, shared out among up to as many GPUs).", m.num_key_value_heads);
  return "\nTHE MODEL\n" + wrap("  ", words);
}

std::string memory_line(const MemoryRow& row, int64_t capacity) {
  const double share = static_cast<double>(row.bytes) / static_cast<double>(capacity);
  const auto length = static_cast<size_t>(std::lround(share * kBarWidth));
  const char mark = row.kind == MemoryRow::Kind::kWeights ? '#'
                    : row.kind == MemoryRow::Kind::kKv    ? '='
                    : row.kind == MemoryRow::Kind::kWork  ? '+'
                                                          : '.';
  return text_of("  %-18s %-10s %9s %4.0f%%  ", row.name.c_str(), row.dtype.substr(0, 10).c_str(),
                 show_memory(static_cast<double>(row.bytes)).c_str(), share * 100) +
         std::string(length, mark) + "\n";
}

std::string memory_words(const PlanReport& r) {
  const PlannedSystem& s = r.answer.systems[0];
  const int64_t capacity = s.fit.rank.capacity;
  std::string out = "\nWHAT A GPU HOLDS (" + std::string(r.request->gpus.gpu->name) + ", " +
                    show_memory(static_cast<double>(capacity)) +
                    (s.split ? "; one that writes answers" : "") + ")\n";
  MemoryRow small{"other weights", "", 0, MemoryRow::Kind::kWeights};
  bool small_shown = false;
  bool first = true;
  for (const MemoryRow& row : memory_rows(r.model->weights, s.layout, s.fit, 0, 0, r.request->fit.kv_dtype)) {
    // Weights of less than half a percent together, in one line after the others.
    const bool tiny = row.bytes * 200 < capacity;
    if (row.kind == MemoryRow::Kind::kWeights && tiny && !first) {
      small.bytes += row.bytes;
      continue;
    }
    if (row.kind != MemoryRow::Kind::kWeights && !small_shown) {
      if (small.bytes > 0) out += memory_line(small, capacity);
      small_shown = true;
    }
    if (row.bytes > 0 && !(row.kind == MemoryRow::Kind::kFree && tiny)) out += memory_line(row, capacity);
    first = false;
  }
  return out;
}

std::string capacity_words(const PlanReport& r) {
  const PlannedSystem& s = r.answer.systems[0];
  const PlanRequest& q = *r.request;
  const int64_t own = r.model->weights.model().max_position_embeddings;
  std::string words =
      show_exact(s.fit.kv_tokens) + " tokens of KV" +
      (s.instances > 1 ? " in each of " + std::to_string(s.instances) + " instances" : "") +
      ". Longest request: " + show_exact(std::min(s.max_context, own)) + " tokens" +
      (s.max_context >= own ? " (the model's own limit)" : " (the KV that one request can use)") +
      ". Requests of " + show_exact(static_cast<int64_t>(q.load.isl + q.load.osl)) +
      " tokens at once: " + show_exact(static_cast<int64_t>(s.max_requests)) + ".";
  return "\nHOW MUCH IT HOLDS\n" + wrap("  ", words);
}

std::string step_words(const StepTime& t) {
  const std::pair<const char*, double> parts[] = {
      {"reading memory", t.memory},      {"arithmetic", t.compute},      {"all-reduces", t.all_reduce},
      {"experts' exchange", t.exchange}, {"starting kernels", t.launch}, {"between stages", t.pipeline}};
  std::string out;
  for (const auto& [name, us] : parts) {
    if (us / t.total() < 0.01) continue;
    if (!out.empty()) out += ", ";
    out += std::string(name) + " " + show_percent(us / t.total());
  }
  return out;
}

std::string speed_words(const PlanReport& r) {
  const PlannedSystem& s = r.answer.systems[0];
  const Prediction& p = s.prediction;
  std::string out = "\nHOW FAST (predicted for " + load_words(*r.request, s.concurrency) + ")\n";
  out += text_of("  first token          %10s    (the prompt alone %s)\n", show_ms(p.ttft_ms).c_str(),
                 show_ms(p.prompt.total() / 1e3).c_str());
  out += text_of("  each further token   %10s    (%.0f tokens/s a user)\n", show_ms(p.tpot_ms).c_str(),
                 s.tokens_s_per_user);
  out += text_of("  all together         %10s tokens/s, %s a GPU\n", show_count(s.output_tokens_s).c_str(),
                 show_count(s.tokens_s_per_gpu).c_str());
  out += wrap("  a decode step of ", show_ms(p.step.total() / 1e3) + ": " + step_words(p.step));
  out += wrap("  ", "Bottleneck: " + std::string(bottleneck_name(p.bottleneck)) + ".");
  return out;
}

std::string layouts_table(const PlanReport& r) {
  std::string out = "\nLAYOUTS, best first\n";
  out += "   #  layout                                    requests  1st token  per token  tokens/s  a GPU\n";
  const auto& systems = r.answer.systems;
  const size_t shown = std::min(systems.size(), static_cast<size_t>(std::max(1, r.max_layouts)));
  for (size_t i = 0; i < shown; ++i) {
    const PlannedSystem& s = systems[i];
    std::string name = system_name(s);
    const bool long_name = name.size() > 40;
    if (long_name) out += text_of("  %2zu  %s\n", i + 1, name.c_str());
    out += text_of(long_name ? "      %-40s %9s %10s %10s %9s %6s%s\n" : "%6s%-40s %9s %10s %10s %9s %6s%s\n",
                   long_name ? "" : text_of("  %2zu  ", i + 1).c_str(),
                   long_name ? show_count(s.concurrency).c_str() : name.c_str(),
                   long_name ? show_ms(s.prediction.ttft_ms).c_str() : show_count(s.concurrency).c_str(),
                   long_name ? show_ms(s.prediction.tpot_ms).c_str() : show_ms(s.prediction.ttft_ms).c_str(),
                   long_name ? show_count(s.output_tokens_s).c_str() : show_ms(s.prediction.tpot_ms).c_str(),
                   long_name ? show_count(s.tokens_s_per_gpu).c_str() : show_count(s.output_tokens_s).c_str(),
                   long_name ? "" : show_count(s.tokens_s_per_gpu).c_str(), s.meets_slo ? "" : " !");
  }
  return out;
}

std::string why_words(const PlanReport& r) {
  const PlanAnswer& a = r.answer;
  std::string out = "\nWHAT THE BEST ONE IS\n";
  for (const std::string& line : explain_system(a.systems[0], r.model->weights.model()))
    out += wrap("  - ", line);
  out += wrap("  Why it won: ", a.systems[0].why + ".");
  const size_t shown = std::min(a.systems.size(), static_cast<size_t>(std::max(1, r.max_layouts)));
  if (shown > 1) out += "\nWHY THE OTHERS LOST\n";
  for (size_t i = 1; i < shown; ++i) out += wrap(text_of("  %2zu  ", i + 1), a.systems[i].why + ".");
  return out;
}

// Of the layouts that cannot run one for each reason, the one with the most GPUs; not what the verdict said.
std::string impossible_words(const PlanAnswer& a) {
  std::string out;
  std::vector<std::string> seen;
  const auto said = [&](const std::string& start) {
    return std::any_of(a.refusals.begin(), a.refusals.end(),
                       [&](const std::string& refusal) { return refusal.find(start) != std::string::npos; });
  };
  for (auto it = a.others.rbegin(); it != a.others.rend() && seen.size() < 4; ++it) {
    // Messages about a shape begin with the layout's name, those about memory do not.
    const std::string name = system_name(*it) + ": ";
    const bool named = it->why.starts_with(layout_name(it->layout) + ": ");
    const std::string why = named ? it->why.substr(layout_name(it->layout).size() + 2) : it->why;
    const std::string start = why.substr(0, 28);
    if (said(start) || std::find(seen.begin(), seen.end(), start) != seen.end()) continue;
    seen.push_back(start);
    out += wrap("  ", name + why + ".");
  }
  return out.empty() ? out : "\nWHAT CANNOT RUN HERE\n" + out;
}

std::string time_words(const PlanReport& r) {
  const TimeBudget& t = r.time;
  std::string out = "\nSTART AND RECOVERY (weights from " + std::string(storage_kind_name(r.storage)) + ")\n";
  out += wrap("  ", "Ready in about " + show_seconds(t.total_s) + ": " +
                        (t.image_pull_s > 0 ? "image " + show_seconds(t.image_pull_s) + ", " : "") +
                        "processes and rendezvous " + show_seconds(t.start_s) + ", weights " +
                        show_seconds(t.load_s) + ", graphs " + show_seconds(t.graphs_s) + ". Allow " +
                        show_seconds(t.startup_budget_s) + " in a startup probe.");
  for (const RecoveryForecast& forecast : t.recovery)
    out += wrap("  When ", forecast.cause + ": back in about " + show_seconds(forecast.seconds) + ".");
  return out;
}

std::string trust_words(const PlanReport& r) {
  if (r.calibration.has_value()) return "\n" + calibration_text(*r.calibration);
  return "\nHOW SURE\n" +
         wrap(
             "  ",
             "Memory follows from the model's shape and agrees with published figures within 5% (hadal plan "
             "--records). "
             "Speed is a roofline model that is typically within 10% of public records and at times 50% off; "
             "--calibrate RESULT.json fits it to a benchmark of your own.");
}

}  // namespace

std::string plan_text(const PlanReport& r) {
  std::string out = title(r) + verdict(r);
  for (const std::string& warning : r.answer.warnings) out += wrap("NOTE: ", warning + ".");
  out += model_words(r);
  if (r.answer.fits) {
    out += memory_words(r) + capacity_words(r) + speed_words(r) + layouts_table(r) + why_words(r);
  }
  out += impossible_words(r.answer);
  if (r.answer.fits) out += time_words(r) + trust_words(r);
  return out;
}

std::string needs_text(const NeedsReport& r) {
  const PlanRequest& q = *r.request;
  std::string load =
      "prompts of " + show_count(q.load.isl) + " and answers of " + show_count(q.load.osl) + " tokens";
  if (q.load.concurrency > 0) load = load_words(q, q.load.concurrency);
  const std::string limit = q.slo.has_value()
                                ? "first token within " + show_ms(q.slo->ttft_ms) + ", each further within " +
                                      show_ms(q.slo->tpot_ms)
                                : text_of("at least %.0f tokens/s a user", kReadableTokensPerSecond);
  std::string out =
      "hadal plan: what " + r.model->name + " needs\n\n" + wrap("For ", load + "; " + limit + ".") + "\n";
  out += "  GPUs           layout                              requests  1st token  per token  tokens/s\n";
  for (const GpuNeed& need : r.needs) {
    if (need.gpus.count == 0) continue;
    const PlannedSystem& s = need.system;
    out += text_of("  %3d x %-8s %-35s %8s %10s %10s %9s\n", need.gpus.count,
                   std::string(need.gpus.gpu->name).c_str(), system_name(s).substr(0, 35).c_str(),
                   show_count(s.concurrency).c_str(), show_ms(s.prediction.ttft_ms).c_str(),
                   show_ms(s.prediction.tpot_ms).c_str(), show_count(s.output_tokens_s).c_str());
  }
  std::vector<std::pair<std::string, std::string>> reasons;  // and whose they are
  for (const GpuNeed& need : r.needs) {
    if (need.gpus.count > 0) continue;
    const std::string name(need.gpus.gpu->name);
    const auto same =
        std::find_if(reasons.begin(), reasons.end(), [&](const auto& x) { return x.first == need.why_not; });
    if (same == reasons.end()) {
      reasons.emplace_back(need.why_not, name);
    } else {
      same->second += ", " + name;
    }
  }
  for (const auto& [reason, names] : reasons) out += wrap("  " + names + ": ", reason + ".");
  return out + "\n" +
         wrap("", "--gpus " +
                      (r.good() ? std::to_string(r.needs[0].gpus.count) + "x" +
                                      std::string(r.needs[0].gpus.gpu->name)
                                : std::string("8xH200")) +
                      " shows one of them in full. A \"GPU\" of CPU is one server socket.");
}

std::string plan_list_text() {
  std::string out = "MODELS (any other: give its config.json, directory or .gguf)\n";
  for (const CatalogModel& m : model_catalog()) {
    out += text_of("  %-22s %-46s %7s %9s\n", std::string(m.name).c_str(), std::string(m.huggingface).c_str(),
                   show_parameters(m.num_parameters).c_str(),
                   show_bytes(static_cast<double>(m.weight_bytes)).c_str());
  }
  out += "\nGPUS           memory      GB/s    TFLOPS bf16   fp8   NVLink GB/s\n";
  for (const GpuSpec& g : gpu_table()) {
    out += text_of("  %-10s %9s %9.0f %13.0f %5.0f %13.0f\n", std::string(g.name).c_str(),
                   show_memory(static_cast<double>(g.memory_bytes)).c_str(), g.memory_gbs, g.bf16_tflops,
                   g.fp8_tflops, g.nvlink_gbs);
  }
  out += "\nNETWORKS\n";
  for (const Fabric& n : network_table())
    out += text_of("  %-10s %s\n", std::string(n.name).c_str(), std::string(n.text).c_str());
  return out;
}

}  // namespace hadal
