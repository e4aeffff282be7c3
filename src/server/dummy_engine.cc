#include "server/dummy_engine.h"

#include <algorithm>

#include "server/dummy_tokenizer.h"

namespace hadal {
namespace {

constexpr std::string_view kWords[] = {"The ",  "quick ", "brown ", "f\xC3\xB6x ", "jumps ",
                                       "over ", "the ",   "lazy ",  "dog. "};

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

TokenInfo make_token(int32_t id, int num_top) {
  TokenInfo token;
  token.id = id;
  token.logprob = -0.25f;
  for (int i = 0; i < num_top; ++i) token.top.push_back({(id + i) % 256, -0.25f - static_cast<float>(i)});
  return token;
}

Result<std::string> render_text(const Json& variables) {
  std::string out;
  for (const Json& message : variables.find("messages")->as_array()) {
    const Json* content = message.find("content");
    const std::string text = content && content->is_string() ? content->as_string() : "";
    if (text == "fail") return invalid_argument("this conversation is not allowed");
    out += message.find("role")->as_string() + ": " + text;
    if (const Json* calls = message.find("tool_calls")) out += to_json(*calls);
    out += '\n';
  }
  if (const Json* tools = variables.find("tools"); tools && tools->is_array())
    out += "tools: " + to_json(*tools) + "\n";
  if (variables.find("add_generation_prompt")->as_bool()) out += "assistant:";
  const Json* thinking = variables.find("enable_thinking");
  if (thinking && thinking->is_bool() && thinking->as_bool()) out += "<think>\n";
  return out;
}

}  // namespace

DummyEngine::DummyEngine(const DummyEngineOptions& options)
    : options_(options), inbox_(size_t{1} << 22), kept_(size_t{1} << 20), thread_([this] { run(); }) {}

DummyEngine::~DummyEngine() {
  inbox_.close();
  thread_.join();
}

Result<RequestId> DummyEngine::submit(GenerateRequest request, std::shared_ptr<OutputSink> sink) {
  if (phase_.load() == EnginePhase::kDraining)
    return make_error(ErrorCode::kUnavailable, "The engine is draining.");
  if (num_running_.load() >= static_cast<int64_t>(options_.max_waiting)) {
    return make_error(ErrorCode::kResourceExhausted, "The engine's queue is full: try again later.");
  }
  if (keep_.load()) kept_.push(request);
  Command command;
  command.id = next_id_.fetch_add(1);
  command.request = std::move(request);
  command.sink = std::move(sink);
  const RequestId id = command.id;
  num_running_.fetch_add(1);
  if (inbox_.try_push(std::move(command)) != PushResult::kOk) {
    num_running_.fetch_sub(1);
    return make_error(ErrorCode::kUnavailable, "The engine has stopped.");
  }
  return id;
}

void DummyEngine::cancel(RequestId id, CancelReason) {
  Command command;
  command.id = id;
  command.is_cancel = true;
  (void)inbox_.try_push(std::move(command));
}

void DummyEngine::cancel_all(CancelReason reason) {
  if (reason == CancelReason::kShutdown) phase_ = EnginePhase::kDraining;
  Command command;
  command.is_cancel = true;
  command.all = true;
  (void)inbox_.try_push(std::move(command));
}

EngineStats DummyEngine::stats() const {
  EngineStats stats;
  stats.phase = phase_.load();
  if (stats.phase == EnginePhase::kFailed) stats.failure = "made to fail";
  stats.num_running = static_cast<int32_t>(num_running_.load());
  stats.seconds_since_progress = stalled_.load();
  stats.context_length = options_.context_length;
  return stats;
}

std::vector<GenerateRequest> DummyEngine::take_requests() {
  std::vector<GenerateRequest> out;
  kept_.drain(out);
  return out;
}

void DummyEngine::run() {
  auto next = std::chrono::steady_clock::now();
  std::vector<Command> commands;
  for (;;) {
    // Idle: wait for an order. Busy: take what is there when the step's time has come.
    auto first = running_.empty() ? inbox_.pop() : inbox_.pop_until(next);
    if (!first && inbox_.closed()) break;
    if (first) commands.push_back(std::move(*first));
    inbox_.drain(commands);
    for (Command& command : commands) accept(std::move(command));
    commands.clear();
    const auto now = std::chrono::steady_clock::now();
    if (now < next && options_.step.count() > 0) {
      if (hook_) hook_();
      continue;
    }
    next = std::max(next + options_.step, now);
    step();
    if (hook_) hook_();
  }
  while (!running_.empty()) {
    const auto it = running_.begin();
    end(it->first, it->second, FinishReason::kCancelled);
    running_.erase(it);
  }
  if (hook_) hook_();
}

void DummyEngine::accept(Command&& command) {
  if (!command.is_cancel) {
    Running running;
    running.usage.prompt_tokens = static_cast<int32_t>(command.request.prompt_ids->size());
    running.usage.cached_tokens = running.usage.prompt_tokens / 2;
    running.request = std::move(command.request);
    running.sink = std::move(command.sink);
    running_.emplace(command.id, std::move(running));
    return;
  }
  if (command.all) {
    const Error shut = make_error(ErrorCode::kUnavailable, "The engine was shut down.");
    for (auto& [id, running] : running_) end(id, running, FinishReason::kError, shut);
    num_cancelled_.fetch_add(static_cast<int64_t>(running_.size()));
    running_.clear();
    return;
  }
  const auto it = running_.find(command.id);
  if (it == running_.end()) return;
  num_cancelled_.fetch_add(1);
  end(it->first, it->second, FinishReason::kCancelled);
  running_.erase(it);
}

void DummyEngine::step() {
  const std::string stamp = options_.timestamps ? std::to_string(now_ns()) + " " : std::string();
  std::vector<RequestId> order;
  order.reserve(running_.size());
  for (const auto& item : running_) order.push_back(item.first);
  std::sort(order.begin(), order.end());
  if (order.size() > options_.max_running) order.resize(options_.max_running);
  for (RequestId id : order) {
    const auto it = running_.find(id);
    if (advance(id, it->second, stamp)) running_.erase(it);
  }
}

void DummyEngine::end(RequestId id, Running& running, FinishReason reason, std::optional<Error> error) {
  OutputDelta delta;
  delta.id = id;
  delta.finish = reason;
  delta.error = std::move(error);
  delta.usage = running.usage;
  num_running_.fetch_sub(1);
  running.sink->on_delta(std::move(delta));
}

OutputDelta DummyEngine::next_delta(RequestId id, Running& running, const std::string& stamp) const {
  const GenerateRequest& request = running.request;
  OutputDelta delta;
  delta.id = id;
  const auto index = static_cast<size_t>(running.num_tokens);
  std::string text(options_.timestamps ? std::string_view(stamp) : kWords[index % std::size(kWords)]);
  const bool reasons =
      request.reasoning != ReasoningKind::kNone && running.num_tokens < options_.reasoning_tokens;
  delta.tokens.push_back(make_token(static_cast<unsigned char>(text[0]), request.sampling.num_logprobs));
  if (index == 0 && request.sampling.num_prompt_logprobs >= 0) {
    for (size_t i = 1; i < request.prompt_ids->size(); ++i) {
      delta.prompt_tokens.push_back(
          make_token((*request.prompt_ids)[i], request.sampling.num_prompt_logprobs));
    }
  }
  ++running.num_tokens;
  ++running.usage.completion_tokens;
  if (reasons) {
    ++running.usage.reasoning_tokens;
    delta.reasoning = std::move(text);
  } else {
    delta.content = std::move(text);
  }
  delta.usage = running.usage;
  return delta;
}

// Good enough for words: a stop string is looked for in the text so far, and cut off from the newest word.
void DummyEngine::apply_stops(const Running& running, OutputDelta& delta) const {
  for (const std::string& stop : running.request.stop) {
    const size_t at = running.text.find(stop);
    if (at == std::string::npos) continue;
    const size_t start = running.text.size() - delta.content.size();
    delta.content.resize(at > start ? at - start : 0);
    if (delta.content.empty()) delta.tokens.clear();
    delta.finish = FinishReason::kStop;
    delta.matched_stop = stop;
    return;
  }
}

bool DummyEngine::advance(RequestId id, Running& running, const std::string& stamp) {
  const GenerateRequest& request = running.request;
  if (!options_.fail_message.empty() && running.num_tokens == 2) {
    end(id, running, FinishReason::kError, make_error(ErrorCode::kInternal, options_.fail_message));
    return true;
  }
  if (options_.end_after_two && running.num_tokens == 2) {
    end(id, running, *options_.end_after_two);
    return true;
  }
  OutputDelta delta;
  if (request.pooling != Pooling::kNone) {
    delta.id = id;
    delta.usage = running.usage;
    float value = request.pooling == Pooling::kMean ? 1.0f : 2.0f;
    for (int i = 0; i < options_.hidden_size; ++i) {
      delta.embedding.push_back(value);
      value = value * -0.5f + static_cast<float>((*request.prompt_ids)[0]);
    }
    delta.finish = FinishReason::kStop;
  } else {
    delta = next_delta(id, running, stamp);
    if (!request.stop.empty()) {
      running.text += delta.content;
      apply_stops(running, delta);
    }
    const bool ended = !request.sampling.ignore_eos && running.num_tokens >= options_.answer_tokens;
    if (!delta.finish && ended) {
      delta.finish = FinishReason::kStop;
      delta.matched_token = DummyTokenizer::kEos;
    }
    if (!delta.finish && running.num_tokens >= request.sampling.max_tokens)
      delta.finish = FinishReason::kLength;
  }
  const bool done = delta.finish.has_value();
  if (done) num_running_.fetch_sub(1);
  running.sink->on_delta(std::move(delta));
  return done;
}

ServedModel make_dummy_model(DummyEngine& engine, const DummyEngineOptions& options) {
  ServedModel model;
  model.names = {"dummy"};
  model.engine = &engine;
  model.tokenizer = std::make_shared<DummyTokenizer>();
  model.render_chat = render_text;
  model.context_length = options.context_length;
  model.hidden_size = options.hidden_size;
  model.end_ids = {DummyTokenizer::kEos};
  model.reasoning = ReasoningKind::kNone;
  model.fingerprint = "fp_dummy";
  model.created = 1700000000;
  return model;
}

}  // namespace hadal
