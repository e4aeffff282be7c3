// What is on disk: the journal, the marker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/temp_dir.h"
#include "hub/disk.h"
#include "hub/download.h"
#include "hub/fill_record.h"
#include "hub/model_marker.h"
#include "hub/pull_journal.h"

namespace hadal {
namespace {

using testing::HasSubstr;

const std::string kBoot = "11111111-2222-3333-4444-555555555555";

std::unique_ptr<PullJournal> open_journal(const std::string& path, const std::string& boot = kBoot) {
  auto journal = PullJournal::open(path, boot);
  EXPECT_TRUE(journal.ok()) << journal.error().message;
  return std::move(*journal);
}

TEST(PullJournal, WrittenCountsUnderTheSameBootAndSyncedAlways) {
  const TempDir dir;
  const std::string path = dir.file("journal");
  int id = 0;
  {
    const auto journal = open_journal(path);
    id = *journal->file("a b/ü", 1000, "sum1:x");
    ASSERT_TRUE(journal->add_written(id, {0, 100}).ok());
    const auto unsynced = journal->unsynced(id);
    ASSERT_TRUE(journal->add_synced(id, unsynced).ok());
    ASSERT_TRUE(journal->add_written(id, {200, 300}).ok());
  }
  {
    const auto same = open_journal(path);
    EXPECT_EQ(same->get(id).written.total(), 200);
    EXPECT_EQ(same->get(id).path, "a b/ü");
    EXPECT_EQ(*same->file("a b/ü", 1000, "sum1:x"), id);
    EXPECT_NE(*same->file("a b/ü", 1000, "sum1:y"), id);
  }
  const auto other = open_journal(path, "another");
  EXPECT_EQ(other->get(id).written.total(), 100);
  // An unknown boot is never the same as an unknown boot.
  ASSERT_TRUE(other->add_written(id, {500, 600}).ok());
  const auto text = read_file(path);
  EXPECT_EQ(parse_journal(*text, "").files.at(id).written.total(), 100);
  EXPECT_EQ(parse_journal(*text, "another").files.at(id).written.total(), 200);
}

TEST(PullJournal, ThrownAwayBytesAreNotSyncedLater) {
  const TempDir dir;
  const auto journal = open_journal(dir.file("journal"));
  const int id = *journal->file("a", 1000, "v");
  ASSERT_TRUE(journal->add_written(id, {0, 100}).ok());
  const auto unsynced = journal->unsynced(id);
  ASSERT_TRUE(journal->discard(id, {0, 50}).ok());
  ASSERT_TRUE(journal->add_written(id, {0, 50}).ok());
  ASSERT_TRUE(journal->add_synced(id, unsynced).ok());
  EXPECT_EQ(journal->get(id).synced.total(), 0);
  EXPECT_EQ(journal->get(id).written.total(), 100);
}

TEST(PullJournal, SuspicionOutlivesARunAndComparisonsOutliveAKill) {
  const TempDir dir;
  const std::string path = dir.file("journal");
  int id = 0;
  {
    const auto journal = open_journal(path);
    id = *journal->file("a", 1000, "v");
    ASSERT_TRUE(journal->add_written(id, {0, 1000}).ok());
    ASSERT_TRUE(journal->add_synced(id, journal->unsynced(id)).ok());
    ASSERT_TRUE(journal->add_troubled(id, {100, 300}).ok());
    ASSERT_TRUE(journal->add_compared(id, {500, 700}).ok());
  }
  for (int run = 0; run < 2; ++run) {  // as it was appended, and as it was written anew
    const auto same = open_journal(path);
    EXPECT_EQ(same->get(id).troubled.total(), 200);
    EXPECT_EQ(same->get(id).compared.total(), 200);
  }
  {
    const auto same = open_journal(path);
    ASSERT_TRUE(same->discard(id, {250, 600}).ok());
    EXPECT_EQ(same->get(id).troubled.total(), 150);
    EXPECT_EQ(same->get(id).compared.total(), 100);
    EXPECT_EQ(parse_journal(*read_file(path), kBoot).files.at(id).compared.total(), 100);
  }
  // What was compared, and perhaps written over, is not sure to be on the disk.
  const auto other = open_journal(path, "another");
  EXPECT_EQ(other->get(id).troubled.total(), 150);
  EXPECT_TRUE(other->get(id).compared.empty());
}

// Cut anywhere, or with any byte changed, it never claims more than was written, and only loses its end.
TEST(PullJournal, TornAnywhere) {
  const TempDir dir;
  const std::string path = dir.file("journal");
  {
    const auto journal = open_journal(path);
    const int a = *journal->file("a", 1000, "v"), b = *journal->file("b", 500, "w");
    ASSERT_TRUE(journal->add_written(a, {0, 100}).ok());
    ASSERT_TRUE(journal->add_written(b, {100, 200}).ok());
    ASSERT_TRUE(journal->add_synced(a, journal->unsynced(a)).ok());
    ASSERT_TRUE(journal->add_written(a, {300, 400}).ok());
    ASSERT_TRUE(journal->add_troubled(a, {10, 20}).ok());
    ASSERT_TRUE(journal->add_compared(a, {300, 400}).ok());
    ASSERT_TRUE(journal->set_done(b, std::string(64, 'a'), 5, true).ok());
  }
  const std::string text = *read_file(path);
  RangeSet full_a;
  full_a.add({0, 100});
  full_a.add({300, 400});
  int64_t last = 0;
  for (size_t size = 0; size <= text.size(); ++size) {
    const JournalState state = parse_journal(std::string_view(text).substr(0, size), kBoot);
    ASSERT_LE(state.valid_bytes, size);
    const auto a = state.files.find(1);
    const int64_t total = a == state.files.end() ? 0 : a->second.written.total();
    ASSERT_GE(total, last);
    last = total;
    if (a == state.files.end()) continue;
    for (const ByteRange& range : a->second.written.ranges()) ASSERT_TRUE(full_a.covers(range));
  }
  EXPECT_EQ(last, 200);
  for (size_t at = 0; at < text.size(); ++at) {
    std::string torn = text;
    torn[at] = static_cast<char>(torn[at] ^ 0x11);
    const JournalState state = parse_journal(torn, kBoot);
    for (const auto& [id, file] : state.files) {
      if (id != 1) continue;
      for (const ByteRange& range : file.written.ranges()) ASSERT_TRUE(full_a.covers(range)) << at;
    }
    // What follows is cut off, and the journal goes on.
    if (at % 16 != 0) continue;
    const std::string copy = dir.write("torn", torn);
    const auto journal = open_journal(copy);
    const int id = *journal->file("new", 10, "z");
    ASSERT_TRUE(journal->add_written(id, {0, 10}).ok());
    EXPECT_EQ(parse_journal(*read_file(copy), kBoot).files.at(id).written.total(), 10);
  }
}

TEST(PullJournal, TakesManyFiles) {
  const TempDir dir;
  const auto journal = open_journal(dir.file("journal"));
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_EQ(*journal->file("folder/" + std::to_string(i), i, "v"), i + 1);
  }
  EXPECT_EQ(*journal->file("folder/77777", 77777, "v"), 77778);
  EXPECT_EQ(*open_journal(dir.file("journal"))->file("folder/5", 5, "v"), 6);
}

TEST(PullJournal, StaysSmall) {
  const TempDir dir;
  const std::string path = dir.file("journal");
  const auto journal = open_journal(path);
  const int id = *journal->file("a", int64_t{1} << 40, "v");
  for (int64_t i = 0; i < 300'000; ++i) ASSERT_TRUE(journal->add_written(id, {i * 10, i * 10 + 10}).ok());
  EXPECT_LT(read_file(path)->size(), size_t{6} << 20);
  EXPECT_EQ(open_journal(path)->get(id).written.total(), 3'000'000);
}

ModelMarker example(const TempDir& dir) {
  ModelMarker marker;
  marker.source = "hf:a/b";
  marker.revision = "r";
  for (const char* name : {"b.json", "a.json"}) {
    const std::string path = dir.write(name, std::string("content of ") + name);
    const auto stat = stat_regular(path);
    marker.files.push_back({name, stat->size, *hash_file(path), stat->mtime_ns});
  }
  return marker;
}

TEST(ModelMarker, KnowsItsDirectory) {
  const TempDir dir;
  const ModelMarker marker = example(dir);
  ASSERT_TRUE(write_marker(dir.path(), marker).ok());
  const auto read = read_marker(dir.path());
  ASSERT_TRUE(read.ok() && *read) << read.error().message;
  EXPECT_EQ((*read)->digest(), marker.digest());
  std::vector<std::string> touched;
  EXPECT_TRUE(check_marker_sizes(dir.path(), marker, &touched).ok());
  EXPECT_TRUE(touched.empty());
  EXPECT_TRUE(check_before_loading(dir.path()).ok());
  EXPECT_TRUE(check_before_loading(dir.file("a.json")).ok());
  dir.write("a.json", "CONTENT of a.json");
  EXPECT_TRUE(check_before_loading(dir.path()).ok());
  EXPECT_THAT(check_marker_content(dir.path(), marker).to_string(), HasSubstr("a.json has other content"));
  dir.write("a.json", "short");
  EXPECT_THAT(check_before_loading(dir.path()).to_string(), HasSubstr("hadal pull"));
  std::filesystem::remove(dir.file("a.json"));
  EXPECT_THAT(check_before_loading(dir.path()).to_string(), HasSubstr("a.json is missing"));
}

// A directory is filled with one model.
TEST(FillRecord, RefusesAnotherModel) {
  const TempDir dir;
  EXPECT_TRUE(check_holds_same(dir.path(), "hf:c/d", false).ok());
  ASSERT_TRUE(write_marker(dir.path(), example(dir)).ok());
  EXPECT_TRUE(check_holds_same(dir.path(), "hf:a/b", false).ok());
  const Status refused = check_holds_same(dir.path(), "hf:c/d", false);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  for (const char* words : {"hf:a/b", "hf:c/d", "--to", "--replace"})
    EXPECT_THAT(refused.to_string(), HasSubstr(words));
  EXPECT_TRUE(check_holds_same(dir.path(), "hf:c/d", true).ok());
  // One that was begun counts too: its files would be mixed.
  ASSERT_TRUE(make_directories(dir.path(), ".hadal-pull/x").ok());
  ASSERT_TRUE(begin_filling(dir.path(), "hf:c/d", {"c.json"}).ok());
  std::filesystem::remove(dir.file(kMarkerName));
  EXPECT_TRUE(check_holds_same(dir.path(), "hf:c/d", false).ok());
  EXPECT_THAT(check_holds_same(dir.path(), "hf:a/b", false).to_string(), HasSubstr("is being filled"));
}

TEST(FillRecord, MoreAddressesAreTheSameModel) {
  EXPECT_TRUE(is_same_source("https://h/a", "https://h/a https://h/b"));
  EXPECT_FALSE(is_same_source("https://h/a https://h/b", "https://h/a"));
  EXPECT_FALSE(is_same_source("hf:a/b", "hf:a/b2"));
  EXPECT_TRUE(is_same_source("file:/m/./r1/", "file:/m/r1"));
  EXPECT_FALSE(is_same_source("file:/m/r1", "file:/m/r2"));
}

// Whatever was listed since the directory was whole last and is listed no more: a pull may be cut short
// often.
TEST(FillRecord, RemovesWhatIsListedNoMore) {
  const TempDir dir;
  ASSERT_TRUE(write_marker(dir.path(), example(dir)).ok());
  dir.write("own.txt", "of the user");
  ASSERT_TRUE(make_directories(dir.path(), ".hadal-pull/x").ok());
  ASSERT_TRUE(make_directories(dir.path(), "sub/deep/x").ok());
  ASSERT_TRUE(begin_filling(dir.path(), "hf:c/d", {"sub/deep/second.json", "other.json"}).ok());
  std::filesystem::remove(dir.file(kMarkerName));
  for (const char* name : {"sub/deep/second.json", "other.json", "chosen.json", "c.json"})
    dir.write(name, "1");
  ASSERT_TRUE(begin_filling(dir.path(), "hf:c/d", {"chosen.json", "c.json"}).ok());
  const auto removed =
      remove_stale(dir.path(), {{"chosen.json", 1}}, {{"chosen.json", 1}, {"other.json", 1}, {"c.json", 2}});
  ASSERT_TRUE(removed.ok()) << removed.error().message;
  EXPECT_THAT(*removed, testing::ElementsAre("a.json", "b.json", "c.json", "sub/deep/second.json"));
  EXPECT_FALSE(path_exists(dir.file("a.json")) || path_exists(dir.file("sub")));
  for (const char* name : {"chosen.json", "other.json", "own.txt"}) EXPECT_TRUE(path_exists(dir.file(name)));
  EXPECT_THAT(removed_line(*removed), HasSubstr("4 files"));
}

TEST(FillRecord, RemovesNothingBehindLinks) {
  const TempDir dir, other;
  other.write("a.json", "1");
  std::filesystem::create_directory_symlink(other.path(), dir.file("sub"));
  ASSERT_TRUE(make_directories(dir.path(), ".hadal-pull/x").ok());
  ASSERT_TRUE(begin_filling(dir.path(), "hf:a/b", {"sub/a.json"}).ok());
  dir.write(".hadal-pull/filling",
            R"({"source":"hf:a/b","paths":["sub/a.json","../a.json","/etc/x",7,".hadal-model.json"]})");
  const auto removed = remove_stale(dir.path(), {}, {});
  ASSERT_TRUE(removed.ok());
  EXPECT_TRUE(removed->empty() && path_exists(other.file("a.json")));
}

TEST(ModelMarker, ATimeThatIsNotKnownIsNotAChange) {
  const TempDir dir;
  ModelMarker marker = example(dir);
  marker.files[0].mtime_ns = 0;
  marker.files[1].mtime_ns += 1;
  std::vector<std::string> touched;
  EXPECT_TRUE(check_marker_sizes(dir.path(), marker, &touched).ok());
  EXPECT_EQ(touched, std::vector<std::string>{marker.files[1].path});
}

TEST(ModelMarker, RefusesWhatIsNone) {
  const TempDir dir;
  EXPECT_TRUE(check_before_loading(dir.path()).ok());
  std::string text = marker_text(example(dir));
  EXPECT_TRUE(parse_marker(text).ok());
  text.replace(text.find("a.json"), 6, "c.json");
  EXPECT_THAT(parse_marker(text).error().message, HasSubstr("digest"));
  EXPECT_FALSE(parse_marker("{}").ok());
  EXPECT_FALSE(parse_marker(R"({"format":1,"files":[{"path":"../x","size":1,"sha256":"aa"}]})").ok());
  dir.write(kMarkerName, "{");
  EXPECT_FALSE(check_before_loading(dir.path()).ok());
  std::filesystem::remove(dir.file(kMarkerName));
  std::filesystem::create_directory(dir.file(kPullFolder));
  dir.write(std::string(kPullFolder) + "/journal", "");
  EXPECT_THAT(check_before_loading(dir.path()).to_string(), HasSubstr("has not ended"));
}

TEST(Disk, LinksAreNotFollowed) {
  const TempDir dir, other;
  std::filesystem::create_directory_symlink(other.path(), dir.file("sub"));
  EXPECT_FALSE(make_directories(dir.path(), "sub/x").ok());
  EXPECT_TRUE(make_directories(dir.path(), "real/deep/x").ok());
  std::filesystem::create_symlink(other.file("victim"), dir.file("link"));
  EXPECT_FALSE(open_data_file(dir.file("link")).ok());
  ASSERT_TRUE(replace_file(dir.file("link"), "new").ok());
  EXPECT_FALSE(std::filesystem::exists(other.file("victim")));
  EXPECT_FALSE(std::filesystem::is_symlink(dir.file("link")));
  const auto lock = lock_directory(dir.file("lock"), dir.path());
  ASSERT_TRUE(lock.ok());
  EXPECT_THAT(lock_directory(dir.file("lock"), dir.path()).error().message, HasSubstr("another hadal pull"));
}

}  // namespace
}  // namespace hadal
