// Frames between the preflights of a group's hosts. Layout, little-endian:
//   u32 magic "HDPF", u8 version, u8 type, u16 zero, u32 payload length, payload, 32-byte HMAC-SHA256
// The MAC is over the direction, the frame's number in it (from 0), and everything before the MAC: a frame
// can be neither forged, turned around, repeated nor left out once the session's key is set. Payloads are
// JSON. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace hadal {

enum class PeerFrame : uint8_t {
  kHello = 1,      // who wants to join, nonce
  kChallenge = 2,  // nonce, proof that this end knows the secret
  kProof = 3,      // proof that the other knows it
  kAccept = 4,
  kReject = 5,    // why not; also the end of a meeting that failed
  kIdentity = 6,  // what the hosts compare
  kClock = 7,     // asks for the time, and the answer
  kRoster = 8,    // all hosts are there
  kOrder = 9,     // measure with this host now
  kResult = 10,
  kOutcome = 11,  // the end: what all have found
  kEcho = 12,     // raw bytes follow: round trips
  kBulk = 13,     // raw bytes follow: bandwidth
};

constexpr size_t kPeerHeaderBytes = 12;
constexpr size_t kPeerMacBytes = 32;
constexpr size_t kMaxPeerPayload = size_t{32} << 20;
constexpr size_t kMaxStrangerPayload = 4096;  // before a peer has proved itself

struct PeerHeader {
  PeerFrame type = PeerFrame::kHello;
  size_t payload_len = 0;
};

std::string random_text(size_t count);                          // from the system's random source
bool same_secret_text(std::string_view a, std::string_view b);  // in time that tells nothing of the contents

struct PeerMessage {
  PeerFrame type = PeerFrame::kHello;
  Json body;
};

// from_server: the direction. Errors: kInvalidArgument, too long.
Result<std::string> encode_peer_frame(const PeerMessage& message, std::string_view key, uint64_t number,
                                      bool from_server);
// Of the first kPeerHeaderBytes. Errors: kDataLoss (no such frame, or longer than max_payload).
Result<PeerHeader> decode_peer_header(std::string_view header, size_t max_payload);
// Of a whole frame, header and MAC included. Errors: kDataLoss.
Result<PeerMessage> decode_peer_frame(std::string_view frame, std::string_view key, uint64_t number,
                                      bool from_server);

// Members of a payload; errors: kDataLoss naming the member.
Result<int64_t> int_member(const Json& body, std::string_view name, int64_t least, int64_t most);
Result<double> number_member(const Json& body, std::string_view name);
Result<std::string> text_member(const Json& body, std::string_view name, size_t most = 65536);

}  // namespace hadal
