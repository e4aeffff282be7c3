#include "server/openapi.h"

#include <algorithm>
#include <utility>

#include "base/json.h"

namespace hadal {
namespace {

// Replaces every @NAME@ that `values` knows.
std::string fill(std::string_view text, const std::vector<std::pair<std::string, std::string>>& values) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t at = std::min(text.find('@'), text.size());
    out += text.substr(0, at);
    text.remove_prefix(at);
    const size_t end = text.empty() ? std::string_view::npos : text.find('@', 1);
    if (end == std::string_view::npos) {
      out += text;
      break;
    }
    const std::string_view name = text.substr(1, end - 1);
    for (const auto& [key, value] : values) {
      if (key == name) out += value;
    }
    text.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace

std::string openapi_document(const ServerConfig& config, const OpenApiFacts& facts) {
  Json names = JsonArray{};
  for (const std::string& name : facts.model_names) names.as_array().emplace_back(name);
  const std::string model = facts.model_names.empty()
                                ? R"({"type":"string"})"
                                : "{\"type\":\"string\",\"enum\":" + to_json(names) + "}";
  const int64_t last_id = facts.vocab_size > 0 ? facts.vocab_size - 1 : INT32_MAX;
  const std::vector<std::pair<std::string, std::string>> values = {
      {"VERSION", to_json(Json(facts.version))},
      {"SECURITY", facts.needs_key ? R"([{"bearer":[]},{"apiKey":[]}])" : "[]"},
      {"MODEL", model},
      {"LAST_ID", std::to_string(last_id)},
      {"MAX_TOKENS", std::to_string(facts.context_length > 0 ? facts.context_length : INT32_MAX)},
      {"MAX_MESSAGES", std::to_string(config.max_messages)},
      {"MAX_TOOLS", std::to_string(config.max_tools)},
      {"MAX_N", std::to_string(config.max_n)},
      {"MAX_STOP", std::to_string(config.max_stop)},
      {"MAX_STOP_LEN", std::to_string(config.max_stop_len)},
      {"MAX_STOP_IDS", std::to_string(config.max_stop_token_ids)},
      {"MAX_BIAS", std::to_string(config.max_logit_bias)},
      {"MAX_PROMPTS", std::to_string(config.max_prompts)},
      {"MAX_INPUTS", std::to_string(config.max_embedding_inputs)},
  };
  return "{" + fill(kOpenApiPaths, values) + "," + fill(kOpenApiSchemas, values) + "}";
}

}  // namespace hadal
