#include "runtime/local_executor.h"

#include <algorithm>

#include "runtime/host_memory.h"

namespace hadal {
namespace {

Status check_options(const ModelConfig& config, const LocalExecutorOptions& options) {
  if (options.max_running_requests < 1) return invalid_argument("--max-running-requests must be at least 1");
  if (options.max_step_tokens < options.max_running_requests) {
    return invalid_argument("--chunked-prefill-size ", options.max_step_tokens,
                            " must be at least --max-running-requests ", options.max_running_requests,
                            ": every running request takes one token of a step");
  }
  if (options.block_size < 1)
    return invalid_argument("--page-size must be at least 1, not ", options.block_size);
  if (options.context_length < 0 || (options.context_length == 0 && config.max_position_embeddings <= 0)) {
    return invalid_argument("--context-length must be given: the model's configuration names none");
  }
  return {};
}

WorkerOptions worker_options(const ModelConfig& config, const LocalExecutorOptions& options, int num_local,
                             int index) {
  WorkerOptions out;
  out.model.kv_dtype = options.kv_dtype;
  out.model.block_size = options.block_size;
  out.model.context_length =
      options.context_length > 0 ? options.context_length : config.max_position_embeddings;
  out.model.cpu_tier = options.cpu_tier;
  out.model.mla_absorb = options.mla_absorb;
  out.model.read_ahead = index == 0;
  out.num_threads = std::max(options.num_threads / num_local, 1);
  out.first_cpu = options.pin_threads ? index * out.num_threads : -1;
  out.limits.max_slots = options.max_running_requests;
  out.limits.max_tokens = options.max_step_tokens;
  out.limits.max_samples = options.max_running_requests;
  out.limits.context_length = out.model.context_length;
  out.limits.block_size = options.block_size;
  out.limits.vocab_size = config.vocab_size;
  out.limits.hidden_size = config.hidden_size;
  return out;
}

}  // namespace

Result<std::unique_ptr<LocalExecutor>> LocalExecutor::make(
    const ModelConfig& config, WeightSource& source, const LocalExecutorOptions& options,
    std::vector<std::unique_ptr<Communicator>> communicators) {
  HADAL_CHECK(!communicators.empty());
  HADAL_RETURN_IF_ERROR(check_options(config, options));
  int64_t available = options.available_bytes;
  if (available == 0) {
    HADAL_ASSIGN(available, available_memory());
  }
  // Shapes and shards are checked before any byte is read; a group's ranks on this host read their shares
  // only.
  const auto num_local = static_cast<int>(communicators.size());
  const int world = communicators.front()->size();
  HADAL_RETURN_IF_ERROR(check_weights_fit(source.total_bytes() / world * num_local, available));

  std::unique_ptr<LocalExecutor> out(new LocalExecutor());
  const WorkerOptions first = worker_options(config, options, num_local, 0);
  for (int i = 0; i < num_local; ++i) {
    out->workers_.push_back(std::make_unique<Worker>(worker_options(config, options, num_local, i),
                                                     std::move(communicators[static_cast<size_t>(i)])));
  }
  MemoryRequest request;
  HADAL_RETURN_IF_ERROR(out->load(config, source, request.ranks));
  request.available_bytes = available;
  request.block_size = options.block_size;
  request.context_length = first.limits.context_length;
  request.max_running_requests = options.max_running_requests;
  request.max_total_tokens = options.max_total_tokens;
  auto plan = plan_memory(request);
  if (!plan.ok()) {
    out->abort(plan.error().message);
    return std::move(plan).error();
  }
  if (options.wait_for_others) HADAL_RETURN_IF_ERROR(options.wait_for_others());
  HADAL_RETURN_IF_ERROR(out->prepare(plan->num_blocks));
  if (out->limits_.num_blocks < plan->num_blocks) {  // another host has less memory
    plan->kv_bytes = plan->kv_bytes / plan->num_blocks * out->limits_.num_blocks;
    plan->num_blocks = out->limits_.num_blocks;
    plan->max_tokens = plan->num_blocks * request.block_size;
  }
  out->limits_.block_size = options.block_size;
  out->limits_.num_domains = 1;
  out->limits_.max_step_tokens = first.limits.max_tokens;
  out->limits_.max_step_samples = first.limits.max_samples;
  out->limits_.max_slots = first.limits.max_slots;
  // A sequence longer than the whole cache could never run: --max-total-tokens, or another host's memory, may
  // say less than --context-length.
  request.context_length = std::min(request.context_length, plan->max_tokens);
  out->limits_.context_length = request.context_length;
  out->limits_.vocab_size = config.vocab_size;
  out->memory_plan_ = *plan;
  out->memory_report_ = memory_table(*plan, request);
  return out;
}

Status LocalExecutor::load(const ModelConfig& config, WeightSource& source, std::vector<RankMemory>& ranks) {
  std::vector<std::future<Result<RankMemory>>> loads;
  for (auto& worker : workers_) loads.push_back(worker->load(config, source));
  Status status;
  for (auto& load : loads) {
    auto memory = load.get();
    if (memory.ok()) {
      ranks.push_back(*memory);
    } else if (status.ok()) {
      status = memory.error();
      abort(memory.error().message);
    }
  }
  return status;
}

Status LocalExecutor::prepare(int64_t num_blocks) {
  std::vector<std::future<Result<int64_t>>> futures;
  for (auto& worker : workers_) futures.push_back(worker->prepare(num_blocks));
  Status status;
  for (auto& future : futures) {
    auto blocks = future.get();
    if (blocks.ok()) {
      limits_.num_blocks = static_cast<int32_t>(*blocks);
    } else if (status.ok()) {
      status = blocks.error();
      abort(blocks.error().message);
    }
  }
  return status;
}

LocalExecutor::~LocalExecutor() {
  stop();
}

void LocalExecutor::start(ResultSink sink) {
  // One rank reports; all ranks know the sampled tokens, rank 0 (of a leader) the log-probabilities too.
  workers_.front()->start(std::move(sink));
}

void LocalExecutor::submit(std::shared_ptr<const StepPlan> plan) {
  for (auto& worker : workers_) worker->submit(plan);
}

void LocalExecutor::stop() {
  if (stopped_) return;
  stopped_ = true;
  // A rank may wait for another inside a step, so all queues close before any thread is awaited.
  for (auto& worker : workers_) worker->close();
  for (auto& worker : workers_) worker->stop();
}

void LocalExecutor::abort(const std::string& reason) {
  for (auto& worker : workers_) worker->abort(reason);
}

}  // namespace hadal
