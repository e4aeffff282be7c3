#include "chat/chat_loop.h"

#include <cstdio>

#include "base/file.h"
#include "base/json.h"

namespace hadal {
namespace {

constexpr char kHelp[] =
    "  /reset          forget the conversation (the system prompt stays)\n"
    "  /system TEXT    set the system prompt and start anew; without TEXT, show it\n"
    "  /undo           take the last question and answer back\n"
    "  /save FILE      write the conversation: JSON messages for *.json, else text\n"
    "  /help           this list\n"
    "  /exit           end (also Ctrl-D)\n"
    "  Ctrl-C stops an answer. A line that ends in \\ goes on in the next.\n";

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string conversation_text(const std::vector<ChatTurn>& turns, bool json) {
  if (!json) {
    std::string out;
    for (const ChatTurn& turn : turns) out += turn.role + ":\n" + turn.content + "\n\n";
    return out;
  }
  JsonArray messages;
  for (const ChatTurn& turn : turns) {
    messages.push_back(Json(JsonObject{{"role", Json(turn.role)}, {"content", Json(turn.content)}}));
  }
  return to_json(Json(std::move(messages)), 2) + "\n";
}

}  // namespace

ChatLoop::ChatLoop(ChatBackend& backend, const ChatConfig& config, ChatLoopIo io)
    : backend_(backend), config_(config), io_(std::move(io)) {
  if (!config_.system_prompt.empty()) turns_.push_back({"system", config_.system_prompt});
}

int ChatLoop::run() {
  if (!config_.prompts.empty()) {
    for (const std::string& prompt : config_.prompts) {
      if (!ask(prompt)) return 1;
    }
    return 0;
  }
  *io_.out << "Talking to " << backend_.describe() << ". /help lists the commands.\n";
  std::string pending;
  for (;;) {
    const auto line = io_.read_line(pending.empty() ? "> " : ". ");
    if (!line.has_value()) {
      *io_.out << "\n";
      return 0;
    }
    if (line->ends_with('\\')) {
      pending += line->substr(0, line->size() - 1) + "\n";
      continue;
    }
    const std::string text = pending + *line;
    pending.clear();
    const std::string_view trimmed = trim(text);
    if (trimmed.empty()) continue;
    if (trimmed.front() == '/') {
      if (command(std::string(trimmed))) return 0;
    } else {
      (void)ask(text);
    }
  }
}

bool ChatLoop::command(const std::string& line) {
  const size_t space = line.find(' ');
  const std::string name = line.substr(0, space);
  const std::string argument(space == std::string::npos ? std::string_view()
                                                        : trim(std::string_view(line).substr(space)));
  const bool has_system = !turns_.empty() && turns_.front().role == "system";
  if (name == "/exit" || name == "/quit") return true;
  if (name == "/help") {
    *io_.out << kHelp;
  } else if (name == "/reset") {
    turns_.resize(has_system ? 1 : 0);
    *io_.out << "The conversation is empty.\n";
  } else if (name == "/undo") {
    const size_t first = has_system ? 1 : 0;
    turns_.resize(turns_.size() >= first + 2 ? turns_.size() - 2 : first);
    *io_.out << turns_.size() - first << " messages left.\n";
  } else if (name == "/system") {
    if (argument.empty()) {
      *io_.out << (has_system ? turns_.front().content : "There is no system prompt.") << "\n";
    } else {
      turns_.assign(1, {"system", argument});
      *io_.out << "The system prompt is set and the conversation empty.\n";
    }
  } else if (name == "/save") {
    save(argument);
  } else {
    *io_.out << "There is no command " << name << ". /help lists them.\n";
  }
  return false;
}

void ChatLoop::save(const std::string& path) {
  if (path.empty()) {
    *io_.out << "Where to? /save FILE\n";
    return;
  }
  const Status written = write_file(path, conversation_text(turns_, path.ends_with(".json")));
  *io_.out << (written.ok() ? "Saved " + std::to_string(turns_.size()) + " messages to " + path
                            : written.to_string())
           << "\n";
}

void ChatLoop::set_dim(bool dim) {
  if (dim == dim_) return;
  dim_ = dim;
  if (io_.colour) *io_.out << (dim ? "\x1b[2m" : "\x1b[0m");
}

void ChatLoop::print_delta(const std::string& reasoning, const std::string& content) {
  if (!reasoning.empty() && config_.show_reasoning) {
    set_dim(true);
    *io_.out << reasoning;
  }
  if (!content.empty()) {
    // The answer starts on a line of its own after shown reasoning.
    if (dim_) *io_.out << "\n\n";
    set_dim(false);
    *io_.out << content;
  }
  io_.out->flush();
}

bool ChatLoop::ask(const std::string& text) {
  turns_.push_back({"user", text});
  const std::stop_token stop = io_.begin_answer();
  auto answer = backend_.answer(
      turns_,
      [this](const std::string& reasoning, const std::string& content) { print_delta(reasoning, content); },
      stop);
  io_.end_answer();
  set_dim(false);
  if (!answer.ok()) {
    turns_.pop_back();
    *io_.out << "\nerror: " << answer.error().message << "\n";
    return false;
  }
  turns_.push_back({"assistant", answer->content});
  *io_.out << "\n";
  if (answer->stopped) *io_.out << "(stopped)\n";
  if (answer->cut) *io_.out << "(cut at the length limit)\n";
  const double decode = answer->seconds - answer->first_token_seconds;
  if (config_.prompts.empty() && answer->completion_tokens > 1 && decode > 0) {
    char line[160];
    std::snprintf(line, sizeof line,
                  "[%d tokens, first after %.2f s, then %.1f tokens/s; prompt %d tokens, %d cached]\n",
                  answer->completion_tokens, answer->first_token_seconds,
                  (answer->completion_tokens - 1) / decode, answer->prompt_tokens, answer->cached_tokens);
    set_dim(true);
    *io_.out << line;
    set_dim(false);
  }
  io_.out->flush();
  return true;
}

}  // namespace hadal
