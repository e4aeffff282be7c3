// The whole runtime on tiny checkpoints: plans in, samples out, on one rank and on several.
#include "runtime/local_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/closable_queue.h"
#include "runtime/step_feeder.h"
#include "runtime/thread_group_test_util.h"
#include "weights/checkpoint_source.h"

namespace hadal {
namespace {

std::string testdata(const std::string& name) {
  return std::string(HADAL_SOURCE_DIR) + "/src/models/testdata/" + name;
}

LocalExecutorOptions small_options() {
  LocalExecutorOptions options;
  options.kv_dtype = DType::kF32;
  options.block_size = 8;
  options.context_length = 64;
  options.max_running_requests = 8;
  options.max_step_tokens = 64;
  options.available_bytes = int64_t{4} << 30;
  return options;
}

class Executor {
  ClosableQueue<Result<StepResult>> results_;  // outlives the executor, whose thread fills it

 public:
  Executor(const std::string& name, int tp, LocalExecutorOptions options = small_options()) : results_(1000) {
    auto opened = open_model(testdata(name), {});
    HADAL_CHECK(opened.ok()) << opened.error().message;
    std::vector<std::unique_ptr<Communicator>> comms;
    if (tp == 1) {
      comms.push_back(make_single_communicator());
    } else {
      comms = ThreadGroup::make(tp);
    }
    options.num_threads = tp;
    auto made = LocalExecutor::make(opened->config, *opened->source, options, std::move(comms));
    status = made.status();
    if (!made.ok()) return;
    executor = std::move(*made);
    limits.max_slots = executor->limits().max_slots;
    limits.max_tokens = executor->limits().max_step_tokens;
    limits.max_samples = executor->limits().max_step_samples;
    limits.context_length = executor->limits().context_length;
    limits.num_blocks = executor->limits().num_blocks;
    limits.block_size = executor->limits().block_size;
    limits.vocab_size = executor->limits().vocab_size;
    executor->start([this](Result<StepResult> result) { results_.push(std::move(result)); });
  }

  // Runs the feeder to its end; with a depth of 2, step N + 1 is submitted before N's result is there.
  Status run(StepFeeder& feeder, int depth) {
    int in_flight = 0;
    bool more = true;
    while (more || in_flight > 0) {
      while (more && in_flight < depth) {
        auto plan = feeder.next();
        more = plan.has_value();
        if (!more) break;
        executor->submit(std::make_shared<const StepPlan>(std::move(*plan)));
        ++in_flight;
      }
      if (in_flight == 0) break;
      auto result = results_.pop();
      HADAL_RETURN_IF_ERROR(result->status());
      feeder.commit(**result);
      --in_flight;
    }
    return {};
  }

  Result<StepResult> run_plan(StepPlan plan) {
    executor->submit(std::make_shared<const StepPlan>(std::move(plan)));
    return *results_.pop();
  }

