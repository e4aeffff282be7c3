#include "text/incremental_decoder.h"

#include "base/utf8.h"

namespace hadal {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Appends what `bytes` settles to `out` and returns how many bytes that was: all but an incomplete code point
// at the end. Each maximal invalid part becomes one U+FFFD, as in utf8_sanitize.
size_t append_settled(std::string_view bytes, std::string& out) {
  size_t i = 0;
  size_t copied = 0;
  while (i < bytes.size()) {
    const int length = utf8_valid_length(bytes.substr(i));
    if (length > 0) {
      i += static_cast<size_t>(length);
      continue;
    }
    if (length < 0) break;
    out += bytes.substr(copied, i - copied);
    out += kReplacement;
    size_t skip = 1;
    while (i + skip < bytes.size() && utf8_valid_length(bytes.substr(i, skip + 1)) < 0) ++skip;
    i += skip;
    copied = i;
  }
  out += bytes.substr(copied, i - copied);
  return i;
}

}  // namespace

IncrementalDecoder::IncrementalDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special_tokens)
    : tokenizer_(std::move(tokenizer)), skip_special_tokens_(skip_special_tokens) {}

void IncrementalDecoder::push(int32_t id, std::string& out) {
  if (skip_special_tokens_ && tokenizer_->is_special(id)) return;
  const std::string_view bytes = first_ ? tokenizer_->first_token_bytes(id) : tokenizer_->token_bytes(id);
  if (first_ && !tokenizer_->token_bytes(id).empty()) first_ = false;
  if (tail_.empty()) {
    tail_ = bytes.substr(append_settled(bytes, out));
    return;
  }
  tail_ += bytes;
  tail_.erase(0, append_settled(tail_, out));
}

void IncrementalDecoder::finish(std::string& out) {
  if (!tail_.empty()) out += kReplacement;  // one incomplete code point
  tail_.clear();
}

}  // namespace hadal
