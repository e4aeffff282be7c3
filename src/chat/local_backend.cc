#include <chrono>
#include <random>

#include "base/closable_queue.h"
#include "base/json.h"
#include "chat/chat_backend.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

// Carries deltas from the output thread to the terminal's.
class QueueSink final : public OutputSink {
 public:
  void on_delta(OutputDelta&& delta) override { (void)deltas.push(std::move(delta)); }
  // A step gives a delta at the most, and the terminal is faster than the model.
  ClosableQueue<OutputDelta> deltas{1 << 16};
};

class LocalBackend final : public ChatBackend {
 public:
  LocalBackend(ChatConfig config, const ServedModel& model) : config_(std::move(config)), model_(model) {}

  std::string describe() const override { return model_.names.front() + " in this process"; }

  Result<ChatAnswer> answer(const std::vector<ChatTurn>& turns, const ChatSink& sink,
                            std::stop_token stop) override {
    HADAL_ASSIGN(GenerateRequest request, make_request(turns));
    const auto start = Clock::now();
    auto queue = std::make_shared<QueueSink>();
    HADAL_ASSIGN(const RequestId id, model_.engine->submit(std::move(request), queue));
    const std::stop_callback cancel(stop, [&] { model_.engine->cancel(id, CancelReason::kClientGone); });
    ChatAnswer out;
    for (;;) {
      auto delta = queue->deltas.pop();
      if (!delta.has_value()) return make_error(ErrorCode::kInternal, "the engine ended");
      if (!delta->content.empty() || !delta->reasoning.empty()) {
        if (out.content.empty() && out.reasoning.empty()) out.first_token_seconds = seconds_since(start);
        out.content += delta->content;
        out.reasoning += delta->reasoning;
        sink(delta->reasoning, delta->content);
      }
      if (!delta->finish.has_value()) continue;
      if (delta->error.has_value() && !stop.stop_requested()) return std::move(*delta->error);
      out.seconds = seconds_since(start);
      out.prompt_tokens = delta->usage.prompt_tokens;
      out.cached_tokens = delta->usage.cached_tokens;
      out.completion_tokens = delta->usage.completion_tokens;
      out.cut = *delta->finish == FinishReason::kLength;
      out.stopped = *delta->finish == FinishReason::kCancelled;
      return out;
    }
  }

 private:
  Result<std::string> render(const std::vector<ChatTurn>& turns) const {
    if (!model_.render_chat) {
      // A base model: the conversation as plain text is what it can continue.
      std::string text;
      for (const ChatTurn& turn : turns) text += turn.content + "\n";
      return text;
    }
    JsonArray messages;
    for (const ChatTurn& turn : turns) {
      messages.push_back(Json(JsonObject{{"role", Json(turn.role)}, {"content", Json(turn.content)}}));
    }
    Json variables = model_.tokenizer->template_tokens();
    variables.set("messages", Json(std::move(messages)));
    variables.set("add_generation_prompt", Json(true));
    return model_.render_chat(variables);
  }

  Result<GenerateRequest> make_request(const std::vector<ChatTurn>& turns) const {
    HADAL_ASSIGN(const std::string prompt, render(turns));
    auto ids = std::make_shared<std::vector<int32_t>>(
        model_.tokenizer->encode(prompt, {.add_special_tokens = !model_.render_chat}));
    const auto room = model_.context_length - static_cast<int64_t>(ids->size());
    if (ids->empty() || room < 1) {
      return invalid_argument("the conversation has ", ids->size(), " tokens and the context ends at ",
                              model_.context_length, ": /reset starts a new one");
    }
    GenerateRequest request;
    request.request_id = "chat";
    request.sampling = model_.default_sampling;
    if (config_.temperature >= 0) request.sampling.temperature = static_cast<float>(config_.temperature);
    if (config_.top_p >= 0) request.sampling.top_p = static_cast<float>(config_.top_p);
    request.sampling.end_ids = model_.end_ids;
    request.sampling.seed = std::random_device{}();
    const int64_t wanted = config_.max_tokens > 0 ? config_.max_tokens : room;
    request.sampling.max_tokens = static_cast<int32_t>(std::min(wanted, room));
    request.reasoning = model_.reasoning;
    request.prompt_opens_reasoning = ReasoningParser::prompt_opens_reasoning(prompt);
    request.prompt_ids = std::move(ids);
    return request;
  }

  const ChatConfig config_;
  const ServedModel& model_;
};

}  // namespace

std::unique_ptr<ChatBackend> make_local_backend(const ChatConfig& config, const ServedModel& model) {
  return std::make_unique<LocalBackend>(config, model);
}

}  // namespace hadal
