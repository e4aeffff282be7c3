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

struct ChatLoopIo {
  // The next line the user typed, after showing `prompt`; nothing at the end of input.
  std::function<std::optional<std::string>(const std::string& prompt)> read_line;
  std::ostream* out = nullptr;
  bool colour = false;  // dim reasoning, with ANSI escapes
  // A token that Ctrl-C stops, made anew for each answer.
  std::function<std::stop_token()> begin_answer;
  std::function<void()> end_answer;
};

class ChatLoop {
 public:
  ChatLoop(ChatBackend& backend, const ChatConfig& config, ChatLoopIo io);
  // Until the end of input or /exit. Exit code: 0, or 1 when a --prompt could not be answered.
  int run();

 private:
  // True when the loop should end.
  bool command(const std::string& line);
  bool ask(const std::string& text);
  void save(const std::string& path);
  void print_delta(const std::string& reasoning, const std::string& content);
  void set_dim(bool dim);

  ChatBackend& backend_;
  const ChatConfig& config_;
  ChatLoopIo io_;
  std::vector<ChatTurn> turns_;
  bool dim_ = false;
};

}  // namespace hadal
