// Conversations as files: what /save writes and /load reads. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "chat/chat_backend.h"

namespace hadal {

// The messages as OpenAI's chat completions take them, for people to edit too.
std::string conversation_json(const std::vector<ChatTurn>& turns);
std::string conversation_text(const std::vector<ChatTurn>& turns);
// The inverse of conversation_json; also takes {"messages": [...]}. Roles are system (only first), user and
// assistant, contents are strings. Errors say which message is wrong.
Result<std::vector<ChatTurn>> parse_conversation(std::string_view json);

}  // namespace hadal
