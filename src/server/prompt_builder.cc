#include "server/prompt_builder.h"

#include <algorithm>

#include "text/reasoning_parser.h"

namespace hadal {
namespace {

constexpr std::string_view kSpace = " \t\n\r\f\v";

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Json template_variables(const ChatRequest& request, const ServedModel& model, const Json& messages) {
  // The request's own variables win over the special tokens, as in transformers.
  Json all = model.tokenizer->template_tokens();
  if (request.template_kwargs.is_object()) {
    for (const auto& [name, value] : request.template_kwargs.as_object()) all.set(name, value);
  }
  all.set("messages", messages);
  all.set("tools", request.tools);
  all.set("documents", request.documents);
  all.set("add_generation_prompt", Json(request.add_generation_prompt));
  return all;
}

// Some templates (DeepSeek's) concatenate a tool call's arguments, others print them as JSON: text is the
// second try. Templates that look into a text in some conversations only must get text then.
Result<std::string> render(const ChatRequest& request, const ServedModel& model) {
  const Json messages = model.content_form.shape(request.messages);
  auto text = model.render_chat(template_variables(request, model, messages));
  if (text.ok()) return text;
  const auto try_again = [&](const Json& other) {
    auto again = model.render_chat(template_variables(request, model, other));
    if (again.ok()) text = std::move(again);
    return text.ok();
  };
  if (request.has_tool_calls && try_again(tool_arguments_as_text(messages))) return text;
  if (!request.has_parts) return text;
  const Json joined = ContentForm{}.shape(request.messages);
  if (!try_again(joined) && request.has_tool_calls) try_again(tool_arguments_as_text(joined));
  return text;
}

// Cuts the prompt after the final message's text, so that the model goes on with it: as transformers'
// continue_final_message does, with white space that the template trimmed left out.
std::optional<ApiError> cut_after_final_message(const ChatRequest& request, ChatPrompt& out) {
  const Json* content = request.messages.as_array().back().find("content");
  if (content && content->is_array()) content = content->as_array().back().find("text");
  if (!content || !content->is_string() || trim(content->as_string()).empty()) {
    return invalid_param("continue_final_message",
                         "'continue_final_message' needs a final message with text.", "invalid_value");
  }
  std::string_view full = content->as_string();
  const std::string_view core = trim(full);
  const size_t at = out.text.rfind(core);
  if (at == std::string::npos) {
    return invalid_param(
        "continue_final_message",
        "'continue_final_message': the chat template does not print the final message's text.",
        "invalid_value");
  }
  full.remove_prefix(static_cast<size_t>(core.data() - full.data()));
  const bool untrimmed = std::string_view(out.text).substr(at).starts_with(full);
  out.text.resize(at + (untrimmed ? full.size() : core.size()));
  out.continued = content->as_string();
  return std::nullopt;
}

// The continued message is the beginning of the answer: reasoning that it leaves open goes on, and what it
// closed stays closed.
void follow_continued_reasoning(const ChatRequest& request, const ChatPrompt& prompt,
                                GenerateRequest& order) {
  const Json* apart = request.messages.as_array().back().find("reasoning_content");
  const bool reasoned = apart != nullptr && apart->is_string() && !trim(apart->as_string()).empty();
  switch (ReasoningParser::scan_continued(prompt.continued)) {
    case ContinuedReasoning::kOpen:
      order.prompt_inside_reasoning = !order.prompt_opens_reasoning;
      return;
    case ContinuedReasoning::kClosed:
      order.reasoning = ReasoningKind::kNone;
      return;
    case ContinuedReasoning::kUntagged:
      if (reasoned) order.reasoning = ReasoningKind::kNone;
  }
}

// `what`: "messages" or "prompt".
std::optional<ApiError> check_length(const GenerationFields& fields, int64_t prompt_len,
                                     const ServedModel& model, const std::string& what,
                                     SamplingParams& sampling) {
  const int64_t room = model.context_length - prompt_len;
  const std::string limit =
      "This model's maximum context length is " + std::to_string(model.context_length) + " tokens. ";
  if (room < 1) {
    return invalid_param(what,
                         limit + "However, your " + what + " resulted in " + std::to_string(prompt_len) +
                             " tokens. Please reduce the length of the " + what + ".",
                         "context_length_exceeded");
  }
  const int64_t wanted = fields.max_tokens ? std::max<int64_t>(1, *fields.max_tokens) : room;
  if (wanted > room) {
    return invalid_param(
        what,
        limit + "However, you requested " + std::to_string(prompt_len + wanted) + " tokens (" +
            std::to_string(prompt_len) + " in the " + what + ", " + std::to_string(wanted) +
            " in the completion). Please reduce the length of the " + what + " or the completion.",
        "context_length_exceeded");
  }
  sampling.max_tokens = static_cast<int32_t>(std::min<int64_t>(wanted, INT32_MAX));
  sampling.min_tokens = std::min(sampling.min_tokens, sampling.max_tokens);
  return std::nullopt;
}

// What cannot fit however it is tokenized is refused before that takes seconds of a thread.
std::optional<ApiError> check_size(std::string_view text, const ServedModel& model, const std::string& what) {
  const auto at_least = static_cast<int64_t>(model.tokenizer->min_ids(text));
  if (at_least <= model.context_length) return std::nullopt;
  return invalid_param(what,
                       "This model's maximum context length is " + std::to_string(model.context_length) +
                           " tokens. However, the " + std::to_string(text.size()) + " bytes of your " + what +
                           " result in at least " + std::to_string(at_least) +
                           " tokens. Please reduce the length of the " + what + ".",
                       "context_length_exceeded");
}

GenerateRequest make_order(const GenerationFields& fields, const OrderContext& context) {
  GenerateRequest order;
  order.request_id = context.request_id;
  order.arrival = context.arrival;
  order.sampling = fields.sampling;
  order.sampling.end_ids = context.model.end_ids;
  order.stop = fields.stop;
  order.include_stop = fields.include_stop;
  order.skip_special_tokens = fields.skip_special_tokens;
  order.priority = fields.priority;
  order.queue_timeout =
      fields.queue_timeout.count() ? fields.queue_timeout : context.config.default_queue_timeout;
  order.total_timeout =
      fields.total_timeout.count() ? fields.total_timeout : context.config.default_total_timeout;
  order.cache_salt = fields.cache_salt;
  return order;
}

// Appends `order` once per choice.
void add_choices(const GenerationFields& fields, const OrderContext& context, uint64_t fork_group,
                 const GenerateRequest& order, std::vector<GenerateRequest>& out) {
  const uint64_t seed =
      fields.seed ? *fields.seed : choice_seed(context.random_seed, static_cast<int>(out.size()) + 1);
  for (int i = 0; i < fields.n; ++i) {
    out.push_back(order);
    out.back().sampling.seed = choice_seed(seed, i);
    if (fields.n > 1) out.back().fork_group = fork_group;
  }
}

}  // namespace

uint64_t choice_seed(uint64_t seed, int choice) {
  if (choice == 0) return seed;
  uint64_t z = seed + 0x9E3779B97F4A7C15ull * static_cast<uint64_t>(choice);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

std::optional<ApiError> build_chat_prompt(const ChatRequest& request, const ServedModel& model,
                                          ChatPrompt& out, PromptUse use) {
  if (!model.render_chat) {
    return http_api_error(
        400,
        "This model has no chat template: use /v1/completions, or start the server with --chat-template.");
  }
  auto text = render(request, model);
  if (!text.ok()) {
    return invalid_param("messages", "The chat template refuses these messages: " + text.error().message,
                         "chat_template_error");
  }
  out.text = std::move(*text);
  if (request.continue_final_message) {
    if (auto error = cut_after_final_message(request, out)) return error;
  }
  if (use == PromptUse::kAnswer) {
    if (auto error = check_size(out.text, model, "messages")) return error;
  }
  EncodeOptions options;
  options.add_special_tokens = use == PromptUse::kCountWithSpecials;
  out.ids = std::make_shared<const std::vector<int32_t>>(model.tokenizer->encode(out.text, options));
  return std::nullopt;
}

std::optional<ApiError> build_chat_orders(const ChatRequest& request, const ChatPrompt& prompt,
                                          const OrderContext& context, std::vector<GenerateRequest>& out) {
  if (prompt.ids->empty())
    return invalid_param("messages", "The chat template renders an empty prompt.", "empty_prompt");
  GenerateRequest order = make_order(request.common, context);
  order.prompt_ids = prompt.ids;
  const auto length = static_cast<int64_t>(prompt.ids->size());
  if (auto error = check_length(request.common, length, context.model, "messages", order.sampling))
    return error;
  if (request.separate_reasoning) {
    order.reasoning = context.model.reasoning;
    order.prompt_opens_reasoning = ReasoningParser::prompt_opens_reasoning(prompt.text);
    if (request.continue_final_message) follow_continued_reasoning(request, prompt, order);
  }
  if (request.logprobs) order.sampling.num_logprobs = request.top_logprobs;
  add_choices(request.common, context, context.fork_group, order, out);
  return std::nullopt;
}

std::optional<ApiError> build_completion_orders(const CompletionRequest& request, const OrderContext& context,
                                                std::vector<GenerateRequest>& out,
                                                std::vector<std::string>& texts) {
  for (size_t i = 0; i < request.prompts.size(); ++i) {
    const PromptInput& input = request.prompts[i];
    GenerateRequest order = make_order(request.common, context);
    std::vector<int32_t> ids;
    if (const auto* text = std::get_if<std::string>(&input)) {
      if (auto error = check_size(*text, context.model, "prompt")) return error;
      ids = context.model.tokenizer->encode(*text, EncodeOptions{});
      // An empty prompt starts from the beginning-of-text token, where the model has one.
      if (ids.empty() && context.model.tokenizer->bos_id()) ids.push_back(*context.model.tokenizer->bos_id());
      if (request.echo) texts.push_back(*text);
    } else {
      ids = std::get<std::vector<int32_t>>(input);
      if (request.echo)
        texts.push_back(context.model.tokenizer->decode(ids, request.common.skip_special_tokens));
    }
    if (ids.empty())
      return invalid_param("prompt", "The prompt is empty, and this model has no token to start from.",
                           "empty_prompt");
    const auto length = static_cast<int64_t>(ids.size());
    if (auto error = check_length(request.common, length, context.model, "prompt", order.sampling))
      return error;
    order.prompt_ids = std::make_shared<const std::vector<int32_t>>(std::move(ids));
    order.sampling.num_logprobs = request.logprobs;
    if (request.echo) order.sampling.num_prompt_logprobs = request.logprobs;
    add_choices(request.common, context, context.fork_group + i, order, out);
  }
  return std::nullopt;
}

std::optional<ApiError> build_embedding_orders(const EmbeddingRequest& request, const OrderContext& context,
                                               std::vector<GenerateRequest>& out) {
  if (request.dimensions && *request.dimensions != context.model.hidden_size) {
    return invalid_param("dimensions",
                         "This model does not support specifying dimensions: its embeddings have " +
                             std::to_string(context.model.hidden_size) + ".",
                         "unsupported_value");
  }
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const std::string path = request.inputs.size() == 1 ? "input" : "input[" + std::to_string(i) + "]";
    GenerateRequest order;
    order.request_id = context.request_id;
    order.arrival = context.arrival;
    std::vector<int32_t> ids;
    if (const auto* text = std::get_if<std::string>(&request.inputs[i])) {
      if (auto error = check_size(*text, context.model, path)) return error;
      ids = context.model.tokenizer->encode(*text, EncodeOptions{});
    } else {
      ids = std::get<std::vector<int32_t>>(request.inputs[i]);
    }
    if (ids.empty()) return invalid_param(path, "'" + path + "' gives no token.", "empty_prompt");
    if (static_cast<int64_t>(ids.size()) > context.model.context_length) {
      return invalid_param(path,
                           "This model's maximum context length is " +
                               std::to_string(context.model.context_length) + " tokens, however '" + path +
                               "' has " + std::to_string(ids.size()) + ". Please reduce it.",
                           "context_length_exceeded");
    }
    order.prompt_ids = std::make_shared<const std::vector<int32_t>>(std::move(ids));
    order.sampling.max_tokens = 1;
    order.pooling = request.pooling.value_or(context.model.default_pooling);
    order.priority = request.priority;
    order.queue_timeout = context.config.default_queue_timeout;
    order.total_timeout = context.config.default_total_timeout;
    out.push_back(std::move(order));
  }
  return std::nullopt;
}

}  // namespace hadal
