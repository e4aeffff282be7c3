#include "chat/chat_loop.h"

#include <cstdio>

#include "base/file.h"
#include "chat/conversation_file.h"

namespace hadal {
namespace {

constexpr int kExitStopped = 130;  // as a shell says of a program that Ctrl-C ended
constexpr size_t kMaxFileBytes = size_t{64} << 20;
constexpr std::string_view kQuotes = "\"\"\"";

constexpr char kHelp[] =
    "  /reset          forget the conversation (the system prompt stays)\n"
    "  /system TEXT    set the system prompt and start anew; without TEXT, show it\n"
    "  /undo           take the last question and answer back\n"
    "  /save FILE      write the conversation: JSON messages for *.json, else text; /save! writes over a "
    "file\n"
    "  /load FILE      go on with a conversation that /save wrote as *.json\n"
    "  /help           this list\n"
    "  /exit           end (also Ctrl-D)\n"
    "  Ctrl-C stops an answer, or drops the line being typed.\n"
    "  A line that ends in \\ goes on in the next; \"\"\" begins and ends a message of several lines.\n"
    "  A space before / sends the line as it is.\n";

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace

ChatLoop::ChatLoop(ChatBackend& backend, const ChatConfig& config, ChatLoopIo io)
    : backend_(backend), config_(config), io_(std::move(io)) {
  if (!config_.system_prompt.empty()) turns_.push_back({"system", config_.system_prompt});
}

int ChatLoop::run() {
  if (!config_.prompts.empty()) {
    for (const std::string& prompt : config_.prompts) {
      if (const int code = ask_once(prompt); code != 0) return code;
    }
    return 0;
  }
  if (talking()) return converse();
  const auto text = io_.read_all();
  if (!text.ok() || trim(*text).empty()) {
    *io_.err << "hadal chat: "
             << (text.ok() ? "the standard input is empty: there is no question" : text.error().message)
             << std::endl;
    return 1;
  }
  return ask_once(*text);
}

int ChatLoop::ask_once(const std::string& text) {
  switch (ask(text)) {
    case Outcome::kAnswered:
      return 0;
    case Outcome::kStopped:
      return kExitStopped;
    case Outcome::kFailed:
      break;
  }
  return 1;
}

int ChatLoop::converse() {
  *io_.out << "Talking to " << backend_.describe() << ". /help lists the commands.\n";
  while (const auto message = read_message()) {
    if (trim(message->text).empty()) continue;
    if (message->quoted || message->text.front() != '/') {
      (void)ask(message->text);
    } else if (command(std::string(trim(message->text)))) {
      return 0;
    }
  }
  *io_.out << "\n";
  return 0;
}

std::optional<ChatLoop::Message> ChatLoop::read_message() {
  std::string text;
  bool quoted = false;
  for (;;) {
    ChatInput input = io_.read_line(text.empty() && !quoted ? "> " : ". ");
    if (input.kind == ChatInput::Kind::kEnd) return std::nullopt;
    if (input.kind == ChatInput::Kind::kInterrupted) {
      *io_.out << "(Ctrl-D or /exit ends)\n";
      return Message{};
    }
    std::string_view line = input.line;
    if (!quoted && text.empty() && line.starts_with(kQuotes)) {
      quoted = true;
      line.remove_prefix(kQuotes.size());
      if (trim(line).empty()) continue;
    }
    if (quoted) {
      const bool last = trim(line).ends_with(kQuotes);
      if (last) line = line.substr(0, line.rfind(kQuotes));
      // The line feed before closing quotes on a line of their own is theirs.
      if (last && line.empty() && text.ends_with('\n')) text.pop_back();
      text += line;
      if (last) return Message{std::move(text), true};
      text += '\n';
    } else if (line.ends_with('\\')) {
      text += std::string(line.substr(0, line.size() - 1)) + "\n";
    } else {
      return Message{text + std::string(line), false};
    }
  }
}

bool ChatLoop::command(const std::string& line) {
  const size_t space = line.find(' ');
  const std::string name = line.substr(0, space);
  const std::string argument(space == std::string::npos ? std::string_view()
                                                        : trim(std::string_view(line).substr(space)));
  if (name == "/exit" || name == "/quit") return true;
  if (name == "/help") {
    *io_.out << kHelp;
  } else if (name == "/reset") {
    turns_.resize(has_system() ? 1 : 0);
    *io_.out << "The conversation is empty.\n";
  } else if (name == "/undo") {
    const size_t first = has_system() ? 1 : 0;
    turns_.resize(turns_.size() >= first + 2 ? turns_.size() - 2 : first);
    *io_.out << turns_.size() - first << " messages left.\n";
  } else if (name == "/system") {
    set_system(argument);
  } else if (name == "/save" || name == "/save!") {
    save(expand(argument), name == "/save!");
  } else if (name == "/load") {
    load(expand(argument));
  } else {
    *io_.out << "There is no command " << name << ". /help lists them; a space before it sends the line.\n";
  }
  return false;
}

void ChatLoop::set_system(const std::string& text) {
  if (text.empty()) {
    *io_.out << (has_system() ? turns_.front().content : "There is no system prompt.") << "\n";
    return;
  }
  turns_.assign(1, {"system", text});
  *io_.out << "The system prompt is set and the conversation empty.\n";
}

std::string ChatLoop::expand(const std::string& path) const {
  return path.starts_with("~/") && !config_.home.empty() ? config_.home + path.substr(1) : path;
}

void ChatLoop::save(std::string path, bool overwrite) {
  if (path.empty()) path = file_;
  if (path.empty()) {
    *io_.out << "Where to? /save FILE\n";
    return;
  }
  if (!overwrite && path != file_ && path_exists(path)) {
    *io_.out << path << " is there already: /save! " << path << " writes over it.\n";
    return;
  }
  const Status written =
      write_file(path, path.ends_with(".json") ? conversation_json(turns_) : conversation_text(turns_));
  if (!written.ok()) {
    *io_.out << "Not saved: " << written.error().message << "\n";
    return;
  }
  file_ = path;
  *io_.out << "Saved " << turns_.size() << " messages to " << path << "\n";
}

void ChatLoop::load(std::string path) {
  if (path.empty()) {
    *io_.out << "From where? /load FILE\n";
    return;
  }
  auto text = read_file(path, kMaxFileBytes);
  auto turns = text.ok() ? parse_conversation(*text) : Result<std::vector<ChatTurn>>(text.error());
  if (!turns.ok()) {
    *io_.out << "Not loaded: " << (text.ok() ? path + ": " : "") << turns.error().message << "\n";
    return;
  }
  turns_ = std::move(*turns);
  file_ = path;
  *io_.out << "Loaded " << turns_.size() << " messages from " << path << "\n";
}

void ChatLoop::set_dim(bool dim) {
  if (dim == dim_) return;
  dim_ = dim;
  if (io_.colour) *io_.out << (dim ? "\x1b[2m" : "\x1b[0m");
}

void ChatLoop::print_delta(const std::string& reasoning, const std::string& content) {
  if (!reasoning.empty() && config_.show_reasoning) {
    set_dim(true);
    reasoned_ = true;
    (io_.colour ? *io_.out : *io_.err) << reasoning << std::flush;
  }
  if (!content.empty()) {
    // The answer starts on a line of its own after shown reasoning.
    if (reasoned_) (io_.colour ? *io_.out : *io_.err) << "\n\n" << std::flush;
    reasoned_ = false;
    set_dim(false);
    *io_.out << content;
  }
  io_.out->flush();
}

ChatLoop::Outcome ChatLoop::ask(const std::string& text) {
  turns_.push_back({"user", text});
  reasoned_ = false;
  const std::stop_token stop = io_.begin_answer();
  auto answer = backend_.answer(
      turns_,
      [this](const std::string& reasoning, const std::string& content) { print_delta(reasoning, content); },
      stop);
  io_.end_answer();
  set_dim(false);
  if (!answer.ok()) {
    turns_.pop_back();
    io_.out->flush();
    *io_.err << (talking() ? "\nerror: " : "hadal chat: ") << answer.error().message << std::endl;
    return Outcome::kFailed;
  }
  if (answer->content.empty() && answer->stopped) {
    turns_.pop_back();
  } else {
    turns_.push_back({"assistant", answer->content});
  }
  *io_.out << "\n";
  std::ostream& notes = talking() ? *io_.out : *io_.err;
  io_.out->flush();
  if (answer->stopped) notes << "(stopped)\n";
  if (answer->cut) notes << "(cut at the length limit)\n";
  if (talking()) print_figures(*answer);
  notes.flush();
  return answer->stopped ? Outcome::kStopped : Outcome::kAnswered;
}

void ChatLoop::print_figures(const ChatAnswer& answer) {
  const double decode = answer.seconds - answer.first_token_seconds;
  if (answer.completion_tokens <= 1 || decode <= 0) return;
  char line[160];
  std::snprintf(line, sizeof line,
                "[%d tokens, first after %.2f s, then %.1f tokens/s; prompt %d tokens, %d cached]\n",
                answer.completion_tokens, answer.first_token_seconds, (answer.completion_tokens - 1) / decode,
                answer.prompt_tokens, answer.cached_tokens);
  set_dim(true);
  *io_.out << line;
  set_dim(false);
}

}  // namespace hadal
