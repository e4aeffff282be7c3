#include "server/completion_call.h"

namespace hadal {

CompletionCall::CompletionCall(CallEnvironment environment, const CompletionRequest& request, AnswerHead head,
                               std::vector<std::string> prompt_texts,
                               std::vector<std::shared_ptr<const std::vector<int32_t>>> prompt_ids)
    : EngineCall(std::move(environment)),
      head_(std::move(head)),
      chunks_(head_, request.common.include_usage),
      stream_(request.common.stream),
      include_usage_(request.common.include_usage),
      continuous_usage_(request.common.continuous_usage),
      echo_(request.echo),
      prompt_only_(request.common.max_tokens == 0),
      num_logprobs_(request.logprobs),
      n_(static_cast<size_t>(request.common.n)),
      prompt_texts_(std::move(prompt_texts)),
      prompt_ids_(std::move(prompt_ids)),
      choices_(request.prompts.size() * n_) {}

// The echoed prompt and its log-probabilities come before the first token's.
void CompletionCall::start(size_t slot, Choice& choice, OutputDelta& delta) {
  choice.started = true;
  if (!echo_) return;
  choice.answer.text = prompt_texts_[slot / n_];
  if (num_logprobs_ < 0) return;
  TokenInfo first;
  first.id = prompt_ids_[slot / n_]->front();
  choice.logprobs.add(*model().tokenizer, first, num_logprobs_, false);
  for (const TokenInfo& token : delta.prompt_tokens) {
    choice.logprobs.add(*model().tokenizer, token, num_logprobs_, true);
  }
}

void CompletionCall::on_delta(size_t slot, OutputDelta&& delta) {
  Choice& choice = choices_[slot];
  if (!choice.started) start(slot, choice, delta);
  if (prompt_only_) {
    delta.content.clear();
    delta.tokens.clear();
    delta.usage.completion_tokens = 0;
    delta.matched_stop.clear();
    delta.matched_token.reset();
    if (delta.finish == FinishReason::kStop) delta.finish = FinishReason::kLength;
  }
  choice.usage = delta.usage;
  if (num_logprobs_ >= 0) {
    for (const TokenInfo& token : delta.tokens)
      choice.logprobs.add(*model().tokenizer, token, num_logprobs_, true);
  }
  choice.answer.text += delta.content;
  if (!stream_) {
    if (delta.finish) {
      if (num_logprobs_ >= 0) choice.answer.logprobs = choice.logprobs.take();
      choice.answer.last = std::move(delta);
    }
    return;
  }
  if (choice.answer.text.empty() && !delta.finish) return;
  chunks_.text(stream_bytes(), static_cast<int>(slot), choice.answer.text,
               choice.logprobs.empty() ? std::string() : choice.logprobs.take(),
               delta.finish ? &delta : nullptr, continuous_usage_ ? &choice.usage : nullptr);
  choice.answer.text.clear();
  changed();
}

void CompletionCall::on_all_done() {
  Usage total;
  for (size_t i = 0; i < choices_.size(); ++i) add_usage(total, choices_[i].usage, i % n_ == 0);
  note_usage(total);
  if (stream_) {
    if (include_usage_) chunks_.usage(stream_bytes(), total);
    end_stream();
    return;
  }
  std::vector<CompletionChoice> answers;
  for (Choice& choice : choices_) answers.push_back(std::move(choice.answer));
  respond_json(completion_response(head_, answers, total));
}

EmbeddingCall::EmbeddingCall(CallEnvironment environment, const EmbeddingRequest& request,
                             std::string model_name)
    : EngineCall(std::move(environment)),
      model_name_(std::move(model_name)),
      base64_(request.base64),
      normalize_(request.normalize),
      vectors_(request.inputs.size()) {}

void EmbeddingCall::on_delta(size_t slot, OutputDelta&& delta) {
  if (!delta.embedding.empty()) vectors_[slot] = std::move(delta.embedding);
  if (!delta.finish) return;
  add_usage(total_, delta.usage, true);
  if (vectors_[slot].empty()) {
    fail(http_api_error(500, "The model gave no embedding."));
  } else if (normalize_ && !normalize_embedding(vectors_[slot])) {
    fail(http_api_error(500, "The model gave an embedding that is not finite."));
  }
}

void EmbeddingCall::on_all_done() {
  note_usage(total_);
  respond_json(embedding_response(model_name_, vectors_, base64_, total_.prompt_tokens));
}

}  // namespace hadal
