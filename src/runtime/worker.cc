#include "runtime/worker.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace hadal {
namespace {

// Far more plans than are ever in flight: a full queue is a bug of the engine.
constexpr size_t kMaxQueuedJobs = 64;

}  // namespace

Worker::Worker(const WorkerOptions& options, std::unique_ptr<Communicator> comm)
    : options_(options),
      comm_(std::move(comm)),
      stream_(Stream::cpu(options.num_threads, options.first_cpu)),
      jobs_(kMaxQueuedJobs),
      thread_([this] { loop(); }) {}

Worker::~Worker() {
  stop();
}

void Worker::loop() {
  while (auto job = jobs_.pop()) {
    if (auto* plan = std::get_if<PlanPtr>(&*job)) {
      run_plan(**plan);
    } else {
      std::get<std::function<void()>> (*job)();
    }
  }
}

std::future<Result<RankMemory>> Worker::load(const ModelConfig& config, WeightSource& source) {
  auto promise = std::make_shared<std::promise<Result<RankMemory>>>();
  jobs_.push(std::function<void()>(
      [this, promise, &config, &source] { promise->set_value(do_load(config, source)); }));
  return promise->get_future();
}

std::future<Result<int64_t>> Worker::prepare(int64_t num_blocks) {
  auto promise = std::make_shared<std::promise<Result<int64_t>>>();
  jobs_.push(
      std::function<void()>([this, promise, num_blocks] { promise->set_value(do_prepare(num_blocks)); }));
  return promise->get_future();
}

Result<RankMemory> Worker::do_load(const ModelConfig& config, WeightSource& source) {
  ModelOptions options = options_.model;
  options.shard = {comm_->rank(), comm_->size()};
  HADAL_ASSIGN(model_, make_model(config, options));
  HADAL_RETURN_IF_ERROR(model_->load(*stream_, source));
  RankMemory memory;
  memory.weight_bytes = model_->weight_bytes();
  memory.block_bytes = model_->kv_spec().bytes_per_block();
  memory.arena_bytes = ModelRunner::arena_bytes(*model_, options_.limits, options_.num_threads);
  return memory;
}

Result<int64_t> Worker::least_over_ranks(int64_t num_blocks) {
  if (comm_->size() == 1) return num_blocks;
  // Collectives carry f32; two parts keep every bit of a block count.
  constexpr int64_t kPart = int64_t{1} << 24;
  std::vector<float> mine = {static_cast<float>(num_blocks / kPart), static_cast<float>(num_blocks % kPart)};
  std::vector<float> all(static_cast<size_t>(comm_->size()) * 2);
  HADAL_RETURN_IF_ERROR(comm_->all_gather(*stream_, Tensor(mine.data(), DType::kF32, {2}),
                                          Tensor(all.data(), DType::kF32, {comm_->size(), 2})));
  int64_t least = num_blocks;
  for (size_t rank = 0; rank < all.size() / 2; ++rank) {
    least = std::min(least,
                     static_cast<int64_t>(all[2 * rank]) * kPart + static_cast<int64_t>(all[2 * rank + 1]));
  }
  return least;
}

Result<int64_t> Worker::do_prepare(int64_t num_blocks) {
  HADAL_CHECK(model_ != nullptr) << "prepare before load";
  HADAL_ASSIGN(num_blocks, least_over_ranks(num_blocks));
  auto allocated = KvStorage::allocate(stream_->device(), model_->kv_spec(), num_blocks);
  if (!allocated.ok()) {
    return make_error(
        allocated.error().code, "the KV cache of ", num_blocks * options_.limits.block_size,
        " tokens: ", allocated.error().message,
        "; --max-total-tokens makes it smaller (a limit on address space, ulimit -v, counts too)");
  }
  KvStorage kv = std::move(allocated).value();
  StepLimits limits = options_.limits;
  limits.num_blocks = num_blocks;
  HADAL_ASSIGN(runner_, ModelRunner::make(*model_, std::move(kv), *stream_, *comm_, options_.model.cpu_tier,
                                          limits, options_.num_threads));
  return num_blocks;
}

void Worker::start(StepExecutor::ResultSink sink) {
  // As a job, so that the worker's thread is the only one that touches sink_.
  jobs_.push(std::function<void()>([this, sink = std::move(sink)]() mutable { sink_ = std::move(sink); }));
}

void Worker::submit(std::shared_ptr<const StepPlan> plan) {
  const PushResult pushed = jobs_.try_push(Job(std::move(plan)));
  HADAL_CHECK(pushed != PushResult::kFull) << "more than " << kMaxQueuedJobs << " plans in flight";
}

void Worker::run_plan(const StepPlan& plan) {
  if (failed_) return;
  HADAL_CHECK(runner_ != nullptr) << "a plan before prepare";
  auto result = runner_->run(plan);
  if (!result.ok()) {
    failed_ = true;
    comm_->abort(result.error().message);
  }
  if (sink_) sink_(std::move(result));
}

void Worker::stop() {
  jobs_.close();
  if (thread_.joinable()) thread_.join();
}

}  // namespace hadal
