#include "server/content_form.h"

#include <algorithm>

namespace hadal {
namespace {

// Words that no template writes of itself.
constexpr std::string_view kFirst = "hadalprobeone", kSecond = "hadalprobetwo";

Json text_part(std::string_view text) {
  return Json(JsonObject{{"type", Json("text")}, {"text", Json(text)}});
}

Json make_message(std::string_view role, Json content) {
  return Json(JsonObject{{"role", Json(role)}, {"content", std::move(content)}});
}

// A conversation that has `content` as a message of `role`, in a place where templates expect it.
Json conversation(std::string_view role, const Json& content) {
  JsonArray messages;
  if (role == "system") {
    messages = {make_message(role, content), make_message("user", Json("q"))};
  } else if (role == "user") {
    messages = {make_message(role, content)};
  } else {
    messages = {make_message("user", Json("q")), make_message(role, content),
                make_message("user", Json("q"))};
  }
  return Json(std::move(messages));
}

std::string join(const Json& parts) {
  std::string text;
  bool first = true;
  for (const Json& part : parts.as_array()) {
    if (!first) text += '\n';
    first = false;
    text += part.find("text")->as_string();
  }
  return text;
}

}  // namespace

ContentForm ContentForm::probe(const ChatRenderer& render, std::string_view bos, std::string_view eos) {
  ContentForm form;
  const auto try_with = [&](std::string_view role, const Json& content) {
    Json variables(JsonObject{});
    variables.set("messages", conversation(role, content));
    variables.set("tools", Json());
    variables.set("documents", Json());
    variables.set("add_generation_prompt", Json(true));
    variables.set("bos_token", Json(bos));
    variables.set("eos_token", Json(eos));
    auto text = render(variables);
    return text.ok() ? std::move(*text) : std::string();
  };
  const Json parts(JsonArray{text_part(kFirst), text_part(kSecond)});
  for (size_t i = 0; i < kRoles.size(); ++i) {
    const std::string text = try_with(kRoles[i], parts);
    const size_t first = text.find(kFirst), second = text.find(kSecond);
    // A template that takes every content for text prints the list itself, as Python writes it.
    form.takes_parts[i] = first != std::string::npos && second != std::string::npos && first < second &&
                          text.substr(first, second - first).find('{') == std::string::npos;
  }
  const std::string text = try_with("user", Json(kFirst));
  // Where text does not come out, and parts do, text is sent as a part.
  form.takes_text = !form.takes_parts[1] || text.find(kFirst) != std::string::npos;
  return form;
}

Json ContentForm::shape(const Json& messages) const {
  Json out = messages;
  for (Json& message : out.as_array()) {
    const Json* content = message.find("content");
    if (!content) continue;
    const Json* role = message.find("role");
    const auto known =
        std::find(kRoles.begin(), kRoles.end(), role && role->is_string() ? role->as_string() : "");
    const bool parts = known != kRoles.end() && takes_parts[static_cast<size_t>(known - kRoles.begin())];
    if (content->is_array() && !parts) {
      message.set("content", Json(join(*content)));
    } else if (content->is_string() && !takes_text && parts) {
      message.set("content", Json(JsonArray{text_part(content->as_string())}));
    }
  }
  return out;
}

}  // namespace hadal
