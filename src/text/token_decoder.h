// What each token id adds to decoded text: tokenizer.json's `decoder`, run once over the vocabulary.
// Built once; const afterwards: any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/string_table.h"

namespace hadal {

struct DecoderSpec {
  enum class Kind {
    kJoinWithSpaces,  // no decoder: Hugging Face puts a space between tokens
    kByteLevel,       // GPT-2's byte alphabet
    kSteps,           // the fields below, in their order
  };
  Kind kind = Kind::kJoinWithSpaces;
  std::vector<std::pair<std::string, std::string>> replaces;
  // Metaspace: the replacement becomes a space, and nothing in the first token where drop_first.
  std::string metaspace;
  bool metaspace_drop_first = false;
  bool byte_fallback = false;  // <0xNN> is that byte
  // Strip: up to `strip_start` of `strip_content` at the start of every token, or of the output where fused.
  std::string strip_content;
  int strip_start = 0;
  bool fused = false;  // a Fuse stands before the Strip
};

// The byte of a token spelled <0xNN>.
std::optional<char> byte_token(std::string_view token);

class TokenDecoder {
 public:
  TokenDecoder() = default;
  // tokens[id]: the spelling, valid UTF-8; "" where the id is unknown or adds nothing.
  TokenDecoder(const std::vector<std::string_view>& tokens, const DecoderSpec& spec);

  // Bytes that `id` adds in the middle of the output, or as its first token. "" for unknown ids.
  std::string_view middle(int32_t id) const { return middle_.at(id); }
  std::string_view first(int32_t id) const;

 private:
  StringTable middle_;
  std::unordered_map<int32_t, std::string> first_;  // where it is no suffix of middle
  std::vector<uint8_t> first_skip_;                 // bytes of middle that the first token drops
};

}  // namespace hadal
