// ChatRequest: one /v1/chat/completions order, checked, with its messages in the form that chat templates
// take. A value; any thread.
#pragma once

#include <optional>

#include "server/generation_fields.h"

namespace hadal {

struct ChatRequest {
  GenerationFields common;
  // Objects in the request's key order: content is a string, null, or a list of text parts, null members are
  // dropped, "developer" is "system", reasoning has all the names that templates read it by, and a tool
  // call's arguments are an object where they are valid JSON.
  Json messages = JsonArray{};
  Json tools;            // array, or null
  Json documents;        // array, or null
  Json template_kwargs;  // object, or null
  bool add_generation_prompt = true;
  bool continue_final_message = false;
  bool echo = false;
  bool logprobs = false;
  int32_t top_logprobs = 0;
  bool separate_reasoning = true;
  bool stream_reasoning = true;
  bool include_reasoning = true;
  bool has_tool_calls = false;  // some message does: see tool_arguments_as_text
  bool has_parts = false;       // some content is a list
};

std::optional<ApiError> parse_chat_request(const Json& body, const RequestLimits& limits,
                                           const SamplingParams& defaults, ChatRequest& out);
// The part of it that renders a prompt: messages, tools, documents, template arguments. Shared with
// /tokenize.
void read_chat_prompt(FieldReader& reader, const RequestLimits& limits, ChatRequest& out);
// The messages with each tool call's arguments as JSON text, for templates that concatenate them.
Json tool_arguments_as_text(const Json& messages);

}  // namespace hadal
