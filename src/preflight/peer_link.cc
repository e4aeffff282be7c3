#include "preflight/peer_link.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "hub/digest.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kNonceBytes = 32;
constexpr int kSilence = 3;     // seconds
constexpr int kProbePause = 2;  // seconds
constexpr int kProbes = 3;
constexpr auto kOneAddress = std::chrono::seconds(3);
constexpr const char* kOtherSecret = "another group secret (HADAL_GROUP_SECRET), or none on one of the two";

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<AddressList> addresses_of(const std::string& host, int port, bool passive) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = passive ? AI_PASSIVE : 0;
  addrinfo* list = nullptr;
  const int error =
      ::getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (error != 0)
    return make_error(ErrorCode::kUnavailable, host, " does not resolve: ", ::gai_strerror(error));
  return AddressList(list, &::freeaddrinfo);
}

bool poll_until(int fd, short events, PeerTime deadline) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd item{fd, events, 0};
    const int n = ::poll(&item, 1, left < 0 ? 0 : static_cast<int>(std::min<int64_t>(left + 1, 1'000'000)));
    if (n > 0) return true;
    if (n == 0 && left <= 1'000'000) return false;
    if (n < 0 && errno != EINTR) return false;
  }
}

std::string address_text(const sockaddr_storage& address, socklen_t length) {
  char host[NI_MAXHOST];
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, host, sizeof host, nullptr, 0,
                    NI_NUMERICHOST) != 0)
    return "unknown";
  const std::string_view text(host);
  return std::string(text.starts_with("::ffff:") ? text.substr(7) : text);
}

// What both proofs and the session's key are over: who joins what, and both nonces.
std::string transcript(std::string_view role, const PeerHello& hello, const std::string& client_nonce,
                       const std::string& server_nonce) {
  return std::string(role) + "|" + std::to_string(hello.rank) + "|" + std::to_string(hello.nnodes) + "|" +
         hello.purpose + "|" + client_nonce + "|" + server_nonce;
}

std::string proof_of(const std::string& secret, std::string_view role, const PeerHello& hello,
                     const std::string& client_nonce, const std::string& server_nonce) {
  return to_hex(
      hmac_of_sha256("hadal preflight 1 " + secret, transcript(role, hello, client_nonce, server_nonce)));
}

Error gone(const char* what) {
  return make_error(ErrorCode::kUnavailable, what);
}
Error late(const char* what) {
  return make_error(ErrorCode::kDeadlineExceeded, what);
}

}  // namespace

PeerLink::PeerLink(UniqueFd fd, bool server) : fd_(std::move(fd)), server_(server) {
  // The kernel asks after a silent peer, so that a cut link is an error in about ten seconds on both ends,
  // whatever they wait for.
  const std::pair<int, int> tcp[] = {{TCP_NODELAY, 1},
                                     {TCP_KEEPIDLE, kSilence},
                                     {TCP_KEEPINTVL, kProbePause},
                                     {TCP_KEEPCNT, kProbes},
                                     {TCP_USER_TIMEOUT, (kSilence + kProbePause * kProbes) * 1000}};
  for (const auto& [option, value] : tcp) ::setsockopt(fd_.get(), IPPROTO_TCP, option, &value, sizeof value);
  const int on = 1;
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::fcntl(fd_.get(), F_SETFL, ::fcntl(fd_.get(), F_GETFL) | O_NONBLOCK);
}

std::string PeerLink::local_address() const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  return ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0
             ? address_text(address, length)
             : "unknown";
}

std::string PeerLink::peer_address() const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  return ::getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0
             ? address_text(address, length)
             : "unknown";
}

bool PeerLink::wait_for(short events, PeerTime deadline) const {
  return poll_until(fd_.get(), events, deadline);
}

