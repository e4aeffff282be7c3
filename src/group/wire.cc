#include "group/wire.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>

namespace hadal {
namespace {

constexpr uint32_t kMagic = 0x474C4448;  // "HDLG"
constexpr uint8_t kVersion = 1;
constexpr size_t kHeaderBytes = 20;

template <typename T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}
template <typename T>
T get(const char* data) {
  T value;
  std::memcpy(&value, data, sizeof(T));
  return value;
}

}  // namespace

std::string hmac_sha256(std::string_view key, std::string_view data) {
  std::array<unsigned char, kMacBytes> mac{};
  unsigned length = 0;
  const unsigned char* done =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(data.data()), data.size(), mac.data(), &length);
  HADAL_CHECK(done != nullptr && length == kMacBytes);
  return std::string(reinterpret_cast<const char*>(mac.data()), mac.size());
}

std::string sha256_hex(std::string_view data) {
  std::array<unsigned char, 32> digest{};
  unsigned length = 0;
  HADAL_CHECK(EVP_Digest(data.data(), data.size(), digest.data(), &length, EVP_sha256(), nullptr) == 1);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (unsigned char byte : digest) {
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_bytes(size_t count) {
  std::string out(count, '\0');
  HADAL_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(count)) == 1);
  return out;
}

Result<std::string> encode_frame(const Frame& frame, uint64_t sequence, std::string_view key) {
  if (frame.payload.size() > kMaxFramePayload) {
    return invalid_argument("a group frame of ", frame.payload.size(), " bytes is longer than ",
                            kMaxFramePayload);
  }
  std::string out;
  out.reserve(kHeaderBytes + frame.payload.size() + kMacBytes);
  put(out, kMagic);
  put(out, kVersion);
  put(out, static_cast<uint8_t>(frame.type));
  put(out, uint16_t{0});
  put(out, static_cast<uint32_t>(frame.payload.size()));
  put(out, sequence);
  out += frame.payload;
  out += hmac_sha256(key, out);
  return out;
}

Result<std::optional<Frame>> decode_frame(std::string& buffer, uint64_t expected_sequence,
                                          std::string_view key, size_t max_payload) {
  if (buffer.size() < kHeaderBytes) return std::optional<Frame>();
  const char* data = buffer.data();
  if (get<uint32_t>(data) != kMagic) return make_error(ErrorCode::kDataLoss, "not a hadal group frame");
  if (get<uint8_t>(data + 4) != kVersion) {
    return make_error(ErrorCode::kDataLoss, "group frame of version ", int{get<uint8_t>(data + 4)},
                      ", this is ", int{kVersion}, ": run the same hadal on every host");
  }
  const uint8_t type = get<uint8_t>(data + 5);
  if (type < 1 || type > static_cast<uint8_t>(FrameType::kLeaving)) {
    return make_error(ErrorCode::kDataLoss, "group frame of unknown type ", int{type});
  }
  const size_t length = get<uint32_t>(data + 8);
  if (length > max_payload) return make_error(ErrorCode::kDataLoss, "group frame of ", length, " bytes");
  const size_t total = kHeaderBytes + length + kMacBytes;
  if (buffer.size() < total) return std::optional<Frame>();
  const std::string_view signed_part(data, kHeaderBytes + length);
  const std::string_view mac(data + kHeaderBytes + length, kMacBytes);
  if (!equal_constant_time(hmac_sha256(key, signed_part), mac)) {
    return make_error(ErrorCode::kUnauthenticated,
                      "group frame with a wrong signature: the hosts' group secrets differ");
  }
  if (get<uint64_t>(data + 12) != expected_sequence) {
    return make_error(ErrorCode::kDataLoss, "group frame ", get<uint64_t>(data + 12), " where ",
                      expected_sequence, " was due");
  }
  Frame frame;
  frame.type = static_cast<FrameType>(type);
  frame.payload.assign(data + kHeaderBytes, length);
  buffer.erase(0, total);
  return std::optional<Frame>(std::move(frame));
}

void append_field(std::string& out, std::string_view field) {
  put(out, static_cast<uint32_t>(field.size()));
  out += field;
}

Result<std::string> take_field(std::string_view& payload) {
  if (payload.size() < 4) return make_error(ErrorCode::kDataLoss, "group frame is cut short");
  const size_t length = get<uint32_t>(payload.data());
  if (payload.size() - 4 < length) return make_error(ErrorCode::kDataLoss, "group frame is cut short");
  std::string field(payload.substr(4, length));
  payload.remove_prefix(4 + length);
  return field;
}

}  // namespace hadal
