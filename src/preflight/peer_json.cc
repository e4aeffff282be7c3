#include "preflight/peer_meeting.h"
#include "preflight/peer_wire.h"

namespace hadal {
namespace {

constexpr int kMaxNodes = 512;
constexpr size_t kMaxFacts = 256;
constexpr size_t kMaxParsedFailures = 64;
constexpr size_t kMaxText = 4096;

Result<const JsonArray*> array_member(const Json& body, std::string_view name, size_t most) {
  const Json* member = body.find(name);
  if (member == nullptr || !member->is_array() || member->as_array().size() > most)
    return make_error(ErrorCode::kDataLoss, "a peer's frame has no good \"", name, "\"");
  return &member->as_array();
}

bool true_member(const Json& body, std::string_view name) {
  const Json* member = body.find(name);
  return member != nullptr && member->is_bool() && member->as_bool();
}

Result<PeerPair> parse_pair(const Json& json) {
  PeerPair out;
  HADAL_ASSIGN(const int64_t a, int_member(json, "a", 0, kMaxNodes - 1));
  HADAL_ASSIGN(const int64_t b, int_member(json, "b", 0, kMaxNodes - 1));
  out.a = static_cast<int>(a);
  out.b = static_cast<int>(b);
  HADAL_ASSIGN(out.latency, number_member(json, "latency_seconds"));
  HADAL_ASSIGN(out.a_to_b, number_member(json, "a_to_b_bytes_per_second"));
  HADAL_ASSIGN(out.b_to_a, number_member(json, "b_to_a_bytes_per_second"));
  HADAL_ASSIGN(out.problem, text_member(json, "problem", kMaxText));
  return out;
}

}  // namespace

std::vector<std::vector<std::pair<int, int>>> pair_rounds(int nnodes) {
  std::vector<std::vector<std::pair<int, int>>> out;
  const int seats = nnodes + nnodes % 2;  // with an odd number one rests in each round
  for (int round = 0; round + 1 < seats; ++round) {
    std::vector<std::pair<int, int>> pairs;
    const auto at = [&](int seat) { return seat == 0 ? 0 : 1 + (seat - 1 + round) % (seats - 1); };
    for (int seat = 0; seat < seats / 2; ++seat) {
      const int a = at(seat);
      const int b = at(seats - 1 - seat);
      if (a < nnodes && b < nnodes) pairs.emplace_back(std::min(a, b), std::max(a, b));
    }
    out.push_back(std::move(pairs));
  }
  return out;
}

Json node_json(const PeerNode& node) {
  JsonArray facts;
  for (const PeerFact& fact : node.facts)
    facts.push_back(Json(JsonObject{
        {"name", Json(fact.name)}, {"value", Json(fact.value)}, {"must_agree", Json(fact.must_agree)}}));
  JsonArray failures;
  for (const std::string& failure : node.failures) failures.push_back(Json(failure));
  return Json(JsonObject{{"rank", Json(node.rank)},
                         {"host", Json(node.host)},
                         {"address", Json(node.address)},
                         {"clock_known", Json(node.clock_known)},
                         {"clock_offset_seconds", Json(node.clock_offset)},
                         {"clock_error_seconds", Json(node.clock_error)},
                         {"failures", Json(std::move(failures))},
                         {"facts", Json(std::move(facts))}});
}

Result<PeerNode> parse_node(const Json& json) {
  PeerNode out;
  HADAL_ASSIGN(const int64_t rank, int_member(json, "rank", 0, kMaxNodes - 1));
  out.rank = static_cast<int>(rank);
  HADAL_ASSIGN(out.host, text_member(json, "host", kMaxText));
  HADAL_ASSIGN(out.address, text_member(json, "address", kMaxText));
  HADAL_ASSIGN(out.clock_offset, number_member(json, "clock_offset_seconds"));
  HADAL_ASSIGN(out.clock_error, number_member(json, "clock_error_seconds"));
  out.clock_known = true_member(json, "clock_known");
  HADAL_ASSIGN(const JsonArray* failures, array_member(json, "failures", kMaxParsedFailures));
  for (const Json& failure : *failures) {
    if (!failure.is_string()) return make_error(ErrorCode::kDataLoss, "a peer's failure is no text");
    out.failures.push_back(failure.as_string().substr(0, kMaxText));
  }
  HADAL_ASSIGN(const JsonArray* facts, array_member(json, "facts", kMaxFacts));
  for (const Json& fact : *facts) {
    PeerFact one;
    HADAL_ASSIGN(one.name, text_member(fact, "name", kMaxText));
    HADAL_ASSIGN(one.value, text_member(fact, "value", kMaxText));
    one.must_agree = true_member(fact, "must_agree");
    out.facts.push_back(std::move(one));
  }
  return out;
}

Json outcome_json(const PeerOutcome& outcome) {
  JsonArray nodes;
  for (const PeerNode& node : outcome.nodes) nodes.push_back(node_json(node));
  JsonArray pairs;
  for (const PeerPair& pair : outcome.pairs) {
    pairs.push_back(Json(JsonObject{{"a", Json(pair.a)},
                                    {"b", Json(pair.b)},
                                    {"latency_seconds", Json(pair.latency)},
                                    {"a_to_b_bytes_per_second", Json(pair.a_to_b)},
                                    {"b_to_a_bytes_per_second", Json(pair.b_to_a)},
                                    {"problem", Json(pair.problem)}}));
  }
  return Json(JsonObject{{"authenticated", Json(outcome.authenticated)},
                         {"problem", Json(outcome.problem)},
                         {"nodes", Json(std::move(nodes))},
                         {"pairs", Json(std::move(pairs))}});
}

Result<PeerOutcome> parse_outcome(const Json& json) {
  PeerOutcome out;
  out.asked = true;
  out.authenticated = true_member(json, "authenticated");
  HADAL_ASSIGN(out.problem, text_member(json, "problem", kMaxText));
  HADAL_ASSIGN(const JsonArray* nodes, array_member(json, "nodes", kMaxNodes));
  for (const Json& node : *nodes) {
    HADAL_ASSIGN(PeerNode one, parse_node(node));
    out.nodes.push_back(std::move(one));
  }
  HADAL_ASSIGN(const JsonArray* pairs, array_member(json, "pairs", kMaxNodes * kMaxNodes / 2));
  for (const Json& pair : *pairs) {
    HADAL_ASSIGN(PeerPair one, parse_pair(pair));
    out.pairs.push_back(std::move(one));
  }
  return out;
}

}  // namespace hadal
