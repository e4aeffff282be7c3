// RemoteFile and Listing: what a hub or store says it has. Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hadal {

// What a file's content must hash to.
struct Checksum {
  enum class Kind {
    kNone,
    kSha256,
    kGitSha1,        // SHA-1 of "blob SIZE\0" and the content: Git's name of a file
    kMd5,            // of S3's ETag after a whole upload
    kSha256OfParts,  // S3: SHA-256 of the parts' SHA-256, one after the other
    kMd5OfParts,     // S3's ETag after an upload in parts
  };
  Kind kind = Kind::kNone;
  std::string hex;
  int64_t part_bytes = 0;  // of the kinds of parts: each but the last has this size

  bool known() const { return kind != Kind::kNone; }
  bool operator==(const Checksum&) const = default;
};

struct RemoteFile {
  std::string path;   // below the model's directory
  int64_t size = -1;  // -1: not known yet
  Checksum checksum;
  bool checksum_given = false;  // by --sha256, not by the source
  std::string url;              // where it is fetched; nothing secret
  std::string etag;             // the version that is meant, quotes kept; "": not known
  // Whether ranges can be asked for. Found out on the way where false would surprise.
  bool ranges = true;
};

struct Listing {
  std::string source;    // "hf:org/name", for people and the marker
  std::string revision;  // pinned; "" where the source has none
  std::vector<RemoteFile> files;
};

}  // namespace hadal
