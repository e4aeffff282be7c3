#include "hub/hash_pool.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/temp_dir.h"
#include "hub/disk.h"
#include "hub/model_marker.h"

namespace hadal {
namespace {

constexpr int64_t kFileSize = (int64_t{40} << 20) + 12345;

struct HashedFile {
  HashedFile() : random(std::random_device{}()) {
    std::string content(kFileSize, '\0');
    for (size_t at = 0; at + 8 <= content.size(); at += 8) {
      const uint64_t value = random();
      std::memcpy(content.data() + at, &value, 8);
    }
    path = dir.write("file", content);
    fd = std::make_shared<UniqueFd>(::open(path.c_str(), O_RDWR));
  }

  // Changes a few bytes.
  void change(int64_t at) {
    const std::string bytes = std::to_string(random()).substr(0, 4);
    ASSERT_TRUE(write_all_at(fd->get(), bytes, at, path).ok());
  }

  std::string wait_for_hash() {
    for (;;) {
      const auto done = pool.take_done();
      if (done.size() > 1) return "reported more than once";
      if (done.size() == 1)
        return done[0].key == 7 && done[0].status.ok() ? done[0].outcome.sha256 : "failed";
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return std::exchange(woken, false); });
    }
  }

  void begin(const Checksum& checksum = {}) { pool.begin(7, fd, path, kFileSize, checksum); }
  void wake() {
    std::lock_guard lock(mutex);
    woken = true;
    changed.notify_all();
  }

  TempDir dir;
  std::mt19937_64 random;
  std::string path;
  std::shared_ptr<UniqueFd> fd;
  std::mutex mutex;
  std::condition_variable changed;
  bool woken = false;
  HashPool pool{2, [this] { wake(); }};
};

TEST(HashPool, FollowsWhatIsThere) {
  HashedFile file;
  file.begin();
  for (int64_t end = 0; end < kFileSize; end += 1 + static_cast<int64_t>(file.random() % (5 << 20)))
    file.pool.extend(7, end);
  EXPECT_TRUE(file.pool.take_done().empty());
  file.pool.extend(7, kFileSize);
  EXPECT_EQ(file.wait_for_hash(), *hash_file(file.path));
}

TEST(HashPool, GoesOnFromAPlaceBeforeTheChange) {
  HashedFile file;
  file.begin();
  file.pool.extend(7, kFileSize);
  const std::string before = file.wait_for_hash();
  EXPECT_EQ(before, *hash_file(file.path));
  file.change(kFileSize - 1000);
  const std::string after = *hash_file(file.path);
  // It is not read from its beginning again: this is not seen.
  file.change(1000);
  ASSERT_TRUE(file.pool.rewind(7, kFileSize - 1000, kFileSize));
  EXPECT_EQ(file.wait_for_hash(), after);
  ASSERT_TRUE(file.pool.rewind(7, 0, kFileSize));
  EXPECT_EQ(file.wait_for_hash(), *hash_file(file.path));
  file.pool.drop(7);
  EXPECT_FALSE(file.pool.rewind(7, 0, kFileSize));
}

TEST(HashPool, ManyChangesAtAnyMoment) {
  for (const auto kind : {Checksum::Kind::kNone, Checksum::Kind::kMd5, Checksum::Kind::kSha256OfParts}) {
    HashedFile file;
    file.begin({kind, "", int64_t{5} << 20});
    file.pool.extend(7, kFileSize);
    for (int i = 0; i < 20; ++i) {
      const auto at = static_cast<int64_t>(file.random() % (kFileSize - 8));
      file.change(at);
      // What is not there any more comes back later.
      const int64_t there = i % 3 == 0 ? std::max<int64_t>(at, kFileSize / 2) : kFileSize;
      ASSERT_TRUE(file.pool.rewind(7, at, there));
      std::this_thread::sleep_for(std::chrono::microseconds(file.random() % 4000));
      file.pool.extend(7, kFileSize);
    }
    EXPECT_EQ(file.wait_for_hash(), *hash_file(file.path));
  }
}

}  // namespace
}  // namespace hadal
