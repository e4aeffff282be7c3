// Digest: SHA-256, SHA-1 or MD5 of bytes as they come (OpenSSL). FileHasher: all that is asked of one file in
// one pass. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "hub/listing.h"

namespace hadal {

enum class DigestKind { kSha256, kSha1, kMd5 };

class Digest {
 public:
  explicit Digest(DigestKind kind);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  Digest(const Digest& other);  // goes on from where the other is
  Digest& operator=(const Digest& other);
  void update(std::string_view data);
  // The raw digest; the object begins again.
  std::string finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string to_hex(std::string_view bytes);
// Nothing where it is no hex of whole bytes.
std::string from_hex(std::string_view hex);
std::string to_base64(std::string_view bytes);
std::string from_base64(std::string_view text);                           // "": not base64
std::string digest_of(DigestKind kind, std::string_view data);            // raw
std::string hmac_of_sha256(std::string_view key, std::string_view data);  // raw

// A copy goes on from where the original is.
class FileHasher {
 public:
  // size: of the whole file (Git's SHA-1 begins with it).
  FileHasher(const Checksum& checksum, int64_t size);
  void update(std::string_view data);
  struct Outcome {
    std::string sha256;   // hex
    bool matches = true;  // true too where no checksum is known
    std::string got;      // hex of the checksum's kind
  };
  Outcome finish();

 private:
  void update_parts(std::string_view data);
  Checksum checksum_;
  Digest sha256_;
  Digest other_;
  std::string parts_;  // digests of whole parts
  int64_t part_left_ = 0;
  bool part_open_ = false;
};

}  // namespace hadal
