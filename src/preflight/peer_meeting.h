// The meeting of a group's preflights: all hosts come to rank 0, which names those that did not, compares
// what must be equal, measures how far clocks are apart, and lets every pair of hosts measure the way between
// them, no host in two measurements at a time. Every host learns the whole outcome. Blocking; main thread.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hadal {

struct PeerFact {
  std::string name;
  std::string value;  // "": not known here, and not compared
  bool must_agree = false;
};

struct PeerNode {
  int rank = 0;
  std::string host;
  std::string address;
  std::vector<PeerFact> facts;
  std::vector<std::string> failures;  // of its own checks, one line each
  double clock_offset = 0;            // seconds ahead of rank 0
  double clock_error = 0;             // to which that is right
  bool clock_known = false;
};

struct PeerPair {
  int a = 0;
  int b = 0;
  double latency = 0;  // seconds of a round trip
  double a_to_b = 0;   // bytes a second
  double b_to_a = 0;
  std::string problem;  // why it was not measured
};

struct PeerOutcome {
  bool asked = false;          // there is more than one host
  bool authenticated = false;  // a group secret was given
  std::string problem;         // why the meeting did not come to its end; "" where it did
  std::vector<PeerNode> nodes;
  std::vector<PeerPair> pairs;
};

struct PeerOptions {
  int nnodes = 1;
  int rank = 0;
  std::string address;  // HOST:PORT of rank 0
  std::string secret;
  std::chrono::steady_clock::time_point deadline;  // until all hosts must have come
  std::chrono::milliseconds time{1000};            // of one measurement in one direction
  PeerNode self;
};

PeerOutcome meet_peers(const PeerOptions& options);

// Rounds of pairs: every pair once, nobody twice in a round (the circle method of round-robin tournaments).
std::vector<std::vector<std::pair<int, int>>> pair_rounds(int nnodes);

Json outcome_json(const PeerOutcome& outcome);
// Errors: kDataLoss.
Result<PeerOutcome> parse_outcome(const Json& json);
Json node_json(const PeerNode& node);
Result<PeerNode> parse_node(const Json& json);

}  // namespace hadal
