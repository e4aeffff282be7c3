// Request bodies of every route from arbitrary bytes: parsed, rendered, tokenized, turned into orders.
// The first byte picks the route.
#include <cstdint>
#include <string_view>

#include "server/api_error.h"
#include "server/dummy_tokenizer.h"
#include "server/prompt_builder.h"

namespace {

hadal::ServedModel make_model() {
  hadal::ServedModel model;
  model.names = {"m"};
  model.tokenizer = std::make_shared<hadal::DummyTokenizer>();
  model.context_length = 4096;
  model.hidden_size = 4;
  model.render_chat = [](const hadal::Json& variables) -> hadal::Result<std::string> {
    std::string out = to_json(variables);
    if (out.size() % 7 == 0) return hadal::invalid_argument("refused");
    return out;
  };
  return model;
}

void run(uint8_t route, const hadal::Json& body, const hadal::ServedModel& model) {
  const hadal::ServerConfig config;
  const auto limits = hadal::RequestLimits::from(config, model.tokenizer->vocab_size(), model.context_length);
  const hadal::OrderContext context{model, config, "r", 1, 2};
  std::optional<hadal::ApiError> error;
  std::vector<hadal::GenerateRequest> orders;
  if (route == 0) {
    hadal::ChatRequest request;
    hadal::ChatPrompt prompt;
    error = parse_chat_request(body, limits, {}, request);
    if (!error) error = build_chat_prompt(request, model, prompt);
    if (!error) error = build_chat_orders(request, prompt, context, orders);
  } else if (route == 1) {
    hadal::CompletionRequest request;
    std::vector<std::string> texts;
    error = parse_completion_request(body, limits, {}, request);
    if (!error) error = build_completion_orders(request, context, orders, texts);
  } else if (route == 2) {
    hadal::EmbeddingRequest request;
    error = parse_embedding_request(body, limits, request);
    if (!error) error = build_embedding_orders(request, context, orders);
  } else if (route == 3) {
    hadal::TokenizeRequest request;
    error = parse_tokenize_request(body, limits, request);
  } else {
    hadal::DetokenizeRequest request;
    error = parse_detokenize_request(body, limits, request);
  }
  if (error) {
    HADAL_CHECK(error->status >= 400 && error->status < 500 && !error->message.empty());
    HADAL_CHECK(hadal::parse_json(api_error_body(*error)).ok());
  }
  for (const auto& order : orders) HADAL_CHECK(!order.prompt_ids->empty() && order.sampling.max_tokens >= 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const hadal::ServedModel model = make_model();
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  hadal::Json body;
  if (const auto error = hadal::parse_body(text, 64, body)) {
    HADAL_CHECK(error->status == 400);
    return 0;
  }
  run(data[0] % 5, body, model);
  return 0;
}
