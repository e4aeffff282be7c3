// ChatCall: a /v1/chat/completions request on the engine: n choices, streamed or whole. Threads: see
// EngineCall.
#pragma once

#include <string>
#include <vector>

#include "server/answer_format.h"
#include "server/chat_request.h"
#include "server/engine_call.h"

namespace hadal {

class ChatCall : public EngineCall {
 public:
  // request.messages and tools are not needed any more. continued: text that echo prints before the answer.
  ChatCall(CallEnvironment environment, const ChatRequest& request, AnswerHead head, std::string continued);

 protected:
  void on_delta(size_t slot, OutputDelta&& delta) override;
  void on_all_done() override;
  bool streams() const override { return stream_; }

 private:
  struct Choice {
    ChatChoice answer;  // whole answers only, but for logprobs: entries that wait for the next chunk
    std::string held_reasoning;
    Usage usage;
    bool started = false;
  };
  void stream_delta(int index, Choice& choice, OutputDelta&& delta);

  const AnswerHead head_;
  const ChatChunks chunks_;
  const bool stream_, include_usage_, continuous_usage_, logprobs_, stream_reasoning_, include_reasoning_;
  const bool with_reasoning_;
  const int top_logprobs_;
  const std::string prefix_;
  std::vector<Choice> choices_;
};

}  // namespace hadal
