// Reading tokenizer.json (Hugging Face `tokenizers`) and tokenizer_config.json. Internal to text/. Any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "text/bpe_tokenizer.h"

namespace hadal {

using ChatTemplates = std::map<std::string, std::string, std::less<>>;

// Tokenizer::from_json; `chat_templates` (by name) win over those of tokenizer_config.json.
Result<std::shared_ptr<const Tokenizer>> tokenizer_from_json(std::string_view tokenizer_json,
                                                             std::string_view tokenizer_config_json,
                                                             const ChatTemplates& chat_templates);

// A member of a JSON object; nullopt or the default when it is absent or of another type.
std::optional<std::string_view> json_string(const Json& object, std::string_view key);
std::optional<int64_t> json_int(const Json& object, std::string_view key);
bool json_bool(const Json& object, std::string_view key, bool otherwise);

}  // namespace hadal
