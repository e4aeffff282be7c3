// StopMatcher: finds stop strings in streamed text. Text that may be the start of a stop string is held back until it
// is known not to be; the stop string itself is not emitted. One per output, on the output thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

class StopMatcher {
 public:
  // Empty strings are ignored. include_stop: the stop string is emitted too (SGLang's no_stop_trim).
  StopMatcher(std::vector<std::string> stops, bool include_stop = false);
  // Appends to `out` the text now known to be safe. True when a stop string was found: the rest is dropped.
  // The earliest match in the text wins; at the same start the longest.
  bool push(std::string_view text, std::string& out);
  // The output ended without a match: appends what was held back.
  void finish(std::string& out);
  // Index into the constructor's list of the string that matched.
  std::optional<size_t> matched() const { return matched_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  size_t longest_ = 0;
  std::optional<size_t> matched_;
  bool include_stop_;
};

}  // namespace hadal
