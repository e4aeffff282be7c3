// FakeTokenizer: ids below num_bytes are bytes, id N above is the text " wN"; kEnd is special. For tests of
// the engine and above. With 128 the text is always valid UTF-8, however it is cut.
#pragma once

#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace hadal {

class FakeTokenizer final : public Tokenizer {
 public:
  static constexpr int32_t kEnd = 1;

  explicit FakeTokenizer(int32_t vocab_size, int32_t num_bytes = 256) {
    for (int32_t id = 0; id < vocab_size; ++id) {
      pieces_.push_back(id < num_bytes ? std::string(1, static_cast<char>(id)) : " w" + std::to_string(id));
    }
    pieces_[kEnd] = "<end>";
  }

  std::vector<int32_t> encode(std::string_view text, const EncodeOptions&) const override {
    std::vector<int32_t> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const override {
    std::string text;
    for (const int32_t id : ids) {
      if (!skip_special_tokens || !is_special(id)) text += token_bytes(id);
    }
    return text;
  }
  std::string_view token_bytes(int32_t id) const override {
    return id >= 0 && id < vocab_size() ? std::string_view(pieces_[static_cast<size_t>(id)])
                                        : std::string_view();
  }
  std::string_view first_token_bytes(int32_t id) const override { return token_bytes(id); }
  bool is_special(int32_t id) const override { return id == kEnd; }
  std::optional<int32_t> token_to_id(std::string_view token) const override {
    if (token == pieces_[kEnd]) return kEnd;
    return std::nullopt;
  }
  std::string_view id_to_token(int32_t id) const override { return token_bytes(id); }
  int32_t vocab_size() const override { return static_cast<int32_t>(pieces_.size()); }
  std::optional<int32_t> bos_id() const override { return std::nullopt; }
  std::optional<int32_t> eos_id() const override { return kEnd; }
  std::vector<int32_t> end_ids() const override { return {kEnd}; }
  std::string_view bos_token() const override { return ""; }
  std::string_view eos_token() const override { return pieces_[kEnd]; }
  std::string chat_template(std::string_view) const override { return ""; }

 private:
  std::vector<std::string> pieces_;
};

}  // namespace hadal
