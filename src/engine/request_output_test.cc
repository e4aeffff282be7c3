// Tokens to text, one request, no threads.
#include "engine/request_output.h"

#include <gtest/gtest.h>

#include "engine/fake_tokenizer.h"
#include "engine/output_processor.h"

namespace hadal {
namespace {

class NullSink final : public OutputSink {
 public:
  void on_delta(OutputDelta&& delta) override { deltas.push_back(std::move(delta)); }
  std::vector<OutputDelta> deltas;
};

class RequestOutputTest : public ::testing::Test {
 protected:
  RequestOutputTest() {
    request_.prompt_ids = std::make_shared<const std::vector<int32_t>>(std::vector<int32_t>{5, 6, 7});
  }
  std::unique_ptr<RequestOutput> make() {
    return std::make_unique<RequestOutput>(9, request_, std::chrono::steady_clock::now(), tokenizer_, sink_);
  }
  static TokenEvent token(int32_t id, std::optional<SequenceEnd> end = std::nullopt) {
    TokenEvent event;
    event.id = 9;
    event.sample = Sample{9, id, -0.5f, {}};
    event.end = end;
    return event;
  }
  // Feeds `text` byte by byte, the last one with `end`; joins the deltas.
  OutputDelta feed(const std::string& text, SequenceEnd end = SequenceEnd::kLength) {
    auto output = make();
    OutputDelta all;
    for (size_t i = 0; i < text.size(); ++i) {
      auto delta = output->apply(token(static_cast<unsigned char>(text[i]),
                                       i + 1 == text.size() ? std::optional(end) : std::nullopt));
      if (!delta) break;
      all.content += delta->content;
      all.reasoning += delta->reasoning;
      all.finish = delta->finish;
      all.matched_stop = delta->matched_stop;
      all.usage = delta->usage;
    }
    return all;
  }

