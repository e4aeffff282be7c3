#include "net/sse.h"

#include <algorithm>

namespace hadal {

Status SseParser::push(std::string_view bytes, const std::function<void(const SseEvent&)>& on_event) {
  for (size_t i = 0; i < bytes.size();) {
    // "\r\n" is one line end, wherever the two bytes were split.
    if (after_cr_ && bytes[i] == '\n') {
      after_cr_ = false;
      ++i;
      continue;
    }
    after_cr_ = false;
    // Two searches for one byte each run at memory speed; find_first_of does not.
    size_t end = std::min(bytes.find('\n', i), bytes.size());
    end = i + std::min(bytes.substr(i, end - i).find('\r'), end - i);
    line_.append(bytes.substr(i, end - i));
    if (line_.size() + event_.data.size() > max_event_bytes_) {
      return make_error(ErrorCode::kTooLarge, "server-sent event over ", max_event_bytes_, " bytes");
    }
    if (end == bytes.size()) break;
    after_cr_ = bytes[end] == '\r';
    end_line(on_event);
    i = end + 1;
  }
  return {};
}

void SseParser::end_line(const std::function<void(const SseEvent&)>& on_event) {
  std::string_view line = line_;
  if (at_start_ && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  at_start_ = false;
  if (line.empty()) {
    if (has_data_) on_event(event_);
    event_.event.clear();
    event_.data.clear();
    has_data_ = false;
  } else if (line.front() != ':') {
    const size_t colon = std::min(line.find(':'), line.size());
    const std::string_view field = line.substr(0, colon);
    std::string_view value = colon < line.size() ? line.substr(colon + 1) : std::string_view();
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "data") {
      if (has_data_) event_.data += '\n';
      event_.data += value;
      has_data_ = true;
    } else if (field == "event") {
      event_.event = value;
    } else if (field == "id") {
      event_.id = value;
    }
  }
  line_.clear();
}

}  // namespace hadal
