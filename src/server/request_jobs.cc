#include "server/request_jobs.h"

#include <chrono>

#include "server/chat_call.h"
#include "server/completion_call.h"
#include "server/prompt_builder.h"

namespace hadal {
namespace {

int64_t unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

AnswerHead make_head(ServerState& state, std::string_view prefix, const std::string& requested) {
  AnswerHead head;
  head.id = state.next_id(prefix);
  head.model = requested;
  head.fingerprint = state.model->fingerprint;
  head.created = unix_now();
  return head;
}

CallEnvironment make_environment(const ServerState& state, RequestJob&& job) {
  CallEnvironment environment;
  environment.exchange = std::move(job.exchange);
  environment.model = state.model;
  environment.batcher = state.batcher;
  environment.headers = std::move(job.headers);
  environment.retry_after_seconds = state.config.retry_after_seconds;
  environment.max_parallel = state.config.max_parallel_per_request;
  return environment;
}

void append_ids(JsonWriter& json, const std::vector<int32_t>& ids) {
  json.begin_array();
  for (int32_t id : ids) json.value(static_cast<int64_t>(id));
  json.end_array();
}

}  // namespace

void CancelSlot::abandon(CancelReason reason) {
  const int bit = reason == CancelReason::kShutdown ? 4 : 2;
  if (state_.fetch_or(bit) & 1) call_->abandon(reason);
}

void CancelSlot::set(std::shared_ptr<EngineCall> call) {
  call_ = std::move(call);
  const int before = state_.fetch_or(1);
  if (before & 6) call_->abandon(before & 4 ? CancelReason::kShutdown : CancelReason::kClientGone);
}

RequestLimits RequestJobs::limits() const {
  return RequestLimits::from(state_.config, state_.model->tokenizer->vocab_size(),
                             state_.model->context_length);
}

void RequestJobs::refuse(const RequestJob& job, const ApiError& error) const {
  HttpResponse response = api_error_response(error, state_.config.retry_after_seconds);
  response.headers.add_all(job.headers);
  job.exchange->respond(std::move(response));
}

void RequestJobs::respond(const RequestJob& job, std::string body) const {
  HttpResponse response;
  response.headers = job.headers;
  response.headers.add("Content-Type", "application/json");
  response.body = std::move(body);
  job.exchange->respond(std::move(response));
}

std::optional<ApiError> RequestJobs::check_model(const std::string& name) const {
  for (const std::string& served : state_.model->names) {
    if (name == served) return std::nullopt;
  }
  ApiError error = http_api_error(
      404, "The model `" + name.substr(0, 256) + "` does not exist or you do not have access to it.");
  error.param = "model";
  error.code = "model_not_found";
  return error;
}

void RequestJobs::run_chat(RequestJob&& job, const std::shared_ptr<CancelSlot>& cancel) {
  Json body;
  ChatRequest request;
  ChatPrompt prompt;
  std::vector<GenerateRequest> orders;
  auto error = parse_body(job.body, state_.config.max_json_depth, body);
  if (!error) error = parse_chat_request(body, limits(), state_.model->default_sampling, request);
  if (!error) error = check_model(request.common.model);
  if (!error) error = build_chat_prompt(request, *state_.model, prompt);
  const OrderContext context{*state_.model,      state_.config, job.request_id, state_.next_random() | 1,
                             state_.next_seed(), job.arrival};
  if (!error) error = build_chat_orders(request, prompt, context, orders);
  if (error) {
    refuse(job, *error);
    return;
  }
  AnswerHead head = make_head(state_, "chatcmpl-", request.common.model);
  auto call = std::make_shared<ChatCall>(make_environment(state_, std::move(job)), request, std::move(head),
                                         std::move(prompt.continued));
  cancel->set(call);
  call->submit_all(std::move(orders));
}

void RequestJobs::run_completion(RequestJob&& job, const std::shared_ptr<CancelSlot>& cancel) {
  Json body;
  CompletionRequest request;
  std::vector<GenerateRequest> orders;
  std::vector<std::string> texts;
  auto error = parse_body(job.body, state_.config.max_json_depth, body);
  if (!error) error = parse_completion_request(body, limits(), state_.model->default_sampling, request);
  if (!error) error = check_model(request.common.model);
  const OrderContext context{*state_.model,      state_.config, job.request_id, state_.next_random() >> 1 | 1,
                             state_.next_seed(), job.arrival};
  if (!error) error = build_completion_orders(request, context, orders, texts);
  if (error) {
    refuse(job, *error);
    return;
  }
  std::vector<std::shared_ptr<const std::vector<int32_t>>> ids;
  for (size_t i = 0; i < texts.size(); ++i)
    ids.push_back(orders[i * static_cast<size_t>(request.common.n)].prompt_ids);
  AnswerHead head = make_head(state_, "cmpl-", request.common.model);
  auto call = std::make_shared<CompletionCall>(make_environment(state_, std::move(job)), request,
                                               std::move(head), std::move(texts), std::move(ids));
  cancel->set(call);
  call->submit_all(std::move(orders));
}

void RequestJobs::run_embedding(RequestJob&& job, const std::shared_ptr<CancelSlot>& cancel) {
  Json body;
  EmbeddingRequest request;
  std::vector<GenerateRequest> orders;
  auto error = parse_body(job.body, state_.config.max_json_depth, body);
  if (!error) error = parse_embedding_request(body, limits(), request);
  if (!error) error = check_model(request.model);
  const OrderContext context{*state_.model, state_.config, job.request_id, 0, 0, job.arrival};
  if (!error) error = build_embedding_orders(request, context, orders);
  if (error) {
    refuse(job, *error);
    return;
  }
  auto call =
      std::make_shared<EmbeddingCall>(make_environment(state_, std::move(job)), request, request.model);
  cancel->set(call);
  call->submit_all(std::move(orders));
}

void RequestJobs::run_tokenize(RequestJob&& job) {
  Json body;
  TokenizeRequest request;
  const ServedModel& model = *state_.model;
  auto error = parse_body(job.body, state_.config.max_json_depth, body);
  if (!error) error = parse_tokenize_request(body, limits(), request);
  if (!error && !request.model.empty()) error = check_model(request.model);
  std::vector<std::vector<int32_t>> lists;
  if (!error && request.chat) {
    ChatPrompt prompt;
    const bool specials = request.add_special_tokens.value_or(false);
    error = build_chat_prompt(*request.chat, model, prompt,
                              specials ? PromptUse::kCountWithSpecials : PromptUse::kCount);
    if (!error) lists.push_back(*prompt.ids);
  }
  if (error) {
    refuse(job, *error);
    return;
  }
  EncodeOptions options;
  options.add_special_tokens = request.add_special_tokens.value_or(true);
  for (const std::string& text : request.prompts) lists.push_back(model.tokenizer->encode(text, options));
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("tokens");
  if (request.is_list) json.begin_array();
  for (const auto& ids : lists) append_ids(json, ids);
  if (request.is_list) json.end_array();
  json.key("count");
  if (request.is_list) json.begin_array();
  for (const auto& ids : lists) json.value(static_cast<int64_t>(ids.size()));
  if (request.is_list) json.end_array();
  json.member("max_model_len", model.context_length);
  if (request.return_token_strs) {
    json.key("token_strs");
    if (request.is_list) json.begin_array();
    for (const auto& ids : lists) {
      json.begin_array();
      for (int32_t id : ids) json.value(model.tokenizer->id_to_token(id));
      json.end_array();
    }
    if (request.is_list) json.end_array();
  }
  json.end_object();
  respond(job, std::move(out));
}

void RequestJobs::run_detokenize(RequestJob&& job) {
  Json body;
  DetokenizeRequest request;
  auto error = parse_body(job.body, state_.config.max_json_depth, body);
  if (!error) error = parse_detokenize_request(body, limits(), request);
  if (!error && !request.model.empty()) error = check_model(request.model);
  if (error) {
    refuse(job, *error);
    return;
  }
  std::vector<std::string> texts;
  for (const auto& ids : request.tokens) {
    texts.push_back(state_.model->tokenizer->decode(ids, request.skip_special_tokens));
  }
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  // "prompt" is vLLM's name for it, "text" SGLang's.
  for (const char* name : {"prompt", "text"}) {
    json.key(name);
    if (request.is_list) json.begin_array();
    for (const std::string& text : texts) json.value(text);
    if (request.is_list) json.end_array();
  }
  json.end_object();
  respond(job, std::move(out));
}

}  // namespace hadal
