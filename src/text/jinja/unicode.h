// What Python's str methods need to know of Unicode: character classes and case mappings. Tables are made by
// tools/golden/make_jinja_unicode.py from Python's own unicodedata. Pure functions; any thread.
#pragma once

#include <string>

namespace hadal::jinja {

enum class CharClass {
  kAlpha,
  kDecimal,
  kDigit,
  kNumeric,
  kSpace,
  kPrintable,
  kLower,
  kUpper,
  kTitle,
  kCased,
  kCaseIgnorable,
  kIdentifierStart,
  kIdentifierContinue,
};

bool has_class(char32_t c, CharClass cls);
inline bool is_space(char32_t c) {
  if (c < 128) return c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31);
  return has_class(c, CharClass::kSpace);
}
// The value of a decimal digit of any script, or -1.
int decimal_value(char32_t c);

enum class CaseMap { kUpper, kLower, kTitle, kFold };
// Appends the full mapping (up to three code points) to `out`.
void append_case(std::u32string& out, char32_t c, CaseMap map);

}  // namespace hadal::jinja
