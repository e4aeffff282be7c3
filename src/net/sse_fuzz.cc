// Server-sent events, addresses and request targets from arbitrary bytes, split anywhere.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "net/http_message.h"
#include "net/sse.h"
#include "net/url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // The events do not depend on how the bytes were split.
  std::string whole, split;
  hadal::SseParser a, b;
  (void)a.push(text, [&](const hadal::SseEvent& e) { whole += e.event + "\1" + e.data + "\2"; });
  for (size_t i = 0; i < size; i += 3) {
    (void)b.push(text.substr(i, 3),
                 [&](const hadal::SseEvent& e) { split += e.event + "\1" + e.data + "\2"; });
  }
  HADAL_CHECK(whole == split);
  (void)hadal::parse_url(text);
  hadal::HttpRequest request;
  request.target = text;
  (void)hadal::split_target(request);
  (void)hadal::percent_decode(text);
  return 0;
}
