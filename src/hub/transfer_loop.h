// TransferLoop: many HTTP requests at once on one thread, over libcurl's multi interface, with connections
// kept for later requests. It follows no redirect and repeats nothing: whoever asks decides. All members and
// callbacks: one thread, but for wake().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_message.h"

namespace hadal {

struct TransferOptions {
  std::chrono::milliseconds connect_timeout{15'000};
  std::chrono::milliseconds read_timeout{30'000};  // under min_rate for this long: the request ends
  int64_t min_rate = 1024;                         // bytes a second
  int64_t max_rate = 0;                            // of all requests together; 0: none
  std::string proxy;                               // as in net/curl_client.h
  std::string http_proxy;                          // the same
  std::string ca_file;
  bool insecure = false;
  int max_connections = 8;
  std::string user_agent = "hadal";
};

// How a request ended.
struct TransferEnd {
  bool ok = false;  // the body came to its end, as the server had announced it
  int status = 0;   // 0: no answer came
  ErrorCode code = ErrorCode::kUnavailable;
  std::string problem;     // for people; names neither address nor secret
  bool permanent = false;  // trying again cannot help: the certificate, the address
};

struct Transfer {
  std::string url;
  HttpHeaders headers;
  bool fresh_connection = false;  // not one that served before: perhaps another machine answers
  bool direct = false;            // through no proxy
  // The answer's head is there; false ends the request (then on_end comes, not ok).
  std::function<bool(int status, const HttpHeaders& headers)> on_head;
  // A piece of the body; false ends the request.
  std::function<bool(std::string_view data)> on_data;
  // Last, once; the transfer is gone afterwards. Not called by cancel().
  std::function<void(const TransferEnd& end)> on_end;
};

// What libcurl says about a certificate, for people: what is wrong, and what to do. It goes on after the
// host's name.
std::string certificate_problem(std::string_view curl_text);

class TransferLoop {
 public:
  explicit TransferLoop(TransferOptions options);
  ~TransferLoop();
  TransferLoop(const TransferLoop&) = delete;
  TransferLoop& operator=(const TransferLoop&) = delete;

  // Starts it; callbacks come from run_once(). The number names it.
  int64_t start(Transfer transfer);
  // Ends it without on_end; a number that is gone does nothing. Not from within a callback of the same
  // transfer.
  void cancel(int64_t id);
  size_t num_running() const;
  // Moves everything on; waits at most so long for something to do.
  void run_once(std::chrono::milliseconds wait);
  // Any thread: ends the wait.
  void wake();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
