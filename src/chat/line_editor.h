// LineEditor: one line from the user with editing and history (libedit), in UTF-8, interruptible. Main
// thread; interrupt() from any.
#pragma once

#include <memory>
#include <string>

#include "chat/chat_loop.h"

namespace hadal {

class LineEditor {
 public:
  // Sets the process's LC_CTYPE: the user's locale where that is UTF-8, else C.UTF-8, since in any other
  // libedit drops or mangles whatever is not ASCII.
  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  ChatInput read(const std::string& prompt);
  // read() drops what was typed and returns kInterrupted; the next one does, if none is under way.
  void interrupt();
  // Back to the mode that the terminal had; for a program about to end.
  void restore_terminal();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
