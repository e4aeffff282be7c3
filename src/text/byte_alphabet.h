// GPT-2's byte-level alphabet: each byte as one printable character, so that a vocabulary of bytes can be
// written as text. Printable Latin-1 bytes stand for themselves, the other 68 for U+0100 onwards. Pure; any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hadal {

class ByteAlphabet {
 public:
  constexpr ByteAlphabet() {
    byte_of_.fill(-1);
    int next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      byte_of_[static_cast<size_t>(printable ? b : next++)] = static_cast<int16_t>(b);
    }
  }
  // -1 for a character outside the alphabet.
  constexpr int byte_of(char32_t c) const { return c < byte_of_.size() ? byte_of_[c] : -1; }
  // The bytes that `token` (valid UTF-8) spells; nullopt when a character is outside the alphabet.
  std::optional<std::string> decode(std::string_view token) const;

 private:
  std::array<int16_t, 0x144> byte_of_{};
};

inline constexpr ByteAlphabet kByteAlphabet;

}  // namespace hadal