bool PeerLink::is_gone() const {
  char byte;
  const ssize_t n = ::recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

Status PeerLink::write_all(const char* data, size_t size, PeerTime deadline) {
  while (size > 0) {
    const ssize_t n = ::send(fd_.get(), data, size, MSG_NOSIGNAL);
    if (n > 0) {
      data += n;
      size -= static_cast<size_t>(n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
      return make_error(ErrorCode::kUnavailable, std::strerror(errno));
    if (!wait_for(POLLOUT, deadline)) return late("it does not read");
  }
  return {};
}

Status PeerLink::read_all(char* data, size_t size, PeerTime deadline) {
  while (size > 0) {
    const ssize_t n = ::recv(fd_.get(), data, size, 0);
    if (n > 0) {
      data += n;
      size -= static_cast<size_t>(n);
      continue;
    }
    if (n == 0) return gone("it closed the connection");
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
      return make_error(ErrorCode::kUnavailable, std::strerror(errno));
    if (!wait_for(POLLIN, deadline)) return late("it does not answer");
  }
  return {};
}

Status PeerLink::send(const PeerMessage& message, PeerTime deadline) {
  HADAL_ASSIGN(const std::string bytes, encode_peer_frame(message, key_, next_out_, server_));
  ++next_out_;
  return write_all(bytes.data(), bytes.size(), deadline);
}

Result<PeerMessage> PeerLink::receive(PeerTime deadline) {
  std::string frame(kPeerHeaderBytes, '\0');
  HADAL_RETURN_IF_ERROR(read_all(frame.data(), frame.size(), deadline));
  HADAL_ASSIGN(const PeerHeader header, decode_peer_header(frame, max_payload_));
  frame.resize(kPeerHeaderBytes + header.payload_len + kPeerMacBytes);
  HADAL_RETURN_IF_ERROR(read_all(frame.data() + kPeerHeaderBytes, frame.size() - kPeerHeaderBytes, deadline));
  HADAL_ASSIGN(PeerMessage message, decode_peer_frame(frame, key_, next_in_, !server_));
  ++next_in_;
  return message;
}

Result<Json> PeerLink::expect(PeerFrame type, PeerTime deadline) {
  HADAL_ASSIGN(PeerMessage message, receive(deadline));
  if (message.type == PeerFrame::kReject) {
    HADAL_ASSIGN(const std::string reason, text_member(message.body, "reason"));
    return make_error(ErrorCode::kPermissionDenied, reason);
  }
  if (message.type != type) return make_error(ErrorCode::kDataLoss, "it sent an unexpected frame");
  return std::move(message.body);
}

Result<UniqueFd> listen_for_peers(const std::string& host, int port) {
  const bool loopback = host == "localhost" || is_loopback_address(host);
  HADAL_ASSIGN(const AddressList list, addresses_of(loopback ? host : "", port, true));
  std::string last = "no address";
  for (const int family : {AF_INET6, AF_INET}) {
    for (const addrinfo* info = list.get(); info != nullptr; info = info->ai_next) {
      if (info->ai_family != family) continue;
      UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      if (!fd.valid()) continue;
      const int on = 1;
      const int off = 0;
      ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      if (family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
      if (::bind(fd.get(), info->ai_addr, info->ai_addrlen) == 0 && ::listen(fd.get(), 128) == 0) return fd;
      last = std::strerror(errno);
    }
  }
  return make_error(ErrorCode::kUnavailable, "cannot listen on port ", port, ": ", last);
}

int port_of(int listener) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

Result<UniqueFd> accept_peer(int listener, PeerTime deadline) {
  for (;;) {
    if (!poll_until(listener, POLLIN, deadline)) return late("nobody came");
    UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.valid()) return fd;
    const bool again = errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
    if (!again) return errno_error("cannot accept a connection", errno);
  }
}

Result<UniqueFd> connect_to_peer(const NetName& name, PeerTime deadline) {
  HADAL_ASSIGN(const AddressList list, addresses_of(name.host, name.port, false));
  std::string last = "it has no address";
  for (const addrinfo* info = list.get(); info != nullptr; info = info->ai_next) {
    UniqueFd fd(::socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) continue;
    const int begun = ::connect(fd.get(), info->ai_addr, info->ai_addrlen);
    int error = begun == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      socklen_t length = sizeof error;
      if (!poll_until(fd.get(), POLLOUT, std::min(deadline, Clock::now() + kOneAddress))) {
        last = "no answer: packets are lost or a firewall drops them";
        continue;
      }
      ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    }
    if (error == 0) return fd;
    last = std::strerror(error);
    if (error == ECONNREFUSED) last += " (nothing listens there yet)";
  }
  return make_error(ErrorCode::kUnavailable, last);
}

Status prove_as_client(PeerLink& link, const PeerHello& self, const std::string& secret, PeerTime deadline) {
  const std::string nonce = to_hex(random_text(kNonceBytes));
  HADAL_RETURN_IF_ERROR(link.send({PeerFrame::kHello, Json(JsonObject{{"rank", Json(self.rank)},
                                                                      {"nnodes", Json(self.nnodes)},
                                                                      {"purpose", Json(self.purpose)},
                                                                      {"nonce", Json(nonce)}})},
                                  deadline));
  HADAL_ASSIGN(const Json challenge, link.expect(PeerFrame::kChallenge, deadline));
  HADAL_ASSIGN(const std::string server_nonce, text_member(challenge, "nonce", 4 * kNonceBytes));
  HADAL_ASSIGN(const std::string server_proof, text_member(challenge, "proof", 128));
  const bool known = same_secret_text(server_proof, proof_of(secret, "server", self, nonce, server_nonce));
  // Sent even then: the other end is to learn why this one leaves, and its name.
  HADAL_RETURN_IF_ERROR(
      link.send({PeerFrame::kProof,
                 Json(JsonObject{{"proof", Json(proof_of(secret, "client", self, nonce, server_nonce))}})},
                deadline));
  if (!known) return make_error(ErrorCode::kUnauthenticated, kOtherSecret);
  link.set_key(
      hmac_of_sha256("hadal preflight 1 " + secret, transcript("session", self, nonce, server_nonce)));
  return link.expect(PeerFrame::kAccept, deadline).status();
}

Result<PeerHello> hello_from(PeerLink& link, const std::string& secret, PeerTime deadline) {
  HADAL_ASSIGN(const Json body, link.expect(PeerFrame::kHello, deadline));
  PeerHello hello;
  HADAL_ASSIGN(const int64_t rank, int_member(body, "rank", 0, 1 << 20));
  HADAL_ASSIGN(const int64_t nnodes, int_member(body, "nnodes", 1, 1 << 20));
  HADAL_ASSIGN(hello.purpose, text_member(body, "purpose", 16));
  HADAL_ASSIGN(const std::string nonce, text_member(body, "nonce", 4 * kNonceBytes));
  hello.rank = static_cast<int>(rank);
  hello.nnodes = static_cast<int>(nnodes);
  const std::string own_nonce = to_hex(random_text(kNonceBytes));
  HADAL_RETURN_IF_ERROR(
      link.send({PeerFrame::kChallenge,
                 Json(JsonObject{{"nonce", Json(own_nonce)},
                                 {"proof", Json(proof_of(secret, "server", hello, nonce, own_nonce))}})},
                deadline));
  HADAL_ASSIGN(const Json answer, link.expect(PeerFrame::kProof, deadline));
  HADAL_ASSIGN(const std::string proof, text_member(answer, "proof", 128));
  if (!same_secret_text(proof, proof_of(secret, "client", hello, nonce, own_nonce)))
    return make_error(ErrorCode::kUnauthenticated, "rank ", hello.rank, " at ", link.peer_address(), " has ",
                      kOtherSecret);
  link.set_key(hmac_of_sha256("hadal preflight 1 " + secret, transcript("session", hello, nonce, own_nonce)));
  return hello;
}

Status accept_client(PeerLink& link, PeerTime deadline) {
  return link.send({PeerFrame::kAccept, Json(JsonObject{})}, deadline);
}

void reject_client(PeerLink& link, const std::string& reason) {
  (void)link.send({PeerFrame::kReject, Json(JsonObject{{"reason", Json(reason)}})},
                  Clock::now() + std::chrono::milliseconds(500));
}

}  // namespace hadal
