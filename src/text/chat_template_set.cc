#include "text/chat_template_set.h"

namespace hadal {
namespace {

Result<std::shared_ptr<const ChatTemplate>> parse_named(const ChatTemplateSet::Sources& sources,
                                                        std::string_view name) {
  const auto found = sources.find(name);
  if (found == sources.end()) return std::shared_ptr<const ChatTemplate>();
  auto parsed = ChatTemplate::parse(found->second);
  if (!parsed.ok() && name != "default") {
    return make_error(parsed.error().code, "template \"", name, "\": ", parsed.error().message);
  }
  return parsed;
}

bool has_tools(const Json& variables) {
  const Json* tools = variables.find("tools");
  return tools != nullptr && tools->is_array() && !tools->as_array().empty();
}

}  // namespace

Result<std::shared_ptr<const ChatTemplateSet>> ChatTemplateSet::parse(const Sources& sources) {
  auto out = std::make_shared<ChatTemplateSet>();
  HADAL_ASSIGN(out->default_, parse_named(sources, "default"));
  HADAL_ASSIGN(out->tool_use_, parse_named(sources, "tool_use"));
  for (const auto& [name, source] : sources) out->names_ += (out->names_.empty() ? "'" : ", '") + name + "'";
  return std::shared_ptr<const ChatTemplateSet>(std::move(out));
}

Result<std::string> ChatTemplateSet::render(const Json& variables,
                                            std::chrono::system_clock::time_point now) const {
  if (tool_use_ != nullptr && has_tools(variables)) return tool_use_->render(variables, now);
  if (default_ != nullptr) return default_->render(variables, now);
  return invalid_argument("this model has several chat templates and no default one; their names are [",
                          names_, "]; --chat-template FILE gives the server one");
}

ChatTemplateSet::Sources chat_template_sources(const Tokenizer& tokenizer) {
  ChatTemplateSet::Sources sources;
  for (const std::string& name : tokenizer.chat_template_names())
    sources[name] = tokenizer.chat_template(name);
  return sources;
}

}  // namespace hadal
