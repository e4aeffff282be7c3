#include "base/check.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace hadal {

CheckFailure::CheckFailure(const char* file, int line, const char* condition) {
  stream_ << "hadal: broken invariant at " << file << ":" << line << ": " << condition << " ";
}

CheckFailure::~CheckFailure() {
  // write(2), not a logger: the process may be in any state here.
  const std::string text = stream_.str() + "\n";
  ssize_t ignored = ::write(2, text.data(), text.size());
  (void)ignored;
  std::abort();
}

}  // namespace hadal
