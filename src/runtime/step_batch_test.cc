#include "runtime/step_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hadal {
namespace {

StepLimits limits() {
  StepLimits out;
  out.max_slots = 4;
  out.max_tokens = 16;
  out.max_samples = 4;
  out.context_length = 32;
  out.num_blocks = 10;
  out.block_size = 4;
  out.vocab_size = 100;
  out.hidden_size = 8;
  return out;
}

// A prefill chunk of 5 tokens from position 2, and a decode row that takes sample 1 of the step before.
StepPlan two_rows() {
  StepPlan plan;
  plan.step_id = 9;
  plan.domains.resize(1);
  DomainPlan& domain = plan.domains[0];
  domain.token_ids = {50, 51, 52, 53, 54};
  domain.block_ids = {7, 3, 9};
  PlanRow prefill;
  prefill.sequence_id = 1;
  prefill.slot = 0;
  prefill.first_position = 2;
  prefill.num_tokens = 5;
  prefill.token_offset = 0;
  prefill.block_offset = 0;
  prefill.num_blocks = 2;
  PlanRow decode;
  decode.sequence_id = 2;
  decode.slot = 3;
  decode.first_position = 3;
  decode.num_tokens = 1;
  decode.previous_sample = 1;
  decode.block_offset = 2;
  decode.num_blocks = 1;
  decode.sample_index = 0;
  domain.rows = {prefill, decode};
  return plan;
}

std::vector<int32_t> values(const Tensor& tensor) {
  return {tensor.ptr<int32_t>(), tensor.ptr<int32_t>() + tensor.num_elements()};
}

Arena make_arena(int64_t bytes) {
  return Arena(std::move(DeviceBuffer::allocate(DeviceType::kCpu, static_cast<size_t>(bytes))).value());
}

TEST(StepBatchTest, ArraysFollowThePlan) {
  const StepPlan plan = two_rows();
  ASSERT_TRUE(check_step(plan, plan.domains[0], limits(), 2).ok());
  Arena arena = make_arena(step_batch_arena_bytes(limits()));
  const std::vector<RowOutputs> outputs = {RowOutputs::kSample, RowOutputs::kSample};
  const std::vector<int32_t> previous = {80, 81};
  const StepBatch batch = build_step_batch(arena, plan.domains[0], outputs, previous, 4);
  EXPECT_EQ(batch.forward.num_tokens, 6);
  EXPECT_EQ(batch.forward.num_sequences, 2);
  EXPECT_EQ(values(batch.forward.input_ids), (std::vector<int32_t>{50, 51, 52, 53, 54, 81}));
  EXPECT_EQ(values(batch.forward.positions), (std::vector<int32_t>{2, 3, 4, 5, 6, 3}));
  EXPECT_EQ(values(batch.forward.attention.slot_mapping), (std::vector<int32_t>{30, 31, 12, 13, 14, 39}));
  EXPECT_EQ(values(batch.forward.attention.cu_seqlens_q), (std::vector<int32_t>{0, 5, 6}));
  EXPECT_EQ(values(batch.forward.attention.seq_lens), (std::vector<int32_t>{7, 4}));
  EXPECT_EQ(values(batch.forward.attention.block_tables), (std::vector<int32_t>{7, 3, 9, -1}));
  EXPECT_EQ(values(batch.forward.logits_rows), (std::vector<int32_t>{5}));
  EXPECT_EQ(batch.forward.attention.max_seq_len, 7);
  EXPECT_EQ(batch.forward.max_position, 6);
  EXPECT_EQ(batch.hidden[0].count, 0);
  EXPECT_EQ(batch.hidden[1].first, 0);
}

TEST(StepBatchTest, OutputsChooseHiddenRows) {
  const StepPlan plan = two_rows();
  Arena arena = make_arena(step_batch_arena_bytes(limits()));
  const std::vector<int32_t> previous = {80, 81};
  std::vector<RowOutputs> outputs = {RowOutputs::kAll, RowOutputs::kSample};
  StepBatch batch = build_step_batch(arena, plan.domains[0], outputs, previous, 4);
  EXPECT_EQ(values(batch.forward.logits_rows), (std::vector<int32_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(batch.hidden[0].count, 5);
  EXPECT_EQ(batch.hidden[1].first, 5);
  arena.reset();
  outputs[0] = RowOutputs::kLast;
  batch = build_step_batch(arena, plan.domains[0], outputs, previous, 4);
  EXPECT_EQ(values(batch.forward.logits_rows), (std::vector<int32_t>{4, 5}));
}

TEST(StepBatchTest, EveryBrokenIndexIsAnError) {
  const auto broken = [](auto&& change) {
    StepPlan plan = two_rows();
    change(plan.domains[0]);
    const Status status = check_step(plan, plan.domains[0], limits(), 2);
    EXPECT_FALSE(status.ok());
    if (!status.ok()) {
      EXPECT_EQ(status.error().code, ErrorCode::kDataLoss);
      EXPECT_THAT(status.error().message, testing::HasSubstr("step 9"));
    }
  };
  broken([](DomainPlan& d) { d.rows[0].slot = 4; });
  broken([](DomainPlan& d) { d.rows[0].slot = -1; });
  broken([](DomainPlan& d) { d.rows[0].num_tokens = 0; });
  broken([](DomainPlan& d) { d.rows[0].num_tokens = 6; });
  broken([](DomainPlan& d) { d.rows[0].first_position = -1; });
  broken([](DomainPlan& d) { d.rows[0].first_position = 2147483647; });
  broken([](DomainPlan& d) { d.rows[0].num_blocks = 1; });
  broken([](DomainPlan& d) { d.rows[0].num_blocks = 4; });
  broken([](DomainPlan& d) { d.rows[0].block_offset = 2; });
  broken([](DomainPlan& d) { d.rows[0].token_offset = 1; });
  broken([](DomainPlan& d) { d.rows[1].previous_sample = 2; });
  broken([](DomainPlan& d) { d.rows[1].previous_sample = -1; });
  broken([](DomainPlan& d) { d.rows[1].sample_index = 1; });
  broken([](DomainPlan& d) { d.rows[1].sample_index = 4; });
  broken([](DomainPlan& d) { d.rows[0].sample_index = 0; });
  broken([](DomainPlan& d) { d.token_ids[0] = 100; });
  broken([](DomainPlan& d) { d.token_ids[0] = -1; });
  broken([](DomainPlan& d) { d.block_ids[0] = 10; });
  broken([](DomainPlan& d) { d.block_ids[0] = -1; });
  broken([](DomainPlan& d) { d.rows.resize(5, d.rows[1]); });
}

TEST(StepBatchTest, ArenaBoundHoldsForTheLargestStep) {
  const StepLimits l = limits();
  StepPlan plan;
  plan.domains.resize(1);
  DomainPlan& domain = plan.domains[0];
  for (int32_t i = 0; i < 8; ++i) domain.block_ids.push_back(i);
  domain.token_ids.assign(4, 1);
  std::vector<RowOutputs> outputs;
  for (int32_t r = 0; r < l.max_slots; ++r) {
    PlanRow row;
    row.slot = r;
    row.first_position = 28;
    row.num_tokens = 4;
    row.token_offset = 0;
    row.num_blocks = 8;
    row.sample_index = r;
    domain.rows.push_back(row);
    outputs.push_back(RowOutputs::kAll);
  }
  ASSERT_TRUE(check_step(plan, domain, l, 0).ok());
  Arena arena = make_arena(step_batch_arena_bytes(l));
  build_step_batch(arena, domain, outputs, {}, l.block_size);
  EXPECT_LE(static_cast<int64_t>(arena.high_water()), step_batch_arena_bytes(l));
}

}  // namespace
}  // namespace hadal
