// RawClient: a blocking socket for the server's tests: sends any bytes, reads HTTP answers. One thread.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "net/http_message.h"

namespace hadal {

class RawClient {
 public:
  // receive_buffer: SO_RCVBUF, for slow readers; 0: the system's.
  explicit RawClient(int port, int receive_buffer = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0)
      setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    timeval timeout{20, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  bool connected() const { return connected_; }
  int fd() const { return fd_.get(); }

  // False once the peer has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  bool post(std::string_view path, std::string_view body, std::string_view extra = "") {
    return send("POST " + std::string(path) + " HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n" +
                std::string(extra) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                std::string(body));
  }
  bool get(std::string_view path, std::string_view extra = "") {
    return send("GET " + std::string(path) + " HTTP/1.1\r\nHost: t\r\n" + std::string(extra) + "\r\n");
  }

  // One answer, its chunked body put together. status 0: the connection ended first.
  HttpResponse receive(bool head_only = false) {
    HttpResponse out;
    out.status = 0;
    std::string line;
    if (!read_line(line) || line.size() < 12) return out;
    out.status = std::stoi(line.substr(9, 3));
    while (read_line(line) && !line.empty()) {
      const size_t colon = line.find(": ");
      if (colon != std::string::npos) out.headers.add(line.substr(0, colon), line.substr(colon + 2));
    }
    if (head_only || out.status == 204 || out.status == 100) return out;
    if (out.headers.find("Transfer-Encoding")) {
      while (read_line(line)) {
        const size_t size = std::stoul(line, nullptr, 16);
        if (!read_exactly(size, out.body) || !read_line(line) || size == 0) break;
      }
    } else if (const std::string* length = out.headers.find("Content-Length")) {
      read_exactly(std::stoul(*length), out.body);
    } else {
      while (fill()) {
      }
      out.body = std::move(buffer_);
      buffer_.clear();
    }
    return out;
  }
  // Reads until `text` was seen in what came since the last read; false on the end.
  bool wait_for(std::string_view text) {
    while (buffer_.find(text) == std::string::npos) {
      if (!fill()) return false;
    }
    return true;
  }
  // True when the peer has closed and nothing is left to read.
  bool at_end() {
    while (fill()) {
    }
    return ended_;
  }
  void half_close() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  const std::string& buffer() const { return buffer_; }

 private:
  bool fill() {
    char bytes[65536];
    const ssize_t n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    if (n <= 0) {
      ended_ = n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
      return false;
    }
    buffer_.append(bytes, static_cast<size_t>(n));
    return true;
  }
  bool read_line(std::string& out) {
    size_t end;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
      if (!fill()) return false;
    }
    out = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return true;
  }
  bool read_exactly(size_t size, std::string& out) {
    while (buffer_.size() < size) {
      if (!fill()) return false;
    }
    out.append(buffer_, 0, size);
    buffer_.erase(0, size);
    return true;
  }

  UniqueFd fd_;
  bool connected_ = false;
  bool ended_ = false;
  std::string buffer_;
};

}  // namespace hadal
