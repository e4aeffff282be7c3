#include "hub/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "base/check.h"

namespace hadal {
namespace {

const EVP_MD* algorithm(DigestKind kind) {
  switch (kind) {
    case DigestKind::kSha1:
      return EVP_sha1();
    case DigestKind::kMd5:
      return EVP_md5();
    case DigestKind::kSha256:
      break;
  }
  return EVP_sha256();
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

DigestKind digest_kind(Checksum::Kind kind) {
  if (kind == Checksum::Kind::kGitSha1) return DigestKind::kSha1;
  const bool md5 = kind == Checksum::Kind::kMd5 || kind == Checksum::Kind::kMd5OfParts;
  return md5 ? DigestKind::kMd5 : DigestKind::kSha256;
}

bool is_of_parts(const Checksum& checksum) {
  return checksum.kind == Checksum::Kind::kSha256OfParts || checksum.kind == Checksum::Kind::kMd5OfParts;
}

}  // namespace

struct Digest::Impl {
  const EVP_MD* md = nullptr;
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Digest::Digest(DigestKind kind) : impl_(std::make_unique<Impl>()) {
  impl_->md = algorithm(kind);
  HADAL_CHECK(impl_->context != nullptr && EVP_DigestInit_ex(impl_->context.get(), impl_->md, nullptr) == 1);
}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

Digest::Digest(const Digest& other) : impl_(std::make_unique<Impl>()) {
  impl_->md = other.impl_->md;
  HADAL_CHECK(impl_->context != nullptr &&
              EVP_MD_CTX_copy_ex(impl_->context.get(), other.impl_->context.get()) == 1);
}
Digest& Digest::operator=(const Digest& other) {
  return *this = Digest(other);
}

void Digest::update(std::string_view data) {
  HADAL_CHECK(EVP_DigestUpdate(impl_->context.get(), data.data(), data.size()) == 1);
}

std::string Digest::finish() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HADAL_CHECK(EVP_DigestFinal_ex(impl_->context.get(), bytes, &size) == 1);
  HADAL_CHECK(EVP_DigestInit_ex(impl_->context.get(), impl_->md, nullptr) == 1);
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

std::string to_hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string from_hex(std::string_view hex) {
  std::string out;
  if (hex.size() % 2 != 0) return out;
  for (size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_value(hex[i]), low = hex_value(hex[i + 1]);
    if (high < 0 || low < 0) return "";
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

std::string to_base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int n =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(n));
  return out;
}

std::string from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > 4096) return "";
  std::string out(text.size() / 4 * 3, '\0');
  const int n =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (n < 0) return "";
  // The decoder counts the padding as bytes.
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  out.resize(static_cast<size_t>(n) - padding);
  return out;
}

std::string digest_of(DigestKind kind, std::string_view data) {
  Digest digest(kind);
  digest.update(data);
  return digest.finish();
}

std::string hmac_of_sha256(std::string_view key, std::string_view data) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HADAL_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                   reinterpret_cast<const unsigned char*>(data.data()), data.size(), bytes,
                   &size) != nullptr);
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

FileHasher::FileHasher(const Checksum& checksum, int64_t size)
    : checksum_(checksum), sha256_(DigestKind::kSha256), other_(digest_kind(checksum.kind)) {
  if (checksum.kind == Checksum::Kind::kGitSha1) {
    const std::string head = "blob " + std::to_string(size);
    other_.update({head.c_str(), head.size() + 1});
  }
}

void FileHasher::update(std::string_view data) {
  sha256_.update(data);
  if (is_of_parts(checksum_)) return update_parts(data);
  if (checksum_.kind == Checksum::Kind::kGitSha1 || checksum_.kind == Checksum::Kind::kMd5)
    other_.update(data);
}

void FileHasher::update_parts(std::string_view data) {
  while (!data.empty()) {
    if (!part_open_) {
      part_left_ = std::max<int64_t>(1, checksum_.part_bytes);
      part_open_ = true;
    }
    const size_t take = std::min(data.size(), static_cast<size_t>(part_left_));
    other_.update(data.substr(0, take));
    data.remove_prefix(take);
    part_left_ -= static_cast<int64_t>(take);
    if (part_left_ > 0) continue;
    parts_ += other_.finish();
    part_open_ = false;
  }
}

FileHasher::Outcome FileHasher::finish() {
  Outcome out;
  out.sha256 = to_hex(sha256_.finish());
  switch (checksum_.kind) {
    case Checksum::Kind::kNone:
      return out;
    case Checksum::Kind::kSha256:
      out.got = out.sha256;
      break;
    case Checksum::Kind::kGitSha1:
    case Checksum::Kind::kMd5:
      out.got = to_hex(other_.finish());
      break;
    case Checksum::Kind::kSha256OfParts:
    case Checksum::Kind::kMd5OfParts:
      if (part_open_) parts_ += other_.finish();
      out.got = to_hex(digest_of(digest_kind(checksum_.kind), parts_));
      break;
  }
  out.matches = out.got == checksum_.hex;
  return out;
}

}  // namespace hadal
