#include "weights/range_loader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "base/temp_dir.h"

namespace hadal {
namespace {

using ::testing::HasSubstr;
using Mode = RangeLoaderOptions::Mode;

std::string random_bytes(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out(count, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

class RangeLoaderTest : public ::testing::TestWithParam<Mode> {
 protected:
  std::unique_ptr<RangeLoader> open(std::vector<std::string> paths, uint64_t ahead = 1 << 20) {
    RangeLoaderOptions options;
    options.mode = GetParam();
    options.read_ahead_bytes = ahead;
    options.num_threads = 3;
    auto loader = RangeLoader::open(std::move(paths), options);
    EXPECT_TRUE(loader.ok()) << loader.error().message;
    return std::move(*loader);
  }
  static void expect_bytes(const Result<LoadedRange>& loaded, const std::string& content,
                           const FileRange& range) {
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    EXPECT_EQ(std::memcmp(loaded->data, content.data() + range.offset, range.num_bytes), 0);
  }
  TempDir dir_;
};

TEST_P(RangeLoaderTest, GivesTheBytesOfAnyRange) {
  const std::string content = random_bytes(3'000'001, 1);
  auto loader = open({dir_.write("a", content)});
  for (const FileRange& range :
       {FileRange{0, 0, 1}, FileRange{0, 0, 3'000'001}, FileRange{0, 4095, 2}, FileRange{0, 4096, 4096},
        FileRange{0, 1, 2'999'999}, FileRange{0, 3'000'000, 1}, FileRange{0, 3'000'001, 0},
        FileRange{0, 17, 200'000}}) {
    expect_bytes(loader->load(range), content, range);
  }
}

TEST_P(RangeLoaderTest, ReadsAheadWithinItsBudgetInAnyOrderOfUse) {
  const std::string first = random_bytes(2'000'000, 2);
  const std::string second = random_bytes(2'000'000, 3);
  for (const uint64_t budget : {uint64_t{1}, uint64_t{500'000}, uint64_t{1} << 30}) {
    auto loader = open({dir_.write("a", first), dir_.write("b", second)}, budget);
    std::vector<FileRange> ranges;
    for (uint64_t i = 0; i < 10; ++i) {
      ranges.push_back({0, i * 200'000, 200'000});
      ranges.push_back({1, i * 200'000, 200'000});
    }
    loader->prefetch(ranges);
    std::mt19937_64 random(budget);
    std::vector<FileRange> order = ranges;
    if (budget != 1) std::shuffle(order.begin(), order.end(), random);
    std::vector<LoadedRange> kept;
    for (const FileRange& range : order) {
      auto loaded = loader->load(range);
      expect_bytes(loaded, range.file == 0 ? first : second, range);
      kept.push_back(*loaded);
    }
    // Bytes outlive the loader: they belong to their owners.
    loader.reset();
    for (size_t i = 0; i < order.size(); ++i) {
      expect_bytes(kept[i], order[i].file == 0 ? first : second, order[i]);
    }
  }
}

TEST_P(RangeLoaderTest, RanksMayAskForTheSameRangesAtOnce) {
  const std::string content = random_bytes(2'000'000, 4);
  auto loader = open({dir_.write("a", content)});
  std::vector<FileRange> ranges;
  for (uint64_t i = 0; i < 10; ++i) ranges.push_back({0, i * 200'000, 200'000});
  loader->prefetch(ranges);
  std::vector<std::thread> ranks;
  for (int r = 0; r < 4; ++r) {
    ranks.emplace_back([&] {
      for (const FileRange& range : ranges) expect_bytes(loader->load(range), content, range);
    });
  }
  for (std::thread& rank : ranks) rank.join();
}

TEST_P(RangeLoaderTest, WorkLeftInTheQueueDoesNotHoldTheDestructor) {
  auto loader = open({dir_.write("a", random_bytes(2'000'000, 5))}, 1);
  std::vector<FileRange> ranges;
  for (uint64_t i = 0; i < 10; ++i) ranges.push_back({0, i * 200'000, 200'000});
  loader->prefetch(ranges);
}

TEST_P(RangeLoaderTest, AFileThatShrankIsAnError) {
  const std::string path = dir_.write("a", random_bytes(1'000'000, 6));
  auto loader = open({path});
  ASSERT_EQ(::truncate(path.c_str(), 500'000), 0);
  auto loaded = loader->load({0, 300'000, 400'000});
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::kDataLoss);
  EXPECT_THAT(loaded.error().message, HasSubstr(path));
  loader->prefetch(std::vector<FileRange>{{0, 300'000, 400'001}});
  EXPECT_FALSE(loader->load({0, 300'000, 400'001}).ok());
}

std::string mode_name(const ::testing::TestParamInfo<Mode>& info) {
  switch (info.param) {
    case Mode::kAuto:
      return "Auto";
    case Mode::kMap:
      return "Map";
    case Mode::kDirect:
      return "Direct";
    case Mode::kBuffered:
      return "Buffered";
  }
  return "";
}
INSTANTIATE_TEST_SUITE_P(Modes, RangeLoaderTest,
                         ::testing::Values(Mode::kAuto, Mode::kMap, Mode::kDirect, Mode::kBuffered),
                         mode_name);

TEST(RangeLoader, KeepsTheLastBytesForOtherRanks) {
  TempDir dir;
  RangeLoaderOptions options;
  options.mode = Mode::kBuffered;
  options.keep_bytes = 450'000;
  const std::string path = dir.write("a", random_bytes(1'000'000, 7));
  auto loader = RangeLoader::open({path}, options);
  ASSERT_TRUE(loader.ok());
  for (uint64_t i = 0; i < 5; ++i) ASSERT_TRUE((*loader)->load({0, i * 200'000, 200'000}).ok());
  // The last two are kept; the file no longer has any.
  ASSERT_EQ(::truncate(path.c_str(), 0), 0);
  for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ((*loader)->load({0, i * 200'000, 200'000}).ok(), i >= 3) << i;
}

TEST(RangeLoader, AMissingFileIsNamed) {
  auto loader = RangeLoader::open({"/nonexistent/x"}, {});
  ASSERT_FALSE(loader.ok());
  EXPECT_EQ(loader.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(loader.error().message, HasSubstr("/nonexistent/x"));
}

// Pages of this process that are mapped from files, in bytes.
int64_t resident_bytes() {
  auto text = read_file("/proc/self/statm");
  HADAL_CHECK(text.ok());
  long size = 0;
  long resident = 0;
  HADAL_CHECK(std::sscanf(text->c_str(), "%ld %ld", &size, &resident) == 2);
  return int64_t{resident} * ::sysconf(_SC_PAGESIZE);
}

TEST(RangeLoader, MemoryLeavesTheResidentSetWithTheOwner) {
  constexpr uint64_t kBytes = 64u << 20;
  TempDir dir;
  const std::string path = dir.write("a", std::string(kBytes, 'a'));
  for (const Mode mode : {Mode::kMap, Mode::kDirect}) {
    RangeLoaderOptions options;
    options.mode = mode;
    auto loader = RangeLoader::open({path}, options);
    ASSERT_TRUE(loader.ok());
    const int64_t before = resident_bytes();
    auto loaded = (*loader)->load({0, 0, kBytes});
    ASSERT_TRUE(loaded.ok());
    int64_t sum = 0;
    for (uint64_t i = 0; i < kBytes; i += 4096) sum += std::to_integer<int>(loaded->data[i]);
    EXPECT_EQ(sum, static_cast<int64_t>(kBytes / 4096) * 'a');
    EXPECT_GT(resident_bytes() - before, static_cast<int64_t>(kBytes) * 9 / 10);
    loaded->owner.reset();
    EXPECT_LT(resident_bytes() - before, static_cast<int64_t>(kBytes) / 4);
  }
}

}  // namespace
}  // namespace hadal
