#include "plan/public_records.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/check.h"
#include "config/model_catalog.h"
#include "plan/memory_terms.h"
#include "plan/serving_model.h"

namespace hadal {
namespace {

constexpr Layout kOne{};
constexpr Layout kTp2{.tp = 2};
constexpr Layout kTp8{.tp = 8};
constexpr Layout kDep8{.tp = 8, .ep = 8, .dp_attention = 8};
constexpr Layout kDep32{.tp = 32, .ep = 32, .dp_attention = 32};
constexpr Layout kDep64{.tp = 64, .ep = 64, .dp_attention = 64};
constexpr Layout kDep128{.tp = 128, .ep = 128, .dp_attention = 128};
using enum RecordMetric;

// clang-format off
constexpr PublicRecord kRecords[] = {
    // SemiAnalysis InferenceX, 2026-05: SGLang 0.5.12, DeepSeek-R1-0528 FP8, no multi-token prediction.
    {"InferenceX SGLang 0.5.12", "deepseek-r1", "H200", "", "bf16", kTp8, 1024, 1024, 4, kTpotMs, 9.70},
    {"InferenceX SGLang 0.5.12", "deepseek-r1", "H200", "", "bf16", kTp8, 1024, 1024, 8, kTpotMs, 11.73},
    {"InferenceX SGLang 0.5.12", "deepseek-r1", "H200", "", "bf16", kTp8, 1024, 1024, 16, kTpotMs, 15.28},
    {"InferenceX SGLang 0.5.12", "deepseek-r1", "H200", "", "bf16", kTp8, 1024, 1024, 32, kTpotMs, 21.8},
    {"InferenceX SGLang 0.5.12", "deepseek-r1", "H200", "", "bf16", kTp8, 1024, 1024, 64, kTpotMs, 29.77},
    {"InferenceX SGLang 0.5.12", "deepseek-r1", "H200", "", "bf16", kTp8, 1024, 1024, 64, kOutputPerGpu, 259.8},
    {"InferenceX SGLang 0.5.12", "deepseek-r1", "H200", "", "bf16", kTp8, 1024, 1024, 4, kTtftMs, 158},
    {"InferenceX SGLang 0.5.12", "deepseek-r1", "H200", "", "bf16", kTp8, 1024, 1024, 64, kTtftMs, 360},
    {"InferenceX SGLang 0.5.12", "deepseek-r1", "H200", "", "bf16", kTp8, 8192, 1024, 64, kTpotMs, 49.3},
    {"InferenceX SGLang 0.5.12", "deepseek-r1", "H200", "", "bf16", kTp8, 8192, 1024, 64, kOutputPerGpu, 151.0},
    {"InferenceX SGLang 0.5.12", "deepseek-r1", "H200", "", "bf16", kTp8, 8192, 1024, 64, kTtftMs, 2246},
    // TensorRT-LLM's DeepSeek-R1 best practice and performance overview: attention DP, EP8.
    {"TensorRT-LLM R1 blog", "deepseek-r1", "H200", "", "bf16", kDep8, 1024, 2048, 1024, kOutputPerGpu, 1436},
    {"TensorRT-LLM overview 1.2", "deepseek-r1", "H200", "", "fp8", kDep8, 1000, 1000, 0, kOutputPerGpu, 1627},
    {"TensorRT-LLM overview 1.2", "deepseek-r1", "H200", "", "fp8", kDep8, 1024, 8192, 0, kOutputPerGpu, 1218},
    // DeepSeek's profile-data, 2025: H800, decode EP128, 128 requests a GPU, KV 4096; prefill EP32, 4K.
    {"DeepSeek profile-data", "deepseek-v3", "H800", "", "bf16", kDep128, 4096, 2, 16384, kOutputPerGpu, 2325},
    {"DeepSeek profile-data", "deepseek-v3", "H800", "", "bf16", kDep32, 4096, 1, 0, kInputPerGpu, 7840},
    // LMSYS "large-scale EP", 2025-05: H100; decode EP72 (here EP64: 256 experts divide), 256 requests a GPU, 2K.
    {"LMSYS large-scale EP", "deepseek-v3", "H100", "", "bf16", kDep64, 2000, 2, 16384, kOutputPerGpu, 2785},
    {"LMSYS large-scale EP", "deepseek-v3", "H100", "", "bf16", kDep32, 4096, 1, 0, kInputPerGpu, 6288},
    // Dense models on one or two GPUs.
    {"SGLang documentation", "llama-3.1-8b", "H100", "", "bf16", kOne, 128, 256, 1, kTpotMs, 6.33},
    {"GPUStack lab, vLLM 0.11", "qwen3-8b", "H100", "", "bf16", kOne, 220, 200, 1, kTpotMs, 7.28},
    {"GPUStack lab, SGLang 0.5.3", "qwen3-8b", "H100", "", "bf16", kOne, 220, 200, 4, kTpotMs, 7.19},
    {"GPUStack lab, SGLang 0.5.3", "qwen3-8b", "H100", "fp8", "bf16", kOne, 220, 200, 4, kTpotMs, 5.65},
    {"TensorRT-LLM overview 1.0", "llama-3.1-8b", "H100", "fp8", "fp8", kOne, 1000, 1000, 0, kOutputPerGpu, 15220},
    {"TensorRT-LLM overview 1.0", "llama-3.1-8b", "H200", "fp8", "fp8", kOne, 1000, 1000, 0, kOutputPerGpu, 17744},
    {"TensorRT-LLM overview 1.0", "llama-3.1-8b", "H100", "fp8", "fp8", kOne, 2048, 2048, 0, kOutputPerGpu, 9305},
    {"TensorRT-LLM overview 1.0", "llama-3.1-8b", "H100", "fp8", "fp8", kOne, 2048, 128, 0, kOutputPerGpu, 3450},
    {"TensorRT-LLM overview 1.0", "llama-3.1-8b", "H100", "fp8", "fp8", kOne, 20000, 2000, 0, kOutputPerGpu, 1351},
    {"TensorRT-LLM overview 1.0", "llama-3.3-70b", "H200", "fp8", "fp8", kOne, 1000, 1000, 0, kOutputPerGpu, 2909},
    {"TensorRT-LLM overview 1.2", "llama-3.3-70b", "H100", "fp8", "fp8", kTp2, 1000, 1000, 0, kOutputPerGpu, 2209},
    {"TensorRT-LLM overview 1.2", "llama-3.3-70b", "H200", "fp8", "fp8", kTp2, 1000, 1000, 0, kOutputPerGpu, 2587},
    {"NVIDIA NIM 1.8", "llama-3.3-70b", "H100", "fp8", "bf16", kTp2, 5000, 500, 1, kTpotMs, 18.6},
    {"NVIDIA NIM 1.8", "llama-3.3-70b", "H100", "fp8", "bf16", kTp2, 5000, 500, 1, kTtftMs, 407},
    {"NVIDIA NIM 1.8", "llama-3.3-70b", "H100", "fp8", "bf16", kTp2, 5000, 500, 25, kTpotMs, 38.8},
    {"vLLM, buildkite 9515 (2024)", "llama-3.1-8b", "H200", "", "bf16", kOne, 32, 128, 8, kTpotMs, 6.5},
};
// clang-format on

constexpr std::string_view kWeightsGib = "weights of a rank, GiB";
constexpr std::string_view kWholeGb = "weights, GB";
constexpr std::string_view kTokens = "KV tokens";
constexpr std::string_view kKv128k = "KV of 128,000 tokens, GiB";
// clang-format off
constexpr MemoryRecord kMemory[] = {
    // docs.sglang.ai, "Deploy On Kubernetes": max_total_num_tokens=712400 in the log of two nodes with eight H20.
    {"SGLang docs, deploy on Kubernetes", "deepseek-r1", "H20", kTokens, {.tp = 16}, 0.93, 712'400},
    {"aisimulate #263, SGLang", "deepseek-r1", "H200", kTokens, {.tp = 8}, 0.82, 509'000},
    {"HabanaAI/vllm-fork #809", "deepseek-r1", "H20", kWeightsGib, {.tp = 8}, 0, 79.41},
    {"vllm #4650", "deepseek-v2-lite", "H100", kWeightsGib, {}, 0, 29.3010},
    {"vLLM logs (several)", "llama-3.1-8b", "H100", kWeightsGib, {}, 0, 14.9888},
    {"vllm log in an issue corpus", "r1-distill-qwen-1.5b", "H100", kWeightsGib, {}, 0, 3.3143},
    {"vLLM log, Qwen3-8B on 32 GB", "qwen3-8b", "H100", kWeightsGib, {}, 0, 15.27},
    {"SGLang log, Qwen3-14B TP4", "qwen3-14b", "H100", kWeightsGib, {.tp = 4}, 0, 7.08},
    {"SGLang log, Qwen 32B TP4", "r1-distill-qwen-32b", "H100", kWeightsGib, {.tp = 4}, 0, 15.54},
    {"SmolLM2's model card", "smollm2-1.7b", "L40S", kWholeGb, {}, 0, 3.42276},
    {"huggingface.co/blog/llama31", "llama-3.1-8b", "H100", kWholeGb, {}, 0, 16},
    {"huggingface.co/blog/llama31", "llama-3.1-70b", "H100", kWholeGb, {.tp = 4}, 0, 140},
    {"huggingface.co/blog/llama31", "llama-3.1-405b", "H200", kWholeGb, {.tp = 8}, 0, 810},
    {"huggingface.co/blog/llama31", "llama-3.1-8b", "H100", kKv128k, {}, 0, 15.62},
    {"huggingface.co/blog/llama31", "llama-3.1-70b", "H200", kKv128k, {}, 0, 39.06},
    {"SGLang log, Qwen3-14B TP4", "qwen3-14b", "H100", "KV of 298,447 tokens, GiB", {.tp = 4}, 0, 11.38},
    {"DeepSeek-V3 files (163)", "deepseek-v3", "H200", "files with MTP layer, GB", {.tp = 8}, 0, 688.586727753},
};
// clang-format on

// The most sequences that one attention group runs in the offline records, whose batch is not published.
constexpr double kOfflineBatch = 1024;
constexpr double kOfflineExpertBatch = 256;

double predict(const PublicRecord& r) {
  const CatalogModel* model = find_catalog_model(r.model);
  const GpuSpec* gpu = find_gpu(r.gpu);
  HADAL_CHECK(model != nullptr && gpu != nullptr) << r.model << " " << r.gpu;
  const WeightMap weights(catalog_config(*model).value(), parse_weight_format(r.weight_dtype).value());
  FitOptions options;
  options.kv_dtype = r.kv_dtype;
  const FitAnswer fit = fit_weights(weights, *gpu, r.layout, options).value();
  const Roofline roofline(weights, *gpu, *find_network("rdma-400"), r.layout, gpu->gpus_per_node,
                          default_efficiency(*gpu), kv_element_bytes(r.kv_dtype).value());
  const double gpus = r.layout.num_ranks();
  if (r.metric == kInputPerGpu) return r.isl / roofline.prefill_seconds_per_prompt(r.isl) / gpus;
  const double most =
      std::min((r.layout.ep > 1 ? kOfflineExpertBatch : kOfflineBatch) * r.layout.dp_attention,
               static_cast<double>(fit.kv_tokens) / (r.isl + r.osl));
  if (r.osl <= 2) {
    // A decode step alone.
    return r.concurrency / roofline.decode(r.concurrency, r.isl).total() * 1e6 / gpus;
  }
  const double concurrency = r.concurrency > 0 ? r.concurrency : std::floor(most);
  const Prediction p = predict_aggregated(roofline, {r.isl, r.osl, concurrency}, most);
  switch (r.metric) {
    case kTpotMs:
      return p.tpot_ms;
    case kTtftMs:
      return p.ttft_ms;
    default:
      return p.output_tokens_s / gpus;
  }
}

constexpr double kGibibyte = 1024.0 * 1024 * 1024;

double predict_memory(const MemoryRecord& r) {
  const ModelConfig config = catalog_config(*find_catalog_model(r.model)).value();
  const WeightMap weights(config, std::nullopt);
  const double whole = static_cast<double>(weights.whole().total());
  const auto kv = [&](double tokens) {
    return tokens * static_cast<double>(kv_bytes_per_token(config, r.layout, config.num_hidden_layers, 2)) /
           kGibibyte;
  };
  if (r.what == kWeightsGib) return static_cast<double>(weights.of_rank(r.layout, 0, 0).total()) / kGibibyte;
  if (r.what == kWholeGb) return whole / 1e9;
  if (r.what == kKv128k) return kv(128'000);
  if (r.what.starts_with("KV of 298,447")) return kv(298'447);
  if (r.what == kTokens) {
    FitOptions options;
    options.static_fraction = r.static_fraction;
    return static_cast<double>(fit_weights(weights, *find_gpu(r.gpu), r.layout, options).value().kv_tokens);
  }
  // The multi-token-prediction layer: one more layer with experts, its projection of two rows to one, and the
  // embedding and head again.
  ModelConfig longer = config;
  longer.num_hidden_layers += 1;
  const double layer = static_cast<double>(WeightMap(longer, std::nullopt).whole().total()) - whole;
  const double h = config.hidden_size;
  return (whole + layer + 4.0 * config.vocab_size * h + 4 * h * h) / 1e9;
}

std::string memory_records_text() {
  std::string out =
      "source                             model                 layout  what                       measured  "
      "computed  error\n";
  std::vector<double> errors;
  for (const MemoryCheck& check : check_memory_records()) {
    const MemoryRecord& r = *check.record;
    char text[240];
    std::snprintf(text, sizeof text, "%-34.*s %-21.*s TP%-5d %-26.*s %8.6g %9.6g %+5.1f%%\n",
                  static_cast<int>(r.source.size()), r.source.data(), static_cast<int>(r.model.size()),
                  r.model.data(), r.layout.tp, static_cast<int>(r.what.size()), r.what.data(), r.measured,
                  check.predicted, check.error() * 100);
    out += text;
    errors.push_back(std::abs(check.error()));
  }
  std::sort(errors.begin(), errors.end());
  char text[120];
  std::snprintf(text, sizeof text, "median of the errors' sizes: %.1f%% of %zu figures; worst %.1f%%\n",
                errors[errors.size() / 2] * 100, errors.size(), errors.back() * 100);
  return out + text;
}

}  // namespace

std::vector<MemoryCheck> check_memory_records() {
  std::vector<MemoryCheck> out;
  for (const MemoryRecord& record : kMemory) out.push_back({&record, predict_memory(record)});
  return out;
}

std::string_view record_metric_name(RecordMetric metric) {
  constexpr std::string_view kNames[] = {"TPOT ms", "TTFT ms", "out tok/s/GPU", "in tok/s/GPU"};
  return kNames[static_cast<size_t>(metric)];
}

std::span<const PublicRecord> public_records() {
  return kRecords;
}

std::vector<RecordCheck> check_public_records() {
  std::vector<RecordCheck> out;
  for (const PublicRecord& record : kRecords) out.push_back({&record, predict(record)});
  return out;
}

std::string public_records_text() {
  std::string out = "MEMORY: published figures and what the shapes give\n\n" + memory_records_text() +
                    "\nSPEED: public records and what the uncalibrated model says\n\n"
                    "source                       model         GPU     layout         isl/osl x requests   "
                    "metric         measured predicted error\n";
  std::vector<double> errors;
  for (const RecordCheck& check : check_public_records()) {
    const PublicRecord& r = *check.record;
    const std::string layout =
        r.layout.ep > 1 ? "DP+EP" + std::to_string(r.layout.ep) : "TP" + std::to_string(r.layout.tp);
    char text[240];
    std::snprintf(text, sizeof text,
                  "%-28.*s %-13.*s %-7.*s %-14s %5.0f/%-5.0f x %-6.0f   %-14s %8.4g %9.4g %+4.0f%%\n",
                  static_cast<int>(r.source.size()), r.source.data(), static_cast<int>(r.model.size()),
                  r.model.data(), static_cast<int>(r.gpu.size()), r.gpu.data(), layout.c_str(), r.isl, r.osl,
                  r.concurrency, std::string(record_metric_name(r.metric)).c_str(), r.measured,
                  check.predicted, check.error() * 100);
    out += text;
    errors.push_back(std::abs(check.error()));
  }
  std::sort(errors.begin(), errors.end());
  char text[120];
  std::snprintf(text, sizeof text, "median of the errors' sizes: %.0f%% of %zu records; worst %.0f%%\n",
                errors[errors.size() / 2] * 100, errors.size(), errors.back() * 100);
  return out + text;
}

}  // namespace hadal
