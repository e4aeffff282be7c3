// PreTokenizer: splits normalized text into the pieces that BPE encodes one by one: the steps of
// tokenizer.json's `pre_tokenizer`. Streams: no list of pieces is made. Const after building: any thread,
// with a Scratch each.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/known_patterns.h"
#include "text/regex.h"
#include "text/unicode.h"

namespace hadal {

enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct SplitStep {
  // What is looked for: a known pattern, any other regular expression, or a literal string.
  std::variant<KnownPattern, std::shared_ptr<const Regex>, std::string> pattern;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;
};
struct DigitsStep {
  bool individual = false;
};
struct WhitespaceStep {
  bool words = false;  // Whitespace (\w+|[^\w\s]+); else WhitespaceSplit
};
struct ByteLevelStep {
  bool add_prefix_space = false;
  bool use_regex = true;
};
struct MetaspaceStep {
  enum class Prepend { kAlways, kFirst, kNever };
  std::string replacement = "\xE2\x96\x81";
  Prepend prepend = Prepend::kAlways;
  bool split = true;
};
using PreTokenizerStep = std::variant<SplitStep, DigitsStep, WhitespaceStep, ByteLevelStep, MetaspaceStep>;

class PieceSink {
 public:
  virtual ~PieceSink() = default;
  virtual void on_piece(std::string_view piece) = 0;  // not empty
};

class PreTokenizer {
 public:
  PreTokenizer(std::vector<PreTokenizerStep> steps, std::shared_ptr<const UnicodeTables> tables)
      : steps_(std::move(steps)), tables_(std::move(tables)) {}

  // Gives the pieces of `text` (valid UTF-8) to `sink`, in order. at_start: `text` is the beginning of the
  // input.
  void split(std::string_view text, bool at_start, Regex::Scratch& scratch, PieceSink& sink) const;
  bool needs_regex() const;

 private:
  struct Walk {
    Regex::Scratch& scratch;
    PieceSink& sink;
  };
  void run(size_t step, std::string_view text, bool at_start, Walk& walk) const;
  template <typename Find>
  void split_by(Find&& find, const SplitStep& how, size_t step, std::string_view text, bool at_start,
                Walk& walk) const;
  void run_step(const SplitStep& how, size_t step, std::string_view text, bool at_start, Walk& walk) const;
  void run_step(const DigitsStep& how, size_t step, std::string_view text, bool at_start, Walk& walk) const;
  void run_step(const WhitespaceStep& how, size_t step, std::string_view text, bool at_start,
                Walk& walk) const;
  void run_step(const ByteLevelStep& how, size_t step, std::string_view text, bool at_start,
                Walk& walk) const;
  void run_step(const MetaspaceStep& how, size_t step, std::string_view text, bool at_start,
                Walk& walk) const;

  std::vector<PreTokenizerStep> steps_;
  std::shared_ptr<const UnicodeTables> tables_;
};

}  // namespace hadal
