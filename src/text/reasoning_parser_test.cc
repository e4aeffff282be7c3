#include "text/reasoning_parser.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace hadal {
namespace {

struct Split {
  std::string reasoning, content;
  bool operator==(const Split&) const = default;
};
void PrintTo(const Split& s, std::ostream* out) {
  *out << "{reasoning: '" << s.reasoning << "', content: '" << s.content << "'}";
}

Split parse_chunks(ReasoningKind kind, bool opens, const std::vector<std::string>& chunks) {
  ReasoningParser parser(kind, opens);
  Split out;
  for (const std::string& chunk : chunks) parser.push(chunk, out.reasoning, out.content);
  parser.finish(out.reasoning, out.content);
  return out;
}
Split parse_whole(ReasoningKind kind, bool opens, const std::string& text) {
  return parse_chunks(kind, opens, {text});
}

// The rule of the header, written down a second time without streaming.
Split by_the_rule(ReasoningKind kind, bool opens, std::string text) {
  const std::string space = " \t\n\r\v\f";
  if (kind == ReasoningKind::kNone) return {"", text};
  bool open = opens || kind == ReasoningKind::kDeepseekR1;
  const size_t first = std::min(text.find_first_not_of(space), text.size());
  if (text.compare(first, 7, "<think>") == 0) {
    open = true;
    text.erase(0, first + 7);
  }
  if (!open) return {"", text};
  if (!text.empty() && text[0] == '\n') text.erase(0, 1);
  const size_t close = text.find("</think>");
  if (close == std::string::npos) return {text, ""};
  const std::string rest = text.substr(close + 8);
  return {text.substr(0, close), rest.substr(std::min(rest.find_first_not_of(space), rest.size()))};
}

TEST(ReasoningParser, R1WithTheTagInThePrompt) {
  EXPECT_EQ(parse_whole(ReasoningKind::kDeepseekR1, true, "Let me see.\n</think>\n\nIt is 4."),
            (Split{"Let me see.\n", "It is 4."}));
}

TEST(ReasoningParser, TheTagInTheOutputIsDroppedWithOneNewline) {
  const Split expected{"\nhm", "yes"};
  EXPECT_EQ(parse_whole(ReasoningKind::kQwen3, false, "  \n<think>\n\nhm</think> yes"), expected);
  EXPECT_EQ(parse_whole(ReasoningKind::kDeepseekR1, false, "<think>\n\nhm</think> yes"), expected);
  EXPECT_EQ(parse_whole(ReasoningKind::kDeepseekR1, true, "\n\nhm</think> yes"), expected);
}

TEST(ReasoningParser, WithoutTagsTheKindDecides) {
  EXPECT_EQ(parse_whole(ReasoningKind::kDeepseekR1, false, "cut off"), (Split{"cut off", ""}));
  EXPECT_EQ(parse_whole(ReasoningKind::kQwen3, true, "cut off"), (Split{"cut off", ""}));
  EXPECT_EQ(parse_whole(ReasoningKind::kQwen3, false, " plain </think> text"),
            (Split{"", " plain </think> text"}));
  EXPECT_EQ(parse_whole(ReasoningKind::kNone, true, "<think>a</think>b"), (Split{"", "<think>a</think>b"}));
}

TEST(ReasoningParser, NestedAndLaterTagsAreText) {
  EXPECT_EQ(parse_whole(ReasoningKind::kQwen3, false, "<think>a<think>b</think>c</think>d<think>e"),
            (Split{"a<think>b", "c</think>d<think>e"}));
}

TEST(ReasoningParser, PartsOfTagsAtTheEndComeOut) {
  EXPECT_EQ(parse_whole(ReasoningKind::kQwen3, false, " <thin"), (Split{"", " <thin"}));
  EXPECT_EQ(parse_whole(ReasoningKind::kDeepseekR1, true, "a</thin"), (Split{"a</thin", ""}));
  EXPECT_EQ(parse_whole(ReasoningKind::kDeepseekR1, true, "\n <th"), (Split{" <th", ""}));
}

TEST(ReasoningParser, TextIsGivenOutAsSoonAsItIsKnown) {
  ReasoningParser parser(ReasoningKind::kDeepseekR1, true);
  Split out;
  parser.push("abc</th", out.reasoning, out.content);
  EXPECT_EQ(out.reasoning, "abc");
  parser.push("is", out.reasoning, out.content);
  EXPECT_EQ(out.reasoning, "abc</this");
}

TEST(ReasoningParser, AnyChunkingGivesTheSameAndTheRule) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::vector<std::string> pieces = {"<think>", "</think>", "<", "</",   "think", ">",     "\n",
                                           " ",       "\t",       "é", "word", "<th",   "</thi", "nk>"};
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (uint32_t i = random() % 9; i > 0; --i) text += pieces[random() % pieces.size()];
    const auto kind = static_cast<ReasoningKind>(random() % 3);
    const bool opens = random() % 2 == 0;
    std::vector<std::string> chunks;
    for (size_t at = 0; at < text.size();) {
      const size_t n = random() % 5;
      chunks.push_back(text.substr(at, n));
      at += chunks.back().size();
    }
    const Split expected = by_the_rule(kind, opens, text);
    ASSERT_EQ(parse_whole(kind, opens, text), expected) << text;
    ASSERT_EQ(parse_chunks(kind, opens, chunks), expected) << text;
  }
}

