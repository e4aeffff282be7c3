// PullJournal: which bytes of which files a pull has already fetched, on disk beside them, so that a pull
// that was killed at any moment goes on where it was.
//
// Two kinds of truth. A range that is "written" was given to the kernel before its record was: that outlives
// the process (kill -9), but not the machine, so such a record counts only under the same boot id. A range
// that is "synced" was on the disk (fdatasync) before its record was written: it counts always. Each line
// ends with a checksum; reading stops at the first line that is not whole, and what follows is cut off.
//
// Lines ("#" and 8 hex digits end each): "hadal-pull 1", "b BOOT", "f ID SIZE VALIDATOR PATH",
// "w ID BEGIN END", "s ID BEGIN END", "x ID BEGIN END" (thrown away), "t ID BEGIN END" (came with trouble),
// "c ID BEGIN END" (fetched twice alike, as far as "w" counts), "d ID SHA256 MTIME_NS" (whole, checked and on
// disk).
// Any thread may call a PullJournal.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "hub/byte_ranges.h"

namespace hadal {

inline constexpr size_t kMaxJournal = size_t{1} << 30;  // bytes of its file

struct JournalFile {
  std::string path;
  int64_t size = 0;
  std::string validator;  // says that the content is the same: a checksum or an ETag
  RangeSet written;       // synced ones too
  RangeSet synced;
  RangeSet troubled;  // suspected first where the file's checksum is wrong
  RangeSet compared;  // a second fetch gave the same bytes
  bool done = false;
  std::string sha256;
  int64_t mtime_ns = 0;
};

struct JournalState {
  std::map<int, JournalFile> files;
  size_t valid_bytes = 0;  // of the text: the rest is torn
};

// What of a journal can be trusted under this boot id ("": not known, only what was synced).
JournalState parse_journal(std::string_view text, const std::string& boot_id);

class PullJournal {
 public:
  // Reads what is there (nothing: begins), and writes it anew without what does not count.
  // Errors: kIo naming the file.
  static Result<std::unique_ptr<PullJournal>> open(const std::string& path, const std::string& boot_id);

  // The entry of this file; a new one where path, size or validator differ. The validator must not be empty.
  Result<int> file(const std::string& path, int64_t size, const std::string& validator);
  JournalFile get(int id) const;  // a copy
  // What is written and not synced, and as of which generation: throwing bytes away begins a new one.
  struct Unsynced {
    RangeSet ranges;
    uint64_t generation = 0;
  };
  Unsynced unsynced(int id) const;
  std::vector<int> ids() const;
  bool has_done_files() const;

  Status add_written(int id, ByteRange range);
  // After fdatasync of the data, with what unsynced() gave before it: the records are on disk when this
  // returns. Does nothing where bytes were thrown away since.
  Status add_synced(int id, const Unsynced& synced);
  Status discard(int id, ByteRange range);
  Status add_troubled(int id, ByteRange range);
  Status add_compared(int id, ByteRange range);
  // sync: the record is on disk when this returns.
  Status set_done(int id, const std::string& sha256, int64_t mtime_ns, bool sync);

 private:
  explicit PullJournal(std::string path) : path_(std::move(path)) {}
  Status rewrite();
  Status append(const std::string& lines, bool sync);
  Status add_range(char kind, RangeSet JournalFile::*set, int id, ByteRange range);

  const std::string path_;
  std::string boot_id_;
  mutable std::mutex mutex_;
  UniqueFd fd_;
  std::map<int, JournalFile> files_;
  std::multimap<std::string, int> ids_by_path_;
  std::map<int, uint64_t> generations_;
  int next_id_ = 1;
  int64_t bytes_ = 0;
  int64_t rewrite_at_ = 0;
};

// Of this start of the system's kernel; "" where it cannot be known.
std::string read_boot_id();

}  // namespace hadal
