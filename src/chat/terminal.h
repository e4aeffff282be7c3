// The terminal of `hadal chat`: line input with editing and history (libedit), and Ctrl-C that stops the
// answer in progress. SIGTERM ends the program. Main thread;
// main has blocked the signals in every thread.
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
  ChatLoopIo io();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