TEST(ReasoningParser, PromptEnds) {
  EXPECT_TRUE(ReasoningParser::prompt_opens_reasoning("<|Assistant|><think>\n"));
  EXPECT_TRUE(ReasoningParser::prompt_opens_reasoning("<think>"));
  EXPECT_FALSE(ReasoningParser::prompt_opens_reasoning("<think>\n\n</think>\n\n"));
  EXPECT_FALSE(ReasoningParser::prompt_opens_reasoning("what is <think>?<|Assistant|>"));
  EXPECT_FALSE(ReasoningParser::prompt_opens_reasoning(""));
}

TEST(ReasoningParser, Names) {
  EXPECT_EQ(*parse_reasoning_kind("deepseek-r1"), ReasoningKind::kDeepseekR1);
  EXPECT_EQ(*parse_reasoning_kind("deepseek-v3"), ReasoningKind::kQwen3);
  EXPECT_EQ(*parse_reasoning_kind("qwen3"), ReasoningKind::kQwen3);
  EXPECT_EQ(*parse_reasoning_kind(""), ReasoningKind::kNone);
  ASSERT_FALSE(parse_reasoning_kind("gpt").ok());
}

TEST(ReasoningParser, ContinuedTextIsScanned) {
  const auto scan = ReasoningParser::scan_continued;
  EXPECT_EQ(scan(""), ContinuedReasoning::kUntagged);
  EXPECT_EQ(scan("The answer"), ContinuedReasoning::kUntagged);
  EXPECT_EQ(scan("Write <think> so"), ContinuedReasoning::kUntagged);  // the rule: the tag is the first thing
  EXPECT_EQ(scan("<think>"), ContinuedReasoning::kOpen);
  EXPECT_EQ(scan(" \n<think>\nso far"), ContinuedReasoning::kOpen);
  EXPECT_EQ(scan("<think>a <think> b"), ContinuedReasoning::kOpen);
  EXPECT_EQ(scan("<think>a</think> b"), ContinuedReasoning::kClosed);
  EXPECT_EQ(scan("a</think>b <think>"), ContinuedReasoning::kClosed);
}

// Split anywhere, an answer and its continuation give the parts of the whole.
TEST(ReasoningParser, AContinuationGoesOnWhereTheTextStopped) {
  const std::string whole = "<think>\nfirst\n\n<think>second </think>\nanswer </think> end";
  const std::string_view close = "</think>";
  const Split all = parse_whole(ReasoningKind::kQwen3, false, whole);
  for (size_t cut = 8; cut < whole.size(); ++cut) {
    const std::string before = whole.substr(0, cut);
    const size_t tag = whole.find(close);
    if (cut > tag && cut <= tag + close.size() + 1) continue;  // within the closing tag and its white space
    const bool closed = ReasoningParser::scan_continued(before) == ContinuedReasoning::kClosed;
    EXPECT_EQ(closed, cut > tag);
    ReasoningParser parser(closed ? ReasoningKind::kNone : ReasoningKind::kQwen3, false, !closed);
    Split rest;
    parser.push(whole.substr(cut), rest.reasoning, rest.content);
    parser.finish(rest.reasoning, rest.content);
    EXPECT_TRUE(all.reasoning.ends_with(rest.reasoning)) << cut;
    EXPECT_TRUE(all.content.ends_with(rest.content)) << cut;
    EXPECT_EQ(rest.reasoning.size(), closed ? 0 : tag - cut) << cut;
    EXPECT_EQ(rest.content.size(), closed ? whole.size() - cut : all.content.size()) << cut;
  }
}

}  // namespace
}  // namespace hadal
