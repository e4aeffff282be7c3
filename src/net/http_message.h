// HttpRequest and HttpResponse: HTTP/1.1 messages as plain values, shared by server and client. No sockets
// here. Values; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace hadal {

// Header fields in the order they came or will be sent. Names compare without case (RFC 9110 section 5.1).
class HttpHeaders {
 public:
  using Field = std::pair<std::string, std::string>;
  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<Field> fields) : fields_(fields) {}
  // The first field of that name, or nullptr.
  const std::string* find(std::string_view name) const;
  size_t count(std::string_view name) const;
  void add(std::string_view name, std::string_view value) { fields_.emplace_back(name, value); }
  void add_all(const HttpHeaders& other) {
    fields_.insert(fields_.end(), other.fields_.begin(), other.fields_.end());
  }
  // Replaces every field of that name.
  void set(std::string_view name, std::string_view value);
  const std::vector<Field>& fields() const { return fields_; }

 private:
  std::vector<Field> fields_;
};

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";  // as on the request line
  std::string path = "/";    // of the target, percent-encoding kept
  std::string query;         // after '?', without it
  HttpHeaders headers;
  std::string body;
  int version = 11;  // 10 or 11
  std::string peer;  // "address:port"
};

// Bytes of an open file as a body: read piece by piece as they are sent.
struct HttpFileRegion {
  std::shared_ptr<const UniqueFd> file;
  int64_t offset = 0;
  int64_t size = 0;
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers;  // Content-Length, Transfer-Encoding, Connection and Date are the sender's
  std::string body;
  // In place of `body`; of whole answers alone. A file that turns out shorter ends the connection.
  std::optional<HttpFileRegion> region = std::nullopt;
};

std::string_view http_reason(int status);
bool equals_ignoring_case(std::string_view a, std::string_view b);
// Whether a comma-separated field value holds `token`, without case: list_contains("keep-alive, TE", "te").
bool list_contains(std::string_view list, std::string_view token);
// Fills path and query from target; takes the absolute form too. False when it is neither a path nor "*".
bool split_target(HttpRequest& request);
// Why a request is refused before anything of it is believed, and with which status.
struct HttpFault {
  int status;
  const char* message;  // lower case, no full stop
};
// Line ends and folds that servers read differently (RFC 9112 sections 2.2 and 5.2). head: a request's bytes,
// up to its empty line or as far as they have come, from its first on or (with at_start false) from the
// beginning of a later line.
std::optional<HttpFault> find_line_fault(std::string_view head, bool at_start = true);
// Fields that leave the body's end or the target's host open to doubt (RFC 9112 sections 3.2, 6.1 and 6.3):
// the way to smuggle one request inside another. The request's head only.
std::optional<HttpFault> find_framing_fault(const HttpRequest& head);
// "%20" decoded; invalid escapes stay as they are. '+' is not a space here.
std::string percent_decode(std::string_view text);
// Visible ASCII, space and tab only: safe as a header value.
bool is_header_value(std::string_view text);
// IMF-fixdate of now (RFC 9110 section 5.6.7).
std::string http_date();

enum class BodyFraming { kLength, kChunked, kUntilClose, kNone };
// Appends the status line and fields, and the empty line that ends them.
void append_response_head(std::string& out, const HttpResponse& response, BodyFraming framing,
                          size_t body_len, bool keep_alive);
// One chunk of the chunked coding; nothing for empty data (that would end the body).
void append_chunk(std::string& out, std::string_view data);

}  // namespace hadal
