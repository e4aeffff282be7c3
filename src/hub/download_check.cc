// What happens when a whole file's checksum is wrong: the bytes that peers gave are fetched from the origin;
// else small ranges are fetched a second time and compared with what is on the disk, those first whose
// transfer had trouble (also in runs before this one). The bytes around a difference are fetched a third
// time, over another connection: two that agree are right. The search ends as soon as the checksum is right.
//
// One checksum of a whole file says nothing about where it is wrong: without a hint, finding one corrupt
// place costs half of the file on average, and no order is better than another. What was compared is in the
// journal, so that a kill during the search costs nothing twice.
#include <algorithm>

#include "hub/disk.h"
#include "hub/download_impl.h"
#include "hub/web_address.h"

namespace hadal {
namespace {

constexpr int64_t kCheckBytes = int64_t{4} << 20;
constexpr int64_t kSettleBytes = int64_t{64} << 10;
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
  checking.push_back(&file);
  list_suspects(file);
}

bool Downloader::Impl::drop_peer_bytes(PullFile& file) {
  if (file.from_peers.empty()) return false;
  int64_t dropped = 0, first = file.remote.size;
  const int64_t before = file.written.total();
  for (const auto& [peer, ranges] : file.from_peers) {
    PeerList::Peer& from = peers.at(peer);
    // With one peer it is clear whose fault it is.
    if (file.from_peers.size() == 1) from.banned = true;
    for (const ByteRange& range : ranges.ranges()) {
      first = std::min(first, range.begin);
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
  hash_again(file, first);
  return true;
}

void Downloader::Impl::refetch_all(PullFile& file) {
  if (file.check_rounds == kMaxRounds) return end_of_checks(file);
  ++file.check_rounds;
  notice(file.remote.path + ": " + want_text + ": it is fetched again");
  stats.there -= file.written.total();
  file.resolved.clear();
  const Status status = file.discard(journal, {0, file.remote.size});
  if (!status.ok()) return fail(status.error());
  begin_hash(file);
  first_open = 0;
  if (file.one_stream) become_one_stream(file);
}

// In the first round what came with trouble, then the rest; what an earlier run has compared is not fetched
// again, but for the second round.
void Downloader::Impl::list_suspects(PullFile& file) {
  file.resolved.clear();
  RangeSet hinted, other;
  const ByteRange all{0, file.remote.size};
  if (++file.check_rounds == 1) {
    for (const ByteRange& range : file.compared.missing(all)) {
      for (const ByteRange& clean : file.troubled.missing(range)) other.add(clean);
      hinted.add(range);
    }
    for (const ByteRange& clean : other.ranges()) hinted.remove(clean);
    if (hinted.empty() && other.empty()) ++file.check_rounds;
  }
  if (file.check_rounds > 1) other.add(all);
  for (const RangeSet* set : {&hinted, &other}) {
    for (const ByteRange& range : set->ranges()) {
      for (int64_t at = range.begin; at < range.end; at += kCheckBytes)
        file.suspects.push_back({{at, std::min(range.end, at + kCheckBytes)}, set == &hinted});
    }
  }
}

bool Downloader::Impl::next_suspect(Piece& piece) {
  for (PullFile* file : checking) {
    // While it is hashed anew nothing more is fetched: the search may be over.
    if (file->hashing || file->num_flights >= kMaxCheckFlights) continue;
    auto& suspects = file->suspects;
    // A difference is settled first: it may be all there is.
    auto at = std::find_if(suspects.begin(), suspects.end(), [](const auto& s) { return !s.first.empty(); });
    const bool settle = at != suspects.end();
    if (!settle) {
      at = std::find_if(suspects.begin(), suspects.end(), [](const auto& s) { return !s.on_its_way; });
    }
    if (at == suspects.end() || at->on_its_way) continue;
    // A slow one is waited for: the others must not run far ahead of what it may find.
    if (at - suspects.begin() >= kMaxCheckFlights) continue;
    // Those with a hint come first, and until they are judged no other is fetched.
    if (suspects.front().hinted && !at->hinted) continue;
    piece = Piece{file, at->range};
    piece.check = true;
    piece.origin_only = true;
    piece.fresh_connection = settle || file->check_rounds > 1;
    at->on_its_way = true;
    return true;
  }
  return false;
}

void Downloader::Impl::compare(Flight& flight) {
  PullFile& file = *flight.piece.file;
  const ByteRange range = flight.piece.range;
  const auto at = std::find_if(file.suspects.begin(), file.suspects.end(),
                               [&](const Suspect& suspect) { return suspect.range == range; });
  if (at == file.suspects.end()) return;
  at->on_its_way = false;
  std::string stored;
  Status status =
      read_all_at(file.fd->get(), range.begin, static_cast<size_t>(range.size()), stored, file.part_file());
  if (status.ok() && flight.body != stored) {
    if (flight.body != at->first) {
      status = take_difference(file, *at, flight, stored);
      if (!status.ok()) fail(status.error());
      return;
    }
    // Written over in place: should this be cut short, the checksum says so again.
    status = write_all_at(file.fd->get(), flight.body, range.begin, file.part_file());
    notice(file.remote.path + ": bytes " + std::to_string(range.begin) + " to " + std::to_string(range.end) +
           " were corrupt and are right now");
    hash_again(file, range.begin);
  }
  if (status.ok()) status = file.note_compared(journal, range);
  if (!status.ok()) return fail(status.error());
  file.suspects.erase(at);
  if (file.suspects.empty() && file.num_flights == 0 && !file.hashing) end_of_checks(file);
}

// Of a first difference only the bytes around it are asked for once more.
Status Downloader::Impl::take_difference(PullFile& file, Suspect& suspect, const Flight& flight,
                                         const std::string& stored) {
  const ByteRange range = suspect.range;
  if (++suspect.tries > kMaxTries) {
    return make_error(ErrorCode::kDataLoss, file.remote.path, ": ", web_host(flight.url),
                      " sends other content for bytes ", range.begin, " to ", range.end,
                      " each time it is asked");
  }
  if (!suspect.first.empty()) {
    suspect.first = flight.body;
    return {};
  }
  const auto differs = [&](int64_t i) {
    return flight.body[static_cast<size_t>(i)] != stored[static_cast<size_t>(i)];
  };
  int64_t begin = 0, end = range.size();
  while (!differs(begin)) ++begin;
  while (!differs(end - 1)) --end;
  begin -= begin % kSettleBytes;
  end = std::min(range.size(), (end + kSettleBytes - 1) / kSettleBytes * kSettleBytes);
  suspect.first = flight.body.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  suspect.range = {range.begin + begin, range.begin + end};
  if (begin > 0) HADAL_RETURN_IF_ERROR(file.note_compared(journal, {range.begin, suspect.range.begin}));
  if (end == range.size()) return {};
  return file.note_compared(journal, {suspect.range.end, range.end});
}

void Downloader::Impl::note_trouble(PullFile& file, ByteRange range) {
  const Status status = file.note_trouble(journal, range);
  if (!status.ok()) fail(status.error());
}

void Downloader::Impl::end_of_checks(PullFile& file) {
  if (file.check_rounds < kMaxRounds) return list_suspects(file);
  const std::string_view whose =
      file.remote.checksum_given
          ? " has other content than --sha256 says: look whether the checksum is of this file and this "
            "version"
          : " has other content than it lists; report it to whoever publishes the model, or pull another "
            "revision";
  fail(make_error(ErrorCode::kDataLoss, file.remote.path, ": ", want_text,
                  ", although all of it was fetched ", file.check_rounds + 1,
                  " times: ", web_host(file.remote.url), whose));
}

}  // namespace hadal
