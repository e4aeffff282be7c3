// judge_answer: what a server's answer to "give me these bytes of this file" is worth, before any of its body
// is believed. Servers and the boxes between lie about ranges; this is the one place that says what is
// accepted. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "hub/byte_ranges.h"
#include "net/http_message.h"

namespace hadal {

struct RangeQuestion {
  ByteRange range;         // end -1: to the end, whatever the size
  int64_t file_size = -1;  // -1: not known
  std::string validator;   // ETag (or Last-Modified) that the bytes must have; "": any
};

struct RangeAnswer {
  enum class Kind {
    kPart,       // the body is `range`, a beginning of what was asked for or all of it
    kWhole,      // the server ignores ranges: the body is the file from byte 0 on
    kRedirect,   // to `location`
    kThrottled,  // come back later: 429, 503
    kRefused,    // 401, 403
    kMissing,    // 404, 410
    kChanged,    // the file is not the one that was begun
    kBroken,     // the server's fault: 5xx, 408, and lies; may pass
    kFatal,      // will not pass
  };
  Kind kind = Kind::kBroken;
  ByteRange range;
  int64_t file_size = -1;  // as the answer says; -1: it does not
  std::string validator;   // of the answer; "": none
  std::string location;
  std::string retry_after;
  std::string problem;  // for people, after the host's name: "answers 500"
};

RangeAnswer judge_answer(const RangeQuestion& question, int status, const HttpHeaders& headers);

// "bytes 0-99/1000" taken apart; size -1 for "*". False: it is none.
bool parse_content_range(std::string_view text, ByteRange& range, int64_t& size);

}  // namespace hadal