  Status status;
  std::unique_ptr<LocalExecutor> executor;
  StepLimits limits;
};

struct Answers {
  std::vector<int32_t> prompt;
  std::vector<int32_t> decoded;
  std::vector<float> logits;
};

Answers answers_of(const std::string& name, int64_t vocab_size) {
  auto source = CheckpointSource::open_safetensors(testdata(name) + "/golden.safetensors");
  HADAL_CHECK(source.ok());
  const auto read = [&](const char* tensor, std::vector<int64_t> shape) {
    auto found = (*source)->read(tensor, shape);
    HADAL_CHECK(found.ok()) << found.error().message;
    return *found;
  };
  Answers out;
  const WeightTensor prompt = read("prompt_ids", {24});
  const WeightTensor decoded = read("decode_ids", {8});
  const WeightTensor logits = read("logits", {24, vocab_size});
  out.prompt.assign(prompt.tensor.ptr<int32_t>(), prompt.tensor.ptr<int32_t>() + 24);
  out.decoded.assign(decoded.tensor.ptr<int32_t>(), decoded.tensor.ptr<int32_t>() + 8);
  out.logits.assign(logits.tensor.ptr<float>(), logits.tensor.ptr<float>() + 24 * vocab_size);
  return out;
}

FeedRequest greedy(std::vector<int32_t> prompt, int32_t max_tokens = 8) {
  FeedRequest request;
  request.prompt = std::move(prompt);
  request.sampling.temperature = 0;
  request.sampling.max_tokens = max_tokens;
  return request;
}

std::vector<int32_t> tokens_of(const FeedOutput& output) {
  std::vector<int32_t> tokens;
  for (const Sample& sample : output.samples) tokens.push_back(sample.token);
  return tokens;
}

class LocalExecutorTest : public ::testing::TestWithParam<const char*> {};

TEST_P(LocalExecutorTest, GreedyTokensAreHuggingFacesWhateverTheChunksAndTheDepth) {
  for (const int depth : {1, 2, 3}) {
    for (const int32_t chunk : {5, 16, 64}) {
      Executor run(GetParam(), 1);
      ASSERT_TRUE(run.status.ok()) << run.status.to_string();
      const Answers answers = answers_of(GetParam(), run.limits.vocab_size);
      StepFeeder feeder(run.limits, chunk, depth > 1);
      // Neighbours of other lengths, so that rows start and end at different steps.
      ASSERT_TRUE(feeder.add(greedy({7, 8, 9}, 3)).ok());
      ASSERT_TRUE(feeder.add(greedy(answers.prompt)).ok());
      ASSERT_TRUE(feeder.add(greedy({4, 5, 6, 7, 8, 9, 10}, 20)).ok());
      ASSERT_TRUE(run.run(feeder, depth).ok());
      EXPECT_EQ(tokens_of(feeder.output(1)), answers.decoded) << "depth " << depth << " chunk " << chunk;
      EXPECT_EQ(feeder.output(0).samples.size(), 3u);
      EXPECT_EQ(feeder.output(2).samples.size(), 20u);
    }
  }
}

TEST_P(LocalExecutorTest, TensorParallelTokensEqualOneRanks) {
  for (const int tp : {2, 3, 4}) {
    Executor run(GetParam(), tp);
    if (!run.status.ok()) {
      // Two key/value heads cannot be shared by three ranks.
      EXPECT_EQ(run.status.error().code, ErrorCode::kUnsupported) << run.status.to_string();
      EXPECT_EQ(tp, 3);
      continue;
    }
    const Answers answers = answers_of(GetParam(), run.limits.vocab_size);
    StepFeeder feeder(run.limits, 16);
    FeedRequest request = greedy(answers.prompt);
    request.sampling.num_logprobs = 2;
    ASSERT_TRUE(feeder.add(request).ok());
    ASSERT_TRUE(feeder.add(greedy({4, 5, 6, 7}, 12)).ok());
    const Status status = run.run(feeder, 2);
    ASSERT_TRUE(status.ok()) << status.to_string();
    EXPECT_EQ(tokens_of(feeder.output(0)), answers.decoded) << "tp " << tp;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, LocalExecutorTest,
                         ::testing::Values("llama", "llama_tied", "mistral", "qwen2", "qwen3",
                                           "deepseek_v2_lite", "deepseek_v2", "deepseek_v3",
                                           "deepseek_v3_fp8"));

// log-softmax of one row of golden logits.
double logprob_of(const Answers& answers, size_t row, int32_t token, int64_t vocab_size) {
  const float* logits = answers.logits.data() + row * static_cast<size_t>(vocab_size);
  double max = -INFINITY;
  for (int64_t i = 0; i < vocab_size; ++i) max = std::max<double>(max, logits[i]);
  double sum = 0;
  for (int64_t i = 0; i < vocab_size; ++i) sum += std::exp(logits[i] - max);
  return logits[token] - max - std::log(sum);
}

TEST(ExecutorLogprobsTest, PromptAndSampleLogprobsAreTheModels) {
  for (const int tp : {1, 2}) {
    for (const int32_t chunk : {7, 64}) {
      Executor run("qwen3", tp);
      ASSERT_TRUE(run.status.ok());
      const Answers answers = answers_of("qwen3", run.limits.vocab_size);
      StepFeeder feeder(run.limits, chunk);
      FeedRequest request = greedy(answers.prompt);
      request.prompt_logprobs = true;
      request.sampling.num_prompt_logprobs = 3;
      request.sampling.num_logprobs = 2;
      ASSERT_TRUE(feeder.add(greedy({5, 6}, 9)).ok());
      ASSERT_TRUE(feeder.add(request).ok());
      ASSERT_TRUE(run.run(feeder, 2).ok());
      const FeedOutput& out = feeder.output(1);
      ASSERT_EQ(out.prompt_logprobs.size(), answers.prompt.size() - 1);
      for (size_t i = 0; i + 1 < answers.prompt.size(); ++i) {
        const Sample& got = out.prompt_logprobs[i];
        EXPECT_EQ(got.token, answers.prompt[i + 1]);
        EXPECT_NEAR(got.logprob, logprob_of(answers, i, got.token, run.limits.vocab_size), 0.05) << i;
        ASSERT_EQ(got.top.size(), 3u);
        EXPECT_GE(got.top[0].logprob, got.top[1].logprob);
      }
      EXPECT_NEAR(out.samples[0].logprob,
                  logprob_of(answers, answers.prompt.size() - 1, answers.decoded[0], run.limits.vocab_size),
                  0.05);
      EXPECT_EQ(out.samples[0].top.size(), 2u);
      EXPECT_EQ(tokens_of(out), answers.decoded);
      EXPECT_TRUE(feeder.output(0).prompt_logprobs.empty());
    }
  }
}

TEST(ExecutorPoolingTest, MeanAndLastDoNotDependOnChunks) {
  for (const Pooling pooling : {Pooling::kMean, Pooling::kLast}) {
    std::vector<float> first;
    for (const int32_t chunk : {64, 9, 1}) {
      Executor run("llama", 1);
      StepFeeder feeder(run.limits, chunk);
      FeedRequest request;
      request.pooling = pooling;
      request.prompt = {5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
      ASSERT_TRUE(feeder.add(greedy({20, 21, 22}, 4)).ok());
      ASSERT_TRUE(feeder.add(request).ok());
      ASSERT_TRUE(run.run(feeder, 1).ok());
      const std::vector<float>& values = feeder.output(1).embedding;
      ASSERT_EQ(values.size(), 64u);
      if (first.empty()) first = values;
      EXPECT_EQ(values, first) << chunk;
      EXPECT_TRUE(feeder.output(1).samples.empty());
      EXPECT_EQ(feeder.output(0).samples.size(), 4u);
    }
  }
}

TEST(ExecutorSamplingTest, TokensDependOnSeedAndTextNotOnTheBatch) {
  const auto sampled = [](uint64_t seed, int neighbours, int32_t chunk) {
    Executor run("qwen2", 1);
    StepFeeder feeder(run.limits, chunk);
    for (int i = 0; i < neighbours; ++i) HADAL_CHECK(feeder.add(greedy({4 + i, 9, 8}, 3 + i)).ok());
    FeedRequest request = greedy({11, 12, 13, 14, 15, 16}, 16);
    request.sampling.temperature = 1.5f;
    request.sampling.seed = seed;
    request.sampling.presence_penalty = 0.7f;
    request.sampling.repetition_penalty = 1.1f;
    const auto index = feeder.add(request);
    HADAL_CHECK(index.ok() && run.run(feeder, 2).ok());
    return tokens_of(feeder.output(*index));
  };
  const auto alone = sampled(3, 0, 64);
  EXPECT_EQ(sampled(3, 4, 64), alone);
  EXPECT_EQ(sampled(3, 2, 4), alone);
  EXPECT_NE(sampled(4, 0, 64), alone);
}

TEST(ExecutorSamplingTest, PenaltiesCountSampledTokensOfStepsInFlight) {
  Executor run("llama", 1);
  StepFeeder feeder(run.limits, 64);
  FeedRequest request = greedy({11, 12, 13, 14, 15, 16}, 40);
  request.sampling.presence_penalty = 1000.0f;
  ASSERT_TRUE(feeder.add(request).ok());
  ASSERT_TRUE(run.run(feeder, 2).ok());
  std::vector<int32_t> tokens = tokens_of(feeder.output(0));
  std::sort(tokens.begin(), tokens.end());
  EXPECT_EQ(std::unique(tokens.begin(), tokens.end()), tokens.end()) << "a token came twice";
}

TEST(ExecutorErrorsTest, BadPlansAreErrorsAndEndTheGroup) {
  Executor run("llama", 2);
  ASSERT_TRUE(run.status.ok());
  StepFeeder feeder(run.limits, 64);
  ASSERT_TRUE(feeder.add(greedy({5, 6})).ok());
  StepPlan plan = *feeder.next();
  plan.domains[0].block_ids[0] = run.limits.num_blocks;
  const auto result = run.run_plan(plan);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kDataLoss);
}

TEST(ExecutorErrorsTest, StopRunsWhatWasSubmittedAndIsIdempotent) {
  std::atomic<int> results = 0;
  auto opened = open_model(testdata("llama"), {});
  std::vector<std::unique_ptr<Communicator>> comms;
  comms.push_back(make_single_communicator());
  auto executor = LocalExecutor::make(opened->config, *opened->source, small_options(), std::move(comms));
  ASSERT_TRUE(executor.ok()) << executor.error().message;
  (*executor)->start([&](Result<StepResult> result) { results += result.ok() ? 1 : 100; });
  StepLimits limits;
  limits.max_slots = 8;
  limits.max_tokens = 64;
  limits.max_samples = 8;
  limits.context_length = 64;
  limits.num_blocks = (*executor)->limits().num_blocks;
  limits.block_size = 8;
  StepFeeder feeder(limits, 64);
  ASSERT_TRUE(feeder.add(greedy({5, 6}, 10)).ok());
  int submitted = 0;
  while (auto plan = feeder.next()) {
    (*executor)->submit(std::make_shared<const StepPlan>(std::move(*plan)));
    ++submitted;
  }
  (*executor)->stop();
  (*executor)->stop();
  EXPECT_EQ(results, submitted);
  EXPECT_EQ(submitted, 10);
}

TEST(ExecutorErrorsTest, ModelsThatDoNotFitSayByHowMuch) {
  LocalExecutorOptions options = small_options();
  options.available_bytes = kProcessReserveBytes + (int64_t{1} << 18);
  Executor run("llama", 1, options);
  ASSERT_FALSE(run.status.ok());
  EXPECT_EQ(run.status.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(run.status.to_string(), testing::HasSubstr("short"));
}

TEST(ExecutorLimitsTest, NoSequenceIsLongerThanTheWholeCache) {
  LocalExecutorOptions options = small_options();
  options.max_total_tokens = 24;
  Executor run("llama", 1, options);
  ASSERT_TRUE(run.status.ok()) << run.status.to_string();
  EXPECT_EQ(run.executor->limits().num_blocks, 3);
  EXPECT_EQ(run.executor->limits().context_length, 24);
  EXPECT_THAT(run.executor->memory_report(), testing::HasSubstr("context length 24"));
}

TEST(ExecutorLimitsTest, RanksWaitForTheOthersBetweenLoadingAndTheFirstCollective) {
  LocalExecutorOptions options = small_options();
  int calls = 0;
  options.wait_for_others = [&]() -> Status {
    ++calls;
    return {};
  };
  EXPECT_TRUE(Executor("llama", 2, options).status.ok());
  EXPECT_EQ(calls, 1);
  options.wait_for_others = [] { return Status(make_error(ErrorCode::kUnavailable, "node 1 is gone")); };
  EXPECT_THAT(Executor("llama", 2, options).status.to_string(), testing::HasSubstr("node 1 is gone"));
}

TEST(ExecutorLimitsTest, OneSlotIsEnoughForAWholePromptsLogprobs) {
  LocalExecutorOptions options = small_options();
  options.max_running_requests = 1;
  Executor run("llama", 1, options);
  StepFeeder feeder(run.limits, 64);
  FeedRequest request = greedy({}, 2);
  for (int32_t i = 0; i < 60; ++i) request.prompt.push_back(5 + i);
  request.prompt_logprobs = true;
  ASSERT_TRUE(feeder.add(request).ok());
  ASSERT_TRUE(run.run(feeder, 1).ok());
  EXPECT_EQ(feeder.output(0).prompt_logprobs.size(), 59u);
}

TEST(ExecutorErrorsTest, OptionsAreChecked) {
  LocalExecutorOptions options = small_options();
  options.max_step_tokens = 4;
  Executor run("llama", 1, options);
  EXPECT_THAT(run.status.to_string(), testing::HasSubstr("--chunked-prefill-size"));
}

}  // namespace
}  // namespace hadal
