// PullFile: one file of a running pull: what of it is on disk, what is on its way, and what its state is.
// Internal to the Downloader; its thread, but for the descriptor, which the hashing and disk threads share.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "hub/byte_ranges.h"
#include "hub/listing.h"
#include "hub/model_marker.h"
#include "hub/pull_journal.h"

namespace hadal {

// Bytes that are fetched again and compared, since the file's checksum is wrong.
struct Suspect {
  ByteRange range;
  bool hinted = false;  // came with trouble
  std::string first;    // what a first fetch gave that was not what the disk has
  int tries = 0;
  bool on_its_way = false;
};

class PullFile {
 public:
  enum class State {
    kWaiting,
    kAdopting,   // a file of that name and size is there: it is being hashed
    kFetching,   // also while its last bytes are hashed
    kChecking,   // the checksum is wrong: parts are fetched again and compared
    kFinishing,  // being synced and put in place
    kDone,
  };

  PullFile(RemoteFile file, int number, const std::string& directory)
      : remote(std::move(file)), key(number), directory_(directory) {}

  // Finds what an earlier run left: done (then `entry` is filled), or begun. Errors: kIo and others.
  Status find_state(PullJournal& journal);
  // Takes the place on disk and begins the hash's input. After find_state, once.
  Status open(PullJournal& journal);
  // data lies at `offset`; it is on the kernel's side, and in the journal, when this returns.
  Status write(PullJournal& journal, int64_t offset, std::string_view data);
  Status discard(PullJournal& journal, ByteRange range);
  // Came with a failure in between, from a server that may have done worse.
  Status note_trouble(PullJournal& journal, ByteRange range);
  // A second fetch gave the same.
  Status note_compared(PullJournal& journal, ByteRange range);
  // The server's file is another one than that which was begun: all is fetched anew.
  Status restart(PullJournal& journal, int64_t size, const std::string& etag);
  // On the disk thread: syncs, enters it in the journal, puts it in place; the marker's entry.
  Result<MarkerFile> finish(PullJournal& journal, const std::string& sha256) const;

  // The next range to fetch that nobody has claimed; empty: none. End -1 where the size is not known.
  ByteRange next_range(int64_t part_bytes) const;
  bool is_whole() const { return remote.size >= 0 && written.covers({0, remote.size}); }
  std::string final_path() const { return directory_ + "/" + remote.path; }
  std::string part_file() const { return part_path_; }
  // What the journal knows the content by; "" where nothing says that two fetches are of the same content.
  std::string validator() const;

  RemoteFile remote;
  const int key;
  State state = State::kWaiting;
  MarkerFile entry;  // kDone
  int id = -1;       // in the journal; -1: not in it (of unknown size)
  std::shared_ptr<UniqueFd> fd;
  RangeSet written;
  RangeSet claimed;          // written, being fetched, or waiting to be tried again
  std::string resolved;      // where the address led to; used until it fails
  bool ranges_seen = false;  // a 206 has come
  bool one_stream = false;   // the server knows no ranges
  int whole_answers = 0;
  int64_t furthest = 0;  // that one stream came
  int num_flights = 0;
  bool hashing = false;
  bool syncing = false;
  bool adopted = false;  // the file that was there is the right one

  std::map<int, RangeSet> from_peers;
  RangeSet troubled;
  RangeSet compared;
  std::deque<Suspect> suspects;
  int check_rounds = 0;
  int mismatches = 0;
  int restarts = 0;
  std::string changed_to;  // the validator of an answer that says the file changed

 private:
  const std::string directory_;
  std::string part_path_;
};

}  // namespace hadal
