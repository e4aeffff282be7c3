#include <fcntl.h>

#include <algorithm>

#include "base/log.h"
#include "hub/disk.h"
#include "hub/download_impl.h"
#include "hub/transfer_text.h"
#include "hub/web_address.h"

namespace hadal {
namespace {

// What a kill loses of each request.
constexpr size_t kBufferBytes = size_t{128} << 10;
constexpr int64_t kPushBytes = int64_t{8} << 20;
constexpr size_t kMaxErrorBody = size_t{8} << 10;
constexpr size_t kMaxManifest = size_t{64} << 20;
constexpr int kMaxFileRedirects = 10;
constexpr int kMaxRestarts = 3;
constexpr int kMaxRefusals = 2;
constexpr int kWholeAnswers = 3;
constexpr int kThrottlesPerFailure = 4;
// Fewer bytes than this are no progress: a server that sends a few and hangs up would never end.
constexpr int64_t kProgressBytes = int64_t{64} << 10;

constexpr auto kTroubleInterval = std::chrono::seconds(5);  // between lines about it

std::string shown_range(ByteRange range) {
  if (range.end < 0) return "all bytes";
  return "bytes " + std::to_string(range.begin) + " to " + std::to_string(range.end);
}

int64_t now_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::chrono::milliseconds Downloader::Impl::backoff(int failures) {
  const int doublings = std::clamp(failures - 1, 0, 20);
  const auto longest = std::min<int64_t>(options.max_backoff.count(), options.backoff.count() << doublings);
  // Between half and all of it: many nodes that failed together do not come back together.
  std::uniform_int_distribution<int64_t> pick(longest / 2, std::max<int64_t>(longest, 1));
  return std::chrono::milliseconds(pick(random));
}

void Downloader::Impl::wait_for(Piece piece, std::chrono::milliseconds time) {
  piece.not_before = Clock::now() + time;
  retries.push_back(std::move(piece));
}

// The piece did not come, or not all of it.
void Downloader::Impl::retry(Piece piece, const std::string& host, const std::string& problem,
                             bool progress) {
  ++stats.retries;
  piece.failures = progress ? 1 : piece.failures + 1;
  if (piece.failures > options.max_failures) {
    return fail(make_error(ErrorCode::kUnavailable, piece.file->remote.path, ": ", host, " ", problem,
                           "; given up after ", piece.failures, " tries in a row (", shown_range(piece.range),
                           ")"));
  }
  log_debug("a request failed and is tried again")
      .field("file", piece.file->remote.path)
      .field("host", host)
      .field("problem", problem)
      .field("failures", piece.failures);
  const auto wait = progress ? std::chrono::milliseconds(0) : backoff(piece.failures);
  // Connections fail together: one line tells of all.
  if (!progress && Clock::now() >= next_trouble) {
    next_trouble = Clock::now() + kTroubleInterval;
    notice(trying_again(piece.file->remote.path + ": " + host + " " + problem, wait, piece.failures + 1,
                        options.max_failures + 1));
  }
  wait_for(std::move(piece), wait);
}

void Downloader::Impl::start(const Piece& piece) {
  auto owned = std::make_unique<Flight>();
  Flight& flight = *owned;
  flight.piece = piece;
  PullFile& file = *piece.file;
  ++file.num_flights;
  if (!piece.origin_only && !piece.check && !file.one_stream && peers.size() > 0) {
    ByteRange range = piece.range;
    flight.peer = peers.find(file.remote, range, turn++);
    if (flight.peer >= 0 && range.end < piece.range.end) {
      // The rest is the origin's, or another peer's.
      Piece rest = piece;
      rest.range.begin = range.end;
      retries.push_back(rest);
      flight.piece.range = range;
    }
  }
  if (flight.peer >= 0) {
    flight.url = peer_file_url(peers.at(flight.peer).url, file.remote.path);
    flight.at_origin = false;
  } else {
    flight.at_origin = file.resolved.empty();
    flight.url = flight.at_origin ? file.remote.url : file.resolved;
  }
  flights.push_back(std::move(owned));
  send(flight);
}

void Downloader::Impl::send(Flight& flight) {
  const Piece& piece = flight.piece;
  const RemoteFile& remote = piece.file->remote;
  Transfer transfer;
  transfer.url = flight.url;
  transfer.fresh_connection = piece.fresh_connection;
  transfer.direct = flight.peer >= 0;
  const bool own = flight.peer < 0 && (flight.at_origin || same_origin(flight.url, remote.url));
  if (own && options.headers) transfer.headers = options.headers(remote);
  if (flight.peer >= 0 && !options.peer_token.empty())
    transfer.headers.add("Authorization", "Bearer " + options.peer_token);
  transfer.headers.add("Accept-Encoding", "identity");
  if (!piece.file->one_stream && piece.range.end >= 0) {
    transfer.headers.add(
        "Range", "bytes=" + std::to_string(piece.range.begin) + "-" + std::to_string(piece.range.end - 1));
    if (flight.peer < 0 && !remote.checksum.known() && !remote.etag.empty())
      transfer.headers.add("If-Range", remote.etag);
  }
  if (piece.check) transfer.headers.add("Cache-Control", "no-cache");
  transfer.on_head = [this, &flight](int status, const HttpHeaders& headers) {
    return on_head(flight, status, headers);
  };
  transfer.on_data = [this, &flight](std::string_view data) { return on_data(flight, data); };
  transfer.on_end = [this, &flight](const TransferEnd& end) { on_end(flight, end); };
  flight.transfer = transfers->start(std::move(transfer));
}

bool Downloader::Impl::on_head(Flight& flight, int status, const HttpHeaders& headers) {
  PullFile& file = *flight.piece.file;
  RangeQuestion question;
  question.range = flight.piece.range;
  question.file_size = file.remote.size;
  if (flight.peer < 0 && !file.remote.checksum.known()) question.validator = file.remote.etag;
  flight.answer = judge_answer(question, status, headers);
  if (flight.answer.kind == RangeAnswer::Kind::kPart) return accept_part(flight);
  if (flight.answer.kind == RangeAnswer::Kind::kWhole) return accept_whole(flight);
  return flight.answer.kind != RangeAnswer::Kind::kChanged;
}

bool Downloader::Impl::accept_part(Flight& flight) {
  PullFile& file = *flight.piece.file;
  flight.accepted = true;
  flight.at = flight.answer.range.begin;
  flight.end = flight.answer.range.end;
  if (flight.peer >= 0) return true;
  file.ranges_seen = true;
  file.changed_to.clear();
  if (!flight.at_origin) file.resolved = flight.url;
  return true;
}

bool Downloader::Impl::accept_whole(Flight& flight) {
  PullFile& file = *flight.piece.file;
  const ByteRange wanted = flight.piece.range;
  const bool all = wanted.begin == 0 && (wanted.end < 0 || wanted.end == file.remote.size);
  if (all) {
    flight.accepted = true;
    flight.at = 0;
    flight.end = file.remote.size >= 0 ? file.remote.size : flight.answer.range.end;
    if (flight.peer < 0 && !flight.at_origin) file.resolved = flight.url;
    return true;
  }
  flight.problem = "ignores the range that is asked for and sends the whole file";
  if (flight.peer < 0 && !file.ranges_seen && ++file.whole_answers >= kWholeAnswers) {
    notice(file.remote.path + ": " + web_host(flight.url) +
           " knows no ranges: the file comes in one stream, and from its beginning after each break");
    file.one_stream = true;
  }
  return false;
}

bool Downloader::Impl::on_data(Flight& flight, std::string_view data) {
  if (flight.accepted) return take_body(flight, data);
  const size_t room = kMaxErrorBody - std::min(kMaxErrorBody, flight.body.size());
  flight.body += data.substr(0, room);
  // A short body is read to its end: the connection stays.
  return flight.body.size() < kMaxErrorBody;
}

bool Downloader::Impl::take_body(Flight& flight, std::string_view data) {
  if (flight.end >= 0 && static_cast<int64_t>(data.size()) > flight.end - flight.at) {
    data = data.substr(0, static_cast<size_t>(flight.end - flight.at));
    flight.excess = true;
    flight.problem = "sends more than it announced";
  }
  const auto count = static_cast<int64_t>(data.size());
  stats.fetched += count;
  if (flight.peer >= 0) stats.from_peers += count;
  throttled = 0;
  flight.at += count;
  if (flight.piece.check) {
    flight.body += data;
    return !flight.excess;
  }
  flight.buffer += data;
  if (flight.buffer.size() >= kBufferBytes) {
    flight.disk = flush(flight);
    if (!flight.disk.ok()) return false;
  }
  return !flight.excess;
}

Status Downloader::Impl::flush(Flight& flight) {
  if (flight.buffer.empty()) return {};
  PullFile& file = *flight.piece.file;
  const int64_t from = flight.at - static_cast<int64_t>(flight.buffer.size());
  const int64_t before = file.written.total();
  HADAL_RETURN_IF_ERROR(file.write(journal, from, flight.buffer));
  stats.there += file.written.total() - before;
  if (flight.peer >= 0) file.from_peers[flight.peer].add({from, flight.at});
  flight.buffer.clear();
  push_to_disk(flight, false);
  if (file.hashing) hashes->extend(file.key, file.written.prefix_end());
  return {};
}

// The disk works while the rest still comes, so that syncing the file at its end takes no time.
void Downloader::Impl::push_to_disk(Flight& flight, bool all) {
  if (flight.pushed < 0) flight.pushed = flight.answer.range.begin;
  const int64_t from = flight.pushed, count = flight.at - from;
  if (count <= 0 || (count < kPushBytes && !all)) return;
  flight.pushed = flight.at;
  disk->post([fd = flight.piece.file->fd, from, count] {
    ::sync_file_range(fd->get(), from, count, SYNC_FILE_RANGE_WRITE);
  });
}

void Downloader::Impl::on_end(Flight& flight, const TransferEnd& end) {
  const auto at =
      std::find_if(flights.begin(), flights.end(), [&](const auto& f) { return f.get() == &flight; });
  if (flight.disk.ok()) flight.disk = flush(flight);
  if (flight.accepted && !flight.piece.check) push_to_disk(flight, true);
  if (flight.disk.ok() && !flight.accepted && flight.answer.kind == RangeAnswer::Kind::kRedirect &&
      follow_redirect(flight)) {
    return;
  }
  const std::unique_ptr<Flight> landed = std::move(*at);
  flights.erase(at);
  --landed->piece.file->num_flights;
  if (!landed->disk.ok()) return fail(landed->disk.error());
  land(*landed, end);
}

// True: the flight goes on. The redirect's problem, if any, is left in flight.problem.
bool Downloader::Impl::follow_redirect(Flight& flight) {
  if (flight.peer >= 0) {
    flight.problem = "redirects, which peers do not";
    return false;
  }
  if (++flight.redirects > kMaxFileRedirects) {
    flight.problem = "redirects more than " + std::to_string(kMaxFileRedirects) + " times";
    return false;
  }
  auto target = redirect_target(flight.url, flight.answer.location);
  if (!target.ok()) {
    fail(make_error(target.error().code, flight.piece.file->remote.path, ": ", target.error().message));
    return false;
  }
  flight.url = std::move(*target);
  flight.at_origin = false;
  flight.answer = {};
  flight.body.clear();
  send(flight);
  return true;
}

void Downloader::Impl::land(Flight& flight, const TransferEnd& end) {
  using Kind = RangeAnswer::Kind;
  Piece& piece = flight.piece;
  const std::string host = web_host(flight.url);
  if (flight.accepted) return land_stream(flight, end);
  if (flight.peer >= 0) {
    if (peers.note_failure(flight.peer, Clock::now())) notice("peer " + host + " is not asked again");
    piece.origin_only = true;
    return wait_for(piece, std::chrono::milliseconds(0));
  }
  if (piece.file->one_stream && piece.range != ByteRange{0, piece.file->remote.size})
    return become_one_stream(*piece.file);
  if (!flight.problem.empty()) return retry(piece, host, flight.problem, false);
  if (end.status == 0) {
    if (end.permanent)
      return fail(make_error(ErrorCode::kUnavailable, piece.file->remote.path, ": ", host, " ", end.problem));
    piece.file->resolved.clear();
    return retry(piece, host, end.problem, false);
  }
  switch (flight.answer.kind) {
    case Kind::kRefused:
    case Kind::kMissing:
      return land_refused(flight);
    case Kind::kThrottled:
      return land_throttled(flight);
    case Kind::kChanged:
      return land_changed(flight);
    case Kind::kFatal:
      return fail(make_error(ErrorCode::kUnavailable, piece.file->remote.path, ": ", host, " ",
                             flight.answer.problem));
    default:
      // A signed address may be the reason.
      piece.file->resolved.clear();
      return retry(piece, host, flight.answer.problem, false);
  }
}

// Some or all of the body came.
void Downloader::Impl::land_stream(Flight& flight, const TransferEnd& end) {
  Piece& piece = flight.piece;
  PullFile& file = *piece.file;
  const std::string host = web_host(flight.url);
  const int64_t began = flight.answer.range.begin;
  const bool announced_all = flight.end >= 0 && flight.at >= flight.end;
  if (piece.range.end < 0) {
    // Of unknown size: the end is where the server says.
    const bool complete = end.ok && (flight.end < 0 || announced_all);
    if (complete) {
      file.remote.size = flight.at;
      stats.total += flight.at;
      begin_hash(file);
      return;
    }
  } else if (flight.at >= piece.range.end) {
    if (piece.check) return compare(flight);
    if (flight.excess || piece.failures > 0) note_trouble(file, piece.range);
    return;
  }
  std::string problem = end.problem.empty() ? flight.problem : end.problem;
  if (problem.empty()) problem = "sent fewer bytes than asked for";
  if (file.one_stream || piece.range.end < 0) {
    // From the beginning again. It is progress when the stream gets further than before.
    const bool further = flight.at >= file.furthest + kProgressBytes;
    file.furthest = std::max(file.furthest, flight.at);
    if (file.remote.size < 0) {
      stats.there -= file.written.total();
      file.written.clear();
    }
    return retry(piece, host, problem, further);
  }
  const bool progress = flight.at - began >= kProgressBytes;
  if (piece.check) return retry(piece, host, problem, false);
  // A server that gives ranges in smaller portions than asked for does nothing wrong.
  const bool portion = flight.peer < 0 && end.ok && announced_all && progress;
  if (!portion) note_trouble(file, {began, flight.at});
  piece.range.begin = flight.at;
  if (flight.peer >= 0) {
    if (peers.note_failure(flight.peer, Clock::now())) notice("peer " + host + " is not asked again");
    piece.origin_only = true;
    return wait_for(piece, std::chrono::milliseconds(0));
  }
  if (portion) return wait_for(piece, std::chrono::milliseconds(0));
  retry(piece, host, problem, progress);
}

void Downloader::Impl::land_refused(Flight& flight) {
  Piece& piece = flight.piece;
  PullFile& file = *piece.file;
  const std::string host = web_host(flight.url);
  if (!flight.at_origin) {
    // A signed address that has expired: a new one is asked for, at once the first time.
    file.resolved.clear();
    if (piece.failures == 0) {
      ++stats.retries;
      ++piece.failures;
      return wait_for(piece, std::chrono::milliseconds(0));
    }
    return retry(piece, host, flight.answer.problem, false);
  }
  if (++piece.refusals < kMaxRefusals) return retry(piece, host, flight.answer.problem, false);
  const bool missing = flight.answer.kind == RangeAnswer::Kind::kMissing;
  fail(make_error(missing ? ErrorCode::kNotFound : ErrorCode::kPermissionDenied, file.remote.path, ": ", host,
                  " ", flight.answer.problem,
                  missing ? "; it is not there, or the token given may not see it"
                          : "; check the token or the keys, and that they may read this model"));
}

void Downloader::Impl::land_throttled(Flight& flight) {
  Piece& piece = flight.piece;
  const std::string host = web_host(flight.url);
  const auto asked = parse_retry_after(flight.answer.retry_after, now_seconds());
  if (asked && *asked > options.max_throttle.count()) {
    return fail(make_error(ErrorCode::kUnavailable, piece.file->remote.path, ": ", host, " ",
                           flight.answer.problem, " and asks to come back in ", *asked,
                           " seconds: run the same command again then, it goes on from here"));
  }
  if (++throttled > kThrottlesPerFailure * (options.max_failures + 1)) {
    return fail(make_error(ErrorCode::kUnavailable, piece.file->remote.path, ": ", host, " ",
                           flight.answer.problem, " again and again (", throttled,
                           " times without a byte between): try again later, or use fewer --connections"));
  }
  auto wait = backoff(1 + throttled / options.transfer.max_connections);
  // A little later than asked for: its clock and ours differ by less than a second.
  if (asked) wait = std::chrono::milliseconds(*asked * 1000 + static_cast<int64_t>(random() % 250));
  if (asked && *asked >= 5) notice(host + " asks to wait " + std::to_string(*asked) + " seconds");
  ++stats.retries;
  hold_until = std::max(hold_until, Clock::now() + wait);
  wait_for(piece, wait);
}

// The server says that the file is another one now. Once may be a lie, or one bad node of many.
void Downloader::Impl::land_changed(Flight& flight) {
  Piece& piece = flight.piece;
  PullFile& file = *piece.file;
  const std::string host = web_host(flight.url);
  const std::string seen = flight.answer.validator + "/" + std::to_string(flight.answer.file_size);
  const bool other = !file.remote.checksum.known() && flight.answer.validator != file.remote.etag &&
                     !flight.answer.validator.empty() && file.remote.size >= 0;
  if (!other || file.changed_to != seen) {
    if (other) file.changed_to = seen;
    file.resolved.clear();
    return retry(piece, host, flight.answer.problem, false);
  }
  if (++file.restarts > kMaxRestarts) {
    return fail(make_error(ErrorCode::kDataLoss, file.remote.path, ": ", host,
                           " keeps changing the file while it is fetched; try again when it is at rest"));
  }
  notice(file.remote.path + " changed at " + host + " while it was fetched: it is fetched anew");
  drop_flights(file);
  hashes->drop(file.key);
  file.hashing = false;
  stats.there -= file.written.total();
  stats.total -= std::max<int64_t>(0, file.remote.size);
  close_file(file);
  const Status status = file.restart(journal, flight.answer.file_size, flight.answer.validator);
  if (!status.ok()) return fail(status.error());
  const Status found = file.find_state(journal);
  if (!found.ok()) return fail(found.error());
  num_done += file.state == PullFile::State::kDone;
  stats.total += std::max<int64_t>(0, file.remote.size);
  first_open = 0;
}

void Downloader::Impl::drop_flights(PullFile& file) {
  for (const auto& flight : flights) {
    if (flight->piece.file == &file) transfers->cancel(flight->transfer);
  }
  flights.remove_if([&](const auto& flight) { return flight->piece.file == &file; });
  std::erase_if(retries, [&](const Piece& piece) { return piece.file == &file; });
  file.num_flights = 0;
}

// The whole file in one request; what other requests are at is dropped.
void Downloader::Impl::become_one_stream(PullFile& file) {
  ++stats.retries;
  drop_flights(file);
  file.claimed.add({0, file.remote.size});
  wait_for(Piece{&file, {0, file.remote.size}}, std::chrono::milliseconds(0));
}

void Downloader::Impl::ask_peers() {
  if (peer_names != nullptr) {
    for (const std::string& url : peer_names->take_new()) peers.add(url);
  }
  for (int index = peers.due(Clock::now()); index >= 0; index = peers.due(Clock::now())) ask_peer(index);
}

void Downloader::Impl::ask_peer(int index) {
  PeerList::Peer& peer = peers.at(index);
  peer.asking = true;
  auto text = std::make_shared<std::string>();
  auto code = std::make_shared<int>(0);
  Transfer transfer;
  transfer.url = peer.url + "/v1/manifest";
  transfer.direct = true;
  if (!options.peer_token.empty()) transfer.headers.add("Authorization", "Bearer " + options.peer_token);
  transfer.on_head = [code](int status, const HttpHeaders&) {
    *code = status;
    return status == 200;
  };
  transfer.on_data = [text](std::string_view data) {
    *text += data;
    return text->size() <= kMaxManifest;
  };
  transfer.on_end = [this, index, text, code](const TransferEnd& end) {
    const auto now = Clock::now();
    peers.at(index).asking = false;
    peers.at(index).asked = true;
    const auto manifest =
        end.ok ? parse_peer_manifest(*text) : Result<PeerManifest>(invalid_argument("no manifest"));
    if (manifest.ok()) return peers.take_manifest(index, *manifest, now);
    if (peers.note_failure(index, now) || *code == 401) {
      peers.at(index).banned = true;
      notice("peer " + web_host(peers.at(index).url) + " gives nothing (" +
             (*code == 401 ? std::string("it wants another --peer-token-file")
              : *code != 0 ? "answers " + std::to_string(*code)
                           : end.problem) +
             "): the origin is asked");
    }
  };
  transfers->start(std::move(transfer));
}

}  // namespace hadal
