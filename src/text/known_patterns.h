// Hand-written matchers for the regular expressions that the served model families split text with; three
// times as fast as PCRE2's JIT. Each is equal to its pattern on every text (known_patterns_test). Pure
// functions; any thread.
#pragma once

#include <optional>
#include <string_view>

#include "text/regex.h"
#include "text/unicode.h"

namespace hadal {

enum class KnownPattern {
  kGpt2,             // GPT-2's: also ByteLevel(use_regex)
  kLlama3,           // cl100k with \p{N}{1,3}
  kQwen2,            // cl100k with single numbers
  kQwen35,           // the same with marks counted as letters
  kDeepseekNumbers,  // \p{N}{1,3}
  kDeepseekHan,      // runs of Han and kana
  kDeepseekWords,    // the third Split of DeepSeek-V3
  kSingleNumber,     // \p{N}
};

// The regular expression, as tokenizer.json files spell it.
std::string_view pattern_text(KnownPattern pattern);
std::optional<KnownPattern> recognize_pattern(std::string_view regex);

// First match at or after `from` in `text` (valid UTF-8).
Span find_known(KnownPattern pattern, const UnicodeTables& tables, std::string_view text, size_t from);

}  // namespace hadal
