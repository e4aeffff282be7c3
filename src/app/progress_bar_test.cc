#include "app/progress_bar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <vector>

namespace hadal {
namespace {

using ::testing::HasSubstr;

TEST(ProgressText, ShowsPartRateAndTimeLeft) {
  EXPECT_EQ(progress_text(1'000'000'000, 4'000'000'000, 2.0),
            "[######                  ]  25%  1.00 of 4.00 GB, 0.50 GB/s, 6 s left");
  EXPECT_EQ(progress_text(4'000'000'000, 4'000'000'000, 2.0),
            "[########################] 100%  4.00 of 4.00 GB, 2.00 GB/s, 0 s left");
}

TEST(ProgressText, EndsAreHarmless) {
  EXPECT_THAT(progress_text(0, 1'000'000'000, 0.0), HasSubstr("  0%  0.00 of 1.00 GB, 0.00 GB/s, 0 s left"));
  EXPECT_THAT(progress_text(0, 0, 1.0), HasSubstr("  0%"));
  // More than was announced: full, and no negative time.
  EXPECT_THAT(progress_text(2'000'000'000, 1'000'000'000, 1.0), HasSubstr("100%"));
  EXPECT_THAT(progress_text(2'000'000'000, 1'000'000'000, 1.0), HasSubstr("0 s left"));
  EXPECT_EQ(progress_text(INT64_MAX / 4, INT64_MAX / 4, 1e-9).find('\n'), std::string::npos);
}

// Parts of the whole, growing, from the bar's thread; none after the bar is gone.
TEST(ProgressBar, ReportsPartsWhileItLives) {
  std::atomic<int64_t> done{0};
  std::promise<void> half;
  std::vector<double> parts;  // the bar's thread's, then ours
  {
    ProgressBar bar(
        "test", 100, [&] { return done.load(); },
        [&](double part) {
          parts.push_back(part);
          if (part == 0.5) half.set_value();
          if (part == 0.5) done = 75;
        });
    done = 50;
    half.get_future().wait();
  }
  ASSERT_FALSE(parts.empty());
  for (size_t i = 1; i < parts.size(); ++i) EXPECT_GE(parts[i], parts[i - 1]);
  EXPECT_LE(parts.back(), 0.75);
}

TEST(ProgressBar, WorksWithoutAListenerAndWithoutATotal) {
  {
    ProgressBar bar("test", 100, [] { return int64_t{1}; }, {});
  }
  {
    ProgressBar bar(
        "test", 0, [] { return int64_t{1}; }, [](double) { ADD_FAILURE() << "part of nothing"; });
  }
}

}  // namespace
}  // namespace hadal
