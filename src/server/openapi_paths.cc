// The OpenAPI document, first half: what the routes take and give, from one table.
#include <initializer_list>
#include <string_view>

#include "server/openapi.h"

namespace hadal {
namespace {

struct Operation {
  std::string_view path;
  std::string_view id;  // operationId
  std::string_view summary;
  std::string_view request;  // schema of the body; "": a GET
  std::string_view answer;   // schema of 200's JSON; "": plain text
  bool streams = false;
  bool is_health = false;  // needs no key; 503 has the same shape as 200
};

constexpr Operation kOperations[] = {
    {"/v1/chat/completions", "createChatCompletion", "Answers a conversation", "ChatRequest", "ChatResponse",
     true},
    {"/v1/completions", "createCompletion", "Continues text", "CompletionRequest", "CompletionResponse",
     true},
    {"/v1/embeddings", "createEmbedding", "Embeds texts", "EmbeddingRequest", "EmbeddingResponse"},
    {"/tokenize", "tokenize", "Text or messages to token ids", "TokenizeRequest", "TokenizeResponse"},
    {"/detokenize", "detokenize", "Token ids to text", "DetokenizeRequest", "DetokenizeResponse"},
    {"/v1/models", "listModels", "The names the model answers to", "", "ModelList"},
    {"/v1/models/{id}", "retrieveModel", "One of them", "", "Model"},
    {"/health", "health", "Whether requests are served", "", "Health", false, true},
    {"/livez", "livez", "Whether the process is alive: restart it when not", "", "Health", false, true},
    {"/readyz", "readyz", "Whether to send requests here", "", "Health", false, true},
    {"/startupz", "startupz", "Whether loading has ended", "", "Startup", false, true},
    {"/metrics", "metrics", "Prometheus metrics, text format 0.0.4", "", ""},
    {"/version", "version", "The program's version", "", "Version"},
    {"/openapi.json", "openapi", "This document", "", "Document"},
};

// What any request may be answered, and what only one with a body may be.
constexpr std::initializer_list<int> kAnyErrors = {400, 401, 404, 405, 408, 417,
                                                   429, 431, 500, 501, 503, 505};
constexpr std::initializer_list<int> kBodyErrors = {413, 415, 504};

// Not "quoted": with a std::string that name finds std::quoted too.
std::string json_quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

std::string schema_content(std::string_view schema) {
  if (schema.empty()) return R"({"text/plain":{"schema":{"type":"string"}}})";
  return R"({"application/json":{"schema":{"$ref":"#/components/schemas/)" + std::string(schema) + "\"}}}";
}

std::string good_answer(const Operation& operation) {
  std::string content = schema_content(operation.answer);
  std::string_view description = "The answer";
  if (operation.streams) {
    content.back() = ',';
    // Of each event.
    content += R"("text/event-stream":{"schema":{"type":"object","required":["data"],"properties":{"data":)"
               R"({"type":"string","description":"A chunk, an error (both JSON) or [DONE]"}}}}})";
    description = "The answer or, with `stream`, its chunks as server-sent events that end with [DONE]";
  }
  return R"("200":{"description":)" + json_quoted(description) +
         R"(,"headers":{"X-Request-ID":{"$ref":"#/components/headers/RequestId"}},"content":)" + content +
         "}";
}

std::string responses(const Operation& operation) {
  std::string out = good_answer(operation);
  const auto add = [&](int status) {
    out += ",\"" + std::to_string(status) + "\":";
    if (status == 503 && operation.is_health) {
      out += R"({"description":"Not now","content":)" + schema_content(operation.answer) + "}";
      return;
    }
    const char* kind = status == 429 || status == 503 ? "Retry" : status == 405 ? "WrongMethod" : "Error";
    out += std::string(R"({"$ref":"#/components/responses/)") + kind + "\"}";
  };
  for (const int status : kAnyErrors) add(status);
  if (!operation.request.empty()) {
    for (const int status : kBodyErrors) add(status);
  }
  return "{" + out + "}";
}

// HEAD and OPTIONS answer without a body.
std::string bodiless(const Operation& operation, std::string_view prefix, std::string_view summary, int good,
                     std::string_view description, bool is_open) {
  std::string out = R"({"operationId":)" + json_quoted(std::string(prefix) + std::string(operation.id)) +
                    R"(,"summary":)" + json_quoted(summary) + R"(,"responses":{")" + std::to_string(good) +
                    R"(":{"description":)" + json_quoted(description) + "}";
  for (const int status : kAnyErrors) {
    out += ",\"" + std::to_string(status) + R"(":{"description":"An error"})";
  }
  out += "}";
  if (is_open) out += R"(,"security":[])";
  return out + "}";
}

std::string path_item(const Operation& operation) {
  std::string out =
      json_quoted(operation.path) + R"(:{"parameters":[{"$ref":"#/components/parameters/RequestId"})";
  if (operation.path.find('{') != std::string_view::npos) {
    out += R"(,{"name":"id","in":"path","required":true,"schema":{"type":"string","minLength":1}})";
  }
  out += operation.request.empty() ? R"(],"get":{)" : R"(],"post":{)";
  out += R"("operationId":)" + json_quoted(operation.id) + R"(,"summary":)" + json_quoted(operation.summary);
  if (!operation.request.empty()) {
    out += R"(,"requestBody":{"required":true,"content":)" + schema_content(operation.request) + "}";
  }
  out += R"(,"responses":)" + responses(operation);
  if (operation.is_health) out += R"(,"security":[])";
  out += "}";
  if (operation.request.empty()) {
    out += ",\"head\":" + bodiless(operation, "head_", "As GET, without the body", 200,
                                   "The head of GET's answer", operation.is_health);
  }
  out += ",\"options\":" + bodiless(operation, "options_", "The methods, and CORS's preflight", 204,
                                    "Allow names the methods", true);
  return out + "}";
}

}  // namespace

std::string openapi_paths() {
  std::string out = R"("openapi":"3.1.0","info":{"title":"hadal","version":@VERSION@,"description":)"
                    R"("The OpenAI API on your own machines"},"security":@SECURITY@,"paths":{)";
  bool first = true;
  for (const Operation& operation : kOperations) {
    if (!first) out += ',';
    first = false;
    out += path_item(operation);
  }
  return out + "}";
}

}  // namespace hadal
