// GoRegex: a compiled pattern of Go's syntax (RE2), as schemas and CEL rules write it, run by PCRE2 with
// limits on its work so that no pattern hangs. Const once compiled; any thread.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace hadal {

class GoRegex {
 public:
  // Errors: kInvalidArgument with the reason and where in the pattern.
  static Result<GoRegex> compile(std::string_view pattern);
  // Whether it is found anywhere in the text; nullopt: given up, too much work.
  std::optional<bool> search(std::string_view text) const;

  struct Span {
    size_t begin = 0;
    size_t end = 0;
  };
  // The first place from `start` on.
  std::optional<Span> find(std::string_view text, size_t start) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace hadal
