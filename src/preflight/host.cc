#include "preflight/host.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <future>
#include <memory>
#include <thread>

#include "base/unique_fd.h"

namespace hadal {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string numeric(const sockaddr* address, socklen_t length) {
  char host[NI_MAXHOST];
  if (::getnameinfo(address, length, host, sizeof host, nullptr, 0, NI_NUMERICHOST) != 0) return "";
  return host;
}

Resolution lookup(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
  Resolution out;
  if (error != 0) {
    using Outcome = Resolution::Outcome;
    out.message = ::gai_strerror(error);
    out.outcome = error == EAI_NONAME ? Outcome::kUnknownName
#ifdef EAI_NODATA
                  : error == EAI_NODATA ? Outcome::kNoAddress
#endif
                  : error == EAI_AGAIN ? Outcome::kNoAnswer
                                       : Outcome::kFailed;
    return out;
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  for (const addrinfo* info = list; info != nullptr; info = info->ai_next) {
    const std::string text = numeric(info->ai_addr, info->ai_addrlen);
    if (!text.empty() && std::find(out.addresses.begin(), out.addresses.end(), text) == out.addresses.end())
      out.addresses.push_back(text);
  }
  out.outcome = out.addresses.empty() ? Resolution::Outcome::kNoAddress : Resolution::Outcome::kFound;
  return out;
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (!is_digit(a[i]) || !is_digit(b[j])) {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i, ++j;
      continue;
    }
    const auto number = [](std::string_view text, size_t& at) {
      const size_t begin = at;
      while (at < text.size() && is_digit(text[at])) ++at;
      std::string_view digits = text.substr(begin, at - begin);
      while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
      return digits;
    };
    const std::string_view x = number(a, i);
    const std::string_view y = number(b, j);
    if (x.size() != y.size()) return x.size() < y.size();
    if (x != y) return x < y;
  }
  return a.size() - i < b.size() - j;
}

std::optional<std::string> Host::read(std::string_view path) const {
  const UniqueFd fd(::open(under_root(path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return std::nullopt;
  std::string out;
  char buffer[1 << 14];
  while (out.size() < kMaxFileBytes) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::nullopt;  // sysfs: an attribute without a value
    if (n == 0) break;
    out.append(buffer, static_cast<size_t>(n));
  }
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ' || out.back() == '\0')) out.pop_back();
  return out;
}

std::optional<int64_t> Host::read_number(std::string_view path) const {
  const auto text = read(path);
  if (!text) return std::nullopt;
  int64_t value = 0;
  const auto r = std::from_chars(text->data(), text->data() + text->size(), value);
  if (r.ec != std::errc() || r.ptr == text->data()) return std::nullopt;
  return value;
}

std::vector<std::string> Host::list(std::string_view path) const {
  std::vector<std::string> out;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(under_root(path).c_str()), &::closedir);
  if (directory == nullptr) return out;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name(entry->d_name);
    if (name != "." && name != "..") out.emplace_back(name);
  }
  std::sort(out.begin(), out.end(), natural_less);
  return out;
}

bool Host::exists(std::string_view path) const {
  return ::access(under_root(path).c_str(), F_OK) == 0;
}

std::string Host::real_path(std::string_view path) const {
  std::error_code error;
  std::string out = std::filesystem::canonical(under_root(path), error).string();
  if (error) return "";
  if (root_.empty()) return out;
  const std::string root = std::filesystem::canonical(root_, error).string();
  return !error && out.starts_with(root) ? out.substr(root.size()) : "";
}

std::string Host::variable(const std::string& name) const {
  const auto found = environment_.find(name);
  return found == environment_.end() ? "" : found->second;
}

Result<DiskSpace> Host::space(std::string_view path) const {
  struct statvfs info {};
  const std::string target = under_root(path);
  if (::statvfs(target.c_str(), &info) != 0) return errno_error("cannot look at " + target, errno);
  return DiskSpace{static_cast<uint64_t>(info.f_blocks) * info.f_frsize,
                   static_cast<uint64_t>(info.f_bavail) * info.f_frsize};
}

std::vector<NetInterface> Host::interfaces() const {
  std::vector<NetInterface> out;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return out;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  for (const ifaddrs* item = list; item != nullptr; item = item->ifa_next) {
    auto found = std::find_if(out.begin(), out.end(),
                              [&](const NetInterface& one) { return one.name == item->ifa_name; });
    if (found == out.end()) {
      out.push_back({item->ifa_name,
                     {},
                     (item->ifa_flags & IFF_UP) != 0 && (item->ifa_flags & IFF_RUNNING) != 0,
                     (item->ifa_flags & IFF_LOOPBACK) != 0});
      found = std::prev(out.end());
    }
    if (item->ifa_addr == nullptr) continue;
    const int family = item->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const socklen_t length = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    std::string text = numeric(item->ifa_addr, length);
    text.resize(std::min(text.find('%'), text.size()));  // "fe80::1%eth0"
    if (!text.empty()) found->addresses.push_back(text);
  }
  return out;
}

ClockState Host::clock() const {
  timex state{};
  const int answer = ::adjtimex(&state);  // mode 0: only asks
  if (answer < 0) return {};
  return {true, answer != TIME_ERROR && (state.status & STA_UNSYNC) == 0,
          static_cast<double>(state.maxerror) / 1e6};
}

Resolution Host::resolve(const std::string& name, std::chrono::milliseconds timeout) const {
  // The C library's resolver cannot be interrupted: a thread waits for it, and is left behind at the end.
  auto promise = std::make_shared<std::promise<Resolution>>();
  std::future<Resolution> answer = promise->get_future();
  std::thread([promise, name] { promise->set_value(lookup(name)); }).detach();
  if (answer.wait_for(timeout) == std::future_status::ready) return answer.get();
  return {Resolution::Outcome::kTimeout, {}, "the resolver did not answer in time"};
}

Status Host::can_listen(int port) const {
  // As serve listens: all addresses of both families, or of IPv4 alone where there is no IPv6.
  for (const int family : {AF_INET6, AF_INET}) {
    const UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) continue;
    const int on = 1;
    const int off = 0;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in6 six{};
    sockaddr_in four{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(static_cast<uint16_t>(port));
    four.sin_family = AF_INET;
    four.sin_port = six.sin6_port;
    if (family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    const int bound = family == AF_INET6 ? ::bind(fd.get(), reinterpret_cast<sockaddr*>(&six), sizeof six)
                                         : ::bind(fd.get(), reinterpret_cast<sockaddr*>(&four), sizeof four);
    if (bound == 0 && ::listen(fd.get(), 1) == 0) return {};
    if (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT) continue;
    return make_error(ErrorCode::kUnavailable, std::strerror(errno));
  }
  return make_error(ErrorCode::kUnavailable, "no address to listen on");
}

unsigned Host::user_id() const {
  return ::geteuid();
}

bool Host::has_user_name() const {
  return ::getpwuid(::geteuid()) != nullptr;
}

Status Host::can_write(const std::string& directory) const {
  std::string name = under_root(directory) + "/.hadal-preflight-XXXXXX";
  const UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd.valid()) return make_error(ErrorCode::kIo, std::strerror(errno));
  ::unlink(name.c_str());
  return {};
}

std::string Host::source_address(const std::string& address) const {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  if (::getaddrinfo(address.c_str(), "9", &hints, &list) != 0) return "";
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  const UniqueFd fd(::socket(list->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  // A datagram socket's connect asks the routing table and sends nothing.
  if (!fd.valid() || ::connect(fd.get(), list->ai_addr, list->ai_addrlen) != 0) return "";
  sockaddr_storage own{};
  socklen_t length = sizeof own;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &length) != 0) return "";
  return numeric(reinterpret_cast<sockaddr*>(&own), length);
}

}  // namespace hadal
