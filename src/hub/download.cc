#include "hub/download.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "hub/disk.h"
#include "hub/download_impl.h"
#include "hub/web_address.h"

namespace hadal {
namespace {

constexpr auto kPeersWait = std::chrono::seconds(5);
constexpr auto kFlushInterval = std::chrono::milliseconds(100);
constexpr auto kSyncInterval = std::chrono::seconds(3);
constexpr auto kLongestWait = std::chrono::milliseconds(100);
constexpr int64_t kSmallestPart = int64_t{1} << 20;
// Files that are fetched, hashed or put in place at once: a repository may have more than descriptors are
// left.
constexpr int kMaxOpenFiles = 128;

int hash_threads() {
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  return static_cast<int>(std::clamp(cores / 4, 1u, 4u));
}

}  // namespace

Downloader::Impl::Impl(DownloadOptions o, PullJournal& j) : options(std::move(o)), journal(j), peers({}) {
  transfers = std::make_unique<TransferLoop>(options.transfer);
  hashes = std::make_unique<HashPool>(hash_threads(), [loop = transfers.get()] { loop->wake(); });
  disk = std::make_unique<DiskThread>();
  if (!options.peers.empty())
    peer_names = std::make_unique<PeerNames>(options.peers, [loop = transfers.get()] { loop->wake(); });
}

void Downloader::Impl::notice(const std::string& line) const {
  if (options.notice) options.notice(line);
}

void Downloader::Impl::fail(Error error) {
  if (!fatal) fatal = std::move(error);
}

Status Downloader::Impl::prepare(const std::vector<RemoteFile>& remote) {
  int key = 0;
  for (const RemoteFile& file : remote) {
    files.push_back(std::make_unique<PullFile>(file, key++, options.directory));
    PullFile& added = *files.back();
    by_key.push_back(&added);
    HADAL_RETURN_IF_ERROR(added.find_state(journal));
    num_done += added.state == PullFile::State::kDone;
    stats.total += std::max<int64_t>(0, file.size);
    stats.there += added.written.total();
  }
  // Nodes that seed one another should not all begin at the same place.
  if (!options.peers.empty() && files.size() > 1) {
    std::rotate(files.begin(), files.begin() + static_cast<std::ptrdiff_t>(random() % files.size()),
                files.end());
  }
  next_sync = Clock::now() + kSyncInterval;
  peers_until = Clock::now() + kPeersWait;
  return {};
}

// A slow transfer's bytes do not stay in memory for long either.
void Downloader::Impl::flush_all() {
  if (Clock::now() < next_flush) return;
  next_flush = Clock::now() + kFlushInterval;
  for (const auto& flight : flights) {
    const Status status = flush(*flight);
    if (!status.ok()) fail(status.error());
  }
}

void Downloader::Impl::begin_hash(PullFile& file) {
  if (file.remote.size < 0) return;
  file.hashing = true;
  const std::string name = file.state == PullFile::State::kAdopting ? file.final_path() : file.part_file();
  hashes->begin(file.key, file.fd, name, file.remote.size, file.remote.checksum);
  hashes->extend(file.key,
                 file.state == PullFile::State::kAdopting ? file.remote.size : file.written.prefix_end());
}

// Bytes from there on have changed.
void Downloader::Impl::hash_again(PullFile& file, int64_t from) {
  if (!hashes->rewind(file.key, from, file.written.prefix_end())) return begin_hash(file);
  file.hashing = true;
}

// False: it is no file to fetch pieces of, now.
bool Downloader::Impl::open_file(PullFile& file) {
  const Status opened = file.open(journal);
  if (!opened.ok()) {
    fail(opened.error());
    return false;
  }
  ++num_open;
  begin_hash(file);
  return file.state == PullFile::State::kFetching;
}

void Downloader::Impl::close_file(PullFile& file) {
  if (!file.fd) return;
  file.fd.reset();
  --num_open;
}

bool Downloader::Impl::take_retry(Piece& piece) {
  const auto now = Clock::now();
  for (auto at = retries.begin(); at != retries.end(); ++at) {
    if (at->not_before > now) continue;
    piece = *at;
    retries.erase(at);
    return true;
  }
  return false;
}

// Large enough to be worth a request, and so that the requests of a file end one after the other and not all
// at once: the hash follows close behind, and no connection idles at a file's end.
int64_t Downloader::Impl::part_size(const PullFile& file) {
  const int64_t smallest = std::min(kSmallestPart, options.part_bytes);
  const int64_t connections = std::max(1, options.transfer.max_connections);
  const int64_t left = file.remote.size - file.claimed.total();
  const int64_t share = std::clamp(left / (2 * connections), smallest, options.part_bytes);
  if (num_pieces >= connections) return share;
  return std::max(smallest, share * ++num_pieces / connections);
}

bool Downloader::Impl::next_piece(Piece& piece) {
  if (take_retry(piece)) return true;
  if (next_suspect(piece)) return true;
  for (size_t i = first_open; i < files.size() && !fatal; ++i) {
    PullFile& file = *files[i];
    if (file.state == PullFile::State::kWaiting ||
        (file.state == PullFile::State::kAdopting && !file.hashing)) {
      if (num_open >= kMaxOpenFiles && i > last_open) break;
      if (num_open >= kMaxOpenFiles) continue;
      last_open = std::max(last_open, i);
      if (!open_file(file)) continue;
    }
    if (file.state != PullFile::State::kFetching) {
      if (i == first_open && file.state == PullFile::State::kDone) ++first_open;
      continue;
    }
    const ByteRange range = file.next_range(part_size(file));
    if (range.begin == range.end) continue;
    piece = Piece{&file, range};
    // Of unknown size: one request for all.
    file.claimed.add(range.end < 0 ? ByteRange{0, 1} : range);
    return true;
  }
  return false;
}

void Downloader::Impl::fill() {
  ask_peers();
  // What peers have is known before the origin is asked for it; silent ones are not waited for long.
  if (peers.waiting() && Clock::now() < peers_until) return;
  const auto limit = static_cast<size_t>(options.transfer.max_connections);
  while (!fatal && flights.size() < limit) {
    // What a peer has could be fetched meanwhile; a server that asks for quiet is rare enough to wait for.
    if (Clock::now() < hold_until) return;
    Piece piece;
    if (!next_piece(piece)) return;
    start(piece);
  }
}

void Downloader::Impl::finish_file(PullFile& file, const std::string& sha256) {
  disk->post([this, &file, sha256] {
    auto entry = file.finish(journal, sha256);
    {
      std::lock_guard lock(events_mutex);
      Finished done;
      done.file = &file;
      if (entry.ok()) {
        done.entry = std::move(*entry);
      } else {
        done.error = std::move(entry).error();
      }
      finished.push_back(std::move(done));
    }
    transfers->wake();
  });
}

void Downloader::Impl::take_hash(const HashPool::Done& done) {
  PullFile& file = *by_key[static_cast<size_t>(done.key)];
  file.hashing = false;
  if (!done.status.ok()) return fail(done.status.error());
  // Where it is wrong, it goes on from a place in the middle.
  if (done.outcome.matches || file.state == PullFile::State::kAdopting) hashes->drop(file.key);
  if (file.state == PullFile::State::kAdopting) {
    if (done.outcome.matches) {
      file.written.add({0, file.remote.size});
      stats.there += file.remote.size;
      file.adopted = true;
      file.state = PullFile::State::kFinishing;
      return finish_file(file, done.outcome.sha256);
    }
    // Another file of the same size: it stays until the right one takes its place.
    close_file(file);
    file.state = PullFile::State::kWaiting;
    first_open = 0;
    return;
  }
  if (!done.outcome.matches) return on_mismatch(file, done.outcome);
  file.state = PullFile::State::kFinishing;
  file.suspects.clear();
  std::erase(checking, &file);
  finish_file(file, done.outcome.sha256);
}

void Downloader::Impl::take_events() {
  for (const HashPool::Done& done : hashes->take_done()) take_hash(done);
  std::vector<Finished> ended;
  {
    std::lock_guard lock(events_mutex);
    ended.swap(finished);
    for (PullFile* file : synced) file->syncing = false;
    synced.clear();
    if (!disk_errors.empty()) fail(disk_errors.front());
    disk_errors.clear();
  }
  for (Finished& done : ended) {
    if (!done.entry) {
      fail(std::move(done.error));
      continue;
    }
    done.file->entry = std::move(*done.entry);
    done.file->state = PullFile::State::kDone;
    ++num_done;
    close_file(*done.file);
    log_debug("file complete").field("file", done.file->remote.path);
  }
}

// What is on the disk outlives the machine's end too, and the kernel gets its work in small portions.
void Downloader::Impl::sync_files() {
  if (Clock::now() < next_sync) return;
  next_sync = Clock::now() + kSyncInterval;
  for (const auto& owned : files) {
    PullFile* file = owned.get();
    if (file->state != PullFile::State::kFetching || file->id < 0 || !file->fd || file->syncing) continue;
    file->syncing = true;
    disk->post([this, file, fd = file->fd, id = file->id] {
      const auto ranges = journal.unsynced(id);
      Status status;
      if (!ranges.ranges.empty()) {
        if (::fdatasync(fd->get()) != 0) status = errno_error("cannot sync " + file->part_file(), errno);
        if (status.ok()) status = journal.add_synced(id, ranges);
      }
      std::lock_guard lock(events_mutex);
      synced.push_back(file);
      if (!status.ok()) disk_errors.push_back(status.error());
    });
  }
}

std::chrono::milliseconds Downloader::Impl::wait_time() const {
  auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(kLongestWait);
  const auto now = Clock::now();
  for (const Piece& piece : retries) {
    wait = std::min(wait, std::chrono::duration_cast<std::chrono::milliseconds>(piece.not_before - now));
  }
  return std::max(wait, std::chrono::milliseconds(1));
}

void Downloader::Impl::loop(std::stop_token stop) {
  while (!fatal && num_done < files.size()) {
    if (stop.stop_requested()) return fail(make_error(ErrorCode::kCancelled, "stopped"));
    take_events();
    if (!fatal) fill();
    sync_files();
    flush_all();
    if (!fatal) transfers->run_once(wait_time());
  }
}

// What has been received is kept, and entered.
void Downloader::Impl::close_down() {
  for (const auto& flight : flights) {
    transfers->cancel(flight->transfer);
    const Status status = flush(*flight);
    if (!status.ok()) fail(status.error());
  }
  flights.clear();
  next_sync = {};
  sync_files();
  disk.reset();
  hashes.reset();
}

Result<std::vector<MarkerFile>> Downloader::Impl::run(const std::vector<RemoteFile>& remote,
                                                      std::stop_token stop) {
  HADAL_RETURN_IF_ERROR(prepare(remote));
  loop(std::move(stop));
  close_down();
  if (fatal) return std::move(*fatal);
  std::vector<MarkerFile> out;
  std::set<std::string> folders{options.directory};
  for (const auto& file : files) {
    out.push_back(file->entry);
    const std::string path = file->final_path();
    folders.insert(path.substr(0, path.rfind('/')));
  }
  for (const std::string& folder : folders) HADAL_RETURN_IF_ERROR(sync_directory(folder));
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return out;
}

Downloader::Downloader(DownloadOptions options, PullJournal& journal)
    : impl_(std::make_unique<Impl>(std::move(options), journal)) {}
Downloader::~Downloader() = default;
Result<std::vector<MarkerFile>> Downloader::run(const std::vector<RemoteFile>& files, std::stop_token stop) {
  return impl_->run(files, std::move(stop));
}
const DownloadStats& Downloader::stats() const {
  return impl_->stats;
}

}  // namespace hadal
