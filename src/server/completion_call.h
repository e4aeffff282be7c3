// CompletionCall and EmbeddingCall: /v1/completions and /v1/embeddings on the engine. Threads: see
// EngineCall.
#pragma once

#include <string>
#include <vector>

#include "server/answer_format.h"
#include "server/completion_request.h"
#include "server/engine_call.h"

namespace hadal {

class CompletionCall : public EngineCall {
 public:
  // prompt_texts and prompt_ids: one per prompt, for echo (else empty).
  CompletionCall(CallEnvironment environment, const CompletionRequest& request, AnswerHead head,
                 std::vector<std::string> prompt_texts,
                 std::vector<std::shared_ptr<const std::vector<int32_t>>> prompt_ids);

 protected:
  void on_delta(size_t slot, OutputDelta&& delta) override;
  void on_all_done() override;
  bool streams() const override { return stream_; }

 private:
  struct Choice {
    CompletionChoice answer;
    CompletionLogprobs logprobs;
    Usage usage;
    bool started = false;
  };
  void start(size_t slot, Choice& choice, OutputDelta& delta);

  const AnswerHead head_;
  const CompletionChunks chunks_;
  const bool stream_, include_usage_, continuous_usage_, echo_;
  const bool prompt_only_;  // max_tokens 0: the one token that was made is not shown
  const int num_logprobs_;  // -1: none
  const size_t n_;
  const std::vector<std::string> prompt_texts_;
  const std::vector<std::shared_ptr<const std::vector<int32_t>>> prompt_ids_;
  std::vector<Choice> choices_;
};

class EmbeddingCall : public EngineCall {
 public:
  EmbeddingCall(CallEnvironment environment, const EmbeddingRequest& request, std::string model_name);

 protected:
  void on_delta(size_t slot, OutputDelta&& delta) override;
  void on_all_done() override;
  bool streams() const override { return false; }

 private:
  const std::string model_name_;
  const bool base64_, normalize_;
  std::vector<std::vector<float>> vectors_;
  Usage total_;
};

}  // namespace hadal
