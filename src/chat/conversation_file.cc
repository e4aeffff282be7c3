#include "chat/conversation_file.h"

#include "base/json.h"

namespace hadal {
namespace {

Result<ChatTurn> parse_turn(const Json& message, size_t index) {
  const auto wrong = [&](std::string_view what) {
    return invalid_argument("message ", index + 1, ": ", what);
  };
  if (!message.is_object()) return wrong("it must be an object with role and content");
  const Json* role = message.find("role");
  const Json* content = message.find("content");
  if (role == nullptr || !role->is_string()) return wrong("it has no role");
  if (content == nullptr || !content->is_string()) return wrong("its content is no text");
  const std::string& name = role->as_string();
  if (name == "system" && index > 0) return wrong("only the first can be the system's");
  if (name != "system" && name != "user" && name != "assistant") {
    return wrong("its role is \"" + name + "\", not system, user or assistant");
  }
  return ChatTurn{name, content->as_string()};
}

}  // namespace

std::string conversation_json(const std::vector<ChatTurn>& turns) {
  JsonArray messages;
  for (const ChatTurn& turn : turns) {
    messages.push_back(Json(JsonObject{{"role", Json(turn.role)}, {"content", Json(turn.content)}}));
  }
  return to_json(Json(std::move(messages)), 2) + "\n";
}

std::string conversation_text(const std::vector<ChatTurn>& turns) {
  std::string out;
  for (const ChatTurn& turn : turns) out += turn.role + ":\n" + turn.content + "\n\n";
  return out;
}

Result<std::vector<ChatTurn>> parse_conversation(std::string_view json) {
  auto parsed = parse_json(json);
  if (!parsed.ok()) return invalid_argument("it is no JSON: ", parsed.error().message);
  const Json* messages = parsed->is_object() ? parsed->find("messages") : &*parsed;
  if (messages == nullptr || !messages->is_array()) return invalid_argument("it holds no list of messages");
  std::vector<ChatTurn> turns;
  for (const Json& message : messages->as_array()) {
    HADAL_ASSIGN(ChatTurn turn, parse_turn(message, turns.size()));
    turns.push_back(std::move(turn));
  }
  return turns;
}

}  // namespace hadal
