// IncrementalDecoder: token ids to text as they come, never a broken UTF-8 sequence: an incomplete tail (3
// bytes at the most) is held back until it is complete or the output ends. One per output, on the output
// thread.
#pragma once

#include <memory>
#include <string>

#include "text/tokenizer.h"

namespace hadal {

class IncrementalDecoder {
 public:
  IncrementalDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special_tokens);
  // Appends the text that `id` completes to `out` (often nothing, for a part of a code point).
  void push(int32_t id, std::string& out);
  // The output has ended: what is held back is invalid now and becomes U+FFFD.
  void finish(std::string& out);
  // Concatenated over the whole output this equals Tokenizer::decode of the same ids.

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::string tail_;
  bool skip_special_tokens_;
  bool first_ = true;
};

}  // namespace hadal
