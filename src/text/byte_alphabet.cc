#include "text/byte_alphabet.h"

#include "text/unicode.h"

namespace hadal {

std::optional<std::string> ByteAlphabet::decode(std::string_view token) const {
  std::string out;
  out.reserve(token.size());
  for (size_t i = 0; i < token.size();) {
    const CodePoint c = decode_valid(token.data() + i);
    const int byte = byte_of(c.value);
    if (byte < 0) return std::nullopt;
    out += static_cast<char>(byte);
    i += c.length;
  }
  return out;
}

}  // namespace hadal
