// UTF-8 primitives (RFC 3629: no surrogates, no overlongs, at most U+10FFFF). Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hadal {

// Bytes of the valid code point that starts `text` (1..4); 0 when it is invalid;
// -n when the text ends inside a code point that could still be valid (n = bytes present).
int utf8_valid_length(std::string_view text);

struct Utf8Decoded {
  char32_t code_point = 0;
  int length = 0;  // bytes read
};
// Decodes at `text[0]`; the caller has made sure with utf8_valid_length that it is valid.
Utf8Decoded utf8_decode(std::string_view text);

void utf8_append(std::string& out, char32_t code_point);

bool utf8_is_valid(std::string_view text);

// Code points of valid text; of bytes that begin or end inside one, those that start in it.
size_t utf8_count(std::string_view text);

// Copies with each maximal invalid part replaced by U+FFFD (as Python's errors="replace").
std::string utf8_sanitize(std::string_view text);

}  // namespace hadal
