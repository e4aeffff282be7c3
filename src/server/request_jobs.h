// RequestJobs: the part of a request that takes time: JSON, checks, chat template, tokens, submission. Runs
// on the tokenizer threads; answers through the exchange or hands over to an EngineCall.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "engine/engine_api.h"
#include "net/http_server.h"
#include "server/api_error.h"
#include "server/request_limits.h"
#include "server/server_state.h"

namespace hadal {

class EngineCall;

// Everything a job needs, taken from the exchange on its io thread.
struct RequestJob {
  std::shared_ptr<HttpExchange> exchange;
  std::string body;
  HttpHeaders headers;  // of every answer
  std::string request_id;
  // When the request was read, before it waits for a thread.
  std::chrono::steady_clock::time_point arrival = std::chrono::steady_clock::now();
};

// Where an EngineCall is announced so that its exchange's io thread can cancel it when nobody waits for it.
class CancelSlot {
 public:
  // io thread. Cancels the call at once, or when it is set.
  void abandon(CancelReason reason);
  // Tokenizer thread, once, before the call submits.
  void set(std::shared_ptr<EngineCall> call);

 private:
  std::shared_ptr<EngineCall> call_;
  std::atomic<int> state_{0};  // bit 0: call_ is set; bit 1: the client is gone; bit 2: shutdown
};

class RequestJobs {
 public:
  explicit RequestJobs(ServerState& state) : state_(state) {}
  void run_chat(RequestJob&& job, const std::shared_ptr<CancelSlot>& cancel);
  void run_completion(RequestJob&& job, const std::shared_ptr<CancelSlot>& cancel);
  void run_embedding(RequestJob&& job, const std::shared_ptr<CancelSlot>& cancel);
  void run_tokenize(RequestJob&& job);
  void run_detokenize(RequestJob&& job);
  // OpenAI's 404 for a name that is not served; nothing when it is.
  std::optional<ApiError> check_model(const std::string& name) const;

 private:
  RequestLimits limits() const;
  void refuse(const RequestJob& job, const ApiError& error) const;
  void respond(const RequestJob& job, std::string body) const;

  ServerState& state_;
};

}  // namespace hadal
