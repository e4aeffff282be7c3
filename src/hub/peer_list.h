// PeerList: the nodes that a pull may fetch from before it asks the origin, and what each has. What comes
// from a peer counts only once the file's checksum, which is the origin's, is right; a peer that sent
// anything else is not asked again. The Downloader's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hub/byte_ranges.h"
#include "hub/listing.h"

namespace hadal {

struct PeerFile {
  std::string path;
  int64_t size = 0;
  std::string sha256;  // "": the peer does not say
  bool whole = false;
  RangeSet there;  // where not whole
};

struct PeerManifest {
  bool complete = false;
  std::string source;
  std::string revision;
  std::vector<PeerFile> files;
};

// What GET /v1/manifest of a hadal pull --serve gives. Errors: kInvalidArgument.
Result<PeerManifest> parse_peer_manifest(std::string_view text);
std::string peer_manifest_text(const PeerManifest& manifest);

class PeerList {
 public:
  using Clock = std::chrono::steady_clock;
  struct Peer {
    std::string url;  // without a slash at its end
    std::map<std::string, PeerFile> files;
    bool complete = false;
    bool banned = false;
    bool asking = false;
    bool asked = false;  // once, whatever came of it
    int failures = 0;    // in a row
    Clock::time_point ask_at{};
  };

  explicit PeerList(const std::vector<std::string>& urls);
  void add(const std::string& url);
  size_t size() const { return peers_.size(); }
  Peer& at(int peer) { return peers_[static_cast<size_t>(peer)]; }

  // Which peer has the file's bytes from range.begin on, and how far; -1: none. `turn` spreads the load.
  int find(const RemoteFile& file, ByteRange& range, size_t turn) const;
  // Whose manifest is to be asked for now; -1: nobody's.
  int due(Clock::time_point now) const;
  // Some have not been heard of yet.
  bool waiting() const;
  void take_manifest(int peer, const PeerManifest& manifest, Clock::time_point now);
  // True when this was one failure too many: it is not asked again.
  bool note_failure(int peer, Clock::time_point now);

 private:
  std::vector<Peer> peers_;
};

std::string peer_file_url(const std::string& peer_url, const std::string& path);

}  // namespace hadal
