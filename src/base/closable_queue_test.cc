#include "base/closable_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace hadal {
namespace {

TEST(ClosableQueue, FullKeepsTheValue) {
  ClosableQueue<std::unique_ptr<int>> queue(1);
  EXPECT_EQ(queue.try_push(std::make_unique<int>(1)), PushResult::kOk);
  auto second = std::make_unique<int>(2);
  EXPECT_EQ(queue.try_push(std::move(second)), PushResult::kFull);
  ASSERT_NE(second, nullptr);
  queue.close();
  EXPECT_EQ(queue.try_push(std::move(second)), PushResult::kClosed);
  EXPECT_EQ(**queue.pop(), 1);
  EXPECT_FALSE(queue.pop().has_value());
}

TEST(ClosableQueue, CloseWakesWaiters) {
  ClosableQueue<int> queue(1);
  std::thread reader([&] { EXPECT_FALSE(queue.pop().has_value()); });
  queue.close();
  reader.join();
  EXPECT_FALSE(queue.push(1));
}

TEST(ClosableQueue, PopUntilTimesOut) {
  ClosableQueue<int> queue(1);
  EXPECT_FALSE(queue.pop_until(std::chrono::steady_clock::now() + std::chrono::milliseconds(5)).has_value());
}

TEST(ClosableQueue, ManyProducersLoseNothing) {
  ClosableQueue<int> queue(16);
  constexpr int kEach = 5000;
  std::vector<std::thread> producers;
  for (int p = 0; p < 4; ++p) {
    producers.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) ASSERT_TRUE(queue.push(i));
    });
  }
  int64_t sum = 0;
  for (int i = 0; i < 4 * kEach; ++i) sum += *queue.pop();
  for (auto& t : producers) t.join();
  EXPECT_EQ(sum, 4ll * kEach * (kEach - 1) / 2);
  EXPECT_EQ(queue.size(), 0u);
}

}  // namespace
}  // namespace hadal
