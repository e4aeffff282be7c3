#include "server/completion_request.h"

namespace hadal {
namespace {

// "input"/"prompt": a string, a list of strings, a list of token ids, or a list of lists of token ids.
void read_prompts(FieldReader& reader, const char* name, size_t max_prompts, const RequestLimits& limits,
                  bool allow_empty_text, std::vector<PromptInput>& out) {
  const Json* value = reader.require(name);
  if (!value) return;
  const std::string expected = "a string, an array of strings, or an array of token ids";
  const auto add_text = [&](const Json& item, const std::string& path) {
    if (item.as_string().empty() && !allow_empty_text) {
      reader.fail(invalid_param(path, "'" + path + "' cannot be an empty string.", "empty_string"));
      return;
    }
    out.emplace_back(item.as_string());
  };
  const auto add_ids = [&](const Json& list, const std::string& path) {
    std::vector<int32_t> ids;
    if (list.is_array() && list.as_array().empty()) {
      reader.fail(FieldReader::length_error(path, 1, SIZE_MAX, 0));
    } else if (auto error = read_token_ids(list, path, limits.vocab_size, ids)) {
      reader.fail(std::move(*error));
    } else {
      out.emplace_back(std::move(ids));
    }
  };
  if (value->is_string()) {
    add_text(*value, name);
    return;
  }
  if (!value->is_array()) {
    reader.fail(FieldReader::type_error(name, expected, *value));
    return;
  }
  const JsonArray& list = value->as_array();
  if (list.empty()) {
    reader.fail(FieldReader::length_error(name, 1, max_prompts, 0));
    return;
  }
  if (list[0].is_number()) {
    add_ids(*value, name);
    return;
  }
  if (list.size() > max_prompts) {
    reader.fail(FieldReader::length_error(name, 1, max_prompts, list.size()));
    return;
  }
  for (size_t i = 0; i < list.size() && reader.ok(); ++i) {
    const std::string path = std::string(name) + "[" + std::to_string(i) + "]";
    if (list[i].is_string()) {
      add_text(list[i], path);
    } else if (list[i].is_array()) {
      add_ids(list[i], path);
    } else {
      reader.fail(FieldReader::type_error(path, "a string or an array of token ids", list[i]));
    }
  }
}

}  // namespace

std::optional<ApiError> parse_completion_request(const Json& body, const RequestLimits& limits,
                                                 const SamplingParams& defaults, CompletionRequest& out) {
  FieldReader reader(body);
  read_generation_fields(reader, limits, defaults, out.common);
  read_prompts(reader, "prompt", limits.max_prompts, limits, true, out.prompts);
  out.common.max_tokens = 16;  // OpenAI's default
  int64_t limit = 0;
  if (reader.integer("max_tokens", 0, INT32_MAX, limit)) out.common.max_tokens = limit;
  reader.boolean("echo", out.echo);
  reader.integer("logprobs", 0, 5, out.logprobs);
  int32_t best_of = 0;
  if (reader.integer("best_of", 1, limits.max_n, best_of) && best_of > out.common.n) {
    reader.refuse("best_of", "answers are not ranked; a value up to that of 'n' is taken");
  }
  std::string suffix;
  if (reader.string("suffix", suffix) && !suffix.empty())
    reader.refuse("suffix", "insertion is not supported");
  if (const Json* format = reader.object("response_format")) {
    const Json* type = format->find("type");
    if (!type || *type != Json("text")) {
      reader.refuse("response_format", "structured output is not supported by this server");
    }
  }
  // Each sequence of a request holds memory: the product is bounded as each factor is.
  if (reader.ok() && out.prompts.size() * static_cast<size_t>(out.common.n) > limits.max_prompts) {
    reader.fail(invalid_param(
        "n",
        "Invalid 'n': the number of prompts times 'n' is over " + std::to_string(limits.max_prompts) + ".",
        "integer_above_max_value"));
  }
  return reader.error();
}

std::optional<ApiError> parse_embedding_request(const Json& body, const RequestLimits& limits,
                                                EmbeddingRequest& out) {
  FieldReader reader(body);
  read_model(reader, out.model);
  read_prompts(reader, "input", limits.max_embedding_inputs, limits, false, out.inputs);
  std::string format, pooling;
  if (reader.choice("encoding_format", {"float", "base64"}, format)) out.base64 = format == "base64";
  int64_t dimensions = 0;
  if (reader.integer("dimensions", 1, INT32_MAX, dimensions)) out.dimensions = dimensions;
  if (reader.choice("pooling", {"mean", "last"}, pooling)) {
    out.pooling = pooling == "mean" ? Pooling::kMean : Pooling::kLast;
  }
  reader.boolean("normalize", out.normalize);
  reader.integer("priority", INT32_MIN, INT32_MAX, out.priority);
  reader.refuse("truncate_prompt_tokens", "it is not supported by this server");
  return reader.error();
}

std::optional<ApiError> parse_tokenize_request(const Json& body, const RequestLimits& limits,
                                               TokenizeRequest& out) {
  FieldReader reader(body);
  reader.string("model", out.model);
  bool add_special = false;
  if (reader.boolean("add_special_tokens", add_special)) out.add_special_tokens = add_special;
  reader.boolean("return_token_strs", out.return_token_strs);
  const Json* prompt = reader.get("prompt");
  if (prompt && reader.has("messages")) {
    reader.fail(
        invalid_param("prompt", "Only one of 'prompt' and 'messages' may be given.", "invalid_value"));
  } else if (prompt && prompt->is_string()) {
    out.prompts.push_back(prompt->as_string());
  } else if (prompt && prompt->is_array()) {
    out.is_list = true;
    reader.array("prompt", 1, limits.max_prompts);
    for (size_t i = 0; i < prompt->as_array().size() && reader.ok(); ++i) {
      const Json& item = prompt->as_array()[i];
      if (!item.is_string()) {
        reader.fail(FieldReader::type_error("prompt[" + std::to_string(i) + "]", "a string", item));
      } else {
        out.prompts.push_back(item.as_string());
      }
    }
  } else if (prompt) {
    reader.fail(FieldReader::type_error("prompt", "a string or an array of strings", *prompt));
  } else if (reader.has("messages")) {
    out.chat.emplace();
    read_chat_prompt(reader, limits, *out.chat);
  } else {
    reader.require("prompt");
  }
  return reader.error();
}

std::optional<ApiError> parse_detokenize_request(const Json& body, const RequestLimits& limits,
                                                 DetokenizeRequest& out) {
  FieldReader reader(body);
  reader.string("model", out.model);
  reader.boolean("skip_special_tokens", out.skip_special_tokens);
  reader.require("tokens");
  const Json* tokens = reader.array("tokens", 0, SIZE_MAX);
  if (!tokens) return reader.error();
  const JsonArray& list = tokens->as_array();
  if (list.empty() || !list[0].is_array()) {
    out.tokens.emplace_back();
    return read_token_ids(*tokens, "tokens", limits.vocab_size, out.tokens.back());
  }
  out.is_list = true;
  if (list.size() > limits.max_prompts)
    return FieldReader::length_error("tokens", 0, limits.max_prompts, list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    out.tokens.emplace_back();
    const std::string path = "tokens[" + std::to_string(i) + "]";
    if (auto error = read_token_ids(list[i], path, limits.vocab_size, out.tokens.back())) return error;
  }
  return std::nullopt;
}

}  // namespace hadal
