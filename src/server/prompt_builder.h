// From a checked request to the engine's orders: rendering, tokenization, length limits, seeds. Pure
// functions, run on the tokenizer threads.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/server_config.h"
#include "engine/engine_api.h"
#include "server/chat_request.h"
#include "server/completion_request.h"
#include "server/served_model.h"

namespace hadal {

struct ChatPrompt {
  std::string text;
  std::shared_ptr<const std::vector<int32_t>> ids;
  std::string continued;  // text of the final message that is continued
};
enum class PromptUse {
  kAnswer,  // refused where it cannot fit the context
  kCount,   // /tokenize: of any length
  kCountWithSpecials,
};
std::optional<ApiError> build_chat_prompt(const ChatRequest& request, const ServedModel& model,
                                          ChatPrompt& out, PromptUse use = PromptUse::kAnswer);

// What the orders of one HTTP request share besides its fields.
struct OrderContext {
  const ServedModel& model;
  const ServerConfig& config;
  std::string request_id;
  uint64_t fork_group = 0;   // of the first prompt; the next prompt's is one more
  uint64_t random_seed = 0;  // for requests without a seed
  std::chrono::steady_clock::time_point arrival{};
};

// n orders. Errors: 400 context_length_exceeded, ...
std::optional<ApiError> build_chat_orders(const ChatRequest& request, const ChatPrompt& prompt,
                                          const OrderContext& context, std::vector<GenerateRequest>& out);
// n orders per prompt, prompt by prompt. `texts` gets each prompt's text where echo asks for it.
std::optional<ApiError> build_completion_orders(const CompletionRequest& request, const OrderContext& context,
                                                std::vector<GenerateRequest>& out,
                                                std::vector<std::string>& texts);
std::optional<ApiError> build_embedding_orders(const EmbeddingRequest& request, const OrderContext& context,
                                               std::vector<GenerateRequest>& out);

// Choice i's seed: the request's own for the first, then a fixed mix of seed and index (SplitMix64).
uint64_t choice_seed(uint64_t seed, int choice);

}  // namespace hadal
