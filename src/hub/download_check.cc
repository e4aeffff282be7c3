// What happens when a whole file's checksum is wrong: the bytes that peers gave are fetched from the origin;
// else small ranges are fetched a second time and compared with what is on the disk, those first whose
// transfer had trouble. A difference is fetched a third time: two that agree are right. The search ends as
// soon as the checksum is right.
#include <algorithm>

#include "hub/disk.h"
#include "hub/download_impl.h"
#include "hub/web_address.h"

namespace hadal {
namespace {

constexpr int64_t kCheckBytes = int64_t{8} << 20;
constexpr int kMaxCheckFlights = 4;
constexpr int kMaxRounds = 2;
constexpr int kMaxTries = 5;

}  // namespace

void Downloader::Impl::on_mismatch(PullFile& file, const FileHasher::Outcome& outcome) {
  ++file.mismatches;
  want_text = "its checksum is " + outcome.got + " and should be " + file.remote.checksum.hex;
  if (file.state == PullFile::State::kChecking) {
    if (file.suspects.empty() && file.num_flights == 0) end_of_checks(file);
    return;
  }
  if (drop_peer_bytes(file)) return;
  if (file.remote.size <= kCheckBytes || file.one_stream) return refetch_all(file);
  notice(file.remote.path + ": " + want_text + ": looking for the corrupt part");
  file.state = PullFile::State::kChecking;
  list_suspects(file);
}

bool Downloader::Impl::drop_peer_bytes(PullFile& file) {
  if (file.from_peers.empty()) return false;
  int64_t dropped = 0;
  const int64_t before = file.written.total();
  for (const auto& [peer, ranges] : file.from_peers) {
    PeerList::Peer& from = peers.at(peer);
    // With one peer it is clear whose fault it is.
    if (file.from_peers.size() == 1) from.banned = true;
    for (const ByteRange& range : ranges.ranges()) {
      const Status status = file.discard(journal, range);
      if (!status.ok()) return fail(status.error()), true;
    }
  }
  dropped = before - file.written.total();
  stats.there -= dropped;
  notice(file.remote.path + ": the checksum is wrong: " + shown_bytes(dropped) +
         " that came from peers are fetched from the origin");
  file.from_peers.clear();
  // Only from the origin from now on.
  for (const ByteRange& range : file.claimed.missing({0, file.remote.size})) {
    for (int64_t at = range.begin; at < range.end; at += options.part_bytes) {
      Piece piece{&file, {at, std::min(range.end, at + options.part_bytes)}};
      piece.origin_only = true;
      file.claimed.add(piece.range);
      retries.push_back(piece);
    }
  }
  begin_hash(file);
  return true;
}

void Downloader::Impl::refetch_all(PullFile& file) {
  if (++file.check_rounds > kMaxRounds) return end_of_checks(file);
  notice(file.remote.path + ": " + want_text + ": it is fetched again");
  stats.there -= file.written.total();
  file.resolved.clear();
  const Status status = file.discard(journal, {0, file.remote.size});
  if (!status.ok()) return fail(status.error());
  begin_hash(file);
  first_open = 0;
  if (file.one_stream) become_one_stream(file);
}

void Downloader::Impl::list_suspects(PullFile& file) {
  ++file.check_rounds;
  file.resolved.clear();
  std::vector<Suspect> all;
  for (int64_t at = 0; at < file.remote.size; at += kCheckBytes)
    all.push_back({{at, std::min(file.remote.size, at + kCheckBytes)}, "", 0});
  std::stable_partition(all.begin(), all.end(), [&](const Suspect& suspect) {
    const auto clean = file.troubled.missing(suspect.range);
    return clean.size() != 1 || clean.front() != suspect.range;
  });
  file.suspects.assign(std::make_move_iterator(all.begin()), std::make_move_iterator(all.end()));
}

bool Downloader::Impl::next_suspect(Piece& piece) {
  for (const auto& file : files) {
    // While it is hashed anew nothing more is fetched: the search may be over.
    if (file->state != PullFile::State::kChecking || file->hashing || file->suspects.empty()) continue;
    if (file->num_flights >= kMaxCheckFlights) continue;
    // Taken in order; compare() finds it again by its range.
    for (Suspect& suspect : file->suspects) {
      if (suspect.tries < 0) continue;
      piece = Piece{file.get(), suspect.range};
      piece.check = true;
      piece.origin_only = true;
      // On its way.
      suspect.tries = -1 - suspect.tries;
      return true;
    }
  }
  return false;
}

void Downloader::Impl::compare(Flight& flight) {
  PullFile& file = *flight.piece.file;
  const ByteRange range = flight.piece.range;
  const auto at = std::find_if(file.suspects.begin(), file.suspects.end(),
                               [&](const Suspect& suspect) { return suspect.range == range; });
  if (at == file.suspects.end()) return;
  at->tries = -1 - at->tries;
  std::string stored;
  const Status read =
      read_all_at(file.fd->get(), range.begin, static_cast<size_t>(range.size()), stored, file.part_file());
  if (!read.ok()) return fail(read.error());
  if (flight.body == stored) {
    file.suspects.erase(at);
  } else if (at->first.empty() || flight.body != at->first) {
    if (++at->tries > kMaxTries) {
      return fail(make_error(ErrorCode::kDataLoss, file.remote.path, ": ", web_host(flight.url),
                             " sends other content for bytes ", range.begin, " to ", range.end,
                             " each time it is asked"));
    }
    at->first = std::move(flight.body);
    return;
  } else {
    // Written over in place: should this be cut short, the checksum says so again.
    const Status written = write_all_at(file.fd->get(), flight.body, range.begin, file.part_file());
    if (!written.ok()) return fail(written.error());
    notice(file.remote.path + ": bytes " + std::to_string(range.begin) + " to " + std::to_string(range.end) +
           " were corrupt and are right now");
    file.suspects.erase(at);
    return begin_hash(file);
  }
  if (file.suspects.empty() && file.num_flights == 0 && !file.hashing) end_of_checks(file);
}

void Downloader::Impl::end_of_checks(PullFile& file) {
  if (file.check_rounds < kMaxRounds) return list_suspects(file);
  fail(make_error(ErrorCode::kDataLoss, file.remote.path, ": ", want_text,
                  ", although all of it was fetched ", file.check_rounds + 1,
                  " times: ", web_host(file.remote.url),
                  " has other content than it lists; report it to whoever publishes the model, or pull "
                  "another revision"));
}

}  // namespace hadal
