#include "server/chat_call.h"

namespace hadal {

ChatCall::ChatCall(CallEnvironment environment, const ChatRequest& request, AnswerHead head,
                   std::string continued)
    : EngineCall(std::move(environment)),
      head_(std::move(head)),
      chunks_(head_, request.common.include_usage),
      stream_(request.common.stream),
      include_usage_(request.common.include_usage),
      continuous_usage_(request.common.continuous_usage),
      logprobs_(request.logprobs),
      stream_reasoning_(request.stream_reasoning),
      include_reasoning_(request.include_reasoning),
      with_reasoning_(request.separate_reasoning && request.include_reasoning &&
                      model().reasoning != ReasoningKind::kNone),
      top_logprobs_(request.top_logprobs),
      prefix_(request.echo ? std::move(continued) : std::string()),
      choices_(static_cast<size_t>(request.common.n)) {}

void ChatCall::on_delta(size_t slot, OutputDelta&& delta) {
  Choice& choice = choices_[slot];
  choice.usage = delta.usage;
  if (logprobs_)
    append_chat_logprobs(choice.answer.logprobs, *model().tokenizer, delta.tokens, top_logprobs_);
  if (!include_reasoning_) delta.reasoning.clear();
  if (stream_) {
    stream_delta(static_cast<int>(slot), choice, std::move(delta));
    return;
  }
  if (!choice.started) {
    choice.started = true;
    choice.answer.content = prefix_;
  }
  choice.answer.content += delta.content;
  choice.answer.reasoning += delta.reasoning;
  if (delta.finish) choice.answer.last = std::move(delta);
}

void ChatCall::stream_delta(int index, Choice& choice, OutputDelta&& delta) {
  std::string& out = stream_bytes();
  const size_t before = out.size();
  const Usage* usage = continuous_usage_ ? &choice.usage : nullptr;
  if (!choice.started) {
    choice.started = true;
    chunks_.role(out, index, usage);
    if (!prefix_.empty()) chunks_.text(out, index, prefix_, "", "", usage);
  }
  if (!stream_reasoning_) {
    // All of it at once, when the answer proper begins or the output ends.
    choice.held_reasoning += delta.reasoning;
    delta.reasoning.clear();
    if (!delta.content.empty() || delta.finish) delta.reasoning = std::move(choice.held_reasoning);
    if (!delta.reasoning.empty()) choice.held_reasoning.clear();
  }
  if (!delta.reasoning.empty()) {
    const bool last_text = delta.content.empty();
    chunks_.text(out, index, "", delta.reasoning, last_text ? choice.answer.logprobs : "", usage);
    if (last_text) choice.answer.logprobs.clear();
  }
  if (!delta.content.empty()) {
    chunks_.text(out, index, delta.content, "", choice.answer.logprobs, usage);
    choice.answer.logprobs.clear();
  }
  if (delta.finish) chunks_.finish(out, index, delta, choice.answer.logprobs, usage);
  if (out.size() != before) changed();
}

void ChatCall::on_all_done() {
  Usage total;
  for (size_t i = 0; i < choices_.size(); ++i) add_usage(total, choices_[i].usage, i == 0);
  note_usage(total);
  if (stream_) {
    if (include_usage_) chunks_.usage(stream_bytes(), total);
    end_stream();
    return;
  }
  std::vector<ChatChoice> answers;
  for (Choice& choice : choices_) answers.push_back(std::move(choice.answer));
  respond_json(chat_response(head_, answers, total, with_reasoning_, logprobs_));
}

}  // namespace hadal
