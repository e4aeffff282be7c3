#include "server/openapi.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "server/generation_fields.h"

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

// Fields that are known and refused, since they would change the answer; see generation_fields.cc. A field
// that is off is as good as absent.
std::string refused_fields() {
  std::string out;
  const auto add = [&](const char* name, const char* schema) {
    if (!out.empty()) out += ",\n";
    out += std::string("\"") + name + "\":{" + schema + R"(,"description":"Refused: not supported"})";
  };
  for (const char* name : kRefusedFields) add(name, R"("type":"null")");
  for (const char* name : kRefusedUnlessFalse) add(name, R"("enum":[false,null])");
  return out;
}

std::string digit_class(char from, char to) {
  if (from == to) return std::string(1, from);
  return std::string("[") + from + "-" + to + "]";
}

}  // namespace

std::string number_pattern(int64_t last) {
  const std::string digits = std::to_string(last);
  std::string out = last < 9 ? digit_class('0', digits[0]) : "[0-9]";
  if (last <= 9) return out;
  const auto any = [](size_t count) {
    return count ? "[0-9]{" + std::to_string(count) + "}" : std::string();
  };
  for (size_t length = 2; length < digits.size(); ++length) out += "|[1-9]" + any(length - 1);
  // As long as `last`: smaller at one place, equal before it.
  for (size_t i = 0; i < digits.size(); ++i) {
    const char lowest = i == 0 ? '1' : '0';
    if (digits[i] <= lowest) continue;
    out += "|" + digits.substr(0, i) + digit_class(lowest, static_cast<char>(digits[i] - 1)) +
           any(digits.size() - i - 1);
  }
  return out + "|" + digits;
}

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
      {"FIT", facts.context_length > 0
                  ? "With the prompt at most " + std::to_string(facts.context_length) + " tokens"
                  : "With the prompt at most the model's context length"},
      {"MAX_MESSAGES", std::to_string(config.max_messages)},
      {"MAX_TOOLS", std::to_string(config.max_tools)},
      {"MAX_N", std::to_string(config.max_n)},
      {"MAX_STOP", std::to_string(config.max_stop)},
      {"MAX_STOP_LEN", std::to_string(config.max_stop_len)},
      {"MAX_STOP_IDS", std::to_string(config.max_stop_token_ids)},
      {"MAX_BIAS", std::to_string(config.max_logit_bias)},
      {"MAX_PROMPTS", std::to_string(config.max_prompts)},
      {"MAX_INPUTS", std::to_string(config.max_embedding_inputs)},
      {"MAX_SALT_LEN", std::to_string(kMaxSaltLen)},
      {"ID_PATTERN", number_pattern(last_id)},
      {"REFUSED", refused_fields()},
      {"DIMENSIONS",
       facts.hidden_size > 0
           ? "{\"enum\":[" + std::to_string(facts.hidden_size) + ",null]}"
           : R"({"type":["integer","null"],"minimum":1,"description":"The model's own number only"})"},
      {"TWO_ENDS", R"({"required":["add_generation_prompt","continue_final_message"],"properties":{)"
                   R"("add_generation_prompt":{"const":true},"continue_final_message":{"const":true}}})"},
      {"MESSAGE_FIELDS", kOpenApiMessageFields},
  };
  auto with_parts = values;
  with_parts.emplace_back("GENERATION", fill(kOpenApiGeneration, values));
  return "{" + fill(openapi_paths(), values) + "," + fill(kOpenApiSchemas, with_parts) + "}";
}

}  // namespace hadal
