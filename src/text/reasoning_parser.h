// ReasoningParser: splits a model's output into reasoning_content and content, streamed.
//
// The rule (R1 and its distills, tags <think> and </think>):
// - Output starts in reasoning when the prompt ended with an open <think> (R1's templates add it) or the parser's kind
//   says so (deepseek-r1 forces it); else in content, and a <think> that is the first thing apart from white space opens
//   reasoning.
// - The first </think> closes reasoning for good. Later tags, and a <think> inside reasoning (nested), are plain text.
// - Tags missing: without </think> everything is reasoning if reasoning was open (the answer was cut), else content.
// - The tags themselves, one newline after <think>, and white space between </think> and the answer are dropped.
// Text that may be the start of a tag is held back until known. One per output, on the output thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

enum class ReasoningKind { kNone, kDeepseekR1, kQwen3 };
// SGLang's names: "deepseek-r1", "deepseek-v3" (as qwen3: only when opened), "qwen3", "none" or "".
Result<ReasoningKind> parse_reasoning_kind(std::string_view name);

class ReasoningParser {
 public:
  // prompt_opens: the rendered prompt ends with an unclosed <think>.
  ReasoningParser(ReasoningKind kind, bool prompt_opens);
  // Appends to `reasoning` and `content` what `text` settles.
  void push(std::string_view text, std::string& reasoning, std::string& content);
  void finish(std::string& reasoning, std::string& content);

  // Whether a prompt's text leaves <think> open at its end.
  static bool prompt_opens_reasoning(std::string_view prompt);

 private:
  enum class State { kStart, kReasoning, kAfter, kContent };
  ReasoningKind kind_;
  State state_;
  std::string held_;
};

}  // namespace hadal
