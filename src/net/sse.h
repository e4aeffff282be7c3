// Server-sent events (WHATWG HTML, section 9.2): writing one event, and reading a stream of them. No sockets
// here.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

// A comment, which readers pass over: sent where a stream is silent.
inline constexpr std::string_view kSseKeepAlive = ": keep-alive\n\n";

// Appends "data: ...\n\n". `data` must hold no newline (JSON does not).
inline void append_sse_data(std::string& out, std::string_view data) {
  out += "data: ";
  out += data;
  out += "\n\n";
}

struct SseEvent {
  std::string event;  // "" for the default, "message"
  std::string data;   // lines joined by '\n'
  std::string id;
};

// Reads events from bytes as they arrive, split anywhere. One per stream, one thread at a time.
class SseParser {
 public:
  // max_event_bytes: a longer event is an error, so that a hostile server cannot fill memory.
  explicit SseParser(size_t max_event_bytes = size_t{16} << 20) : max_event_bytes_(max_event_bytes) {}
  // Calls on_event for each event that `bytes` completes. Errors: kTooLarge.
  Status push(std::string_view bytes, const std::function<void(const SseEvent&)>& on_event);

 private:
  void end_line(const std::function<void(const SseEvent&)>& on_event);
  size_t max_event_bytes_;
  std::string line_;
  SseEvent event_;
  bool has_data_ = false;
  bool after_cr_ = false;
  bool at_start_ = true;
};

}  // namespace hadal
