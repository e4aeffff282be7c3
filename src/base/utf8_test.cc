#include "base/utf8.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(Utf8, EveryCodePointRoundTrips) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string s;
    utf8_append(s, c);
    ASSERT_EQ(utf8_valid_length(s), static_cast<int>(s.size()));
    ASSERT_EQ(utf8_decode(s).code_point, c);
    for (size_t cut = 1; cut < s.size(); ++cut) {
      ASSERT_EQ(utf8_valid_length(std::string_view(s).substr(0, cut)), -static_cast<int>(cut));
    }
  }
}

TEST(Utf8, RefusesOverlongSurrogateAndOutOfRange) {
  for (const char* s : {"\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\x80", "\xFF"}) {
    EXPECT_FALSE(utf8_is_valid(s));
    EXPECT_EQ(utf8_valid_length(s), 0);
  }
}

TEST(Utf8, SanitizeReplacesMaximalParts) {
  EXPECT_EQ(utf8_sanitize("a\xF0\x9F\x98"
                          "b"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(utf8_sanitize("\xE2\x82"), "\xEF\xBF\xBD");
  EXPECT_EQ(utf8_sanitize("ok \xE2\x82\xAC"), "ok \xE2\x82\xAC");
}

}  // namespace
}  // namespace hadal
