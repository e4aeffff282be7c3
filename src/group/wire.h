// Frames of the group channel. Layout, little-endian:
//   u32 magic "HDLG", u8 version, u8 type, u16 zero, u32 payload length, u64 sequence number, payload,
//   32-byte HMAC-SHA256
// The MAC is over everything before it under the session key of the handshake; sequence numbers count from 1
// in each direction, so a frame can be neither forged, repeated nor dropped. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

enum class FrameType : uint8_t {
  kHello = 1,      // follower: node rank, nnodes, config hash, nonce
  kChallenge = 2,  // leader: nonce, proof that it knows the secret
  kProof = 3,      // follower: proof that it knows the secret
  kAccept = 4,     // leader: this follower is in
  kReject = 5,     // leader: reason
  kHeartbeat = 6,
  kStoreSet = 7,    // key, value
  kStoreGet = 8,    // key
  kStoreValue = 9,  // key, value
  kPlan = 10,       // a serialised StepPlan
  kAbort = 11,      // reason: the group is lost
  kStop = 12,       // leader: orderly end
  kWelcome = 13,    // leader: all hosts have joined
  kPlanPart = 14,   // the beginning of a long kPlan, which follows
  kLeaving = 15,    // follower: this host was told to stop (reason); the leader is to drain
};

constexpr size_t kMaxFramePayload = size_t{16} << 20;
// Longer plans travel in parts of this size.
constexpr size_t kPlanPartBytes = size_t{1} << 20;
constexpr size_t kMacBytes = 32;

struct Frame {
  FrameType type = FrameType::kHeartbeat;
  std::string payload;
};

std::string hmac_sha256(std::string_view key, std::string_view data);
// SHA-256 as 64 hex digits.
std::string sha256_hex(std::string_view data);
// Length-independent time; false for other lengths.
bool equal_constant_time(std::string_view a, std::string_view b);
// From the system's random source.
std::string random_bytes(size_t count);

// kInvalidArgument: the payload is over kMaxFramePayload.
Result<std::string> encode_frame(const Frame& frame, uint64_t sequence, std::string_view key);

// Takes the first whole frame off `buffer`; nothing when it is not all there yet.
// kDataLoss: bad magic, version, type, length, sequence number or MAC.
Result<std::optional<Frame>> decode_frame(std::string& buffer, uint64_t expected_sequence,
                                          std::string_view key, size_t max_payload);

// Payload fields: u32 length + bytes, one after another.
void append_field(std::string& out, std::string_view field);
// Takes one field off the front; kDataLoss when it is cut.
Result<std::string> take_field(std::string_view& payload);

}  // namespace hadal
