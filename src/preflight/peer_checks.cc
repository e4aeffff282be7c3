#include "preflight/peer_checks.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/join_text.h"
#include "hub/model_marker.h"
#include "preflight/gpu_inventory.h"
#include "preflight/host.h"
#include "preflight/model_files.h"
#include "preflight/peer_measure.h"
#include "preflight/words.h"

#ifndef HADAL_VERSION
#define HADAL_VERSION "unknown"
#endif

namespace hadal {
namespace {

constexpr size_t kMaxFailures = 32;
constexpr size_t kMaxValue = 1024;
constexpr double kHighLatency = 1e-3;  // seconds of a round trip inside one cluster
constexpr double kSlowPart = 0.5;      // of the median pair's bandwidth

bool alone(const CheckContext& context) {
  return !context.peers.asked;
}
CheckResult one_host() {
  return info("one host: no peer");
}
CheckResult no_meeting() {
  return not_checked("the hosts did not meet");
}

std::string rank_name(const PeerOutcome& peers, int rank) {
  for (const PeerNode& node : peers.nodes) {
    if (node.rank == rank && !node.host.empty())
      return "rank " + std::to_string(rank) + " (" + node.host + ")";
  }
  return "rank " + std::to_string(rank);
}

std::vector<PeerPair> measured(const PeerOutcome& peers) {
  std::vector<PeerPair> out;
  for (const PeerPair& pair : peers.pairs) {
    if (pair.problem.empty()) out.push_back(pair);
  }
  return out;
}

// " (2 of 6 pairs)" where a meeting broke off.
std::string part_text(const PeerOutcome& peers, size_t measured_pairs) {
  const size_t all = peers.nodes.size() * (peers.nodes.size() - 1) / 2;
  return measured_pairs == all
             ? ""
             : " (" + std::to_string(measured_pairs) + " of " + count_text(all, "pair") + ")";
}

std::string pair_text(const PeerPair& pair) {
  return std::to_string(pair.a) + "-" + std::to_string(pair.b);
}

}  // namespace

PeerNode describe_self(const CheckContext& context, std::vector<std::string> failures) {
  PeerNode out;
  out.rank = context.parallel.node_rank;
  out.host = context.host.read("/proc/sys/kernel/hostname").value_or("");
  failures.resize(std::min(failures.size(), kMaxFailures));
  for (std::string& failure : failures) failure.resize(std::min(failure.size(), kMaxValue));
  out.failures = std::move(failures);
  const auto add = [&](std::string name, std::string value, bool must) {
    value.resize(std::min(value.size(), kMaxValue));
    out.facts.push_back({std::move(name), std::move(value), must});
  };
  add("hadal", HADAL_VERSION, true);
  add("--expect-gpus", std::to_string(context.config.expect_gpus), true);
  add("--gpu-type", context.config.gpu_type, true);
  if (!context.config.model.empty()) {
    const auto files = look_at_model(context.host.under_root(context.config.model));
    add("model", files.ok() ? files->fingerprint : "", true);
    const auto marker = read_marker(context.host.under_root(context.config.model));
    if (marker.ok() && marker->has_value()) add("model digest", (*marker)->digest(), true);
  }
  const GpuInventory& gpus = context.gpus;
  if (!gpus.gpus.empty()) {
    std::set<std::string> names;
    for (const GpuInfo& gpu : gpus.gpus) names.insert(gpu.name);
    add("GPUs", std::to_string(gpus.gpus.size()) + " x " + join_text(names, ", "), false);
    add("driver", gpus.driver, false);
  }
  add("kernel", context.host.read("/proc/sys/kernel/osrelease").value_or(""), false);
  // Devices and interfaces may be called otherwise on another host; how they are used should be the same.
  const std::set<std::string> own{"NCCL_IB_HCA",        "NCCL_SOCKET_IFNAME",
                                  "GLOO_SOCKET_IFNAME", "UCX_NET_DEVICES",
                                  "NVSHMEM_HCA_LIST",   "NVSHMEM_BOOTSTRAP_UID_SOCK_IFNAME"};
  for (const auto& [name, value] : context.host.environment()) {
    const bool fabric = name.starts_with("NCCL_") || name.starts_with("GLOO_") || name.starts_with("UCX_") ||
                        name.starts_with("NVSHMEM_");
    if (fabric && !own.contains(name) && out.facts.size() < 200) add(name, value, false);
  }
  return out;
}

CheckResult check_peer_meeting(const CheckContext& context) {
  if (alone(context)) return one_host();
  const PeerOutcome& peers = context.peers;
  if (!peers.problem.empty()) return fail_check(peers.problem);
  const std::string text = "all " + std::to_string(context.parallel.nnodes) + " hosts met";
  if (!peers.authenticated)
    return warn(text + ", and did not prove who they are: no group secret is set",
                "set HADAL_GROUP_SECRET on all hosts");
  return pass(text + " and proved that they know the group secret");
}

CheckResult check_peer_failures(const CheckContext& context) {
  if (alone(context)) return one_host();
  if (context.peers.nodes.size() < static_cast<size_t>(context.parallel.nnodes)) return no_meeting();
  std::vector<std::string> bad;
  for (const PeerNode& node : context.peers.nodes) {
    if (node.rank == context.parallel.node_rank || node.failures.empty()) continue;
    bad.push_back(rank_name(context.peers, node.rank) + ": " + list_text(node.failures, 2));
  }
  if (!bad.empty()) return fail_check(list_text(bad, 4));
  return pass("no other host's own checks failed");
}

CheckResult check_peer_agreement(const CheckContext& context) {
  if (alone(context)) return one_host();
  const PeerOutcome& peers = context.peers;
  if (peers.nodes.size() < 2) return no_meeting();
  std::vector<std::string> must;
  std::vector<std::string> may;
  const PeerNode& first = peers.nodes.front();
  const auto value_on = [](const PeerNode& node, const std::string& name) -> const PeerFact* {
    const auto at =
        std::find_if(node.facts.begin(), node.facts.end(), [&](const PeerFact& f) { return f.name == name; });
    return at == node.facts.end() ? nullptr : &*at;
  };
  for (const PeerNode& node : peers.nodes) {
    std::set<std::string> names;
    for (const PeerFact& fact : first.facts) names.insert(fact.name);
    for (const PeerFact& fact : node.facts) names.insert(fact.name);
    for (const std::string& name : names) {
      const PeerFact* here = value_on(first, name);
      const PeerFact* there = value_on(node, name);
      const std::string left = here == nullptr || here->value.empty() ? "nothing" : here->value;
      const std::string right = there == nullptr || there->value.empty() ? "nothing" : there->value;
      if (left == right) continue;
      const bool hard = (here != nullptr && here->must_agree) || (there != nullptr && there->must_agree);
      (hard ? must : may)
          .push_back(name + " is " + left + " on rank 0 and " + right + " on " + rank_name(peers, node.rank));
    }
  }
  if (!must.empty()) return fail_check(list_text(must, 2));
  if (!may.empty()) return warn(list_text(may, 2));
  return pass("version, settings and model are the same on all hosts");
}

CheckResult check_clock_skew(const CheckContext& context) {
  if (alone(context)) return one_host();
  double most = 0;
  double error = 0;
  int ahead = 0;
  int behind = 0;
  double low = 0;
  double high = 0;
  size_t known = 0;
  for (const PeerNode& node : context.peers.nodes) {
    if (!node.clock_known) continue;
    ++known;
    if (node.clock_offset > high) high = node.clock_offset, ahead = node.rank;
    if (node.clock_offset < low) low = node.clock_offset, behind = node.rank;
    error = std::max(error, node.clock_error);
  }
  if (known < 2) return no_meeting();
  most = high - low;
  const double limit = static_cast<double>(context.config.max_skew.count()) / 1000;
  JsonObject facts{{"skew_seconds", Json(most)}, {"error_seconds", Json(error)}};
  const std::string text =
      "clocks differ by " + time_text(most) + " at most (known to " + time_text(error) + ")";
  if (most - error > limit) {
    return fail_check(
        text + ": " + rank_name(context.peers, ahead) + " is ahead of " + rank_name(context.peers, behind),
        "", std::move(facts));
  }
  return pass(text, std::move(facts));
}

CheckResult check_peer_latency(const CheckContext& context) {
  if (alone(context)) return one_host();
  const auto pairs = measured(context.peers);
  if (pairs.empty()) return no_meeting();
  const auto worst = std::max_element(
      pairs.begin(), pairs.end(), [](const PeerPair& a, const PeerPair& b) { return a.latency < b.latency; });
  std::vector<double> all;
  for (const PeerPair& pair : pairs) all.push_back(pair.latency);
  const double middle = median(std::move(all));
  JsonObject facts{{"median_seconds", Json(middle)}, {"worst_seconds", Json(worst->latency)}};
  const std::string text =
      "TCP round trip " + time_text(middle) + part_text(context.peers, pairs.size()) +
      (pairs.size() == 1 ? "" : "; slowest " + time_text(worst->latency) + ", ranks " + pair_text(*worst));
  if (worst->latency > kHighLatency) return warn(text, "", std::move(facts));
  return pass(text, std::move(facts));
}

CheckResult check_peer_bandwidth(const CheckContext& context) {
  if (alone(context)) return one_host();
  const PeerOutcome& peers = context.peers;
  std::vector<std::string> problems;
  for (const PeerPair& pair : peers.pairs) {
    if (!pair.problem.empty()) problems.push_back(pair.problem);
  }
  if (!problems.empty()) return fail_check(list_text(problems, 2));
  const auto pairs = measured(peers);
  if (pairs.empty()) return no_meeting();
  const auto least = [](const PeerPair& pair) { return std::min(pair.a_to_b, pair.b_to_a); };
  std::vector<double> all;
  const PeerPair* slowest = &pairs.front();
  for (const PeerPair& pair : pairs) {
    all.push_back(least(pair));
    if (least(pair) < least(*slowest)) slowest = &pair;
  }
  const double middle = median(std::move(all));
  JsonObject facts{{"median_bytes_per_second", Json(middle)},
                   {"slowest_bytes_per_second", Json(least(*slowest))}};
  const std::string text =
      "one TCP stream " + rate_text(middle) + part_text(peers, pairs.size()) +
      (pairs.size() == 1 ? "" : "; slowest " + rate_text(least(*slowest)) + ", ranks " + pair_text(*slowest));
  const auto wanted = static_cast<double>(context.config.min_peer_bandwidth);
  if (wanted > 0 && least(*slowest) < wanted)
    return fail_check(text + "; " + rate_text(wanted) + " asked for", "", std::move(facts));
  if (least(*slowest) < kSlowPart * middle)
    return warn(text + ": far below the others", "", std::move(facts));
  return pass(text, std::move(facts));
}

}  // namespace hadal
