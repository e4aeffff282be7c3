// FakeWorker must be able to fail: each kind of wrong plan is noticed.
#include "sched/fake_worker.h"

#include <gtest/gtest.h>

#include "sched/scheduler_harness.h"

namespace hadal {
namespace {

class FakeWorkerTest : public ::testing::Test {
 protected:
  FakeWorkerTest() : worker_({1, 8, 4, 4, 1000, 16, 4, true}) {}

  // Sequence `id` in slot id - 1: tokens at first_position on blocks.
  StepPlan plan_of(uint64_t id, int32_t first, std::vector<int32_t> tokens, std::vector<int32_t> blocks,
                   bool start) {
    StepPlan plan;
    plan.step_id = ++step_;
    const auto slot = static_cast<int32_t>(id) - 1;
    if (start) plan.starts.push_back({slot, id, 100, {}, Pooling::kNone, {}, {}});
    PlanRow row;
    row.sequence_id = id;
    row.slot = slot;
    row.first_position = first;
    row.num_tokens = static_cast<int32_t>(tokens.size());
    row.token_offset = 0;
    row.num_blocks = static_cast<int32_t>(blocks.size());
    plan.domains.push_back({{row}, std::move(tokens), std::move(blocks)});
    return plan;
  }

  FakeWorker worker_;
  uint64_t step_ = 0;
};

TEST_F(FakeWorkerTest, ReadsBackWhatItWrote) {
  worker_.run(plan_of(1, 0, {1, 2, 3, 4, 5}, {3, 6}, true));
  worker_.run(plan_of(1, 5, {6}, {3, 6}, false));
  worker_.run(plan_of(2, 4, {9}, {3, 0}, true));  // shares the first block
  EXPECT_EQ(worker_.num_tokens_run(), 7);
}

TEST_F(FakeWorkerTest, NoticesAWrongBlock) {
  worker_.run(plan_of(1, 0, {1, 2, 3, 4, 5}, {3, 6}, true));
  EXPECT_DEATH(worker_.run(plan_of(1, 5, {6}, {6, 3}, false)), "instead of");
  EXPECT_DEATH(worker_.run(plan_of(1, 5, {6}, {2, 6}, false)), "instead of");
}

TEST_F(FakeWorkerTest, NoticesAWrongPosition) {
  worker_.run(plan_of(1, 0, {1, 2, 3, 4, 5}, {3, 6}, true));
  EXPECT_DEATH(worker_.run(plan_of(1, 6, {6}, {3, 6}, false)), "instead of");
}

TEST_F(FakeWorkerTest, NoticesABlockOfAnotherPrefix) {
  worker_.run(plan_of(1, 0, {1, 2, 3, 4, 5, 6, 7, 8}, {0, 1}, true));
  worker_.run(plan_of(2, 0, {9, 2, 3, 4, 5, 6, 7, 8}, {2, 3}, true));
  EXPECT_DEATH(worker_.run(plan_of(1, 8, {6}, {0, 3, 4}, false)), "another prefix");
}

TEST_F(FakeWorkerTest, NoticesAnOverwrittenBlock) {
  worker_.run(plan_of(1, 0, {1, 2, 3, 4, 5}, {3, 6}, true));
  worker_.run(plan_of(2, 0, {9}, {3}, true));
  EXPECT_DEATH(worker_.run(plan_of(1, 5, {6}, {3, 6}, false)), "instead of");
}

TEST_F(FakeWorkerTest, NoticesWrongSlotsStepsAndBudgets) {
  EXPECT_DEATH(worker_.run(plan_of(1, 0, {1}, {0}, false)), "runs in slot 0");
  step_ = 4;
  EXPECT_DEATH(worker_.run(plan_of(1, 0, {1}, {0}, true)), "step 5 after step 0");
  step_ = 0;
  EXPECT_DEATH(worker_.run(plan_of(1, 0, std::vector<int32_t>(17, 1), {0, 1, 2, 3, 4}, true)),
               "17 tokens in a step");
  step_ = 0;
  EXPECT_DEATH(worker_.run(plan_of(1, 0, {1, 2, 3, 4, 5}, {0}, true)), "lacks blocks");
  step_ = 0;
  StepPlan ended = plan_of(1, 0, {1}, {0}, true);
  ended.ended_slots = {2};
  EXPECT_DEATH(worker_.run(ended), "ends but is not in use");
  step_ = 0;
  worker_.run(plan_of(1, 0, {1}, {0}, true));
  EXPECT_DEATH(worker_.run(plan_of(1, 1, {1}, {0}, true)), "starts but is in use");
}

TEST_F(FakeWorkerTest, NoticesTwoWritersOfOneBlock) {
  StepPlan plan = plan_of(1, 0, {1, 2}, {0}, true);
  plan.starts.push_back({1, 2, 100, {}, Pooling::kNone, {}, {}});
  PlanRow second = plan.domains[0].rows[0];
  second.sequence_id = 2;
  second.slot = 1;
  plan.domains[0].rows.push_back(second);
  EXPECT_DEATH(worker_.run(plan), "two rows write block 0");
}

TEST_F(FakeWorkerTest, AnswersDependOnPromptAndSeedAlone) {
  SamplingParams sampling;
  sampling.max_tokens = 6;
  const auto a = fake_answer({1, 2, 3}, sampling, 1000, 100);
  EXPECT_EQ(a.size(), 6u);
  EXPECT_EQ(a, fake_answer({1, 2, 3}, sampling, 1000, 100));
  EXPECT_NE(a, fake_answer({1, 2, 4}, sampling, 1000, 100));
  EXPECT_EQ(fake_answer({1, 2, 3}, sampling, 1000, 5).size(), 2u);
  sampling.seed = 1;
  EXPECT_NE(a, fake_answer({1, 2, 3}, sampling, 1000, 100));
}

}  // namespace
}  // namespace hadal
