#include "plan/fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "plan/gpu_table.h"
#include "plan/layout_rules.h"
#include "plan/memory_terms.h"
#include "plan/weight_map.h"

namespace hadal {
namespace {

// Less than this is no context anyone can use.
constexpr int64_t kLeastContext = 4096;
constexpr int64_t kLogitRows = 256;

struct StageFit {
  RankBytes rank;
  int64_t kv_bytes_per_token = 0;
  int64_t kv_tokens = 0;  // of one rank; negative where the weights alone are too much
};

StageFit fit_stage(const WeightMap& weights, const GpuSpec& gpu, const Layout& layout,
                   const FitOptions& options, int kv_bytes, int stage) {
  const ModelConfig& m = weights.model();
  const int layers = stage_layers(m.num_hidden_layers, layout.pp, stage).size();
  const CommunicationBytes communication = communication_bytes(m, layout, gpu);
  StageFit out;
  RankBytes& r = out.rank;
  r.capacity = gpu.memory_bytes;
  r.weights = weights.of_rank(layout, stage, 0).total();
  r.activations = activation_bytes(m, layout, options.max_running_tokens, kLogitRows);
  r.graphs = graph_bytes(m, gpu, layers);
  r.communication = communication.total();
  r.runtime = runtime_bytes(gpu);
  const int64_t before_weights = r.capacity - r.runtime - r.communication;
  if (options.static_fraction > 0) {
    r.kv = static_cast<int64_t>(static_cast<double>(before_weights) * options.static_fraction) - r.weights;
  } else {
    r.kv = before_weights - r.weights - r.activations - r.graphs;
  }
  out.kv_bytes_per_token = kv_bytes_per_token(m, layout, layers, kv_bytes);
  out.kv_tokens = r.kv >= 0 ? r.kv / out.kv_bytes_per_token : -1;
  return out;
}

StageFit fullest_stage(const WeightMap& weights, const GpuSpec& gpu, const Layout& layout,
                       const FitOptions& options, int kv_bytes) {
  StageFit fullest;
  fullest.kv_tokens = std::numeric_limits<int64_t>::max();
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int stage = 0; stage < layout.pp; ++stage) {
    const StageFit fit = fit_stage(weights, gpu, layout, options, kv_bytes, stage);
    const int64_t order = fit.kv_tokens >= 0 ? fit.kv_tokens : fit.rank.kv;
    if (order >= least) continue;
    least = order;
    fullest = fit;
  }
  return fullest;
}

// "4x A800 (80.0 GiB each)".
std::string show_gpus(const Layout& layout, const GpuSpec& gpu) {
  return std::to_string(layout.num_ranks()) + "x " + std::string(gpu.name) + " (" +
         show_memory(static_cast<double>(gpu.memory_bytes)) + " each)";
}

std::string nearest_text(const WeightMap& weights, const GpuSpec& gpu, const FitOptions& options) {
  const auto nearest = smallest_layout(weights, gpu, options);
  if (!nearest.has_value())
    return "no number of them up to 256 does: use fewer bits (--weight-dtype int4) or larger GPUs";
  return std::to_string(nearest->num_ranks()) + "x " + std::string(gpu.name) + " do, as " +
         layout_name(*nearest);
}

bool lacks_fp8(const WeightMap& weights, const GpuSpec& gpu) {
  if (gpu.fp8_tflops > 0 || gpu.resource.empty())
    return false;  // the CPU's kernels widen FP8 as they read it
  return std::any_of(weights.tensors().begin(), weights.tensors().end(),
                     [](const PlannedTensor& t) { return t.format == WeightFormat::kFp8Blocks; });
}

void refuse_fp8(const WeightMap& weights, const GpuSpec& gpu, FitAnswer& answer) {
  const WeightMap bf16(weights.model(), WeightFormat::kBf16);
  const WeightMap int8(weights.model(), WeightFormat::kInt8);
  answer.refusals.push_back(
      std::string(gpu.name) + " has no FP8 arithmetic, and the weights are FP8: convert them to int8 (" +
      show_bytes(static_cast<double>(int8.whole().total())) + ", --weight-dtype int8) or bf16 (" +
      show_bytes(static_cast<double>(bf16.whole().total())) +
      ", --weight-dtype bf16), or use GPUs with FP8: H100, H200, "
      "H20, L40S, B200, MI300X");
}

void judge_memory(const WeightMap& weights, const GpuSpec& gpu, const Layout& layout,
                  const FitOptions& options, FitAnswer& answer) {
  const RankBytes& r = answer.rank;
  const int64_t own = weights.model().max_position_embeddings;
  const int64_t tokens = answer.kv_tokens / layout.dp_attention;  // a sequence lives in one group
  const int64_t wanted = options.context_length > 0 ? options.context_length : std::min(own, kLeastContext);
  if (r.kv < 0) {
    const int64_t others = r.activations + r.graphs + r.communication + r.runtime;
    answer.refusals.push_back(
        show_bytes(static_cast<double>(answer.weight_bytes)) + " of weights (" +
        show_memory(static_cast<double>(answer.weight_bytes)) + ") do not fit on " + show_gpus(layout, gpu) +
        ": a GPU would hold " + show_memory(static_cast<double>(r.weights)) + " of them, beside " +
        show_memory(static_cast<double>(others)) + " of work space; " + nearest_text(weights, gpu, options));
  } else if (tokens < wanted) {
    answer.refusals.push_back("the weights leave " + show_memory(static_cast<double>(r.kv)) +
                              " a GPU for the KV cache of " + show_gpus(layout, gpu) + ": " +
                              std::to_string(tokens) + " tokens, less than one context of " +
                              std::to_string(wanted) + "; " + nearest_text(weights, gpu, options));
  } else if (options.context_length == 0 && tokens < own) {
    answer.longest_request = tokens;
    answer.longest_request_warning = answer.warnings.size();
    answer.warnings.push_back("the longest request is " + std::to_string(tokens) +
                              " tokens, not the model's own " + std::to_string(own) +
                              ": that is all the KV cache that one request can use");
  }
}

void judge_fraction(const FitOptions& options, FitAnswer& answer) {
  const RankBytes& r = answer.rank;
  if (options.static_fraction <= 0 || r.kv < 0) return;
  const int64_t before_weights = r.capacity - r.runtime - r.communication;
  const int64_t left = before_weights - r.weights - r.kv;
  const int64_t needed = r.activations + r.graphs;
  if (left >= needed) return;
  char text[200];
  std::snprintf(
      text, sizeof text,
      "a static fraction of %.2f leaves %s a GPU for activations and graphs, which take %s: %.2f is safe",
      options.static_fraction, show_memory(static_cast<double>(left)).c_str(),
      show_memory(static_cast<double>(needed)).c_str(),
      1.0 - static_cast<double>(needed) / static_cast<double>(before_weights) - 0.005);
  answer.warnings.push_back(text);
}

bool holds_one_context(const WeightMap& weights, const GpuSpec& gpu, const Layout& layout,
                       const FitOptions& options, int kv_bytes, WeightFormat format) {
  const ModelConfig& m = weights.model();
  if (!check_layout(m, layout, format).ok()) return false;
  const int64_t wanted = options.context_length > 0 ? options.context_length
                                                    : std::min(m.max_position_embeddings, kLeastContext);
  return fullest_stage(weights, gpu, layout, options, kv_bytes).kv_tokens >= wanted;
}

WeightFormat format_of(const WeightMap& weights) {
  for (const PlannedTensor& t : weights.tensors()) {
    if (t.quantizable) return t.format;
  }
  return WeightFormat::kBf16;
}

// GiB is the last unit of memory: a group of GPUs has 1,125 GiB, not 1.10 TiB.
std::string show_scaled(double bytes, double base, const std::array<const char*, 6>& units) {
  size_t unit = 0;
  while (unit + 1 < units.size() && units[unit + 1] != units[unit] && std::abs(bytes) >= base * 0.9995) {
    bytes /= base;
    ++unit;
  }
  char text[48];
  const double size = std::abs(bytes);
  const int digits = unit == 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  std::snprintf(text, sizeof text, "%.*f %s", digits, bytes, units[unit]);
  return text;
}

}  // namespace

