// Lexer: template source to tokens, with Jinja2's white space rules: trim_blocks and lstrip_blocks on, "-"
// and "+" signs, raw blocks, comments, one newline at the end of the template dropped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/error.h"

namespace hadal::jinja {

enum class TokenType : uint8_t {
  kData,
  kBlockBegin,
  kBlockEnd,
  kVariableBegin,
  kVariableEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEof,
};

struct Token {
  TokenType type;
  int line;
  std::string text;  // data, name, the unescaped string, the digits, or the operator's sign

  bool is_operator(std::string_view sign) const { return type == TokenType::kOperator && text == sign; }
  bool is_name(std::string_view name) const { return type == TokenType::kName && text == name; }
};

// Throws JinjaError (kSyntax) with the line. `source` is valid UTF-8.
std::vector<Token> tokenize(std::string_view source);

}  // namespace hadal::jinja
