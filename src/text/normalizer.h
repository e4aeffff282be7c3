// Normalizer: what happens to text before it is split: the steps of tokenizer.json's `normalizer`.
// Const after building: any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/regex.h"
#include "text/unicode.h"

namespace hadal {

struct NfcStep {};
struct PrependStep {
  std::string text;  // put before a text that is not empty
};
struct ReplaceStep {
  std::variant<std::string, std::shared_ptr<const Regex>> pattern;
  std::string content;
};
struct StripStep {
  bool left = true;
  bool right = true;
};
using NormalizerStep = std::variant<NfcStep, PrependStep, ReplaceStep, StripStep>;

class Normalizer {
 public:
  Normalizer(std::vector<NormalizerStep> steps, std::shared_ptr<const UnicodeTables> tables)
      : steps_(std::move(steps)), tables_(std::move(tables)) {}

  bool empty() const { return steps_.empty(); }
  // `text` (valid UTF-8) normalized: `text` itself where nothing changes, else a view of `buffer`.
  std::string_view apply(std::string_view text, Regex::Scratch& scratch, std::string& buffer) const;

 private:
  std::vector<NormalizerStep> steps_;
  std::shared_ptr<const UnicodeTables> tables_;
};

}  // namespace hadal