std::string show_bytes(double bytes) {
  constexpr std::array<const char*, 6> kUnits = {"B", "kB", "MB", "GB", "TB", "PB"};
  return show_scaled(bytes, 1000, kUnits);
}

std::string show_memory(double bytes) {
  constexpr std::array<const char*, 6> kUnits = {"B", "KiB", "MiB", "GiB", "GiB", "GiB"};
  return show_scaled(bytes, 1024, kUnits);
}

Result<FitAnswer> fit_weights(const WeightMap& weights, const GpuSpec& gpu, const Layout& layout,
                              const FitOptions& options) {
  HADAL_RETURN_IF_ERROR(check_layout(weights.model(), layout, format_of(weights)));
  HADAL_ASSIGN(const int kv_bytes, kv_element_bytes(options.kv_dtype));
  if (!(options.static_fraction >= 0) || options.static_fraction >= 1)
    return invalid_argument("the static fraction must be at least 0 and below 1; it is ",
                            options.static_fraction);
  if (options.max_running_tokens < 1 || options.max_running_tokens > (int64_t{1} << 24) ||
      options.context_length < 0)
    return invalid_argument(
        "a step must have from 1 to 16777216 tokens and the context length must not be negative");
  const StageFit fullest = fullest_stage(weights, gpu, layout, options, kv_bytes);
  FitAnswer answer;
  answer.weight_bytes = weights.whole().total();
  answer.rank = fullest.rank;
  answer.kv_bytes_per_token = fullest.kv_bytes_per_token;
  answer.kv_tokens = std::max<int64_t>(fullest.kv_tokens, 0) * layout.dp_attention;
  if (lacks_fp8(weights, gpu)) refuse_fp8(weights, gpu, answer);
  judge_memory(weights, gpu, layout, options, answer);
  judge_fraction(options, answer);
  return answer;
}

Result<FitAnswer> fit_model(const ModelConfig& model, const GpuSpec& gpu, const Layout& layout,
                            std::string_view weight_dtype, const FitOptions& options) {
  HADAL_ASSIGN(const std::optional<WeightFormat> format, parse_weight_format(weight_dtype));
  return fit_weights(WeightMap(model, format), gpu, layout, options);
}

std::optional<Layout> smallest_layout(const WeightMap& weights, const GpuSpec& gpu, const FitOptions& options,
                                      int max_gpus) {
  const auto kv_bytes = kv_element_bytes(options.kv_dtype);
  if (!kv_bytes.ok()) return std::nullopt;
  const WeightFormat format = format_of(weights);
  for (int gpus = 1; gpus <= max_gpus; gpus *= 2) {
    std::vector<Layout> candidates{{.tp = gpus}};
    if (weights.model().moe) candidates.push_back({.tp = gpus, .ep = gpus, .dp_attention = gpus});
    for (int tp = gpus / 2; tp >= 1; tp /= 2) candidates.push_back({.tp = tp, .pp = gpus / tp});
    for (const Layout& layout : candidates) {
      if (holds_one_context(weights, gpu, layout, options, *kv_bytes, format)) return layout;
    }
  }
  return std::nullopt;
}

}  // namespace hadal
