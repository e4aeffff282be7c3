#include "app/start_plan.h"

#include <algorithm>
#include <sstream>

#include "runtime/memory_plan.h"

#ifndef HADAL_VERSION
#define HADAL_VERSION "unknown"
#endif

namespace hadal {
namespace {

constexpr int kDefaultMaxRunning = 128;
constexpr int kDefaultMaxQueued = 1024;
constexpr int kDefaultStepTokens = 512;
constexpr int64_t kLeastContext = 256;

Result<DType> parse_kv_dtype(const std::string& name) {
  if (name == "auto" || name == "f16" || name == "float16") return DType::kF16;
  if (name == "bf16" || name == "bfloat16") return DType::kBF16;
  if (name == "f32" || name == "float32") return DType::kF32;
  return invalid_argument("--kv-cache-dtype is \"", name, "\"");
}

Result<CpuTier> choose_tier(const std::string& name, const CpuInfo& cpu) {
  if (name.empty()) return cpu.tier;
  HADAL_ASSIGN(const CpuTier tier, parse_cpu_tier(name));
  if (tier > cpu.tier) {
    return invalid_argument("--cpu-tier ", name, ": this machine (", cpu.model_name, ") has ",
                            cpu_tier_name(cpu.tier), " at most");
  }
  return tier;
}

Result<int64_t> choose_context(const EngineConfig& engine, const ModelConfig& config, int64_t kv_token_bytes,
                               int64_t free_bytes, std::string& note) {
  if (engine.context_length > config.max_position_embeddings) {
    return invalid_argument("--context-length is ", engine.context_length, ", and the model ends at ",
                            config.max_position_embeddings);
  }
  if (engine.context_length > 0) return engine.context_length;
  const int64_t block = engine.page_size;
  int64_t fits = std::max<int64_t>(free_bytes / 2 / std::max<int64_t>(kv_token_bytes, 1), 0);
  if (engine.max_total_tokens > 0) fits = engine.max_total_tokens;
  fits = fits / block * block;
  if (fits >= config.max_position_embeddings) return config.max_position_embeddings;
  if (fits < std::min(kLeastContext, config.max_position_embeddings)) {
    if (engine.max_total_tokens > 0) {
      return invalid_argument("--max-total-tokens ", engine.max_total_tokens, " leaves a context of ", fits,
                              " tokens: it takes ", kLeastContext, " or more unless --context-length is set");
    }
    return make_error(
        ErrorCode::kResourceExhausted, "only ", fits, " tokens of KV cache fit beside the weights (",
        format_bytes(free_bytes), " free, ", format_bytes(kv_token_bytes),
        " per token): use a machine with more memory, a smaller model, or set --context-length");
  }
  note =
      "context length " + std::to_string(fits) + " of the model's " +
      std::to_string(config.max_position_embeddings) +
      (engine.max_total_tokens > 0
           ? ": what fits into the KV cache of --max-total-tokens " + std::to_string(engine.max_total_tokens)
           : std::string(": what fits into half of the free memory (--context-length sets it)"));
  return fits;
}

}  // namespace

int64_t kv_bytes_per_token(const ModelConfig& config, DType kv_dtype) {
  const int64_t element = dtype_block_bytes(kv_dtype);
  if (config.mla.has_value()) {
    return int64_t{config.num_hidden_layers} * (config.mla->kv_lora_rank + config.mla->qk_rope_head_dim) *
           element;
  }
  return int64_t{config.num_hidden_layers} * 2 * config.num_key_value_heads * config.head_dim * element;
}

Result<StartPlan> plan_start(const Settings& settings, const ModelConfig& config, const CpuInfo& cpu,
                             int64_t weight_bytes, int64_t available_bytes) {
  const EngineConfig& engine = settings.engine;
  StartPlan plan;
  LocalExecutorOptions& out = plan.executor;
  HADAL_ASSIGN(out.kv_dtype, parse_kv_dtype(engine.kv_cache_dtype));
  HADAL_ASSIGN(out.cpu_tier, choose_tier(engine.cpu_tier, cpu));
  const int local_ranks = settings.parallel.tp_size / settings.parallel.nnodes;
  out.num_threads = std::max(engine.num_threads > 0 ? engine.num_threads : cpu.num_cpus, local_ranks);
  out.block_size = engine.page_size;
  out.available_bytes = available_bytes;
  const int64_t local_weights = weight_bytes / settings.parallel.nnodes;
  HADAL_RETURN_IF_ERROR(check_weights_fit(local_weights, available_bytes));
  // MLA's cache is the same on every rank; others' heads are split.
  const int64_t copies = config.mla.has_value() ? local_ranks : 1;
  const int64_t token_bytes = kv_bytes_per_token(config, out.kv_dtype) * copies /
                              (config.mla.has_value() ? 1 : settings.parallel.nnodes);
  HADAL_ASSIGN(out.context_length,
               choose_context(engine, config, token_bytes,
                              available_bytes - local_weights - kProcessReserveBytes, plan.context_note));
  out.max_running_requests =
      engine.max_running_requests > 0 ? engine.max_running_requests : kDefaultMaxRunning;
  out.max_total_tokens = engine.max_total_tokens;
  plan.max_queued_requests = engine.max_queued_requests > 0 ? engine.max_queued_requests : kDefaultMaxQueued;
  // -1: whole prompts in one step.
  const int64_t step = engine.chunked_prefill_size == 0    ? kDefaultStepTokens
                       : engine.chunked_prefill_size == -1 ? out.context_length
                                                           : engine.chunked_prefill_size;
  plan.chunked_prefill_size = static_cast<int>(step);
  // A step holds a chunk and a token of every running request.
  out.max_step_tokens = static_cast<int>(step) + out.max_running_requests;
  return plan;
}

std::string group_agreement(const Settings& settings, const ModelConfig& config, const StartPlan& plan) {
  const LocalExecutorOptions& e = plan.executor;
  std::ostringstream out;
  out << "version=" << HADAL_VERSION << "\n"
      << "tp=" << settings.parallel.tp_size << "\n"
      << "model=" << architecture_name(config.architecture) << " " << config.num_hidden_layers
      << " layers, hidden " << config.hidden_size << ", heads " << config.num_attention_heads << "/"
      << config.num_key_value_heads << ", vocabulary " << config.vocab_size << "\n"
      << "context-length=" << e.context_length << "\n"
      << "kv-cache-dtype=" << dtype_name(e.kv_dtype) << "\n"
      << "page-size=" << e.block_size << "\n"
      << "max-running-requests=" << e.max_running_requests << "\n"
      << "step-tokens=" << e.max_step_tokens << "\n";
  return out.str();
}

}  // namespace hadal
