// CompletionRequest, EmbeddingRequest, TokenizeRequest, DetokenizeRequest: the other orders, checked. Values;
// any thread.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/chat_request.h"
#include "server/generation_fields.h"
#include "step/step_plan.h"

namespace hadal {

// Text, or token ids.
using PromptInput = std::variant<std::string, std::vector<int32_t>>;

struct CompletionRequest {
  GenerationFields common;
  std::vector<PromptInput> prompts;
  bool echo = false;
  int32_t logprobs = -1;  // -1: none
};
std::optional<ApiError> parse_completion_request(const Json& body, const RequestLimits& limits,
                                                 const SamplingParams& defaults, CompletionRequest& out);

struct EmbeddingRequest {
  std::string model;
  std::vector<PromptInput> inputs;
  bool base64 = false;
  bool normalize = true;
  std::optional<int64_t> dimensions;
  std::optional<Pooling> pooling;
  int32_t priority = 0;
};
std::optional<ApiError> parse_embedding_request(const Json& body, const RequestLimits& limits,
                                                EmbeddingRequest& out);

// vLLM's shape ("prompt" or "messages"), and SGLang's list of prompts.
struct TokenizeRequest {
  std::string model;  // may be empty
  std::vector<std::string> prompts;
  bool is_list = false;
  std::optional<ChatRequest> chat;
  std::optional<bool> add_special_tokens;  // default: true for text, false for messages
  bool return_token_strs = false;
};
std::optional<ApiError> parse_tokenize_request(const Json& body, const RequestLimits& limits,
                                               TokenizeRequest& out);

struct DetokenizeRequest {
  std::string model;  // may be empty
  std::vector<std::vector<int32_t>> tokens;
  bool is_list = false;
  bool skip_special_tokens = false;
};
std::optional<ApiError> parse_detokenize_request(const Json& body, const RequestLimits& limits,
                                                 DetokenizeRequest& out);

}  // namespace hadal
