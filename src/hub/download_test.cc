// The Downloader against a peer server in this process, as the origin: what it fetches again of a file whose
// bytes on disk are wrong. What servers do wrong is in tests/python/test_pull.py.
#include "hub/download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/temp_dir.h"
#include "hub/digest.h"
#include "hub/disk.h"
#include "hub/peer_server.h"

namespace hadal {
namespace {

using testing::HasSubstr;

constexpr int64_t kSize = (int64_t{40} << 20) + 4321;
constexpr int64_t kCheck = int64_t{4} << 20;    // as in download_check.cc
constexpr int64_t kSettle = int64_t{64} << 10;  // the same
constexpr char kName[] = "model.safetensors";

struct Origin {
  Origin() {
    std::mt19937_64 random(std::random_device{}());
    content.resize(static_cast<size_t>(kSize));
    for (size_t at = 0; at + 8 <= content.size(); at += 8) {
      const uint64_t value = random();
      std::memcpy(content.data() + at, &value, 8);
    }
    ModelMarker marker;
    marker.files = {
        {kName, kSize, to_hex(digest_of(DigestKind::kSha256, content)), stat_regular(write())->mtime_ns}};
    sha256 = marker.files[0].sha256;
    HADAL_CHECK(write_marker(source.path(), marker).ok());
    Settings settings;
    settings.hub.serve_host = "127.0.0.1";
    settings.hub.serve_port = 0;
    server = std::move(*PeerServer::start(settings, source.path()));
    HADAL_CHECK(make_directories(target.path(), std::string(kPullFolder) + "/x").ok());
  }

  std::string write() const { return source.write(kName, content); }

  RemoteFile remote() const {
    RemoteFile file;
    file.path = kName;
    file.size = kSize;
    file.checksum = {Checksum::Kind::kSha256, sha256};
    file.url = server->address() + "/v1/files/" + kName;
    return file;
  }

  std::unique_ptr<PullJournal> journal() const {
    return std::move(*PullJournal::open(target.path() + "/" + kPullFolder + "/journal", "boot"));
  }

  // As an earlier run left it: whole, with other bytes at these places. The file's number in the journal.
  int leave(PullJournal& journal, const std::vector<int64_t>& wrong) const {
    const int id = *journal.file(
        kName, kSize, "sum" + std::to_string(static_cast<int>(Checksum::Kind::kSha256)) + ":" + sha256);
    std::string bad = content;
    for (int64_t at : wrong) bad[static_cast<size_t>(at)] ^= 1;
    HADAL_CHECK(write_file(part_path(target.path(), id), bad).ok());
    HADAL_CHECK(journal.add_written(id, {0, kSize}).ok());
    return id;
  }

  Result<std::vector<MarkerFile>> pull(PullJournal& journal) {
    DownloadOptions options;
    options.directory = target.path();
    options.part_bytes = int64_t{1} << 20;
    options.backoff = std::chrono::milliseconds(1);
    Downloader downloader(options, journal);
    auto out = downloader.run({remote()}, {});
    fetched = downloader.stats().fetched;
    EXPECT_TRUE(!out.ok() || *read_file(target.file(kName), kSize) == content);
    return out;
  }

  TempDir source, target;
  std::string content;
  std::string sha256;
  std::unique_ptr<PeerServer> server;
  int64_t fetched = 0;
};

TEST(Downloader, FetchesEachByteOnce) {
  Origin origin;
  const auto journal = origin.journal();
  const auto entries = origin.pull(*journal);
  ASSERT_TRUE(entries.ok()) << entries.error().message;
  EXPECT_EQ(origin.fetched, kSize);
  EXPECT_EQ((*entries)[0].sha256, origin.sha256);
}

TEST(Downloader, SearchesFromTheBeginningWithoutAHint) {
  Origin origin;
  const auto journal = origin.journal();
  origin.leave(*journal, {kCheck + 5});
  ASSERT_TRUE(origin.pull(*journal).ok());
  // The second of ten ranges; those that were on their way with it (a judge may be late); one that settles
  // it.
  EXPECT_LE(origin.fetched, 8 * kCheck + kSettle);
  EXPECT_GE(origin.fetched, 2 * kCheck + kSettle);
}

TEST(Downloader, LooksFirstAtWhatCameWithTrouble) {
  Origin origin;
  const auto journal = origin.journal();
  const int id = origin.leave(*journal, {kSize - 100});
  ASSERT_TRUE(journal->add_troubled(id, {kSize - (int64_t{1} << 20), kSize}).ok());
  ASSERT_TRUE(journal->add_troubled(id, {1000, 2000}).ok());
  ASSERT_TRUE(origin.pull(*journal).ok());
  EXPECT_LE(origin.fetched, 1000 + (int64_t{1} << 20) + kSettle);
}

TEST(Downloader, AHintThatLeadsNowhereCostsNothingMore) {
  Origin origin;
  const auto journal = origin.journal();
  const int id = origin.leave(*journal, {10, kSize / 2, kSize - 10});
  ASSERT_TRUE(journal->add_troubled(id, {kSize / 4, kSize / 4 + 100'000}).ok());
  ASSERT_TRUE(origin.pull(*journal).ok());
  EXPECT_LE(origin.fetched, kSize + 3 * kSettle);
}

TEST(Downloader, DoesNotCompareAgainWhatAnEarlierRunCompared) {
  Origin origin;
  const auto journal = origin.journal();
  const int id = origin.leave(*journal, {kSize - 100});
  ASSERT_TRUE(journal->add_compared(id, {0, 4 * kCheck}).ok());
  ASSERT_TRUE(origin.pull(*journal).ok());
  EXPECT_LE(origin.fetched, kSize - 4 * kCheck + kSettle);
}

// As where the machine lost what was written over.
TEST(Downloader, ASecondRoundLooksEverywhere) {
  Origin origin;
  const auto journal = origin.journal();
  const int id = origin.leave(*journal, {kSize / 3});
  ASSERT_TRUE(journal->add_compared(id, {0, kSize}).ok());
  ASSERT_TRUE(origin.pull(*journal).ok());
  EXPECT_LE(origin.fetched, kSize + kSettle);
}

TEST(Downloader, GivesUpOnAnOriginWithOtherContent) {
  Origin origin;
  origin.sha256 = std::string(64, 'a');
  const auto journal = origin.journal();
  const auto entries = origin.pull(*journal);
  ASSERT_FALSE(entries.ok());
  EXPECT_EQ(entries.error().code, ErrorCode::kDataLoss);
  EXPECT_THAT(entries.error().message, HasSubstr("other content than it lists"));
  EXPECT_EQ(origin.fetched, 3 * kSize);
  EXPECT_FALSE(std::filesystem::exists(origin.target.file(kName)));
  // Another try knows that all of it was compared.
  ASSERT_FALSE(origin.pull(*journal).ok());
  EXPECT_EQ(origin.fetched, kSize);
}

}  // namespace
}  // namespace hadal
