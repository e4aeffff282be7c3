// CelLexer: the tokens of a CEL expression. Used by the parser alone. One caller at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

struct CelToken {
  enum class Kind { kEnd, kIdent, kInt, kUint, kDouble, kString, kBytes, kPunct };
  Kind kind = Kind::kEnd;
  std::string text;  // of an identifier, a string (escapes undone) or punctuation
  uint64_t integer = 0;
  double number = 0;
  size_t offset = 0;
};

class CelLexer {
 public:
  explicit CelLexer(std::string_view text) : text_(text) {}
  Result<CelToken> next();

 private:
  void skip_blanks();
  Result<CelToken> number();
  Result<CelToken> string_literal(bool raw, bool bytes);
  Status escape(std::string& out, bool bytes);
  Error fail(std::string_view what) const;

  std::string_view text_;
  size_t place_ = 0;
};

}  // namespace hadal
