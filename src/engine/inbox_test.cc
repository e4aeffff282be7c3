#include "engine/inbox.h"

#include <gtest/gtest.h>

#include <thread>

#include "engine/fake_tokenizer.h"

namespace hadal {
namespace {

class InboxTest : public ::testing::Test {
 protected:
  InboxTest() { inbox_.admit_submits(); }
  Status submit(RequestId id) {
    SubmitOrder order;
    order.request.id = id;
    return inbox_.submit(std::move(order));
  }
  InboxBatch take(uint64_t num_started = 0, int32_t free_slots = 1) {
    InboxBatch batch;
    inbox_.take(batch, {num_started, free_slots}, std::chrono::steady_clock::now());
    return batch;
  }

  Inbox inbox_{2, 1};  // two may wait, one slot is free
};

TEST_F(InboxTest, HandsEverythingOverAtOnce) {
  EXPECT_TRUE(submit(1).ok());
  EXPECT_TRUE(submit(2).ok());
  inbox_.cancel(1, CancelReason::kClientGone);
  inbox_.push_result(StepResult{});
  EXPECT_TRUE(inbox_.pending_since().has_value());
  const InboxBatch batch = take();
  EXPECT_EQ(batch.submits.size(), 2u);
  EXPECT_EQ(batch.cancels.size(), 1u);
  EXPECT_EQ(batch.results.size(), 1u);
  EXPECT_FALSE(batch.stop);
  EXPECT_FALSE(inbox_.pending_since().has_value());
  EXPECT_TRUE(take().submits.empty());
}

TEST_F(InboxTest, BoundsTheQueue) {
  for (RequestId id = 1; id <= 3; ++id) EXPECT_TRUE(submit(id).ok());
  EXPECT_EQ(submit(4).error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(inbox_.num_waiting(), 3);
  take(0, 0);  // taken, but none has started, and no slot is free
  EXPECT_EQ(submit(4).error().code, ErrorCode::kResourceExhausted);
  take(2, 0);  // two have
  EXPECT_EQ(inbox_.num_waiting(), 1);
  EXPECT_TRUE(submit(4).ok());
  EXPECT_EQ(submit(5).error().code, ErrorCode::kResourceExhausted);
}

TEST_F(InboxTest, CancelsAreKeptOnceAndForOpenRequestsOnly) {
  EXPECT_TRUE(submit(1).ok());
  inbox_.cancel(7, CancelReason::kClientGone);
  inbox_.cancel(1, CancelReason::kDeadline);
  inbox_.cancel(1, CancelReason::kClientGone);
  const InboxBatch batch = take();
  ASSERT_EQ(batch.cancels.size(), 1u);
  EXPECT_EQ(batch.cancels[0].reason, CancelReason::kDeadline);
  inbox_.close_request(1);
  inbox_.cancel(1, CancelReason::kClientGone);
  EXPECT_TRUE(take().cancels.empty());
}

TEST_F(InboxTest, RefusesForTheFirstReasonGiven) {
  inbox_.refuse_submits("no more");
  inbox_.refuse_submits("later reason");
  inbox_.admit_submits();  // too late
  const Status status = submit(1);
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(status.error().message, "no more");
}

TEST_F(InboxTest, WaitsForTheLastOpenRequest) {
  const auto soon = [] { return std::chrono::steady_clock::now() + std::chrono::milliseconds(5); };
  EXPECT_TRUE(inbox_.wait_until_none_open(soon()));
  EXPECT_TRUE(submit(1).ok());
  EXPECT_FALSE(inbox_.wait_until_none_open(soon()));
  std::thread closer([&] { inbox_.close_request(1); });
  EXPECT_TRUE(inbox_.wait_until_none_open(std::chrono::steady_clock::now() + std::chrono::seconds(60)));
  closer.join();
}

TEST_F(InboxTest, TakeSleepsUntilSomethingComes) {
  InboxBatch batch;
  std::thread sender([&] { inbox_.push_result(make_error(ErrorCode::kInternal, "x")); });
  inbox_.take(batch, {}, std::nullopt);
  sender.join();
  ASSERT_EQ(batch.results.size(), 1u);
  EXPECT_FALSE(batch.results[0].ok());
  std::thread stopper([&] { inbox_.request_stop(); });
  inbox_.take(batch, {}, std::nullopt);
  stopper.join();
  EXPECT_TRUE(batch.stop);
  inbox_.take(batch, {}, std::nullopt);  // and so it stays
  EXPECT_TRUE(batch.stop);
}

}  // namespace
}  // namespace hadal
