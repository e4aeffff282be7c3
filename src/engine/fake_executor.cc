#include "engine/fake_executor.h"

namespace hadal {

ExecutorLimits fake_limits() {
  ExecutorLimits limits;
  limits.num_blocks = 512;
  limits.block_size = 4;
  limits.max_step_tokens = 256;
  limits.max_step_samples = 64;
  limits.max_slots = 32;
  limits.context_length = 400;
  limits.vocab_size = 1000;
  return limits;
}

FakeExecutor::FakeExecutor(const ExecutorLimits& limits, const Options& options)
    : options_(options),
      worker_({limits.num_domains, limits.num_blocks, limits.block_size, limits.max_slots, limits.vocab_size,
               limits.max_step_tokens, limits.max_step_samples, options.verify_all}),
      plans_(static_cast<size_t>(limits.max_steps_in_flight)) {}

FakeExecutor::~FakeExecutor() {
  stop();
}

void FakeExecutor::start(ResultSink sink) {
  sink_ = std::move(sink);
  thread_ = std::thread([this] { run(); });
}

void FakeExecutor::submit(std::shared_ptr<const StepPlan> plan) {
  HADAL_CHECK(plans_.try_push(std::move(plan)) == PushResult::kOk) << "too many steps in flight";
}

void FakeExecutor::stop() {
  plans_.close();
  release();
  if (thread_.joinable()) thread_.join();
}

void FakeExecutor::hold() {
  std::lock_guard lock(mutex_);
  held_ = true;
}

void FakeExecutor::release() {
  {
    std::lock_guard lock(mutex_);
    held_ = false;
  }
  changed_.notify_all();
}

void FakeExecutor::wait_until_held() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return at_hold_; });
}

void FakeExecutor::wait_for_release() {
  std::unique_lock lock(mutex_);
  at_hold_ = held_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return !held_; });
  at_hold_ = false;
}

void FakeExecutor::run() {
  while (std::optional<std::shared_ptr<const StepPlan>> plan = plans_.pop()) {
    wait_for_release();
    const auto start = std::chrono::steady_clock::now();
    if ((*plan)->step_id == options_.fail_at_step) {
      sink_(make_error(ErrorCode::kInternal, "rank 1 is gone"));
      return;
    }
    StepResult result = worker_.run(**plan);
    if (options_.step_time.count() > 0) std::this_thread::sleep_until(start + options_.step_time);
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    sink_(std::move(result));
  }
}

}  // namespace hadal
