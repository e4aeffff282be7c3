#include "hub/peer_names.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <utility>

namespace hadal {
namespace {

constexpr auto kAgain = std::chrono::seconds(10);
constexpr size_t kMaxPeers = 64;  // of one name; more would only be asked in vain

std::string numeric_address(const sockaddr* address) {
  char text[NI_MAXHOST];
  if (address == nullptr || (address->sa_family != AF_INET && address->sa_family != AF_INET6)) return "";
  const socklen_t size = address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  return ::getnameinfo(address, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0 ? text : "";
}

std::set<std::string> own_addresses() {
  std::set<std::string> out;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return out;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) out.insert(numeric_address(at->ifa_addr));
  for (const char* loopback : {"", "127.0.0.1", "::1"}) out.erase(loopback);
  return out;
}

bool is_number(const std::string& host) {
  in6_addr ignored;
  return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

// Host and what follows it (":8081/x") of an http address; an empty host: it is none.
std::pair<std::string, std::string> split_host(const std::string& url) {
  constexpr std::string_view kHttp = "http://";
  if (!url.starts_with(kHttp)) return {};
  const std::string rest = url.substr(kHttp.size());
  if (rest.starts_with("[")) return {};
  const size_t end = std::min(rest.find_first_of(":/"), rest.size());
  return {rest.substr(0, end), rest.substr(end)};
}

}  // namespace

std::vector<std::string> look_up_peers(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (::getaddrinfo(name.c_str(), nullptr, &hints, &list) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  const std::set<std::string> own = own_addresses();
  std::vector<std::string> out;
  for (const addrinfo* at = list; at != nullptr && out.size() < kMaxPeers; at = at->ai_next) {
    const std::string number = numeric_address(at->ai_addr);
    if (!number.empty() && !own.contains(number) && std::find(out.begin(), out.end(), number) == out.end())
      out.push_back(number);
  }
  return out;
}

std::vector<std::string> peers_of(const std::string& url, const LookUp& look_up) {
  const auto [host, rest] = split_host(url);
  if (host.empty() || is_number(host)) return {url};
  const std::vector<std::string> addresses = look_up(host);
  if (addresses.size() == 1) return {url};
  std::vector<std::string> out;
  for (const std::string& address : addresses) {
    const bool v6 = address.find(':') != std::string::npos;
    out.push_back("http://" + (v6 ? "[" + address + "]" : address) + rest);
  }
  return out;
}

PeerNames::PeerNames(std::vector<std::string> urls, std::function<void()> wake, LookUp look_up)
    : urls_(std::move(urls)), wake_(std::move(wake)), look_up_(std::move(look_up)) {
  look();
  const bool any = std::any_of(urls_.begin(), urls_.end(), [](const std::string& url) {
    const std::string host = split_host(url).first;
    return !host.empty() && !is_number(host);
  });
  if (any) thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
}

std::vector<std::string> PeerNames::take_new() {
  std::lock_guard lock(mutex_);
  return std::exchange(new_, {});
}

void PeerNames::run(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any ended;
  std::unique_lock lock(mutex);
  while (!ended.wait_for(lock, stop, kAgain, [&] { return stop.stop_requested(); })) {
    if (look()) wake_();
  }
}

// Whether there are peers that were not known.
bool PeerNames::look() {
  bool found = false;
  for (const std::string& url : urls_) {
    for (std::string& peer : peers_of(url, look_up_)) {
      std::lock_guard lock(mutex_);
      if (!known_.insert(peer).second) continue;
      new_.push_back(std::move(peer));
      found = true;
    }
  }
  return found;
}

}  // namespace hadal
