// Measurements over one link: round trips, TCP bandwidth in both directions, and how far two clocks are
// apart. The two ends call the client's and the server's form. Blocking, with deadlines; any thread.
#pragma once

#include <chrono>
#include <vector>

#include "base/result.h"
#include "preflight/peer_link.h"

namespace hadal {

struct PairRates {
  double latency = 0;   // seconds of a round trip, the median
  double sent = 0;      // bytes a second from the client to the server
  double received = 0;  // from the server to the client
};

// time: of each direction's bandwidth. Errors name what broke.
Result<PairRates> measure_as_client(PeerLink& link, std::chrono::milliseconds time, PeerTime deadline);
Status measure_as_server(PeerLink& link, std::chrono::milliseconds time, PeerTime deadline);

struct ClockOffset {
  double offset = 0;      // seconds that the other clock is ahead
  double round_trip = 0;  // of the best exchange: the offset is right to half of it
};
// The offset of the other end's clock, as NTP computes it (RFC 5905, section 8), by the exchange that took
// least.
Result<ClockOffset> ask_clock(PeerLink& link, PeerTime deadline);
// Answers as many questions as ask_clock asks.
Status answer_clock(PeerLink& link, PeerTime deadline);

double median(std::vector<double> values);

}  // namespace hadal
