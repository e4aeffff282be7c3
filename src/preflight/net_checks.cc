#include "preflight/net_checks.h"

#include <algorithm>
#include <thread>

#include "base/join_text.h"
#include "preflight/host.h"
#include "preflight/net_name.h"
#include "preflight/words.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPause = std::chrono::milliseconds(500);

bool is_own(const std::vector<NetInterface>& interfaces, const std::string& address) {
  return std::any_of(interfaces.begin(), interfaces.end(), [&](const NetInterface& one) {
    return std::find(one.addresses.begin(), one.addresses.end(), address) != one.addresses.end();
  });
}

std::string outcome_text(const Resolution& answer) {
  switch (answer.outcome) {
    case Resolution::Outcome::kUnknownName:
      return "the name is unknown to DNS (no such Service or pod yet, or misspelt)";
    case Resolution::Outcome::kNoAddress:
      return "the name is known and has no address yet (a headless Service without a ready endpoint; "
             "publishNotReadyAddresses: true lists pods that start)";
    case Resolution::Outcome::kNoAnswer:
      return "no DNS server answers (" + answer.message + ")";
    case Resolution::Outcome::kTimeout:
      return "the resolver did not answer in time";
    default:
      return answer.message;
  }
}

// Asks again until there is an address or the time is up: a pod's name appears after the pod.
Resolution wait_for_name(const CheckContext& context, const std::string& name, double& seconds) {
  const auto start = Clock::now();
  const auto deadline = start + context.config.timeout;
  Resolution answer;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    answer = context.host.resolve(name, std::max(left, std::chrono::milliseconds(1)));
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const bool found = answer.outcome == Resolution::Outcome::kFound;
    if (found || Clock::now() + kPause >= deadline) return answer;
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

CheckResult check_host_name(const CheckContext& context) {
  const auto interfaces = context.host.interfaces();
  const std::string pod_ip = context.host.variable("POD_IP");
  const std::string name = context.host.read("/proc/sys/kernel/hostname").value_or("");
  const std::string text = "host name " + (name.empty() ? std::string("unknown") : name);
  if (!pod_ip.empty() && !is_own(interfaces, pod_ip))
    return fail_check(text + ", but no interface has POD_IP " + pod_ip);
  const bool any = std::any_of(interfaces.begin(), interfaces.end(), [](const NetInterface& one) {
    return one.up && !one.loopback && !one.addresses.empty();
  });
  if (!any && context.parallel.nnodes > 1)
    return fail_check(text + "; no network interface is up but loopback");
  if (!any) return info(text + "; no network interface is up but loopback");
  if (context.host.variable("KUBERNETES_SERVICE_HOST").empty() || !pod_ip.empty())
    return pass(text + (pod_ip.empty() ? "" : ", POD_IP " + pod_ip));
  return info(text + "; POD_IP is not set", {});
}

CheckResult check_leader_name(const CheckContext& context) {
  if (context.parallel.dist_init_addr.empty()) return info("one host: no leader to be found");
  const auto leader = parse_net_name(context.parallel.dist_init_addr);
  if (!leader.ok()) return fail_check("--dist-init-addr: " + leader.error().message);
  double seconds = 0;
  const Resolution answer = wait_for_name(context, leader->host, seconds);
  if (answer.outcome != Resolution::Outcome::kFound) {
    return fail_check(leader->host + " did not resolve within " +
                      time_text(static_cast<double>(context.config.timeout.count()) / 1000) + ": " +
                      outcome_text(answer));
  }
  const std::string text = leader->host + " is " + list_text(answer.addresses) +
                           (seconds > 1 ? " (known after " + time_text(seconds) + ")" : "");
  JsonArray list;
  for (const std::string& address : answer.addresses) list.push_back(Json(address));
  JsonObject facts{{"addresses", Json(std::move(list))}, {"seconds", Json(seconds)}};
  const bool loopback = std::any_of(answer.addresses.begin(), answer.addresses.end(),
                                    [](const std::string& a) { return is_loopback_address(a); });
  if (loopback && context.parallel.nnodes > 1) {
    // Not a failure: all ranks of a trial may be on one machine.
    return warn(text + ": loopback, which no other host reaches",
                "give an address or name that all hosts reach (right where all ranks are on this machine)",
                std::move(facts));
  }
  const auto interfaces = context.host.interfaces();
  const bool own = std::any_of(answer.addresses.begin(), answer.addresses.end(),
                               [&](const std::string& a) { return is_own(interfaces, a); });
  if (context.parallel.node_rank == 0 && !own && !loopback) {
    return warn(
        text + ", which is no address of this host, rank 0 (right for a Service that leads here alone)", "",
        std::move(facts));
  }
  if (context.parallel.node_rank > 0 && own && !loopback)
    return warn(text + ", which is this host, rank " + std::to_string(context.parallel.node_rank), "",
                std::move(facts));
  const auto is_v4 = [](const std::string& a) { return a.find(':') == std::string::npos; };
  const auto v4 = std::count_if(answer.addresses.begin(), answer.addresses.end(), is_v4);
  if (v4 > 1 || static_cast<std::ptrdiff_t>(answer.addresses.size()) - v4 > 1) {
    return warn(text + ": several hosts bear this name, workers perhaps among them", "", std::move(facts));
  }
  return pass(text, std::move(facts));
}

CheckResult check_ports(const CheckContext& context) {
  std::vector<int> ports;
  for (const std::string& text : context.config.ports)
    ports.push_back(static_cast<int>(whole_number(text).value_or(0)));
  if (context.parallel.node_rank == 0 && context.parallel.nnodes > 1) {
    const auto leader = parse_net_name(context.parallel.dist_init_addr);
    if (leader.ok() && std::find(ports.begin(), ports.end(), leader->port) == ports.end())
      ports.push_back(leader->port);
  }
  if (ports.empty()) return info("no port was named (--check-port)");
  std::vector<std::string> names;
  std::vector<std::string> taken;
  for (const int port : ports) {
    names.push_back(std::to_string(port));
    const Status status = context.host.can_listen(port);
    if (!status.ok()) taken.push_back(std::to_string(port) + " (" + status.error().message + ")");
  }
  if (!taken.empty()) return fail_check("cannot be listened on: " + list_text(taken));
  return pass("free: " + join_text(names, ", "));
}

}  // namespace hadal
