#include "sched/scheduler_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sched/scheduler_harness.h"

namespace hadal {
namespace {

using ::testing::HasSubstr;

Request request_of(int32_t prompt_len, int32_t max_tokens) {
  Request request;
  request.id = 1;
  request.prompt_ids = std::make_shared<const std::vector<int32_t>>(prompt_of(prompt_len));
  request.sampling.max_tokens = max_tokens;
  return request;
}

TEST(SchedulerConfig, EveryLimitIsChecked) {
  EXPECT_TRUE(validate_scheduler_config(small_config()).ok());
  const auto broken = [](auto change) {
    SchedulerConfig config = small_config();
    change(config);
    const Status status = validate_scheduler_config(config);
    return status.ok() ? "" : status.error().message;
  };
  EXPECT_THAT(broken([](auto& c) { c.num_domains = 0; }), HasSubstr("num_domains is 0"));
  EXPECT_THAT(broken([](auto& c) { c.num_blocks = -1; }), HasSubstr("num_blocks is -1"));
  EXPECT_THAT(broken([](auto& c) { c.block_size = 0; }), HasSubstr("block_size"));
  EXPECT_THAT(broken([](auto& c) { c.max_running = 0; }), HasSubstr("max_running"));
  EXPECT_THAT(broken([](auto& c) { c.max_step_samples = 0; }), HasSubstr("max_step_samples"));
  EXPECT_THAT(broken([](auto& c) { c.max_step_tokens = 1; }), HasSubstr("max_step_tokens is 1"));
  EXPECT_THAT(broken([](auto& c) { c.max_steps_in_flight = 0; }), HasSubstr("max_steps_in_flight"));
  EXPECT_THAT(broken([](auto& c) { c.context_length = 0; }), HasSubstr("context_length"));
  EXPECT_THAT(broken([](auto& c) { c.max_queued = -1; }), HasSubstr("max_queued"));
}

TEST(CheckRequest, EmptyPromptAndTokensOutsideTheVocabulary) {
  const SchedulerConfig config = small_config();
  Request request = request_of(1, 1);
  request.prompt_ids = nullptr;
  EXPECT_THAT(check_request(config, request).to_string(), HasSubstr("prompt is empty"));
  request.prompt_ids = std::make_shared<const std::vector<int32_t>>();
  EXPECT_THAT(check_request(config, request).to_string(), HasSubstr("prompt is empty"));
  request.prompt_ids = std::make_shared<const std::vector<int32_t>>(std::vector<int32_t>{1, 1000});
  EXPECT_THAT(check_request(config, request).to_string(), HasSubstr("prompt token 1 is 1000"));
  request.prompt_ids = std::make_shared<const std::vector<int32_t>>(std::vector<int32_t>{-1});
  EXPECT_EQ(check_request(config, request).error().code, ErrorCode::kInvalidArgument);
}

TEST(CheckRequest, ThePromptMustLeaveRoomInTheContext) {
  const SchedulerConfig config = small_config();  // context 200
  EXPECT_TRUE(check_request(config, request_of(199, 1)).ok());
  EXPECT_THAT(check_request(config, request_of(200, 1)).to_string(),
              HasSubstr("200 tokens, 1 more than fit"));
  EXPECT_THAT(check_request(config, request_of(230, 1)).to_string(), HasSubstr("31 more than fit"));
  Request embedding = request_of(200, 0);
  embedding.pooling = Pooling::kMean;
  EXPECT_TRUE(check_request(config, embedding).ok());
  EXPECT_THAT(check_request(config, request_of(5, 0)).to_string(), HasSubstr("max_tokens is 0"));
}

TEST(CheckRequest, TheWorstCaseMustFitIntoTheWholePool) {
  SchedulerConfig config = small_config();
  config.num_blocks = 10;                                       // 40 tokens
  EXPECT_TRUE(check_request(config, request_of(30, 11)).ok());  // the last token is never cached
  const Status over = check_request(config, request_of(30, 15));
  EXPECT_EQ(over.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(over.to_string(), HasSubstr("44 tokens of KV cache, 4 more than the whole cache holds (40)"));
  // The context cuts the answer before the pool does.
  config.context_length = 41;
  EXPECT_TRUE(check_request(config, request_of(30, 500)).ok());
}

TEST(CheckRequest, LengthIsCutByTheContext) {
  const SchedulerConfig config = small_config();
  EXPECT_EQ(max_total_len(config, request_of(30, 15)), 45);
  EXPECT_EQ(max_total_len(config, request_of(30, INT32_MAX)), 200);
  Request embedding = request_of(30, 15);
  embedding.pooling = Pooling::kLast;
  EXPECT_EQ(max_total_len(config, embedding), 30);
}

}  // namespace
}  // namespace hadal
