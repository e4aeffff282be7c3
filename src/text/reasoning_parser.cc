#include "text/reasoning_parser.h"

#include <algorithm>

namespace hadal {

namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";
constexpr std::string_view kSpace = " \t\n\r\v\f";

// Bytes at the end of `text` that may be the start of `tag`.
size_t partial_tag(std::string_view text, std::string_view tag) {
  for (size_t n = std::min(text.size(), tag.size() - 1); n > 0; --n) {
    if (tag.starts_with(text.substr(text.size() - n))) return n;
  }
  return 0;
}

}  // namespace

Result<ReasoningKind> parse_reasoning_kind(std::string_view name) {
  if (name.empty() || name == "none") return ReasoningKind::kNone;
  if (name == "deepseek-r1") return ReasoningKind::kDeepseekR1;
  if (name == "qwen3" || name == "deepseek-v3") return ReasoningKind::kQwen3;
  return invalid_argument("unknown reasoning parser '", name,
                          "': use deepseek-r1, deepseek-v3, qwen3 or none");
}

ReasoningParser::ReasoningParser(ReasoningKind kind, bool prompt_opens, bool inside)
    : starts_open_(kind == ReasoningKind::kDeepseekR1 || prompt_opens),
      state_(kind == ReasoningKind::kNone ? State::kContent
             : inside                     ? State::kReasoning
                                          : State::kStart) {}

size_t ReasoningParser::advance(std::string_view text, std::string& reasoning, std::string& content) {
  switch (state_) {
    case State::kStart: {
      const size_t space = std::min(text.find_first_not_of(kSpace), text.size());
      const std::string_view rest = text.substr(space);
      if (rest.starts_with(kOpen)) {
        state_ = State::kOpened;
        return space + kOpen.size();
      }
      if (kOpen.starts_with(rest)) return 0;
      state_ = starts_open_ ? State::kOpened : State::kContent;
      return advance(text, reasoning, content);
    }
    case State::kOpened:
      state_ = State::kReasoning;
      if (text[0] == '\n') return 1;
      return advance(text, reasoning, content);
    case State::kReasoning: {
      const size_t close = text.find(kClose);
      if (close != std::string_view::npos) {
        reasoning += text.substr(0, close);
        state_ = State::kAfter;
        return close + kClose.size();
      }
      const size_t settled = text.size() - partial_tag(text, kClose);
      reasoning += text.substr(0, settled);
      return settled;
    }
    case State::kAfter: {
      const size_t space = std::min(text.find_first_not_of(kSpace), text.size());
      if (space < text.size()) state_ = State::kContent;
      return space > 0 ? space : advance(text, reasoning, content);
    }
    case State::kContent:
      content += text;
      return text.size();
  }
  return text.size();
}

void ReasoningParser::push(std::string_view text, std::string& reasoning, std::string& content) {
  std::string joined;
  if (!held_.empty()) {
    joined = std::move(held_);
    joined += text;
    text = joined;
  }
  while (!text.empty()) {
    const size_t used = advance(text, reasoning, content);
    if (used == 0) break;
    text.remove_prefix(used);
  }
  held_ = std::string(text);
}

void ReasoningParser::finish(std::string& reasoning, std::string& content) {
  std::string_view text = held_;
  const bool in_reasoning =
      state_ == State::kReasoning || state_ == State::kOpened || (state_ == State::kStart && starts_open_);
  if (state_ == State::kStart && starts_open_ && text.starts_with('\n')) text.remove_prefix(1);
  (in_reasoning ? reasoning : content) += text;
  held_.clear();
  state_ = State::kContent;
}

ContinuedReasoning ReasoningParser::scan_continued(std::string_view text) {
  if (text.find(kClose) != std::string_view::npos) return ContinuedReasoning::kClosed;
  const size_t first = std::min(text.find_first_not_of(kSpace), text.size());
  return text.substr(first).starts_with(kOpen) ? ContinuedReasoning::kOpen : ContinuedReasoning::kUntagged;
}

bool ReasoningParser::prompt_opens_reasoning(std::string_view prompt) {
  const size_t last = prompt.find_last_not_of(kSpace);
  return last != std::string_view::npos && prompt.substr(0, last + 1).ends_with(kOpen);
}

}  // namespace hadal
