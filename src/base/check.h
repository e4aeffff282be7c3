// HADAL_CHECK: broken invariants abort with a message. For programmer errors only; a user's mistake is a
// Result. Callable from any thread.
#pragma once

#include <sstream>

namespace hadal {

// Collects the streamed message and aborts when destroyed.
class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  CheckFailure(const CheckFailure&) = delete;
  CheckFailure& operator=(const CheckFailure&) = delete;
  [[noreturn]] ~CheckFailure();
  std::ostream& stream() { return stream_; }

 private:
  std::ostringstream stream_;
};

// Swallows the stream so that the macro is one expression of type void.
struct CheckVoidify {
  void operator&(std::ostream&) {}
};

}  // namespace hadal

#define HADAL_CHECK(cond)         \
  (__builtin_expect(!!(cond), 1)) \
      ? (void)0                   \
      : ::hadal::CheckVoidify() & ::hadal::CheckFailure(__FILE__, __LINE__, #cond).stream()