  std::shared_ptr<const Tokenizer> tokenizer_ = std::make_shared<FakeTokenizer>(300);
  std::shared_ptr<NullSink> sink_ = std::make_shared<NullSink>();
  GenerateRequest request_;
};

TEST_F(RequestOutputTest, PassesTextOn) {
  const OutputDelta all = feed("hello");
  EXPECT_EQ(all.content, "hello");
  EXPECT_EQ(all.finish, FinishReason::kLength);
  EXPECT_EQ(all.usage.prompt_tokens, 3);
  EXPECT_EQ(all.usage.completion_tokens, 5);
  EXPECT_EQ(all.usage.reasoning_tokens, 0);
}

TEST_F(RequestOutputTest, NeverABrokenCodePoint) {
  auto output = make();
  EXPECT_EQ(output->apply(token(0xE2))->content, "");
  EXPECT_EQ(output->apply(token(0x82))->content, "");
  EXPECT_EQ(output->apply(token(0xAC))->content, "\xE2\x82\xAC");
  const auto last = output->apply(token(0xE2, SequenceEnd::kLength));
  EXPECT_EQ(last->content, "\xEF\xBF\xBD");
  EXPECT_EQ(last->finish, FinishReason::kLength);
}

TEST_F(RequestOutputTest, StopStringsAreIgnoredInTheFirstMinTokens) {
  request_.stop = {"ab"};
  request_.sampling.min_tokens = 5;
  EXPECT_EQ(feed("ababXabYY").content, "ababX");
  EXPECT_EQ(feed("ababXabYY").matched_stop, "ab");
  EXPECT_EQ(feed("ababXcdYY").content, "ababXcdYY");
  request_.sampling.min_tokens = 4;
  EXPECT_EQ(feed("ababab").content, "abab");
  request_.sampling.min_tokens = 0;
  EXPECT_EQ(feed("ababab").content, "");
}

TEST_F(RequestOutputTest, StopStringIsCutOut) {
  request_.stop = {"END"};
  const OutputDelta all = feed("some textEND and more");
  EXPECT_EQ(all.content, "some text");
  EXPECT_EQ(all.finish, FinishReason::kStop);
  EXPECT_EQ(all.matched_stop, "END");
  EXPECT_EQ(all.usage.completion_tokens, 12);
}

TEST_F(RequestOutputTest, StopStringIsKeptWhenAsked) {
  request_.stop = {"END"};
  request_.include_stop = true;
  EXPECT_EQ(feed("some textEND and more").content, "some textEND");
}

// Ids of the tokens that the deltas report.
std::string reported(RequestOutput& output, const std::vector<TokenEvent>& events) {
  std::string ids, text;
  for (const TokenEvent& event : events) {
    const auto delta = output.apply(event);
    if (!delta) break;
    text += delta->content;
    for (const TokenInfo& info : delta->tokens) ids += info.id < 256 ? static_cast<char>(info.id) : '#';
    // No token comes before the first of its text.
    if (!delta->finish) {
      EXPECT_LE(ids.size(), text.size());
    }
  }
  return ids;
}

TEST_F(RequestOutputTest, TokensOutsideTheTextAreNotReported) {
  request_.stop = {"END"};
  auto output = make();
  EXPECT_EQ(
      reported(*output, {token('a'), token('E'), token('N'), token('b'), token('E'), token('N'), token('D')}),
      "aENb");
  request_.include_stop = true;
  output = make();
  EXPECT_EQ(reported(*output, {token('a'), token('E'), token('N'), token('D')}), "aEND");
  // Without a stop all are reported in the end.
  output = make();
  EXPECT_EQ(reported(*output, {token('a'), token('E'), token('N', SequenceEnd::kLength)}), "aEN");
  // Id 290 is the text " w290": some of it is in the answer.
  request_.include_stop = false;
  request_.stop = {"90x"};
  output = make();
  EXPECT_EQ(reported(*output, {token('a'), token(290), token('x')}), "a#");
  // Parts of a character are reported with it.
  request_.stop = {"zz"};
  output = make();
  EXPECT_EQ(reported(*output, {token(0xC3), token(0xA9), token('z'), token('z')}), "\xC3\xA9");
}

TEST_F(RequestOutputTest, AMatchAtTheEndDropsItsTokens) {
  request_.stop = {"ab", "abc"};
  auto output = make();
  EXPECT_EQ(reported(*output, {token('x'), token('a'), token('b', SequenceEnd::kLength)}), "x");
}

TEST_F(RequestOutputTest, AfterTheStopNothingFollows) {
  request_.stop = {"b"};
  auto output = make();
  EXPECT_EQ(output->apply(token('a'))->content, "a");
  const auto last = output->apply(token('b'));
  EXPECT_EQ(last->finish, FinishReason::kStop);
  EXPECT_TRUE(output->finished());
  EXPECT_FALSE(output->apply(token('c')).has_value());
  EXPECT_FALSE(output->apply(token('c', SequenceEnd::kCancelled)).has_value());
}

TEST_F(RequestOutputTest, AMatchThatWaitedForALongerOneCountsAtTheEnd) {
  request_.stop = {"ab", "abc"};
  const OutputDelta all = feed("xxab");
  EXPECT_EQ(all.content, "xx");
  EXPECT_EQ(all.finish, FinishReason::kStop);
  EXPECT_EQ(all.matched_stop, "ab");
}

TEST_F(RequestOutputTest, ReasoningIsSplitOff) {
  request_.reasoning = ReasoningKind::kDeepseekR1;
  const OutputDelta all = feed("<think>\nhm, 4</think>\n\nIt is 4.");
  EXPECT_EQ(all.reasoning, "hm, 4");
  EXPECT_EQ(all.content, "It is 4.");
  EXPECT_EQ(all.usage.completion_tokens, 31);
  EXPECT_EQ(all.usage.reasoning_tokens, 23);  // up to the answer's first character
}

TEST_F(RequestOutputTest, AnAnswerCutInItsReasoning) {
  request_.reasoning = ReasoningKind::kDeepseekR1;
  request_.prompt_opens_reasoning = true;
  const OutputDelta all = feed("still thinking </th");
  EXPECT_EQ(all.reasoning, "still thinking </th");
  EXPECT_EQ(all.content, "");
  EXPECT_EQ(all.usage.reasoning_tokens, 19);
}

TEST_F(RequestOutputTest, StopStringInsideReasoning) {
  request_.reasoning = ReasoningKind::kDeepseekR1;
  request_.stop = {"4"};
  const OutputDelta all = feed("<think>\nhm, 4</think>\n\nIt is 4.");
  EXPECT_EQ(all.reasoning, "hm, ");
  EXPECT_EQ(all.content, "");
  EXPECT_EQ(all.finish, FinishReason::kStop);
}

TEST_F(RequestOutputTest, WithoutAParserTagsAreText) {
  EXPECT_EQ(feed("<think>a</think>b").content, "<think>a</think>b");
}

TEST_F(RequestOutputTest, SpecialTokensAreDroppedOrKept) {
  auto output = make();
  EXPECT_EQ(output->apply(token(FakeTokenizer::kEnd))->content, "");
  request_.skip_special_tokens = false;
  output = make();
  EXPECT_EQ(output->apply(token(FakeTokenizer::kEnd))->content, "<end>");
}

TEST_F(RequestOutputTest, PromptLogprobsAreMergedByPosition) {
  request_.sampling.num_prompt_logprobs = 0;
  auto output = make();
  TokenEvent part;
  part.id = 9;
  part.prompt_logprobs_from = 1;
  part.prompt_logprobs = {Sample{9, 6, -1.0f, {}}};
  EXPECT_FALSE(output->apply(part).has_value());
  part.prompt_logprobs = {Sample{9, 6, -1.0f, {}}};  // again, after preemption
  EXPECT_FALSE(output->apply(part).has_value());
  TokenEvent last = token('x');
  last.prompt_logprobs_from = 2;
  last.prompt_logprobs = {Sample{9, 7, -2.0f, {}}};
  const auto delta = output->apply(last);
  ASSERT_EQ(delta->prompt_tokens.size(), 2u);
  EXPECT_EQ(delta->prompt_tokens[0].id, 6);
  EXPECT_EQ(delta->prompt_tokens[1].logprob, -2.0f);
  EXPECT_TRUE(output->apply(token('y'))->prompt_tokens.empty());
}

TEST_F(RequestOutputTest, EndsMapToFinishReasons) {
  const auto finish_of = [&](SequenceEnd end) { return feed("a", end).finish; };
  EXPECT_EQ(finish_of(SequenceEnd::kStop), FinishReason::kStop);
  EXPECT_EQ(finish_of(SequenceEnd::kLength), FinishReason::kLength);
  EXPECT_EQ(finish_of(SequenceEnd::kCancelled), FinishReason::kCancelled);
  EXPECT_EQ(finish_of(SequenceEnd::kDeadline), FinishReason::kDeadline);
  EXPECT_EQ(finish_of(SequenceEnd::kQueueTimeout), FinishReason::kDeadline);
  EXPECT_EQ(finish_of(SequenceEnd::kFailed), FinishReason::kError);
}

TEST_F(RequestOutputTest, NamesOfFinishReasons) {
  EXPECT_EQ(finish_reason_name(FinishReason::kStop), "stop");
  EXPECT_EQ(finish_reason_name(FinishReason::kLength), "length");
  EXPECT_EQ(finish_reason_name(FinishReason::kCancelled), "abort");
  EXPECT_EQ(finish_reason_name(FinishReason::kDeadline), "timeout");
  EXPECT_EQ(finish_reason_name(FinishReason::kError), "error");
  EXPECT_EQ(cancel_reason_name(CancelReason::kStopString), "stop_string");
}

class OutputProcessorTest : public RequestOutputTest {
 protected:
  MetricsRegistry registry_;
  EngineMetrics metrics_{registry_};
  std::vector<RequestId> cancelled_;
  std::vector<RequestId> closed_;
  OutputProcessor processor_{metrics_, [this](RequestId id) { cancelled_.push_back(id); },
                             [this](RequestId id) { closed_.push_back(id); }};
  void open() {
    OutputBatch batch;
    batch.opened.push_back(make());
    processor_.process(std::move(batch));
  }
  void feed_one(TokenEvent event) {
    OutputBatch batch;
    batch.events.push_back(std::move(event));
    processor_.process(std::move(batch));
  }
};

TEST_F(OutputProcessorTest, AStopStringCancelsUpstreamOnce) {
  request_.stop = {"b"};
  open();
  feed_one(token('a'));
  EXPECT_TRUE(cancelled_.empty());
  feed_one(token('b'));
  EXPECT_EQ(cancelled_, std::vector<RequestId>{9});
  EXPECT_EQ(closed_, std::vector<RequestId>{9});
  EXPECT_EQ(processor_.num_open(), 1u);  // until the scheduler has let go
  feed_one(token('c'));
  TokenEvent end;
  end.id = 9;
  end.end = SequenceEnd::kCancelled;
  feed_one(end);
  EXPECT_EQ(processor_.num_open(), 0u);
  EXPECT_EQ(closed_.size(), 1u);
  EXPECT_EQ(cancelled_.size(), 1u);
  ASSERT_EQ(sink_->deltas.size(), 2u);
  EXPECT_EQ(sink_->deltas.back().finish, FinishReason::kStop);
  EXPECT_EQ(metrics_.requests(FinishReason::kStop).value(), 1);
}

TEST_F(OutputProcessorTest, AnOrdinaryEndCancelsNothing) {
  open();
  feed_one(token('a'));
  feed_one(token('b', SequenceEnd::kLength));
  EXPECT_TRUE(cancelled_.empty());
  EXPECT_EQ(closed_, std::vector<RequestId>{9});
  EXPECT_EQ(processor_.num_open(), 0u);
  EXPECT_EQ(metrics_.generated_tokens.value(), 2);
}

}  // namespace
}  // namespace hadal
