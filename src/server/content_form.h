// ContentForm: what a chat template makes of a message's content: text, or a list of parts ({"type": "text",
// "text": ...}). Found out once, by rendering small conversations, so that each message reaches the template
// in the form that it prints: as transformers' apply_chat_template is used, and as SGLang and vLLM decide
// from the template's source. A value; any thread.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace hadal {

// Variables (an object) to prompt text.
using ChatRenderer = std::function<Result<std::string>(const Json& variables)>;

struct ContentForm {
  bool takes_text = true;  // else text is wrapped into one part
  // Roles whose lists of parts are printed part by part; other lists are joined by newlines. In kRoles'
  // order.
  std::array<bool, 3> takes_parts{};

  static constexpr std::array<std::string_view, 3> kRoles{"system", "user", "assistant"};
  // bos, eos: the special tokens' text that templates print.
  static ContentForm probe(const ChatRenderer& render, std::string_view bos, std::string_view eos);
  // The messages in the template's form. Content is a string, null, or a list of text parts, as ChatRequest
  // has it.
  Json shape(const Json& messages) const;
};

}  // namespace hadal
