// ReasoningParser: splits a model's output into reasoning_content and content, streamed.
//
// The rule (R1 and its distills, tags <think> and </think>; white space is ASCII's):
// - Output starts in reasoning when the prompt ended with an open <think> (R1's templates add it) or the
// parser's kind
//   says so (deepseek-r1 forces it); else in content.
// - A <think> that is the first thing of the output apart from white space is the opening tag: it opens
// reasoning, or
//   repeats that it is open. It and the white space before it are dropped.
// - One newline at the very start of the reasoning is dropped, whether the tag stood in the output or in the
// prompt.
// - The first </think> closes reasoning for good. Later tags, and a <think> inside reasoning (nested), are
// plain text.
//   Where reasoning never opened, </think> is plain text too.
// - </think> and the white space between it and the answer are dropped. Everything else comes out as it went
// in:
//   white space at the end of the reasoning is kept.
// - Tags missing: without </think> everything is reasoning if reasoning was open (the answer was cut), else
// content.
// - Kind none: all is content, untouched.
// - An answer that continues the final message: the rule holds for that message and the output together, and
//   only the output is given out.
// Text that may be the start of a tag is held back until known; how the text is cut into pushes changes
// nothing. One per output, on the output thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

enum class ReasoningKind { kNone, kDeepseekR1, kQwen3 };
// SGLang's names: "deepseek-r1", "deepseek-v3" (as qwen3: only when opened), "qwen3", "none" or "".
// Errors: kInvalidArgument, listing the names.
Result<ReasoningKind> parse_reasoning_kind(std::string_view name);

// What the beginning of an answer, which the model is to continue, says of its reasoning.
enum class ContinuedReasoning { kUntagged, kOpen, kClosed };

class ReasoningParser {
 public:
  // prompt_opens: the rendered prompt ends with an unclosed <think>. inside: it ends with reasoning that goes
  // on, so that nothing at the output's start is a tag's white space or a repeated tag.
  ReasoningParser(ReasoningKind kind, bool prompt_opens, bool inside = false);
  // Appends to `reasoning` and `content` what `text` settles.
  void push(std::string_view text, std::string& reasoning, std::string& content);
  void finish(std::string& reasoning, std::string& content);

  // Whether a prompt's text leaves <think> open at its end: its last thing, apart from white space, is the
  // tag. (A <think> further up may be a user's own words, so it does not count.)
  static bool prompt_opens_reasoning(std::string_view prompt);

  // kOpen: <think> is its first thing and no </think> follows; kClosed: it has a </think>.
  static ContinuedReasoning scan_continued(std::string_view text);

 private:
  // kStart: only white space or a piece of <think> so far. kOpened: in reasoning, nothing of it seen yet.
  enum class State { kStart, kOpened, kReasoning, kAfter, kContent };
  // Handles the front of `text`, returns how much; 0: held back until more comes.
  size_t advance(std::string_view text, std::string& reasoning, std::string& content);

  bool starts_open_;
  State state_;
  std::string held_;
};

}  // namespace hadal
