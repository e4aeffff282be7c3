#include "group/connection.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <thread>

namespace hadal {
namespace {

constexpr size_t kKeptBytes = size_t{4} << 20;

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<AddressList> resolve(const HostPort& address, bool passive) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = passive ? AI_PASSIVE : 0;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(),
                                  std::to_string(address.port).c_str(), &hints, &list);
  if (error != 0) {
    return make_error(ErrorCode::kUnavailable, "cannot resolve ", address.host, ": ", ::gai_strerror(error));
  }
  return AddressList(list, &::freeaddrinfo);
}

int milliseconds_until(SteadyTime deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return left.count() < 0 ? 0 : static_cast<int>(std::min<int64_t>(left.count() + 1, 1'000'000));
}

// True when the socket is ready for `events` before the deadline.
bool wait_for(int fd, short events, SteadyTime deadline) {
  for (;;) {
    pollfd item{fd, events, 0};
    const int n = ::poll(&item, 1, milliseconds_until(deadline));
    if (n > 0) return true;
    if (n == 0) return false;
    if (errno != EINTR) return false;
  }
}

void set_options(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

std::string numeric(const sockaddr_storage& address, socklen_t length) {
  char host[NI_MAXHOST];
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, host, sizeof host, nullptr, 0,
                    NI_NUMERICHOST) != 0) {
    return "unknown";
  }
  const std::string_view text(host);
  // An IPv4 peer of a dual-stack socket.
  if (text.starts_with("::ffff:")) return std::string(text.substr(7));
  return std::string(text);
}

Result<UniqueFd> connect_one(const addrinfo& info, SteadyTime deadline) {
  UniqueFd fd(::socket(info.ai_family, info.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, info.ai_protocol));
  if (!fd.valid()) return errno_error("cannot make a socket", errno);
  if (::connect(fd.get(), info.ai_addr, info.ai_addrlen) != 0 && errno != EINPROGRESS) {
    return make_error(ErrorCode::kUnavailable, std::strerror(errno));
  }
  if (!wait_for(fd.get(), POLLOUT, deadline)) return make_error(ErrorCode::kUnavailable, "no answer");
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return make_error(ErrorCode::kUnavailable, std::strerror(error));
  return fd;
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  HostPort out;
  const auto bad = [&] { return invalid_argument("\"", text, "\" is not HOST:PORT"); };
  if (colon == std::string_view::npos) return bad();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const auto r = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (r.ec != std::errc() || r.ptr != port.data() + port.size() || out.port < 0 || out.port > 65535 ||
      host.empty())
    return bad();
  out.host = host;
  return out;
}

Result<UniqueFd> listen_tcp(const HostPort& address) {
  // The leader's name may resolve to a service address that is not on this host (Kubernetes), so all are
  // listened on, except for loopback, which must not open the port to the network.
  const bool loopback =
      address.host == "localhost" || address.host == "::1" || address.host.starts_with("127.");
  HostPort target{loopback ? address.host : "", address.port};
  HADAL_ASSIGN(const AddressList list, resolve(target, true));
  std::string last = "no address";
  for (int family : {AF_INET6, AF_INET}) {
    for (const addrinfo* info = list.get(); info != nullptr; info = info->ai_next) {
      if (info->ai_family != family) continue;
      UniqueFd fd(
          ::socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, info->ai_protocol));
      if (!fd.valid()) continue;
      const int on = 1;
      const int off = 0;
      ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      if (family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
      if (::bind(fd.get(), info->ai_addr, info->ai_addrlen) == 0 && ::listen(fd.get(), 128) == 0) return fd;
      last = std::strerror(errno);
    }
  }
  return make_error(ErrorCode::kUnavailable, "cannot listen on port ", address.port, " of ", address.host,
                    ": ", last);
}

int bound_port(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  return address.ss_family == AF_INET6 ? ntohs(reinterpret_cast<sockaddr_in6*>(&address)->sin6_port)
                                       : ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

Result<UniqueFd> connect_tcp(const HostPort& address, SteadyTime deadline) {
  std::string last = "no try";
  while (std::chrono::steady_clock::now() < deadline) {
    auto list = resolve(address, false);
    if (!list.ok()) {
      last = list.error().message;
    } else {
      for (const addrinfo* info = list->get(); info != nullptr; info = info->ai_next) {
        // One silent address must not use up the time of the others.
        const auto one = std::min(deadline, std::chrono::steady_clock::now() + std::chrono::seconds(5));
        auto fd = connect_one(*info, one);
        if (fd.ok()) return fd;
        last = fd.error().message;
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return make_error(ErrorCode::kDeadlineExceeded, "cannot reach ", address.host, ":", address.port, ": ",
                    last);
}

std::string local_address(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "unknown";
  return numeric(address, length);
}

std::string peer_address(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "unknown";
  return numeric(address, length);
}

Connection::Connection(UniqueFd fd, std::string key) : fd_(std::move(fd)), key_(std::move(key)) {
  set_options(fd_.get());
  ::fcntl(fd_.get(), F_SETFL, ::fcntl(fd_.get(), F_GETFL) | O_NONBLOCK);
}

Status Connection::send(const Frame& frame) {
  if (sent_ == out_.size()) {
    if (out_.capacity() > kKeptBytes) out_ = std::string();  // a burst's buffer is not kept
    out_.clear();
    sent_ = 0;
  }
  HADAL_ASSIGN(const std::string bytes, encode_frame(frame, next_out_, key_));
  ++next_out_;
  out_ += bytes;
  return {};
}

Status Connection::flush() {
  while (wants_write()) {
    const ssize_t n = ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (n > 0) {
      sent_ += static_cast<size_t>(n);
      bytes_sent_ += static_cast<uint64_t>(n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {};
    return make_error(ErrorCode::kUnavailable, "the connection broke: ", std::strerror(errno));
  }
  return {};
}

Result<std::optional<Frame>> Connection::receive() {
  for (;;) {
    HADAL_ASSIGN(std::optional<Frame> frame, decode_frame(in_, next_in_, key_, max_payload_));
    if (frame.has_value()) {
      ++next_in_;
      return frame;
    }
    char buffer[1 << 16];
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (n > 0) {
      in_.append(buffer, static_cast<size_t>(n));
      bytes_received_ += static_cast<uint64_t>(n);
      continue;
    }
    if (n == 0) return make_error(ErrorCode::kUnavailable, "it closed the connection");
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::optional<Frame>();
    return make_error(ErrorCode::kUnavailable, "the connection broke: ", std::strerror(errno));
  }
}

Status Connection::send_now(const Frame& frame, SteadyTime deadline) {
  HADAL_RETURN_IF_ERROR(send(frame));
  for (;;) {
    HADAL_RETURN_IF_ERROR(flush());
    if (!wants_write()) return {};
    if (!wait_for(fd(), POLLOUT, deadline))
      return make_error(ErrorCode::kDeadlineExceeded, "it does not read");
  }
}

Result<Frame> Connection::receive_now(SteadyTime deadline) {
  for (;;) {
    HADAL_ASSIGN(std::optional<Frame> frame, receive());
    if (frame.has_value()) return std::move(*frame);
    if (!wait_for(fd(), POLLIN, deadline))
      return make_error(ErrorCode::kDeadlineExceeded, "it does not answer");
  }
}

}  // namespace hadal
