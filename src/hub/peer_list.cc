#include "hub/peer_list.h"

#include <algorithm>

#include "base/json.h"
#include "hub/field_text.h"
#include "hub/file_filter.h"
#include "hub/web_address.h"

namespace hadal {
namespace {

constexpr auto kAskAgain = std::chrono::seconds(3);  // one that is still pulling has more by then
constexpr int kMaxFailures = 4;
constexpr size_t kMaxRanges = 1'000'000;

Status read_ranges(const Json& json, PeerFile& file, size_t& count) {
  const Json* ranges = json.find("ranges");
  if (ranges == nullptr) {
    file.whole = true;
    return {};
  }
  if (!ranges->is_array()) return invalid_argument("ranges is no list");
  for (const Json& pair : ranges->as_array()) {
    if (++count > kMaxRanges) return invalid_argument("too many ranges");
    if (!pair.is_array() || pair.as_array().size() != 2 || !pair.as_array()[0].is_int() ||
        !pair.as_array()[1].is_int()) {
      return invalid_argument("a range is no pair of numbers");
    }
    const ByteRange range{pair.as_array()[0].as_int(), pair.as_array()[1].as_int()};
    if (range.begin < 0 || range.begin >= range.end || range.end > file.size)
      return invalid_argument("a range is not within its file");
    file.there.add(range);
  }
  return {};
}

}  // namespace

Result<PeerManifest> parse_peer_manifest(std::string_view text) {
  HADAL_ASSIGN(const Json json, parse_json(text, 8));
  const Json* format = json.find("format");
  const Json* files = json.find("files");
  if (format == nullptr || !format->is_int() || format->as_int() != 1 || files == nullptr ||
      !files->is_array()) {
    return invalid_argument("it is no manifest of this version of hadal");
  }
  PeerManifest out;
  const Json* complete = json.find("complete");
  out.complete = complete != nullptr && complete->is_bool() && complete->as_bool();
  out.source = text_of(json, "source");
  out.revision = text_of(json, "revision");
  size_t num_ranges = 0;
  for (const Json& entry : files->as_array()) {
    PeerFile file;
    file.path = text_of(entry, "path");
    file.sha256 = text_of(entry, "sha256");
    const Json* size = entry.find("size");
    if (size == nullptr || !size->is_int() || size->as_int() < 0)
      return invalid_argument("a file has no size");
    file.size = size->as_int();
    HADAL_RETURN_IF_ERROR(check_file_path(file.path));
    HADAL_RETURN_IF_ERROR(read_ranges(entry, file, num_ranges));
    out.files.push_back(std::move(file));
  }
  return out;
}

std::string peer_manifest_text(const PeerManifest& manifest) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("format", 1).member("complete", manifest.complete);
  json.member("source", manifest.source).member("revision", manifest.revision).key("files").begin_array();
  for (const PeerFile& file : manifest.files) {
    json.begin_object().member("path", file.path).member("size", file.size);
    if (!file.sha256.empty()) json.member("sha256", file.sha256);
    if (!file.whole) {
      json.key("ranges").begin_array();
      for (const ByteRange& range : file.there.ranges())
        json.begin_array().value(range.begin).value(range.end).end_array();
      json.end_array();
    }
    json.end_object();
  }
  json.end_array().end_object();
  return out;
}

PeerList::PeerList(const std::vector<std::string>& urls) {
  for (const std::string& url : urls) add(url);
}

void PeerList::add(const std::string& url) {
  Peer peer;
  peer.url = url;
  while (peer.url.ends_with('/')) peer.url.pop_back();
  peers_.push_back(std::move(peer));
}

int PeerList::find(const RemoteFile& file, ByteRange& range, size_t turn) const {
  // Without a checksum nothing would say whether a peer told the truth.
  if (!file.checksum.known() || file.size < 0) return -1;
  for (size_t i = 0; i < peers_.size(); ++i) {
    const size_t index = (turn + i) % peers_.size();
    const Peer& peer = peers_[index];
    const auto at = peer.files.find(file.path);
    if (peer.banned || at == peer.files.end() || at->second.size != file.size) continue;
    const bool other = file.checksum.kind == Checksum::Kind::kSha256 && !at->second.sha256.empty() &&
                       at->second.sha256 != file.checksum.hex;
    if (other) continue;
    if (!at->second.whole) {
      const auto gaps = at->second.there.missing(range);
      if (!gaps.empty() && gaps.front().begin == range.begin) continue;
      if (!gaps.empty()) range.end = gaps.front().begin;
    }
    return static_cast<int>(index);
  }
  return -1;
}

int PeerList::due(Clock::time_point now) const {
  for (size_t i = 0; i < peers_.size(); ++i) {
    const Peer& peer = peers_[i];
    if (!peer.banned && !peer.asking && !peer.complete && now >= peer.ask_at) return static_cast<int>(i);
  }
  return -1;
}

bool PeerList::waiting() const {
  return std::any_of(peers_.begin(), peers_.end(), [](const Peer& peer) { return !peer.asked; });
}

void PeerList::take_manifest(int index, const PeerManifest& manifest, Clock::time_point now) {
  Peer& peer = at(index);
  peer.failures = 0;
  peer.complete = manifest.complete;
  peer.ask_at = now + kAskAgain;
  peer.files.clear();
  for (const PeerFile& file : manifest.files) peer.files[file.path] = file;
}

bool PeerList::note_failure(int index, Clock::time_point now) {
  Peer& peer = at(index);
  peer.ask_at = now + kAskAgain;
  if (++peer.failures < kMaxFailures || peer.banned) return false;
  peer.banned = true;
  return true;
}

std::string peer_file_url(const std::string& peer_url, const std::string& path) {
  return peer_url + "/v1/files/" + percent_encode(path, true);
}

}  // namespace hadal
