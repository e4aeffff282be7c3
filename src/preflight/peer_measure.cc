#include "preflight/peer_measure.h"

#include <algorithm>

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kRoundTrips = 200;
constexpr auto kEchoTime = std::chrono::milliseconds(500);
constexpr int kClockQuestions = 8;
constexpr size_t kChunk = size_t{256} << 10;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int64_t wall_microseconds() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Echo: 8 bytes there and back; a first byte of 0 ends it.
Result<double> echo_as_client(PeerLink& link, PeerTime deadline) {
  HADAL_RETURN_IF_ERROR(link.send({PeerFrame::kEcho, Json(JsonObject{})}, deadline));
  std::vector<double> times;
  const auto end = Clock::now() + kEchoTime;
  char word[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (int i = 0; i < kRoundTrips && (i == 0 || Clock::now() < end); ++i) {
    const auto start = Clock::now();
    HADAL_RETURN_IF_ERROR(link.write_all(word, sizeof word, deadline));
    HADAL_RETURN_IF_ERROR(link.read_all(word, sizeof word, deadline));
    times.push_back(seconds_since(start));
  }
  word[0] = 0;
  HADAL_RETURN_IF_ERROR(link.write_all(word, sizeof word, deadline));
  return median(std::move(times));
}

Status echo_as_server(PeerLink& link, PeerTime deadline) {
  HADAL_RETURN_IF_ERROR(link.expect(PeerFrame::kEcho, deadline).status());
  char word[8];
  for (;;) {
    HADAL_RETURN_IF_ERROR(link.read_all(word, sizeof word, deadline));
    if (word[0] == 0) return {};
    HADAL_RETURN_IF_ERROR(link.write_all(word, sizeof word, deadline));
  }
}

// Chunks whose first byte is 1, and a last one whose first byte is 0; the receiver counts and answers.
Status send_bulk(PeerLink& link, std::chrono::milliseconds time, PeerTime deadline) {
  HADAL_RETURN_IF_ERROR(link.send({PeerFrame::kBulk, Json(JsonObject{})}, deadline));
  std::vector<char> chunk(kChunk, 'h');
  chunk[0] = 1;
  const auto end = Clock::now() + time;
  while (Clock::now() < end) HADAL_RETURN_IF_ERROR(link.write_all(chunk.data(), chunk.size(), deadline));
  chunk[0] = 0;
  return link.write_all(chunk.data(), chunk.size(), deadline);
}

// Bytes a second, from the first chunk's end to the last's.
Result<double> receive_bulk(PeerLink& link, PeerTime deadline) {
  HADAL_RETURN_IF_ERROR(link.expect(PeerFrame::kBulk, deadline).status());
  std::vector<char> chunk(kChunk);
  HADAL_RETURN_IF_ERROR(link.read_all(chunk.data(), chunk.size(), deadline));
  const auto start = Clock::now();
  uint64_t bytes = 0;
  while (chunk[0] != 0) {
    HADAL_RETURN_IF_ERROR(link.read_all(chunk.data(), chunk.size(), deadline));
    bytes += chunk.size();
  }
  const double seconds = seconds_since(start);
  return seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Result<PairRates> measure_as_client(PeerLink& link, std::chrono::milliseconds time, PeerTime deadline) {
  PairRates out;
  HADAL_ASSIGN(out.latency, echo_as_client(link, deadline));
  HADAL_RETURN_IF_ERROR(send_bulk(link, time, deadline));
  HADAL_ASSIGN(const Json answer, link.expect(PeerFrame::kResult, deadline));
  HADAL_ASSIGN(out.sent, number_member(answer, "rate"));
  HADAL_ASSIGN(out.received, receive_bulk(link, deadline));
  return out;
}

Status measure_as_server(PeerLink& link, std::chrono::milliseconds time, PeerTime deadline) {
  HADAL_RETURN_IF_ERROR(echo_as_server(link, deadline));
  HADAL_ASSIGN(const double rate, receive_bulk(link, deadline));
  HADAL_RETURN_IF_ERROR(link.send({PeerFrame::kResult, Json(JsonObject{{"rate", Json(rate)}})}, deadline));
  return send_bulk(link, time, deadline);
}

Result<ClockOffset> ask_clock(PeerLink& link, PeerTime deadline) {
  ClockOffset best;
  for (int i = 0; i < kClockQuestions; ++i) {
    const int64_t t1 = wall_microseconds();
    HADAL_RETURN_IF_ERROR(link.send({PeerFrame::kClock, Json(JsonObject{})}, deadline));
    HADAL_ASSIGN(const Json answer, link.expect(PeerFrame::kClock, deadline));
    const int64_t t4 = wall_microseconds();
    HADAL_ASSIGN(const int64_t t2, int_member(answer, "received", 0, int64_t{1} << 60));
    HADAL_ASSIGN(const int64_t t3, int_member(answer, "sent", 0, int64_t{1} << 60));
    const double trip = static_cast<double>((t4 - t1) - (t3 - t2)) / 1e6;
    if (i > 0 && trip >= best.round_trip) continue;
    best = {(static_cast<double>(t2 - t1) + static_cast<double>(t3 - t4)) / 2e6, trip};
  }
  return best;
}

Status answer_clock(PeerLink& link, PeerTime deadline) {
  for (int i = 0; i < kClockQuestions; ++i) {
    HADAL_RETURN_IF_ERROR(link.expect(PeerFrame::kClock, deadline).status());
    const int64_t received = wall_microseconds();
    HADAL_RETURN_IF_ERROR(
        link.send({PeerFrame::kClock,
                   Json(JsonObject{{"received", Json(received)}, {"sent", Json(wall_microseconds())}})},
                  deadline));
  }
  return {};
}

}  // namespace hadal
