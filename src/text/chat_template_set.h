// ChatTemplateSet: a model's chat templates by name, and the choice between them that transformers makes:
// "tool_use" for a request with tools where the model has it, else "default". Immutable; any thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace hadal {

class ChatTemplateSet {
 public:
  // Sources by name. Only the two that requests can get are parsed. Errors: as ChatTemplate::parse, naming
  // the template.
  using Sources = std::map<std::string, std::string, std::less<>>;
  static Result<std::shared_ptr<const ChatTemplateSet>> parse(const Sources& sources);

  // Errors: as ChatTemplate::render; kInvalidArgument listing the names where neither template is there.
  Result<std::string> render(const Json& variables, std::chrono::system_clock::time_point now) const;

 private:
  std::shared_ptr<const ChatTemplate> default_;
  std::shared_ptr<const ChatTemplate> tool_use_;
  std::string names_;  // as Python prints a sorted list
};

// Of a tokenizer; empty where the model has none.
ChatTemplateSet::Sources chat_template_sources(const Tokenizer& tokenizer);

}  // namespace hadal
