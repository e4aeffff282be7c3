// JinjaError: how the interpreter stops. It is thrown and caught inside src/text only: ChatTemplate turns it
// into an Error. The kinds are Python's and Jinja2's exceptions, because a few filters catch some of them.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace hadal::jinja {

enum class ErrorKind {
  kSyntax,
  kRaised,  // raise_exception: the message is the template author's
  kUndefined,
  kType,
  kValue,
  kOverflow,
  kZeroDivision,
  kKey,
  kIndex,
  kAttribute,
  kSecurity,
  kAssertion,
  kFilterArgument,
  kRuntime,
  kRecursion,
  kLimit,  // one of hadal's bounds: not an exception of Python
};

struct JinjaError {
  ErrorKind kind;
  std::string message;
  int line = 0;  // 0: not known yet, the interpreter fills it in
};

[[noreturn]] inline void fail(ErrorKind kind, std::string message, int line = 0) {
  throw JinjaError{kind, std::move(message), line};
}
[[noreturn]] inline void type_error(std::string message) {
  fail(ErrorKind::kType, std::move(message));
}
[[noreturn]] inline void value_error(std::string message) {
  fail(ErrorKind::kValue, std::move(message));
}

// "TypeError", "UndefinedError", ...: the exception's name in Python.
std::string_view error_kind_name(ErrorKind kind);

}  // namespace hadal::jinja
