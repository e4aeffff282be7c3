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

struct Memory {
  int64_t weights = 0;    // of this host's ranks
  int64_t kv_token = 0;   // bytes of one token
  int64_t available = 0;  // before loading
  int64_t free() const { return available - weights - kProcessReserveBytes; }
};

Result<int64_t> choose_context(const EngineConfig& engine, const ModelConfig& config, const Memory& memory,
                               std::string& note) {
  if (engine.context_length > config.max_position_embeddings) {
    return invalid_argument("--context-length is ", engine.context_length, ", and the model ends at ",
                            config.max_position_embeddings);
  }
  const int64_t block = engine.page_size;
  const int64_t cache = (engine.max_total_tokens + block - 1) / block * block;
  if (engine.context_length > 0) {
    if (cache == 0 || cache >= engine.context_length) return engine.context_length;
    note = "context length " + std::to_string(cache) + " instead of --context-length " +
           std::to_string(engine.context_length) + ": --max-total-tokens " +
           std::to_string(engine.max_total_tokens) + " holds no more";
    return cache;
  }
  int64_t fits = memory.free() / 2 / std::max<int64_t>(memory.kv_token, 1) / block * block;
  if (cache > 0) fits = cache;
  if (fits >= config.max_position_embeddings) return config.max_position_embeddings;
  // On a small machine a short context is better than none; whether it fits is checked with the rest.
  fits =
      std::max(fits, std::min((kLeastContext + block - 1) / block * block, config.max_position_embeddings));
  if (cache > 0) {
    fits = std::min(fits, cache);
    note = "context length " + std::to_string(fits) + " of the model's " +
           std::to_string(config.max_position_embeddings) + ": --max-total-tokens " +
           std::to_string(engine.max_total_tokens) + " holds no more";
    return fits;
  }
  note = "context length " + std::to_string(fits) + " of the model's " +
         std::to_string(config.max_position_embeddings) +
         ": what fits into half of the free memory (--context-length sets it)";
  return fits;
}

// Before anything is loaded: the same rule as after it, with the files' sizes and without the step's arena.
Status check_memory(const LocalExecutorOptions& options, const Memory& memory) {
  MemoryRequest request;
  request.ranks = {{memory.weights, 0, memory.kv_token * options.block_size}};
  request.available_bytes = memory.available;
  request.block_size = options.block_size;
  request.context_length = options.context_length;
  request.max_running_requests = options.max_running_requests;
  request.max_total_tokens = options.max_total_tokens;
  return plan_memory(request).status();
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
  // MLA's cache is the same on every rank; others' heads are split.
  const int64_t copies = config.mla.has_value() ? local_ranks : 1;
  const int64_t token_bytes = kv_bytes_per_token(config, out.kv_dtype) * copies /
                              (config.mla.has_value() ? 1 : settings.parallel.nnodes);
  const Memory memory{local_weights, token_bytes, available_bytes};
  HADAL_RETURN_IF_ERROR(check_weights_fit(local_weights, available_bytes));
  HADAL_ASSIGN(const int64_t context, choose_context(engine, config, memory, plan.context_note));
  out.max_running_requests =
      engine.max_running_requests > 0 ? engine.max_running_requests : kDefaultMaxRunning;
  out.max_total_tokens = engine.max_total_tokens;
  plan.max_queued_requests = engine.max_queued_requests > 0 ? engine.max_queued_requests : kDefaultMaxQueued;
  set_context(plan, settings, context);
  HADAL_RETURN_IF_ERROR(check_memory(out, memory));
  return plan;
}

void set_context(StartPlan& plan, const Settings& settings, int64_t context_length) {
  LocalExecutorOptions& out = plan.executor;
  out.context_length = context_length;
  const int wanted = settings.engine.chunked_prefill_size;
  // -1: whole prompts in one step.
  const int64_t step = wanted == 0 ? kDefaultStepTokens : wanted == -1 ? context_length : wanted;
  plan.chunked_prefill_size = static_cast<int>(step);
  // A step holds a chunk and a token of every running request.
  out.max_step_tokens = static_cast<int>(step) + out.max_running_requests;
}

std::string group_agreement(const Settings& settings, const ModelConfig& config, const StartPlan& plan,
                            const std::string& model_digest) {
  const LocalExecutorOptions& e = plan.executor;
  const EngineConfig& engine = settings.engine;
  std::ostringstream out;
  out << "version=" << HADAL_VERSION << "\n"
      << "tp=" << settings.parallel.tp_size << "\n"
      << "model=" << architecture_name(config.architecture) << " " << config.num_hidden_layers
      << " layers, hidden " << config.hidden_size << ", heads " << config.num_attention_heads << "/"
      << config.num_key_value_heads << ", vocabulary " << config.vocab_size << "\n"
      << "model-digest=" << model_digest
      << "\n"
      // What the hosts' memory decides is agreed on after they have met.
      << "context-length=" << (engine.context_length > 0 ? std::to_string(engine.context_length) : "auto")
      << "\n"
      << "max-total-tokens=" << engine.max_total_tokens << "\n"
      << "kv-cache-dtype=" << dtype_name(e.kv_dtype) << "\n"
      << "page-size=" << e.block_size << "\n"
      << "max-running-requests=" << e.max_running_requests << "\n"
      << "chunked-prefill-size=" << engine.chunked_prefill_size << "\n";
  return out.str();
}

}  // namespace hadal
