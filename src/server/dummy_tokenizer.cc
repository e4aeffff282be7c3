#include "server/dummy_tokenizer.h"

#include "base/utf8.h"

namespace hadal {

DummyTokenizer::DummyTokenizer() {
  for (int i = 0; i < 256; ++i) names_[static_cast<size_t>(i)] = std::string(1, static_cast<char>(i));
  names_[kBos] = "<bos>";
  names_[kEos] = "<eos>";
  names_[kThink] = "<think>";
  names_[kEndThink] = "</think>";
}

std::vector<int32_t> DummyTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() + 1);
  if (options.add_special_tokens) ids.push_back(kBos);
  for (char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

std::string DummyTokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::string bytes;
  for (int32_t id : ids) {
    if (!(skip_special_tokens && is_special(id))) bytes += id_to_token(id);
  }
  return utf8_sanitize(bytes);
}

std::string_view DummyTokenizer::token_bytes(int32_t id) const {
  return is_special(id) ? "" : id_to_token(id);
}

std::string_view DummyTokenizer::id_to_token(int32_t id) const {
  return id < 0 || id >= kVocabSize ? std::string_view() : std::string_view(names_[static_cast<size_t>(id)]);
}

std::optional<int32_t> DummyTokenizer::token_to_id(std::string_view token) const {
  for (size_t i = 0; i < names_.size(); ++i) {
    if (names_[i] == token) return static_cast<int32_t>(i);
  }
  return std::nullopt;
}

}  // namespace hadal
