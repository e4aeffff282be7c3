// Regex: patterns that no hand-written matcher knows, through PCRE2 with JIT. Patterns come from model files,
// so matching is bounded: past the limits the rest of a text counts as unmatched. Immutable; any thread, with
// a Scratch each.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"

namespace hadal {

// [begin, end) in bytes; begin == npos: no match.
struct Span {
  size_t begin = std::string_view::npos;
  size_t end = std::string_view::npos;
  bool found() const { return begin != std::string_view::npos; }
};

class Regex {
 public:
  // Oniguruma's Ruby syntax. Errors: kInvalidArgument, kUnsupported with the reason.
  static Result<std::shared_ptr<const Regex>> compile(std::string_view pattern);
  ~Regex();

  // PCRE2's working memory (made at first use) and the budget of one encode call.
  class Scratch {
   public:
    Scratch();
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    // Allows work in proportion to the length of a text to come.
    void grant(size_t text_bytes);

   private:
    friend class Regex;
    struct Impl;
    std::unique_ptr<Impl> impl_;
    uint64_t budget_ = 0;
  };

  // First match that starts at or after `from`; look-behind sees all of `text` (valid UTF-8).
  Span find(std::string_view text, size_t from, Scratch& scratch) const;

 private:
  struct Impl;
  explicit Regex(std::unique_ptr<Impl> impl);
  static int match(const void* code, std::string_view text, size_t from, uint32_t steps, Scratch& scratch);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
