// LineEditor: one line from the user with editing and history (libedit), in UTF-8, interruptible. Main
// thread; interrupt(), suspend() and resume() from any.
#pragma once

#include <memory>
#include <string>

#include "chat/chat_loop.h"

namespace hadal {

// Stops this process as SIGTSTP by default does, though every thread blocks that signal. Returns when it goes
// on, or at once where nothing could make it go on. Any thread.
void stop_process();

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
  // During read(): stops this process as SIGTSTP by default does, with the terminal in the mode it had.
  void suspend();
  // During read(), after the process was stopped: takes the terminal's mode again and shows the line anew.
  void resume();
  // Back to the mode that the terminal had; for a program about to end.
  void restore_terminal();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
