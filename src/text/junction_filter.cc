#include "text/junction_filter.h"

#include "base/utf8.h"

namespace hadal {
namespace {

uint64_t packed(std::string_view character) {
  uint64_t value = 0;
  for (const char c : character) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

// The complete character that `text` ends in or begins with; "" when it is cut off.
std::string_view last_character(std::string_view text) {
  for (size_t length = 1; length <= 4 && length <= text.size(); ++length) {
    const std::string_view tail = text.substr(text.size() - length);
    if (utf8_valid_length(tail) == static_cast<int>(length)) return tail;
  }
  return {};
}
std::string_view first_character(std::string_view text) {
  const int length = utf8_valid_length(text);
  return length > 0 ? text.substr(0, static_cast<size_t>(length)) : std::string_view();
}

}  // namespace

JunctionFilter::JunctionFilter() : bytes_((1 << 16) / 64), characters_((size_t{1} << kSlotBits) / 64) {}

size_t JunctionFilter::slot(std::string_view left, std::string_view right) {
  const uint64_t pair = packed(left) << 32 | packed(right);
  return (pair * 0x9E3779B97F4A7C15ull) >> (64 - kSlotBits);
}

void JunctionFilter::add(std::string_view left, std::string_view right) {
  const auto set = [](std::vector<uint64_t>& bits, size_t i) { bits[i >> 6] |= uint64_t{1} << (i & 63); };
  const auto first = static_cast<unsigned char>(right.front());
  if (first >= 0x80 && first < 0xC0) return;  // inside a character, where no cut is made
  const std::string_view before = last_character(left);
  const std::string_view behind = first_character(right);
  const bool ascii = static_cast<unsigned char>(left.back()) < 0x80 && first < 0x80;
  if (ascii || before.empty() || behind.empty()) {
    set(bytes_, size_t{static_cast<unsigned char>(left.back())} << 8 | first);
  } else {
    set(characters_, slot(before, behind));
  }
}

}  // namespace hadal
