// Status and Result<T>: how every folder reports failures that are not bugs. No exception crosses a folder.
// The message is for an operator: it names the input and the fix. Values; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"

namespace hadal {

enum class ErrorCode {
  kInvalidArgument,    // the caller's input is wrong: HTTP 400, exit 2
  kNotFound,           // HTTP 404
  kUnauthenticated,    // HTTP 401
  kPermissionDenied,   // HTTP 403
  kTooLarge,           // over a stated limit: HTTP 413
  kUnsupported,        // valid, but hadal or this model cannot: HTTP 400
  kResourceExhausted,  // a bounded queue is full: HTTP 429 with Retry-After
  kUnavailable,        // draining, starting, or a dependency is down: HTTP 503
  kDeadlineExceeded,   // HTTP 504, or finish_reason for a running request
  kCancelled,          // the client went away
  kDataLoss,           // a corrupt file or frame
  kIo,                 // the operating system said no
  kInternal,           // HTTP 500
};

// "invalid_argument", "not_found", ...
std::string_view error_code_name(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

// Printf-free helper: make_error(kInvalidArgument, "layer ", i, " has no weight").
template <typename... Args>
Error make_error(ErrorCode code, const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return Error{code, out.str()};
}
template <typename... Args>
Error invalid_argument(const Args&... args) {
  return make_error(ErrorCode::kInvalidArgument, args...);
}
// "cannot open FILE: No such file or directory", from errno.
Error errno_error(std::string_view what, int errno_value);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design
  bool ok() const { return !error_.has_value(); }
  const Error& error() const& {
    HADAL_CHECK(error_.has_value());
    return *error_;
  }
  Error error() && {
    HADAL_CHECK(error_.has_value());
    return std::move(*error_);
  }
  // "ok" or the message.
  std::string to_string() const { return ok() ? "ok" : error_->message; }

 private:
  std::optional<Error> error_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::in_place_index<0>, std::move(value)) {}      // NOLINT
  Result(Error error) : value_(std::in_place_index<1>, std::move(error)) {}  // NOLINT
  bool ok() const { return value_.index() == 0; }
  T& value() & {
    HADAL_CHECK(ok()) << error_text();
    return std::get<0>(value_);
  }
  const T& value() const& {
    HADAL_CHECK(ok()) << error_text();
    return std::get<0>(value_);
  }
  T&& value() && {
    HADAL_CHECK(ok()) << error_text();
    return std::get<0>(std::move(value_));
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const Error& error() const& {
    HADAL_CHECK(!ok());
    return std::get<1>(value_);
  }
  Error error() && {
    HADAL_CHECK(!ok());
    return std::get<1>(std::move(value_));
  }
  Status status() const { return ok() ? Status() : Status(error()); }

 private:
  std::string error_text() const { return ok() ? "" : std::get<1>(value_).message; }
  std::variant<T, Error> value_;
};

}  // namespace hadal

#define HADAL_CONCAT_INNER(a, b) a##b
#define HADAL_CONCAT(a, b) HADAL_CONCAT_INNER(a, b)

// Returns the error of a Status or Result expression from the enclosing function.
#define HADAL_RETURN_IF_ERROR(expr)                                   \
  do {                                                                \
    auto hadal_status_ = (expr);                                      \
    if (!hadal_status_.ok()) return std::move(hadal_status_).error(); \
  } while (0)

// HADAL_ASSIGN(auto x, f()): x = value of the Result, or returns its error.
#define HADAL_ASSIGN(lhs, expr) HADAL_ASSIGN_IMPL(HADAL_CONCAT(hadal_result_, __LINE__), lhs, expr)
#define HADAL_ASSIGN_IMPL(tmp, lhs, expr)       \
  auto tmp = (expr);                            \
  if (!tmp.ok()) return std::move(tmp).error(); \
  lhs = std::move(tmp).value()
