// StopMatcher: finds stop strings in streamed text. Text that may be the start of a stop string is held back
// until it is known not to be; the stop string itself is not emitted. One per output, on the output thread.
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
  // The output ended: appends what was held back; a match that waited for a longer one at the same start
  // counts now.
  void finish(std::string& out);
  // Index into the constructor's list of the string that matched.
  std::optional<size_t> matched() const { return matched_; }

 private:
  // Aho-Corasick: a trie of the stop strings; each node knows the longest proper suffix of its text that is a
  // node.
  struct Node {
    int32_t child = -1;
    int32_t sibling = -1;
    int32_t suffix = 0;
    int32_t stop = -1;  // the longest stop string that ends here, the node's own or a suffix
    uint32_t depth = 0;
    uint32_t open_depth = 0;  // depth of the longest suffix, itself included, that can grow
    char byte = 0;
  };
  int32_t child_of(int32_t node, char byte) const;
  void insert(size_t stop);
  void link();
  void take_match();
  bool settle(std::string& out);

  std::vector<std::string> stops_;
  std::vector<Node> nodes_;
  std::string held_;   // text not yet known to be safe
  int32_t state_ = 0;  // the longest suffix of the text that begins a stop string
  std::optional<size_t> matched_;
  std::optional<size_t> candidate_;  // the best match so far, while a better one may still come
  size_t candidate_begin_ = 0;       // in held_
  bool include_stop_;
};

}  // namespace hadal
