#include "server/chat_request.h"

namespace hadal {
namespace {

// In the order of preference.
constexpr const char* kReasoningNames[] = {"reasoning_content", "thinking", "reasoning"};

// Checks a content array. Only text parts (and an assistant's refusals, which become such) have text.
std::optional<ApiError> read_parts(const Json& parts, const std::string& path, Json& out) {
  if (parts.as_array().empty()) return FieldReader::length_error(path, 1, SIZE_MAX, 0);
  JsonArray list;
  for (size_t i = 0; i < parts.as_array().size(); ++i) {
    const Json& part = parts.as_array()[i];
    const std::string at = path + "[" + std::to_string(i) + "]";
    if (!part.is_object()) return FieldReader::type_error(at, "an object", part);
    FieldReader reader(part, at + ".");
    std::string type;
    reader.require("type");
    reader.string("type", type);
    if (!reader.ok()) return reader.error();
    if (type != "text" && type != "refusal") {
      return invalid_param(at + ".type",
                           "Unsupported content part '" + type.substr(0, 64) +
                               "': this model takes text only. Supported values are: 'text'.",
                           "unsupported_content_part");
    }
    std::string value;
    reader.require(type);
    reader.string(type, value);
    if (!reader.ok()) return reader.error();
    list.emplace_back(JsonObject{{"type", Json("text")}, {"text", Json(std::move(value))}});
  }
  out = Json(std::move(list));
  return std::nullopt;
}

// Checks one tool call and turns its arguments into an object, which is what Hugging Face's templates expect.
std::optional<ApiError> read_tool_call(Json& call, const std::string& path) {
  if (!call.is_object()) return FieldReader::type_error(path, "an object", call);
  FieldReader reader(call, path + ".");
  std::string text;
  reader.string("id", text);
  reader.choice("type", {"function"}, text);
  const Json* function = reader.require("function");
  if (!function || !reader.object("function")) return reader.error();
  FieldReader nested(*function, path + ".function.");
  std::string name, arguments;
  nested.require("name");
  nested.string("name", name);
  const Json* given = nested.get("arguments");
  const bool is_text = given && given->is_string();
  if (given && !given->is_object()) nested.string("arguments", arguments);
  if (!nested.ok()) return nested.error();
  Json changed = *function;
  if (!given) changed.set("arguments", JsonObject{});
  if (is_text) {
    const bool blank = arguments.find_first_not_of(" \t\r\n") == std::string::npos;
    auto parsed = parse_json(blank ? "{}" : arguments, 64);
    if (parsed.ok() && parsed->is_object()) changed.set("arguments", std::move(*parsed));
  }
  call.set("function", std::move(changed));
  return std::nullopt;
}

std::optional<ApiError> read_tool_calls(Json& message, const std::string& role, const std::string& path) {
  const Json* calls = message.find("tool_calls");
  if (!calls) return std::nullopt;
  if (!calls->is_array()) return FieldReader::type_error(path + "tool_calls", "an array", *calls);
  if (role != "assistant" && !calls->as_array().empty()) {
    return invalid_param(path + "tool_calls", "Only an 'assistant' message may have 'tool_calls'.",
                         "invalid_value");
  }
  Json changed = *calls;
  for (size_t i = 0; i < changed.as_array().size(); ++i) {
    if (auto error = read_tool_call(changed.as_array()[i], path + "tool_calls[" + std::to_string(i) + "]")) {
      return error;
    }
  }
  message.set("tool_calls", std::move(changed));
  return std::nullopt;
}

std::optional<ApiError> read_content(Json& message, const Json* content, const std::string& role,
                                     const std::string& path) {
  if (!content) {
    if (role != "assistant") {
      return invalid_param(
          path + "content",
          "Invalid value for '" + path + "content': expected a string or an array of text parts, got null.",
          "invalid_type");
    }
    message.set("content", Json());
    return std::nullopt;
  }
  if (content->is_string()) return std::nullopt;
  if (!content->is_array())
    return FieldReader::type_error(path + "content", "a string or an array of text parts", *content);
  Json parts;
  if (auto error = read_parts(*content, path + "content", parts)) return error;
  message.set("content", std::move(parts));
  return std::nullopt;
}

// As transformers does: templates read an earlier turn's reasoning as "reasoning_content" or, gpt-oss's, as
// "thinking"; clients send one of three names.
void alias_reasoning(Json& message) {
  for (const char* name : kReasoningNames) {
    const Json* given = message.find(name);
    if (!given) continue;
    const Json reasoning = *given;
    if (!message.find("thinking")) message.set("thinking", reasoning);
    message.set("reasoning_content", reasoning);
    return;
  }
}

std::optional<ApiError> read_message(const Json& source, const std::string& path, Json& out,
                                     ChatRequest& request) {
  FieldReader reader(source, path);
  std::string role;
  reader.require("role");
  reader.choice("role", {"system", "developer", "user", "assistant", "tool", "function"}, role);
  std::string text;
  for (const char* name : {"name", "tool_call_id"}) reader.string(name, text);
  for (const char* name : kReasoningNames) reader.string(name, text);
  const Json* content = reader.get("content");
  if (!reader.ok()) return reader.error();
  // Templates test for a member's presence, so clients' explicit nulls must look absent.
  JsonObject kept;
  for (const auto& [key, value] : source.as_object()) {
    if (!value.is_null() || key == "content") kept.emplace_back(key, value);
  }
  out = Json(std::move(kept));
  if (role == "developer") out.set("role", "system");
  if (role == "function") out.set("role", "tool");
  alias_reasoning(out);
  if (auto error = read_content(out, content, role, path)) return error;
  if (auto error = read_tool_calls(out, role, path)) return error;
  request.has_tool_calls = request.has_tool_calls || out.find("tool_calls") != nullptr;
  request.has_parts = request.has_parts || out.find("content")->is_array();
  return std::nullopt;
}

void read_messages(FieldReader& reader, const RequestLimits& limits, ChatRequest& out) {
  reader.require("messages");
  const Json* messages = reader.array("messages", 1, limits.max_messages);
  if (!messages) return;
  JsonArray list;
  list.reserve(messages->as_array().size());
  for (size_t i = 0; i < messages->as_array().size(); ++i) {
    const Json& source = messages->as_array()[i];
    const std::string at = "messages[" + std::to_string(i) + "]";
    Json message;
    std::optional<ApiError> error;
    if (!source.is_object()) {
      error = FieldReader::type_error(at, "an object", source);
    } else {
      error = read_message(source, at + ".", message, out);
    }
    if (error) {
      reader.fail(std::move(*error));
      return;
    }
    list.push_back(std::move(message));
  }
  out.messages = std::move(list);
}

void read_tools(FieldReader& reader, const RequestLimits& limits, ChatRequest& out) {
  const Json* tools = reader.array("tools", 0, limits.max_tools);
  for (size_t i = 0; tools && i < tools->as_array().size() && reader.ok(); ++i) {
    const std::string at = "tools[" + std::to_string(i) + "]";
    const Json& tool = tools->as_array()[i];
    if (!tool.is_object()) {
      reader.fail(FieldReader::type_error(at, "an object", tool));
      return;
    }
    FieldReader nested(tool, at + ".");
    std::string type, name;
    nested.require("type");
    nested.choice("type", {"function"}, type);
    nested.require("function");
    if (const Json* function = nested.object("function")) {
      FieldReader inner(*function, at + ".function.");
      inner.require("name");
      inner.string("name", name);
      inner.string("description", name);
      inner.object("parameters");
      nested.adopt(inner);
    }
    reader.adopt(nested);
  }
  if (!reader.ok()) return;
  bool pass = tools && !tools->as_array().empty();
  if (const Json* choice = reader.get("tool_choice")) {
    const bool auto_or_none =
        choice->is_string() && (choice->as_string() == "auto" || choice->as_string() == "none");
    if (!choice->is_string() && !choice->is_object()) {
      reader.fail(FieldReader::type_error("tool_choice", "a string or an object", *choice));
    } else if (!auto_or_none) {
      reader.fail(invalid_param(
          "tool_choice",
          "Unsupported value for 'tool_choice': this server cannot force a tool call. Supported "
          "values are: 'none', 'auto'.",
          "unsupported_value"));
    } else if (choice->as_string() == "none") {
      pass = false;
    }
  }
  if (pass) out.tools = *tools;
}

void read_format(FieldReader& reader) {
  if (const Json* format = reader.object("response_format")) {
    FieldReader nested(*format, "response_format.");
    std::string type;
    nested.require("type");
    nested.choice("type", {"text", "json_object", "json_schema"}, type);
    reader.adopt(nested);
    if (reader.ok() && type != "text") {
      reader.fail(invalid_param(
          "response_format.type",
          "Unsupported value for 'response_format.type': '" + type +
              "': structured output is not supported by this server. Supported values are: 'text'.",
          "unsupported_value"));
    }
  }
  if (const Json* modalities = reader.array("modalities", 0, 8)) {
    for (const Json& item : modalities->as_array()) {
      if (item != Json("text")) reader.refuse("modalities", "this model gives text only");
    }
  }
  reader.refuse("audio", "this model gives text only");
  reader.refuse("web_search_options", "web search is not supported by this server");
  if (const Json* functions = reader.array("functions", 0, SIZE_MAX);
      functions && !functions->as_array().empty())
    reader.refuse("functions", "it is deprecated; use 'tools'");
  if (const Json* call = reader.get("function_call"); call && *call != Json("none") && *call != Json("auto"))
    reader.refuse("function_call", "it is deprecated; use 'tool_choice'");
}

void read_logprobs(FieldReader& reader, ChatRequest& out) {
  reader.boolean("logprobs", out.logprobs);
  reader.integer("top_logprobs", 0, 20, out.top_logprobs);
}

}  // namespace

void read_chat_prompt(FieldReader& reader, const RequestLimits& limits, ChatRequest& out) {
  read_messages(reader, limits, out);
  read_tools(reader, limits, out);
  if (const Json* documents = reader.array("documents", 0, limits.max_messages)) {
    for (size_t i = 0; i < documents->as_array().size(); ++i) {
      const Json& item = documents->as_array()[i];
      if (item.is_object()) continue;
      reader.fail(FieldReader::type_error("documents[" + std::to_string(i) + "]", "an object", item));
      break;
    }
    out.documents = *documents;
  }
  if (const Json* kwargs = reader.object("chat_template_kwargs")) out.template_kwargs = *kwargs;
  // Untrusted templates would run with the model's privileges and its cache.
  reader.refuse("chat_template", "the server's chat template cannot be replaced by a request");
  std::string effort;
  if (reader.string("reasoning_effort", effort)) {
    const Json* kwargs = &out.template_kwargs;
    if (!kwargs->find("reasoning_effort")) out.template_kwargs.set("reasoning_effort", Json(effort));
  }
  reader.boolean("continue_final_message", out.continue_final_message);
  if (reader.boolean("add_generation_prompt", out.add_generation_prompt)) {
    if (out.add_generation_prompt && out.continue_final_message) {
      reader.fail(invalid_param("continue_final_message",
                                "'continue_final_message' and 'add_generation_prompt' cannot both be true.",
                                "invalid_value"));
    }
  } else if (out.continue_final_message) {
    out.add_generation_prompt = false;
  }
}

std::optional<ApiError> parse_chat_request(const Json& body, const RequestLimits& limits,
                                           const SamplingParams& defaults, ChatRequest& out) {
  FieldReader reader(body);
  read_generation_fields(reader, limits, defaults, out.common);
  read_chat_prompt(reader, limits, out);
  read_format(reader);
  read_logprobs(reader, out);
  int64_t limit = 0;
  if (reader.integer("max_tokens", 1, INT32_MAX, limit)) out.common.max_tokens = limit;
  if (reader.integer("max_completion_tokens", 1, INT32_MAX, limit)) out.common.max_tokens = limit;
  reader.boolean("echo", out.echo);
  reader.boolean("separate_reasoning", out.separate_reasoning);
  reader.boolean("stream_reasoning", out.stream_reasoning);
  reader.boolean("include_reasoning", out.include_reasoning);
  return reader.error();
}

Json tool_arguments_as_text(const Json& messages) {
  Json out = messages;
  for (Json& message : out.as_array()) {
    const Json* calls = message.find("tool_calls");
    if (!calls) continue;
    Json changed = *calls;
    for (Json& call : changed.as_array()) {
      Json function = *call.find("function");
      const Json* arguments = function.find("arguments");
      if (arguments && !arguments->is_string()) function.set("arguments", Json(to_json(*arguments)));
      call.set("function", std::move(function));
    }
    message.set("tool_calls", std::move(changed));
  }
  return out;
}

}  // namespace hadal
