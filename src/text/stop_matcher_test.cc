#include "text/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace hadal {
namespace {

struct Outcome {
  std::string text;
  std::optional<size_t> stop;
  bool operator==(const Outcome&) const = default;
};

// The whole text at once: the earliest match, the longest at that place, the first of equal strings.
Outcome expected(const std::string& text, const std::vector<std::string>& stops, bool include) {
  for (size_t i = 0; i < text.size(); ++i) {
    std::optional<size_t> best;
    for (size_t s = 0; s < stops.size(); ++s) {
      if (stops[s].empty() || text.compare(i, stops[s].size(), stops[s]) != 0) continue;
      if (!best || stops[s].size() > stops[*best].size()) best = s;
    }
    if (best) return {text.substr(0, i) + (include ? stops[*best] : ""), best};
  }
  return {text, std::nullopt};
}

TEST(StopMatcher, EqualsWholeTextSearchHoweverTheTextIsCut) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto word = [&](size_t most, unsigned letters) {
    std::string out;
    for (size_t n = random() % (most + 1); n > 0; --n) out += static_cast<char>('a' + random() % letters);
    return out;
  };
  for (int round = 0; round < 20000; ++round) {
    const unsigned letters = 1 + random() % 3;
    std::vector<std::string> stops;
    for (size_t n = random() % 5; n > 0; --n) stops.push_back(word(5, letters));
    const bool include = random() % 2 == 0;
    const std::string text = word(20, letters);
    StopMatcher matcher(stops, include);
    Outcome got;
    bool stopped = false;
    for (size_t at = 0; at < text.size() && !stopped;) {
      const size_t n = 1 + random() % 4;
      stopped = matcher.push(std::string_view(text).substr(at, n), got.text);
      at += n;
    }
    if (!stopped) matcher.finish(got.text);
    got.stop = matcher.matched();
    const Outcome want = expected(text, stops, include);
    ASSERT_EQ(got.text, want.text) << text << " " << testing::PrintToString(stops);
    ASSERT_EQ(got.stop, want.stop) << text << " " << testing::PrintToString(stops);
  }
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBecomeAStop) {
  StopMatcher matcher({"END.", "\n\n"});
  std::string out;
  EXPECT_FALSE(matcher.push("text E", out));
  EXPECT_EQ(out, "text ");
  EXPECT_FALSE(matcher.push("Nx\n", out));
  EXPECT_EQ(out, "text ENx");
  EXPECT_FALSE(matcher.push("y EN", out));
  EXPECT_EQ(out, "text ENx\ny ");
  EXPECT_TRUE(matcher.push("D. more", out));
  EXPECT_EQ(out, "text ENx\ny ");
  EXPECT_EQ(matcher.matched(), 0u);
  EXPECT_TRUE(matcher.push("later", out));
  EXPECT_EQ(out, "text ENx\ny ");
}

TEST(StopMatcher, ManyLongStopsOverALongTextStayLinear) {
  std::vector<std::string> stops;
  for (size_t i = 0; i < 64; ++i)
    stops.push_back(std::string(2000 + i, 'a') + static_cast<char>('b' + i % 20));
  StopMatcher matcher(stops);
  std::string out;
  for (int i = 0; i < 100'000; ++i) ASSERT_FALSE(matcher.push("aaaa", out));
  matcher.finish(out);
  EXPECT_EQ(out.size(), 400'000u);
}

TEST(StopMatcher, NoStops) {
  StopMatcher matcher({"", ""});
  std::string out;
  EXPECT_FALSE(matcher.push("abc", out));
  EXPECT_EQ(out, "abc");
  matcher.finish(out);
  EXPECT_EQ(out, "abc");
}

}  // namespace
}  // namespace hadal
