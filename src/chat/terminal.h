// ChatTerminal: standard input and output as ChatLoop wants them, and what Ctrl-C means when: before the
// conversation it ends the program (a model that loads or a server that does not answer cannot be stopped
// otherwise), while a line is typed it drops the line, during an answer it stops the answer, and a later one
// ends the program should the answer not stop. SIGTERM ends the program. Ctrl-Z stops it with the terminal in
// its normal mode, and the line being typed is there again when it goes on. Main thread; main has blocked all
// these signals, and SIGCONT, in every thread.
#pragma once

#include <memory>

#include "chat/chat_loop.h"

namespace hadal {

class ChatTerminal {
 public:
  ChatTerminal();
  ~ChatTerminal();
  ChatTerminal(const ChatTerminal&) = delete;
  ChatTerminal& operator=(const ChatTerminal&) = delete;
  // Valid as long as this is.
  ChatLoopIo io();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
