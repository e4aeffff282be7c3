// Random operations on the scheduler: a million in a release build, with all structures checked after each
// one and every answer compared with what its prompt alone gives. FakeWorker compares every row's history
// with what its blocks hold.
#include <random>

#include "sched/scheduler_harness.h"

namespace hadal {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSteps = 200000;
#elif defined(__OPTIMIZE__)
constexpr int kSteps = 5000000;  // of which more than a million plan a step
#else
constexpr int kSteps = 200000;
#endif

struct Case {
  const char* name;
  uint32_t seed;
  int32_t steps_in_flight;
  int32_t num_domains;
  bool prefix_cache;
  int32_t num_blocks;
  int share;  // of all steps, in percent
};

class RandomRun {
 public:
  explicit RandomRun(const Case& c) : rng_(c.seed), h_(config_of(c)) {
    for (auto& family : families_) family = random_tokens(40);
  }

  void step() {
    switch (pick(16)) {
      case 0:
      case 1:
      case 2:
        submit();
        break;
      case 3:
        if (pick(3) == 0) cancel();
        break;
      case 4:
        h_.now += std::chrono::milliseconds(pick(20));
        h_.scheduler.expire(h_.now);
        break;
      case 5:
      case 6:
      case 7:
      case 8:
      case 9:
        h_.commit();
        break;
      default:
        h_.plan();
    }
    h_.take_events();
    h_.scheduler.check_integrity();
    settle();
  }
  void finish() {
    h_.run();
    settle();
    EXPECT_TRUE(h_.requests.empty());
    EXPECT_EQ(h_.scheduler.stats().blocks_used, 0);
  }
  uint64_t num_preemptions() const { return h_.scheduler.stats().num_preemptions; }
  int64_t num_cached() const { return num_cached_; }
  int64_t num_plans() const { return h_.num_steps; }
  const std::map<SequenceEnd, int>& ends() const { return ends_; }

 private:
  static SchedulerConfig config_of(const Case& c) {
    SchedulerConfig config;
    config.num_domains = c.num_domains;
    config.num_blocks = c.num_blocks;
    config.block_size = 4;
    config.max_running = 6;
    config.max_queued = 10;
    config.max_step_tokens = 20;
    config.max_step_samples = 7;
    config.chunked_prefill_size = 9;
    config.max_steps_in_flight = c.steps_in_flight;
    config.context_length = 60;
    config.vocab_size = 40;
    config.prefix_cache = c.prefix_cache;
    config.hash_seed = c.seed;
    config.priority_step = std::chrono::milliseconds(50);
    return config;
  }
  int pick(int n) { return static_cast<int>(rng_() % static_cast<uint32_t>(n)); }
  std::vector<int32_t> random_tokens(int len) {
    std::vector<int32_t> tokens;
    for (int i = 0; i < len; ++i) tokens.push_back(pick(40));
    return tokens;
  }

  Request random_request() {
    std::vector<int32_t> prompt;
    const auto& family = families_[static_cast<size_t>(pick(3))];
    prompt.assign(family.begin(), family.begin() + pick(30));
    const std::vector<int32_t> tail = random_tokens(1 + pick(8));
    prompt.insert(prompt.end(), tail.begin(), tail.end());
    Request r = h_.make(std::move(prompt), 1 + pick(20));
    SamplingParams& s = r.sampling;
    s.seed = rng_() % 3;
    if (pick(2)) s.end_ids = {7, 8};
    if (pick(4) == 0) s.stop_token_ids = {9};
    if (pick(4) == 0) s.min_tokens = pick(6);
    s.ignore_eos = pick(5) == 0;
    if (pick(8) == 0) s.repetition_penalty = 1.2f;
    if (pick(10) == 0) s.num_prompt_logprobs = 1;
    if (pick(12) == 0) r.pooling = pick(2) ? Pooling::kMean : Pooling::kLast;
    if (r.pooling != Pooling::kNone) s.num_prompt_logprobs = -1;
    if (pick(4) == 0) r.priority = pick(5) - 2;
    if (pick(6) == 0) r.cache_salt = "x";
    if (pick(8) == 0) r.queue_deadline = h_.now + std::chrono::milliseconds(pick(100));
    if (pick(8) == 0) r.total_deadline = h_.now + std::chrono::milliseconds(pick(200));
    return r;
  }

