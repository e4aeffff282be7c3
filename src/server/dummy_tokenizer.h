// DummyTokenizer: one token per byte plus four special ones: a tokenizer for the server's tests, benchmarks
// and the dummy server, where no model is at hand. Immutable; any thread.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "text/tokenizer.h"

namespace hadal {

class DummyTokenizer : public Tokenizer {
 public:
  static constexpr int32_t kBos = 256, kEos = 257, kThink = 258, kEndThink = 259, kVocabSize = 260;
  DummyTokenizer();

  std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options) const override;
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const override;
  std::string_view token_bytes(int32_t id) const override;
  std::string_view first_token_bytes(int32_t id) const override { return token_bytes(id); }
  size_t min_ids(std::string_view text) const override { return text.size(); }
  bool is_special(int32_t id) const override { return id == kBos || id == kEos; }
  std::optional<int32_t> token_to_id(std::string_view token) const override;
  std::string_view id_to_token(int32_t id) const override;
  int32_t vocab_size() const override { return kVocabSize; }
  std::optional<int32_t> bos_id() const override { return kBos; }
  std::optional<int32_t> eos_id() const override { return kEos; }
  std::vector<int32_t> end_ids() const override { return {kEos}; }
  std::string_view bos_token() const override { return id_to_token(kBos); }
  std::string_view eos_token() const override { return id_to_token(kEos); }
  std::string chat_template(std::string_view) const override { return ""; }

 private:
  std::array<std::string, kVocabSize> names_;
};

}  // namespace hadal
