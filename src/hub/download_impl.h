// The Downloader from within: files, the requests that are under way ("flights"), and what waits to be tried
// again. Internal to hub/: download.cc schedules, download_flights.cc speaks with servers, download_check.cc
// finds what is corrupt. Everything here is the running thread's, but for the events, which the hashing and
// disk threads leave behind.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "hub/download.h"
#include "hub/hash_pool.h"
#include "hub/peer_list.h"
#include "hub/peer_names.h"
#include "hub/pull_file.h"
#include "hub/range_answer.h"

namespace hadal {

// A range to fetch, and how that has gone so far.
struct Piece {
  PullFile* file = nullptr;
  ByteRange range;  // end -1: the size is not known
  int failures = 0;
  int refusals = 0;  // 401, 403 or 404 at the file's own address
  bool origin_only = false;
  bool check = false;  // of a Suspect: compared, not written
  bool fresh_connection = false;
  std::chrono::steady_clock::time_point not_before{};
};

// One request that is under way.
struct Flight {
  Piece piece;
  int64_t transfer = 0;
  std::string url;
  bool at_origin = true;  // the file's own address, with its secrets
  int peer = -1;
  int redirects = 0;
  bool accepted = false;
  RangeAnswer answer;
  int64_t at = 0;       // where the next byte belongs
  int64_t end = -1;     // of what this answer brings; -1: not known
  std::string buffer;   // received, not yet written
  std::string body;     // of a check, or the beginning of an error's
  std::string problem;  // found in the answer's body
  int64_t pushed = -1;  // the disk was told to begin with what is before
  Status disk;
  bool excess = false;
};

struct Downloader::Impl {
  using Clock = std::chrono::steady_clock;
  struct Finished {
    PullFile* file = nullptr;
    std::optional<MarkerFile> entry;  // nothing: see error
    Error error;
  };

  Impl(DownloadOptions o, PullJournal& j);

  // download.cc
  Result<std::vector<MarkerFile>> run(const std::vector<RemoteFile>& remote, std::stop_token stop);
  Status prepare(const std::vector<RemoteFile>& remote);
  void loop(std::stop_token stop);
  void close_down();
  void fill();
  bool next_piece(Piece& piece);
  int64_t part_size(const PullFile& file);
  bool take_retry(Piece& piece);
  bool open_file(PullFile& file);
  void close_file(PullFile& file);
  void begin_hash(PullFile& file);
  void hash_again(PullFile& file, int64_t from);
  void take_events();
  void take_hash(const HashPool::Done& done);
  void finish_file(PullFile& file, const std::string& sha256);
  void sync_files();
  void flush_all();
  void fail(Error error);
  void notice(const std::string& line) const;
  std::chrono::milliseconds wait_time() const;

  // download_flights.cc
  void start(const Piece& piece);
  void send(Flight& flight);
  bool on_head(Flight& flight, int status, const HttpHeaders& headers);
  bool on_data(Flight& flight, std::string_view data);
  void on_end(Flight& flight, const TransferEnd& end);
  bool accept_part(Flight& flight);
  bool accept_whole(Flight& flight);
  bool take_body(Flight& flight, std::string_view data);
  Status flush(Flight& flight);
  void push_to_disk(Flight& flight, bool all);
  void land(Flight& flight, const TransferEnd& end);
  void land_stream(Flight& flight, const TransferEnd& end);
  void land_refused(Flight& flight);
  void land_throttled(Flight& flight);
  void land_changed(Flight& flight);
  void drop_flights(PullFile& file);
  void become_one_stream(PullFile& file);
  bool follow_redirect(Flight& flight);
  void retry(Piece piece, const std::string& host, const std::string& problem, bool progress);
  void wait_for(Piece piece, std::chrono::milliseconds time);
  std::chrono::milliseconds backoff(int failures);
  void ask_peers();
  void ask_peer(int index);

  // download_check.cc
  void on_mismatch(PullFile& file, const FileHasher::Outcome& outcome);
  bool drop_peer_bytes(PullFile& file);
  void refetch_all(PullFile& file);
  void list_suspects(PullFile& file);
  bool next_suspect(Piece& piece);
  void compare(Flight& flight);
  Status take_difference(PullFile& file, Suspect& suspect, const Flight& flight, const std::string& stored);
  void note_trouble(PullFile& file, ByteRange range);
  void end_of_checks(PullFile& file);

  DownloadOptions options;
  PullJournal& journal;
  DownloadStats stats;
  PeerList peers;
  std::vector<std::unique_ptr<PullFile>> files;
  std::vector<PullFile*> by_key;
  std::vector<PullFile*> checking;
  size_t num_done = 0;
  size_t first_open = 0;  // files before it need no pieces any more
  size_t last_open = 0;   // none after it was opened so far
  int num_open = 0;       // descriptors
  std::list<std::unique_ptr<Flight>> flights;
  std::vector<Piece> retries;
  std::optional<Error> fatal;
  Clock::time_point hold_until{};  // the origin asked to be left alone until then
  Clock::time_point next_sync{};
  Clock::time_point next_flush{};
  Clock::time_point next_trouble{};  // a line about it, at the earliest
  Clock::time_point peers_until{};   // their manifests are waited for
  int throttled = 0;                 // answers in a row that asked to wait, with no byte between them
  size_t turn = 0;
  int64_t num_pieces = 0;  // of the first ones
  std::mt19937_64 random{std::random_device{}()};
  std::string want_text;  // of the last mismatch, for its error

  std::mutex events_mutex;
  std::vector<Finished> finished;
  std::vector<Error> disk_errors;
  std::vector<PullFile*> synced;
  // Their threads end first: they wake the loop.
  std::unique_ptr<TransferLoop> transfers;
  std::unique_ptr<HashPool> hashes;
  std::unique_ptr<DiskThread> disk;
  std::unique_ptr<PeerNames> peer_names;
};

}  // namespace hadal
