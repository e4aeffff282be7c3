#include "preflight/peer_wire.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <cmath>

#include "hub/digest.h"

namespace hadal {
namespace {

constexpr uint32_t kMagic = 0x46504448;  // "HDPF"
constexpr uint8_t kVersion = 1;
constexpr int kMaxDepth = 16;

void put_u32(std::string& out, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift);
}

uint32_t get_u32(std::string_view bytes, size_t at) {
  uint32_t out = 0;
  for (size_t i = 0; i < 4; ++i)
    out |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  return out;
}

std::string mac_of(std::string_view frame, std::string_view key, uint64_t number, bool from_server) {
  std::string text(1, from_server ? 's' : 'c');
  put_u32(text, static_cast<uint32_t>(number));
  put_u32(text, static_cast<uint32_t>(number >> 32));
  text += frame;
  return hmac_of_sha256(key, text);
}

Error missing(std::string_view name) {
  return make_error(ErrorCode::kDataLoss, "a peer's frame has no good \"", name, "\"");
}

}  // namespace

std::string random_text(size_t count) {
  std::string out(count, '\0');
  HADAL_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(count)) == 1);
  return out;
}

bool same_secret_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<std::string> encode_peer_frame(const PeerMessage& message, std::string_view key, uint64_t number,
                                      bool from_server) {
  const std::string payload = to_json(message.body);
  if (payload.size() > kMaxPeerPayload)
    return invalid_argument("a frame of ", payload.size(), " bytes is too long");
  std::string out;
  put_u32(out, kMagic);
  out += static_cast<char>(kVersion);
  out += static_cast<char>(message.type);
  out.append(2, '\0');
  put_u32(out, static_cast<uint32_t>(payload.size()));
  out += payload;
  out += mac_of(out, key, number, from_server);
  return out;
}

Result<PeerHeader> decode_peer_header(std::string_view header, size_t max_payload) {
  if (header.size() < kPeerHeaderBytes || get_u32(header, 0) != kMagic)
    return make_error(ErrorCode::kDataLoss, "the other end is no hadal preflight");
  if (static_cast<uint8_t>(header[4]) != kVersion)
    return make_error(ErrorCode::kDataLoss, "the other end is a hadal preflight of another version");
  const auto type = static_cast<uint8_t>(header[5]);
  if (type < static_cast<uint8_t>(PeerFrame::kHello) || type > static_cast<uint8_t>(PeerFrame::kBulk) ||
      header[6] != 0 || header[7] != 0)
    return make_error(ErrorCode::kDataLoss, "a peer's frame is of no known type");
  const size_t length = get_u32(header, 8);
  if (length > max_payload) return make_error(ErrorCode::kDataLoss, "a peer's frame is too long");
  return PeerHeader{static_cast<PeerFrame>(type), length};
}

Result<PeerMessage> decode_peer_frame(std::string_view frame, std::string_view key, uint64_t number,
                                      bool from_server) {
  HADAL_ASSIGN(const PeerHeader header, decode_peer_header(frame, kMaxPeerPayload));
  const size_t signed_bytes = kPeerHeaderBytes + header.payload_len;
  if (frame.size() != signed_bytes + kPeerMacBytes)
    return make_error(ErrorCode::kDataLoss, "a peer's frame is cut");
  if (!same_secret_text(frame.substr(signed_bytes),
                        mac_of(frame.substr(0, signed_bytes), key, number, from_server)))
    return make_error(ErrorCode::kDataLoss, "a peer's frame is not signed with the session's key");
  auto body = parse_json(frame.substr(kPeerHeaderBytes, header.payload_len), kMaxDepth);
  if (!body.ok())
    return make_error(ErrorCode::kDataLoss, "a peer's frame is no JSON: ", body.error().message);
  return PeerMessage{header.type, std::move(body).value()};
}

Result<int64_t> int_member(const Json& body, std::string_view name, int64_t least, int64_t most) {
  const Json* member = body.find(name);
  if (member == nullptr || !member->is_int() || member->as_int() < least || member->as_int() > most)
    return missing(name);
  return member->as_int();
}

Result<double> number_member(const Json& body, std::string_view name) {
  const Json* member = body.find(name);
  if (member == nullptr || !member->is_number() || !std::isfinite(member->as_double())) return missing(name);
  return member->as_double();
}

Result<std::string> text_member(const Json& body, std::string_view name, size_t most) {
  const Json* member = body.find(name);
  if (member == nullptr || !member->is_string() || member->as_string().size() > most) return missing(name);
  return member->as_string();
}

}  // namespace hadal
