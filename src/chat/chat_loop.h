// ChatLoop: the conversation in the terminal: reads lines, runs commands, prints answers as they come. Main
// thread only.
#pragma once

#include <functional>
#include <optional>
#include <ostream>
#include <stop_token>
#include <string>
#include <vector>

#include "chat/chat_backend.h"

namespace hadal {

struct ChatInput {
  enum class Kind { kLine, kInterrupted, kEnd };
  Kind kind = Kind::kEnd;
  std::string line;
};

struct ChatLoopIo {
  // The next line the user typed, after showing `prompt`. Interrupted: Ctrl-C, and what was typed is gone.
  std::function<ChatInput(const std::string& prompt)> read_line;
  // All of the input, where it is no terminal. Errors: it cannot be read, or is too large.
  std::function<Result<std::string>()> read_all;
  bool interactive = true;  // the input is a terminal
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  bool colour = false;  // out is a terminal: reasoning goes there, dimmed by ANSI escapes; else to err
  // A token that Ctrl-C stops, made anew for each answer.
  std::function<std::stop_token()> begin_answer;
  std::function<void()> end_answer;
};

class ChatLoop {
 public:
  ChatLoop(ChatBackend& backend, const ChatConfig& config, ChatLoopIo io);
  // Asks each --prompt, else all of an input that is no terminal, else talks until the end of input or /exit.
  // Exit code: 0; 1 when a question without a terminal could not be answered; 130 when it was stopped.
  int run();

 private:
  int ask_once(const std::string& text);
  int converse();
  struct Message {
    std::string text;
    bool quoted = false;  // never a command
  };
  // A line, or several joined by a trailing backslash or between """ and """; empty after Ctrl-C. Nothing at
  // the end of input.
  std::optional<Message> read_message();
  // True when the loop should end.
  bool command(const std::string& line);
  void set_system(const std::string& text);
  void save(std::string path, bool overwrite);
  void load(std::string path);
  std::string expand(const std::string& path) const;
  enum class Outcome { kAnswered, kStopped, kFailed };
  Outcome ask(const std::string& text);
  void print_delta(const std::string& reasoning, const std::string& content);
  void print_figures(const ChatAnswer& answer);
  void set_dim(bool dim);
  bool talking() const { return io_.interactive && config_.prompts.empty(); }
  bool has_system() const { return !turns_.empty() && turns_.front().role == "system"; }

  ChatBackend& backend_;
  const ChatConfig& config_;
  ChatLoopIo io_;
  std::vector<ChatTurn> turns_;
  std::string file_;  // of the last /save or /load: written again without asking
  bool dim_ = false;
  bool reasoned_ = false;  // reasoning was shown, and the answer has not begun
};

}  // namespace hadal
