#include "engine/engine.h"

#include <algorithm>

#include "base/log.h"

namespace hadal {
namespace {

// Batches that the output thread may lag behind; then the engine thread waits for it.
constexpr size_t kMaxOutputBatches = 256;

TimePoint deadline_from(TimePoint now, std::chrono::milliseconds own, std::chrono::milliseconds standard) {
  const std::chrono::milliseconds timeout = own.count() > 0 ? own : standard;
  // A century is as good as never, and far from overflow.
  if (timeout.count() <= 0 || timeout > std::chrono::hours(24 * 36500)) return kNoDeadline;
  return now + timeout;
}

Error shutdown_error() {
  return make_error(ErrorCode::kUnavailable, "the server was shut down before the answer was complete");
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::make(const ExecutorLimits& limits, const EngineOptions& options,
                                             StepExecutor& executor,
                                             std::shared_ptr<const Tokenizer> tokenizer,
                                             MetricsRegistry& registry) {
  HADAL_ASSIGN(const SchedulerConfig config, make_scheduler_config(limits, options));
  return std::unique_ptr<Engine>(new Engine(config, options, executor, std::move(tokenizer), registry));
}

Engine::Engine(const SchedulerConfig& config, const EngineOptions& options, StepExecutor& executor,
               std::shared_ptr<const Tokenizer> tokenizer, MetricsRegistry& registry)
    : config_(config),
      options_(options),
      executor_(executor),
      tokenizer_(std::move(tokenizer)),
      metrics_(registry),
      inbox_(options.max_queued, config.max_running),
      output_queue_(kMaxOutputBatches),
      scheduler_(config),
      outputs_(
          metrics_, [this](RequestId id) { inbox_.cancel(id, CancelReason::kStopString); },
          [this](RequestId id) { inbox_.close_request(id); }) {
  board_.stats.blocks_total = scheduler_.stats().blocks_total;
  board_.stats.context_length = config.context_length;
}

Engine::~Engine() {
  stop();
}

void Engine::start() {
  HADAL_CHECK(!engine_thread_.joinable() && !stopped_) << "the engine is started twice";
  executor_.start([this](Result<StepResult> result) { inbox_.push_result(std::move(result)); });
  {
    std::lock_guard lock(board_mutex_);
    board_.stats.phase = EnginePhase::kRunning;
    board_.last_progress = SteadyClock::now();
  }
  output_thread_ = std::thread([this] { run_output(); });
  engine_thread_ = std::thread([this] { run_engine(); });
  inbox_.admit_submits();
}

bool Engine::drain(std::chrono::milliseconds timeout) {
  inbox_.refuse_submits("the server is shutting down");
  {
    std::lock_guard lock(board_mutex_);
    if (board_.stats.phase == EnginePhase::kRunning) board_.stats.phase = EnginePhase::kDraining;
  }
  return inbox_.wait_until_none_open(SteadyClock::now() + timeout);
}

void Engine::stop() {
  if (stopped_) return;
  stopped_ = true;
  inbox_.refuse_submits("the server is shutting down");
  inbox_.request_stop();
  if (engine_thread_.joinable()) engine_thread_.join();
  output_queue_.close();
  if (output_thread_.joinable()) output_thread_.join();
  std::lock_guard lock(board_mutex_);
  board_.busy = false;
  if (board_.stats.phase != EnginePhase::kFailed) board_.stats.phase = EnginePhase::kStopped;
}

Request Engine::make_request(const GenerateRequest& request) const {
  Request r;
  r.prompt_ids = request.prompt_ids;
  r.sampling = request.sampling;
  r.pooling = request.pooling;
  r.priority = request.priority;
  r.arrival = request.arrival == TimePoint() ? SteadyClock::now() : request.arrival;
  r.queue_deadline = deadline_from(r.arrival, request.queue_timeout, options_.queue_timeout);
  r.total_deadline = deadline_from(r.arrival, request.total_timeout, options_.total_timeout);
  r.cache_salt = request.cache_salt;
  r.fork_group = request.fork_group;
  return r;
}

Result<RequestId> Engine::submit(GenerateRequest request, std::shared_ptr<OutputSink> sink) {
  Request r = make_request(request);
  Status status = check_request(config_, r);
  if (status.ok()) {
    r.id = next_id_.fetch_add(1);
    auto output = std::make_unique<RequestOutput>(r.id, request, r.arrival, tokenizer_, std::move(sink));
    const RequestId id = r.id;
    status = inbox_.submit({std::move(r), std::move(output)});
    if (status.ok()) return id;
  }
  metrics_.refused.add();
  return std::move(status).error();
}

void Engine::cancel_all(CancelReason reason) {
  if (reason == CancelReason::kShutdown) inbox_.refuse_submits("the server is shutting down");
  inbox_.cancel_all(reason);
}

EngineStats Engine::stats() const {
  const std::optional<TimePoint> pending = inbox_.pending_since();
  const int32_t waiting = inbox_.num_waiting();
  std::lock_guard lock(board_mutex_);
  EngineStats stats = board_.stats;
  // The scheduler's count misses what is still in the inbox, the inbox's what was preempted.
  stats.num_waiting = std::max(stats.num_waiting, waiting);
  if (board_.busy || pending) {
    const TimePoint since = board_.busy ? board_.last_progress : std::max(board_.last_progress, *pending);
    stats.seconds_since_progress = std::chrono::duration<double>(SteadyClock::now() - since).count();
  }
  return stats;
}

void Engine::run_engine() {
  last_progress_ = SteadyClock::now();
  while (!batch_.stop) {
    take(scheduler_.next_deadline());
    const TimePoint now = SteadyClock::now();
    for (Result<StepResult>& result : batch_.results) on_result(std::move(result), now);
    for (SubmitOrder& order : batch_.submits) on_submit(std::move(order));
    for (const CancelOrder& order : batch_.cancels) on_cancel(order);
    scheduler_.expire(now);
    if (!batch_.stop) plan_steps(now);  // before anything else: the workers wait for it
    hand_out();
    publish();
  }
  shut_down();
}

void Engine::take(std::optional<TimePoint> deadline) {
  const SchedulerStats stats = scheduler_.stats();
  QueueState state;
  state.num_started = num_taken_ - static_cast<uint64_t>(stats.num_queued);
  state.free_slots =
      std::max(0, config_.max_running - stats.num_running - (stats.num_waiting - stats.num_queued));
  inbox_.take(batch_, state, deadline);
}

void Engine::on_result(Result<StepResult> result, TimePoint now) {
  if (failure_) return;
  if (!result.ok()) {
    fail(result.error());
    return;
  }
  metrics_.step_time.observe(result->seconds);
  metrics_.steps.add();
  scheduler_.commit(std::move(result).value());
  last_progress_ = now;
}

void Engine::on_submit(SubmitOrder order) {
  ++num_taken_;
  const RequestId id = order.request.id;
  out_.opened.push_back(std::move(order.output));
  Status status = failure_ ? Status(*failure_) : scheduler_.submit(std::move(order.request));
  if (status.ok()) return;
  TokenEvent event;
  event.id = id;
  event.end = SequenceEnd::kFailed;
  event.error = std::move(status).error();
  out_.events.push_back(std::move(event));
}

void Engine::on_cancel(const CancelOrder& order) {
  // What is late is counted where it ends, as the scheduler finds most of it.
  if (order.reason != CancelReason::kDeadline) metrics_.cancellations(order.reason).add();
  switch (order.reason) {
    case CancelReason::kClientGone:
    case CancelReason::kStopString:
    case CancelReason::kSiblingFailed:
      return scheduler_.cancel(order.id);
    case CancelReason::kDeadline:
      return scheduler_.cancel(order.id, SequenceEnd::kDeadline);
    case CancelReason::kShutdown:
      return scheduler_.cancel(order.id, SequenceEnd::kFailed, shutdown_error());
  }
}

void Engine::plan_steps(TimePoint now) {
  if (failure_) return;
  if (scheduler_.num_in_flight() == 0) last_progress_ = now;
  while (std::shared_ptr<const StepPlan> plan = scheduler_.plan(now)) executor_.submit(std::move(plan));
}

void Engine::fail(const Error& error) {
  failure_ = make_error(ErrorCode::kUnavailable, "the engine has failed: ", error.message);
  log_error("engine failed").field("reason", Json(error.message));
  inbox_.refuse_submits(failure_->message);
  scheduler_.abort(*failure_);
  hand_out();
  {
    std::lock_guard lock(board_mutex_);
    board_.stats.phase = EnginePhase::kFailed;
    board_.stats.failure = error.message;
  }
  if (failure_hook_) failure_hook_(error);
}

// The executor first finishes the steps it has; what they brought is handed out, then everything open is
// ended.
void Engine::shut_down() {
  executor_.stop();
  inbox_.request_stop();  // so that take() returns at once
  take(std::nullopt);
  const TimePoint now = SteadyClock::now();
  for (Result<StepResult>& result : batch_.results) on_result(std::move(result), now);
  for (SubmitOrder& order : batch_.submits) on_submit(std::move(order));
  for (const CancelOrder& order : batch_.cancels) on_cancel(order);
  scheduler_.abort(shutdown_error());
  hand_out();
  publish();
}

// What has happened goes to the output thread, one batch per turn.
void Engine::hand_out() {
  scheduler_.take_events(events_);
  for (TokenEvent& event : events_) {
    if (event.end == SequenceEnd::kQueueTimeout || event.end == SequenceEnd::kDeadline)
      metrics_.cancellations(CancelReason::kDeadline).add();
    out_.events.push_back(std::move(event));
  }
  if (out_.opened.empty() && out_.events.empty()) return;
  output_queue_.push(std::move(out_));
  out_ = OutputBatch();
}

void Engine::publish() {
  const SchedulerStats stats = scheduler_.stats();
  metrics_.running.set(stats.num_running);
  metrics_.waiting.set(stats.num_waiting);
  metrics_.blocks_total.set(stats.blocks_total);
  metrics_.blocks_used.set(stats.blocks_used);
  metrics_.blocks_cached.set(stats.blocks_cached);
  if (stats.num_preemptions > num_preemptions_) {
    metrics_.preemptions.add(static_cast<double>(stats.num_preemptions - num_preemptions_));
    num_preemptions_ = stats.num_preemptions;
  }
  std::lock_guard lock(board_mutex_);
  board_.stats.num_running = stats.num_running;
  board_.stats.num_waiting = stats.num_waiting;
  board_.stats.blocks_used = stats.blocks_used;
  board_.stats.blocks_cached = stats.blocks_cached;
  board_.last_progress = last_progress_;
  board_.busy = scheduler_.num_in_flight() > 0;
}

void Engine::run_output() {
  while (std::optional<OutputBatch> batch = output_queue_.pop()) {
    outputs_.process(std::move(*batch));
    if (step_end_hook_) step_end_hook_();
  }
}

}  // namespace hadal
