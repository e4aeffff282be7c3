#include "runtime/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hadal {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kGiB = int64_t{1} << 30;

MemoryRequest small_model() {
  MemoryRequest request;
  request.ranks = {{100 * kMiB, 20 * kMiB, 720 * 1024}};
  request.available_bytes = 16 * kGiB;
  request.block_size = 32;
  request.context_length = 8192;
  request.max_running_requests = 4;
  return request;
}

TEST(MemoryPlanTest, EveryRunningRequestGetsItsContextWhenThereIsRoom) {
  const auto plan = plan_memory(small_model());
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_EQ(plan->num_blocks, 4 * 256);
  EXPECT_EQ(plan->max_tokens, 4 * 8192);
  EXPECT_EQ(plan->kv_bytes, 4 * 256 * 720 * 1024);
  EXPECT_EQ(plan->weight_bytes, 100 * kMiB);
  EXPECT_EQ(plan->arena_bytes, 20 * kMiB);
}

TEST(MemoryPlanTest, PartialBlocksRoundUp) {
  MemoryRequest request = small_model();
  request.context_length = 33;
  request.max_running_requests = 1;
  EXPECT_EQ(plan_memory(request)->num_blocks, 2);
  request.max_total_tokens = 65;
  EXPECT_EQ(plan_memory(request)->num_blocks, 3);
}

TEST(MemoryPlanTest, HalfOfWhatIsLeftAndTheCapBoundTheDefault) {
  MemoryRequest request = small_model();
  request.max_running_requests = 1000;
  const int64_t left = request.available_bytes - 120 * kMiB - kProcessReserveBytes;
  auto plan = plan_memory(request);
  EXPECT_EQ(plan->num_blocks, left / 2 / (720 * 1024));
  request.available_bytes = 500 * kGiB;
  plan = plan_memory(request);
  EXPECT_EQ(plan->num_blocks, kDefaultKvBytes / (720 * 1024));
}

TEST(MemoryPlanTest, OneContextAlwaysFitsOrTheErrorSaysWhatWould) {
  MemoryRequest request = small_model();
  const int64_t fixed = 120 * kMiB + kProcessReserveBytes;
  request.available_bytes = fixed + 256 * 720 * 1024;
  EXPECT_EQ(plan_memory(request)->num_blocks, 256);
  request.available_bytes -= 1;
  auto plan = plan_memory(request);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(plan.error().message, testing::HasSubstr("1 B short; --context-length 8160 would fit"));
  request.available_bytes = fixed;
  EXPECT_THAT(plan_memory(request).error().message,
              testing::HasSubstr("weights and arena alone are too large"));
}

TEST(MemoryPlanTest, AskedTokensReplaceTheRule) {
  MemoryRequest request = small_model();
  request.max_total_tokens = 12 * kGiB / (720 * 1024) * 32;
  EXPECT_TRUE(plan_memory(request).ok());
  request.max_total_tokens *= 2;
  const auto plan = plan_memory(request);
  ASSERT_FALSE(plan.ok());
  EXPECT_THAT(plan.error().message, testing::HasSubstr("--max-total-tokens"));
}

TEST(MemoryPlanTest, RanksAddUp) {
  MemoryRequest request = small_model();
  request.ranks.push_back({50 * kMiB, 10 * kMiB, 360 * 1024});
  const auto plan = plan_memory(request);
  EXPECT_EQ(plan->weight_bytes, 150 * kMiB);
  EXPECT_EQ(plan->kv_bytes, plan->num_blocks * (720 + 360) * 1024);
}

TEST(MemoryPlanTest, TableNamesEveryPart) {
  const MemoryRequest request = small_model();
  const std::string table = memory_table(*plan_memory(request), request);
  EXPECT_THAT(table, testing::HasSubstr("weights       100.0 MiB"));
  EXPECT_THAT(table, testing::HasSubstr("arena          20.0 MiB"));
  EXPECT_THAT(table, testing::HasSubstr("KV cache      720.0 MiB   1024 blocks of 32 tokens"));
  EXPECT_THAT(table, testing::HasSubstr("max tokens        32768"));
}

TEST(MemoryPlanTest, WeightsThatCannotFitAreRefusedBeforeLoading) {
  EXPECT_TRUE(check_weights_fit(kGiB, 2 * kGiB).ok());
  const Status status = check_weights_fit(4 * kGiB, 2 * kGiB);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, testing::HasSubstr("2.1 GiB short"));
}

TEST(MemoryPlanTest, BytesInWords) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(5 * kGiB), "5.0 GiB");
}

}  // namespace
}  // namespace hadal
