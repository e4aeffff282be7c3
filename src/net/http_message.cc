#include "net/http_message.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>

namespace hadal {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (lower(c) >= 'a' && lower(c) <= 'f') return lower(c) - 'a' + 10;
  return -1;
}

}  // namespace

const std::string* HttpHeaders::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (equals_ignoring_case(field.first, name)) return &field.second;
  }
  return nullptr;
}

size_t HttpHeaders::count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(fields_.begin(), fields_.end(), [&](const Field& field) {
    return equals_ignoring_case(field.first, name);
  }));
}

void HttpHeaders::set(std::string_view name, std::string_view value) {
  std::erase_if(fields_, [&](const Field& field) { return equals_ignoring_case(field.first, name); });
  add(name, value);
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

bool list_contains(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view item = list.substr(0, comma);
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (equals_ignoring_case(item, token)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

bool split_target(HttpRequest& request) {
  std::string_view rest = request.target;
  for (std::string_view scheme : {"http://", "https://"}) {
    if (rest.size() > scheme.size() && equals_ignoring_case(rest.substr(0, scheme.size()), scheme)) {
      rest.remove_prefix(scheme.size());
      rest.remove_prefix(std::min(rest.find('/'), rest.size()));
      if (rest.empty()) rest = "/";
      break;
    }
  }
  if (rest.empty() || (rest.front() != '/' && rest != "*")) return false;
  const size_t mark = std::min(rest.find('?'), rest.size());
  request.path = rest.substr(0, mark);
  request.query = mark < rest.size() ? rest.substr(mark + 1) : std::string_view();
  return true;
}

std::optional<HttpFault> find_line_fault(std::string_view head, bool at_start) {
  constexpr HttpFault kFolded{400, "a header field is folded over lines"};
  if (!at_start && (head.starts_with(' ') || head.starts_with('\t'))) return kFolded;
  for (size_t at = head.find('\n'); at != std::string_view::npos; at = head.find('\n', at + 1)) {
    if (at == 0 || head[at - 1] != '\r') return HttpFault{400, "a line of the head does not end in CR LF"};
    if (at + 1 < head.size() && (head[at + 1] == ' ' || head[at + 1] == '\t')) return kFolded;
  }
  for (size_t at = head.find('\r'); at != std::string_view::npos; at = head.find('\r', at + 1)) {
    if (at + 1 < head.size() && head[at + 1] != '\n') return HttpFault{400, "the head has a CR without LF"};
  }
  return std::nullopt;
}

std::optional<HttpFault> find_framing_fault(const HttpRequest& head) {
  const size_t hosts = head.headers.count("Host");
  if (hosts > 1) return HttpFault{400, "there is more than one Host header"};
  if (hosts == 0 && head.version >= 11) return HttpFault{400, "the Host header is missing"};
  for (const auto& [name, value] : head.headers.fields()) {
    const bool digits = std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (equals_ignoring_case(name, "Content-Length") && (!digits || head.headers.count(name) > 1)) {
      return HttpFault{400, "Content-Length is not one number"};
    }
  }
  const size_t codings = head.headers.count("Transfer-Encoding");
  if (codings == 0) return std::nullopt;
  if (head.version < 11) return HttpFault{400, "HTTP/1.0 knows no Transfer-Encoding"};
  if (head.headers.count("Content-Length") > 0) {
    return HttpFault{400, "Content-Length and Transfer-Encoding exclude each other"};
  }
  const std::string& coding = *head.headers.find("Transfer-Encoding");
  if (codings == 1 && equals_ignoring_case(coding, "chunked")) return std::nullopt;
  // With chunked last the body's end is known, and only the coding is not.
  if (codings == 1 && coding.find(',') != std::string::npos) {
    std::string_view last = std::string_view(coding).substr(coding.rfind(',') + 1);
    while (!last.empty() && (last.front() == ' ' || last.front() == '\t')) last.remove_prefix(1);
    if (equals_ignoring_case(last, "chunked") &&
        !list_contains(coding.substr(0, coding.rfind(',')), "chunked")) {
      return HttpFault{501, "the only Transfer-Encoding spoken here is chunked"};
    }
  }
  return HttpFault{400, "the only Transfer-Encoding spoken here is chunked, once"};
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_header_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '\t' || (c >= ' ' && c <= '~'); });
}

std::string http_date() {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02d %s %d %02d:%02d:%02d GMT", kDays[utc.tm_wday], utc.tm_mday,
                kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
  return text;
}

std::string_view http_reason(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

void append_response_head(std::string& out, const HttpResponse& response, BodyFraming framing,
                          size_t body_len, bool keep_alive) {
  out += "HTTP/1.1 ";
  out += std::to_string(response.status);
  out += ' ';
  out += http_reason(response.status);
  out += "\r\nDate: ";
  out += http_date();
  for (const auto& [name, value] : response.headers.fields()) {
    out += "\r\n";
    out += name;
    out += ": ";
    out += value;
  }
  if (framing == BodyFraming::kLength) {
    out += "\r\nContent-Length: ";
    out += std::to_string(body_len);
  } else if (framing == BodyFraming::kChunked) {
    out += "\r\nTransfer-Encoding: chunked";
  }
  out += keep_alive ? "\r\nConnection: keep-alive\r\n\r\n" : "\r\nConnection: close\r\n\r\n";
}

void append_chunk(std::string& out, std::string_view data) {
  if (data.empty()) return;
  char size[20];
  const auto end = std::to_chars(size, size + sizeof size, data.size(), 16).ptr;
  out.append(size, end);
  out += "\r\n";
  out += data;
  out += "\r\n";
}

}  // namespace hadal