  void submit() {
    Request r = random_request();
    const int copies = pick(8) == 0 ? 1 + pick(4) : 1;
    const uint64_t group = copies > 1 ? ++next_group_ : 0;
    for (int i = 0; i < copies; ++i) {
      Request copy = r;
      copy.id = i == 0 ? r.id : h_.make({1}, 1).id;
      copy.fork_group = group;
      copy.sampling.seed = r.sampling.seed + static_cast<uint64_t>(i);
      const bool full = h_.scheduler.stats().num_queued >= 10;
      const Status status = h_.scheduler.submit(copy);
      if (status.ok()) {
        h_.requests[copy.id] = copy;
      } else {
        ASSERT_EQ(status.error().code == ErrorCode::kResourceExhausted, full) << status.to_string();
      }
    }
  }
  void cancel() {
    if (h_.requests.empty()) return;
    auto it = h_.requests.begin();
    std::advance(it, pick(static_cast<int>(h_.requests.size())));
    h_.scheduler.cancel(it->first);
  }

  // Checks and forgets the requests that have ended.
  void settle() {
    for (const uint64_t id : h_.finish_order) {
      const Request& request = h_.requests.at(id);
      Answer& answer = h_.answers.at(id);
      ++ends_[*answer.end];
      num_cached_ += answer.cached_tokens;
      const std::vector<int32_t> expected = h_.expected(request);
      const bool whole = answer.end == SequenceEnd::kStop || answer.end == SequenceEnd::kLength;
      if (whole) {
        ASSERT_EQ(answer.tokens, expected) << "request " << id;
        check_prompt_logprobs(request, answer);
      } else {
        ASSERT_LE(answer.tokens.size(), expected.size());
        ASSERT_TRUE(std::equal(answer.tokens.begin(), answer.tokens.end(), expected.begin()))
            << "request " << id;
      }
      if (answer.end == SequenceEnd::kEmbedded) {
        ASSERT_EQ(answer.embedding.size(), 1u);
      }
      h_.answers.erase(id);
      h_.requests.erase(id);
    }
    h_.finish_order.clear();
  }
  static void check_prompt_logprobs(const Request& request, const Answer& answer) {
    const bool asked = request.sampling.num_prompt_logprobs >= 0;
    ASSERT_EQ(static_cast<int32_t>(answer.prompt_logprobs.size()), asked ? request.prompt_len() - 1 : 0);
    for (const auto& [index, logprob] : answer.prompt_logprobs) {
      ASSERT_EQ(logprob, fake_prompt_logprob(*request.prompt_ids, index));
    }
  }

  std::mt19937 rng_;
  SchedulerHarness h_;
  std::vector<int32_t> families_[3];
  std::map<SequenceEnd, int> ends_;
  int64_t num_cached_ = 0;
  uint64_t next_group_ = 0;
};

class SchedulerRandom : public ::testing::TestWithParam<Case> {};

TEST_P(SchedulerRandom, EveryAnswerIsRightAndNothingLeaks) {
  const Case& c = GetParam();
  RandomRun run(c);
  const int steps = kSteps / 100 * c.share;
  for (int i = 0; i < steps; ++i) {
    run.step();
    ASSERT_FALSE(::testing::Test::HasFailure()) << "step " << i;
  }
  run.finish();
  std::printf("%lld plans, %llu preemptions, %lld cached tokens;", static_cast<long long>(run.num_plans()),
              static_cast<unsigned long long>(run.num_preemptions()),
              static_cast<long long>(run.num_cached()));
  for (const auto& [end, count] : run.ends())
    std::printf(" %d %s", count, std::string(sequence_end_name(end)).c_str());
  std::printf("\n");
  // The run has seen what it is for.
  EXPECT_GT(run.num_preemptions(), 10u);
  EXPECT_EQ(run.num_cached() > 0, c.prefix_cache);
  for (const SequenceEnd end :
       {SequenceEnd::kStop, SequenceEnd::kLength, SequenceEnd::kEmbedded, SequenceEnd::kCancelled,
        SequenceEnd::kQueueTimeout, SequenceEnd::kDeadline}) {
    EXPECT_TRUE(run.ends().count(end)) << sequence_end_name(end);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, SchedulerRandom,
                         ::testing::Values(Case{"overlap", 1, 2, 1, true, 20, 50},
                                           Case{"no_overlap", 2, 1, 1, true, 20, 15},
                                           Case{"three_in_flight", 3, 3, 1, true, 18, 15},
                                           Case{"two_domains", 4, 2, 2, true, 15, 10},
                                           Case{"no_prefix_cache", 5, 2, 1, false, 18, 10}),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace hadal
