// SchedulerHarness: a Scheduler and a FakeWorker driven by hand, for tests. The worker runs each plan at
// once, in order, as a device would; its result is committed later, so plans overlap as they do in the
// engine.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "sched/fake_worker.h"
#include "sched/scheduler.h"

namespace hadal {

inline SchedulerConfig small_config() {
  SchedulerConfig config;
  config.num_blocks = 64;
  config.block_size = 4;
  config.max_running = 8;
  config.max_step_tokens = 64;
  config.max_step_samples = 16;
  config.max_steps_in_flight = 2;
  config.context_length = 200;
  config.vocab_size = 1000;
  return config;
}

// What one request has given so far.
struct Answer {
  std::vector<int32_t> tokens;
  std::map<int32_t, float> prompt_logprobs;  // by index in the prompt
  std::vector<float> embedding;
  std::optional<SequenceEnd> end;
  std::optional<int32_t> matched_token;
  std::optional<Error> error;
  int32_t cached_tokens = 0;
  std::chrono::nanoseconds queue_time{0};
};

class SchedulerHarness {
 public:
  explicit SchedulerHarness(const SchedulerConfig& config = small_config(), bool verify_all = true)
      : scheduler(config),
        worker({config.num_domains, config.num_blocks, config.block_size, config.max_running,
                config.vocab_size, config.max_step_tokens, config.max_step_samples, verify_all}) {}

  // A request with ids 1, 2, 3, ...; arrives `now`, which then moves on by a millisecond.
  Request make(std::vector<int32_t> prompt, int32_t max_tokens) {
    Request request;
    request.id = next_id_++;
    request.prompt_ids = std::make_shared<const std::vector<int32_t>>(std::move(prompt));
    request.sampling.max_tokens = max_tokens;
    request.arrival = now;
    now += std::chrono::milliseconds(1);
    return request;
  }
  uint64_t submit(Request request) {
    const uint64_t id = request.id;
    requests[id] = request;
    const Status status = scheduler.submit(std::move(request));
    EXPECT_TRUE(status.ok()) << status.to_string();
    return id;
  }
  uint64_t submit(std::vector<int32_t> prompt, int32_t max_tokens) {
    return submit(make(std::move(prompt), max_tokens));
  }

  // Plans one step and lets the worker run it; null when there was nothing to plan.
  std::shared_ptr<const StepPlan> plan() {
    auto step = scheduler.plan(now);
    if (step == nullptr) return nullptr;
    if (on_plan) on_plan(*step);
    results_.push_back(worker.run(*step));
    ++num_steps;
    return step;
  }
  // Commits the oldest result; false when none is in flight.
  bool commit() {
    if (results_.empty()) return false;
    scheduler.commit(std::move(results_.front()));
    results_.pop_front();
    take_events();
    return true;
  }
  // Plans as far ahead as the scheduler goes, then commits one result.
  bool step() {
    while (plan() != nullptr) {
    }
    return commit();
  }
  void run(int max_steps = 100000) {
    for (int i = 0; i < max_steps; ++i) {
      if (!step()) break;
      if (check_every_step) scheduler.check_integrity();
    }
    take_events();
    EXPECT_TRUE(scheduler.idle());
  }
  void take_events() {
    scheduler.take_events(events_);
    for (TokenEvent& event : events_) record(event);
  }
  void drop_results() { results_.clear(); }

  // Whether the answer is what the fake model says of the prompt alone.
  void expect_right(uint64_t id) {
    const Request& request = requests.at(id);
    const Answer& answer = answers[id];
    ASSERT_TRUE(answer.end.has_value()) << "request " << id << " has no end";
    EXPECT_EQ(answer.tokens, expected(request)) << "request " << id;
  }
  std::vector<int32_t> expected(const Request& request) const {
    return fake_answer(*request.prompt_ids, request.sampling, scheduler.config().vocab_size,
                       scheduler.config().context_length);
  }

  Scheduler scheduler;
  FakeWorker worker;
  TimePoint now = TimePoint(std::chrono::hours(1));
  std::map<uint64_t, Request> requests;
  std::map<uint64_t, Answer> answers;
  std::vector<uint64_t> finish_order;
  std::function<void(const StepPlan&)> on_plan;
  bool check_every_step = true;
  int num_steps = 0;

 private:
  void record(TokenEvent& event) {
    Answer& answer = answers[event.id];
    EXPECT_FALSE(answer.end.has_value()) << "an event of request " << event.id << " after its end";
    if (event.sample) answer.tokens.push_back(event.sample->token);
    for (size_t i = 0; i < event.prompt_logprobs.size(); ++i) {
      answer.prompt_logprobs[event.prompt_logprobs_from + static_cast<int32_t>(i)] =
          event.prompt_logprobs[i].logprob;
    }
    if (!event.embedding.empty()) answer.embedding = event.embedding;
    answer.cached_tokens = event.cached_tokens;
    answer.queue_time = event.queue_time;
    answer.matched_token = event.matched_token;
    answer.error = event.error;
    answer.end = event.end;
    if (event.end) finish_order.push_back(event.id);
  }

  uint64_t next_id_ = 1;
  std::deque<StepResult> results_;
  std::vector<TokenEvent> events_;
};

inline std::vector<int32_t> prompt_of(int len, int first = 0) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < len; ++i) tokens.push_back((first + i) % 1000);
  return tokens;
}

}  // namespace hadal
