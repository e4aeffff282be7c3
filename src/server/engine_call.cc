#include "server/engine_call.h"

#include <algorithm>

#include "net/sse.h"

namespace hadal {

namespace {

// Why the answer cannot be given as it stands. OpenAI's finish reasons know no timeout and no cancellation,
// and strict clients refuse names of our own: these are errors.
std::optional<ApiError> error_of(const OutputDelta& delta) {
  if (delta.error) return to_api_error(*delta.error);
  if (!delta.finish) return std::nullopt;
  switch (*delta.finish) {
    case FinishReason::kStop:
    case FinishReason::kLength:
      return std::nullopt;
    case FinishReason::kDeadline:
      return http_api_error(504, "The request timed out after " +
                                     std::to_string(delta.usage.completion_tokens) + " generated tokens.");
    case FinishReason::kCancelled:
      return http_api_error(503, "The request was cancelled.");
    case FinishReason::kError:
      break;
  }
  return http_api_error(500, "The engine failed.");
}

}  // namespace

// The sink of one slot.
class SlotSink : public OutputSink {
 public:
  SlotSink(std::shared_ptr<EngineCall> call, size_t slot) : call_(std::move(call)), slot_(slot) {}
  void on_delta(OutputDelta&& delta) override { call_->deliver(slot_, std::move(delta)); }

 private:
  const std::shared_ptr<EngineCall> call_;
  const size_t slot_;
};

EngineCall::EngineCall(CallEnvironment environment) : environment_(std::move(environment)) {}

void EngineCall::submit_all(std::vector<GenerateRequest> orders) {
  orders_ = std::move(orders);
  if (streams()) {
    HttpWrite write;
    write.exchange = environment_.exchange;
    write.event_head = std::make_unique<HttpResponse>(event_head());
    std::vector<HttpWrite> writes;
    writes.push_back(std::move(write));
    HttpServer::post_writes(std::move(writes));
  }
  ids_ = std::vector<std::atomic<uint64_t>>(orders_.size());
  for (auto& id : ids_) id.store(kNoId);
  // All that other threads read is in place before the first sink exists. The exchange's thread may cancel
  // from here.
  const size_t first = std::min(orders_.size(), static_cast<size_t>(environment_.max_parallel));
  for (size_t i = 0; i < first; ++i) {
    if (!submit_next()) break;
  }
}

// Claims one order and submits it; also called on the output thread when a slot ends. False when that failed.
bool EngineCall::submit_next() {
  const size_t slot = next_order_.fetch_add(1);
  if (slot >= orders_.size() || cancelled_.load() >= 0) return false;
  auto id = environment_.model->engine->submit(std::move(orders_[slot]),
                                               std::make_shared<SlotSink>(shared_from_this(), slot));
  if (!id.ok()) {
    fail(to_api_error(id.error()));
    return false;
  }
  ids_[slot].store(*id);
  // A cancel that came before the id was stored did not see it.
  const int reason = cancelled_.load();
  if (reason >= 0) environment_.model->engine->cancel(*id, static_cast<CancelReason>(reason));
  return true;
}

void EngineCall::cancel_all(CancelReason reason) {
  int expected = -1;
  cancelled_.compare_exchange_strong(expected, static_cast<int>(reason));
  // ids_ is complete before any order can be submitted; before that, submit_next sees cancelled_.
  if (next_order_.load() == 0) return;
  for (auto& id : ids_) {
    const uint64_t known = id.load();
    if (known != kNoId) environment_.model->engine->cancel(known, reason);
  }
}

void EngineCall::deliver(size_t slot, OutputDelta&& delta) {
  const bool finished = delta.finish.has_value();
  if (finished) {
    ++num_done_;
    if (const size_t next = next_order_.load(); next < orders_.size()) {
      // What was held back counts from now.
      orders_[next].arrival = {};
      submit_next();
    }
  }
  if (failed_.load(std::memory_order_relaxed) || ended_) return;
  if (finished) finish_ = finish_reason_name(*delta.finish);
  if (const auto error = error_of(delta)) {
    fail_slot(slot, std::move(delta), *error);
    return;
  }
  if (!first_token_seconds_ && delta.usage.completion_tokens > 0) {
    first_token_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - created_).count();
  }
  on_delta(slot, std::move(delta));
  if (finished && num_done_ == orders_.size() && !failed_.load(std::memory_order_relaxed)) on_all_done();
}

// One choice cannot be answered: then the request is not. A stream still gets the text that came along.
void EngineCall::fail_slot(size_t slot, OutputDelta&& delta, const ApiError& error) {
  usage_ = delta.usage;
  delta.finish.reset();
  if (streams() && !(delta.content.empty() && delta.reasoning.empty())) on_delta(slot, std::move(delta));
  fail(error, std::move(stream_bytes_), log_fields());
  stream_bytes_.clear();
}

HttpResponse EngineCall::event_head() const {
  HttpResponse head;
  head.headers = environment_.headers;
  head.headers.add("Content-Type", "text/event-stream; charset=utf-8");
  head.headers.add("Cache-Control", "no-cache");
  // Reverse proxies must pass events on as they come.
  head.headers.add("X-Accel-Buffering", "no");
  return head;
}

void EngineCall::changed() {
  if (in_batch_) return;
  in_batch_ = true;
  environment_.batcher->add(shared_from_this());
}

void EngineCall::end_stream() {
  append_sse_data(stream_bytes_, "[DONE]");
  ended_ = true;
  changed();
}

void EngineCall::respond_json(std::string body) {
  response_ = std::make_unique<HttpResponse>();
  response_->headers = environment_.headers;
  response_->headers.add("Content-Type", "application/json");
  response_->body = std::move(body);
  ended_ = true;
  changed();
}

HttpWrite EngineCall::take_write() {
  HttpWrite write;
  write.exchange = environment_.exchange;
  in_batch_ = false;
  if (response_) {
    write.head = std::move(response_);
    write.whole = true;
  } else {
    if (!started_) {
      started_ = true;
      write.head = std::make_unique<HttpResponse>(event_head());
    }
    write.data = std::move(stream_bytes_);
    stream_bytes_.clear();
  }
  write.end = ended_;
  if (ended_) write.log = log_fields();
  return write;
}

void EngineCall::fail(const ApiError& error, std::string unsent, JsonObject log) {
  if (failed_.exchange(true)) return;
  HttpWrite write;
  write.exchange = environment_.exchange;
  write.head = std::make_unique<HttpResponse>(api_error_response(error, environment_.retry_after_seconds));
  write.head->headers.add_all(environment_.headers);
  write.whole = true;
  // Where the stream has started, the error is its last event.
  write.data = std::move(unsent);
  append_sse_data(write.data, api_error_body(error));
  write.log = std::move(log);
  write.log.emplace_back("error", error.code.value_or(error.type));
  std::vector<HttpWrite> writes;
  writes.push_back(std::move(write));
  HttpServer::post_writes(std::move(writes));
  cancel_all(CancelReason::kSiblingFailed);
}

JsonObject EngineCall::log_fields() const {
  JsonObject fields;
  fields.emplace_back("prompt_tokens", static_cast<int64_t>(usage_.prompt_tokens));
  fields.emplace_back("cached_tokens", static_cast<int64_t>(usage_.cached_tokens));
  fields.emplace_back("completion_tokens", static_cast<int64_t>(usage_.completion_tokens));
  fields.emplace_back("finish_reason", finish_);
  if (first_token_seconds_) fields.emplace_back("ttft_seconds", *first_token_seconds_);
  return fields;
}

}  // namespace hadal
