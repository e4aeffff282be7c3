// The same tokens whatever happens around a request: alone, in a batch of 64, after a cache hit, after
// preemption, with chunks of 16 and of 4,096 tokens.
#include <random>

#include "sched/scheduler_harness.h"

namespace hadal {
namespace {

struct Order {
  std::vector<int32_t> prompt;
  int32_t max_tokens;
  uint64_t seed;
};

std::vector<Order> make_orders() {
  std::mt19937 rng(64);
  std::vector<Order> orders;
  for (int i = 0; i < 64; ++i) {
    Order order{{}, static_cast<int32_t>(1 + rng() % 60), rng()};
    const auto len = 1 + rng() % 300;
    for (uint64_t k = 0; k < len; ++k) {
      order.prompt.push_back(static_cast<int32_t>(k < 70 && i % 3 == 0 ? k : rng() % 1000));
    }
    orders.push_back(std::move(order));
  }
  return orders;
}

SchedulerConfig server_config() {
  SchedulerConfig config;
  config.num_blocks = 4096;
  config.block_size = 32;
  config.max_running = 64;
  config.max_step_tokens = 4096 + 64;
  config.max_step_samples = 64;
  config.context_length = 4096;
  config.vocab_size = 1000;
  return config;
}

Request to_request(SchedulerHarness& h, const Order& order) {
  Request request = h.make(order.prompt, order.max_tokens);
  request.sampling.seed = order.seed;
  request.sampling.end_ids = {17};
  return request;
}

std::vector<std::vector<int32_t>> answers_of(const SchedulerConfig& config, const std::vector<Order>& orders,
                                             bool one_by_one, uint64_t* preemptions = nullptr) {
  SchedulerHarness h(config);
  h.check_every_step = false;
  std::vector<uint64_t> ids;
  for (const Order& order : orders) {
    ids.push_back(h.submit(to_request(h, order)));
    if (one_by_one) h.run();
  }
  h.run();
  h.scheduler.check_integrity();
  std::vector<std::vector<int32_t>> answers;
  for (const uint64_t id : ids) answers.push_back(h.answers[id].tokens);
  if (preemptions != nullptr) *preemptions = h.scheduler.stats().num_preemptions;
  return answers;
}

class SchedulerInvariant : public ::testing::Test {
 protected:
  SchedulerInvariant() : orders_(make_orders()), alone_(answers_of(server_config(), orders_, true)) {}
  std::vector<Order> orders_;
  std::vector<std::vector<int32_t>> alone_;
};

TEST_F(SchedulerInvariant, AloneIsWhatThePromptGives) {
  SchedulerHarness h(server_config());
  for (size_t i = 0; i < orders_.size(); ++i) EXPECT_EQ(alone_[i], h.expected(to_request(h, orders_[i])));
}

TEST_F(SchedulerInvariant, BatchOf64) {
  EXPECT_EQ(answers_of(server_config(), orders_, false), alone_);
}

TEST_F(SchedulerInvariant, Chunks) {
  for (const int32_t chunk : {16, 4096}) {
    SchedulerConfig config = server_config();
    config.chunked_prefill_size = chunk;
    EXPECT_EQ(answers_of(config, orders_, false), alone_) << chunk;
  }
}

TEST_F(SchedulerInvariant, AfterACacheHit) {
  SchedulerHarness h(server_config());
  h.check_every_step = false;
  for (const Order& order : orders_) h.submit(to_request(h, order));
  h.run();
  int32_t cached = 0;
  for (size_t i = 0; i < orders_.size(); ++i) {
    const uint64_t id = h.submit(to_request(h, orders_[i]));
    h.run();
    EXPECT_EQ(h.answers[id].tokens, alone_[i]);
    cached += h.answers[id].cached_tokens;
  }
  EXPECT_GT(cached, 64 * 64);
}

TEST_F(SchedulerInvariant, AfterPreemption) {
  SchedulerConfig config = server_config();
  config.num_blocks = 40;
  config.block_size = 16;
  uint64_t preemptions = 0;
  EXPECT_EQ(answers_of(config, orders_, false, &preemptions), alone_);
  EXPECT_GT(preemptions, 3u);
}

TEST_F(SchedulerInvariant, BlockSizesAndDepths) {
  for (const int32_t block_size : {1, 16, 64}) {
    SchedulerConfig config = server_config();
    config.block_size = block_size;
    config.num_blocks = 16384 / block_size;
    config.max_steps_in_flight = 1 + block_size % 3;
    EXPECT_EQ(answers_of(config, orders_, false), alone_) << block_size;
  }
}

}  // namespace
}  // namespace hadal
