#include "chat/terminal.h"

#include <editline/readline.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <mutex>
#include <thread>

namespace hadal {

struct ChatTerminal::Impl {
  // Waits for SIGINT; SIGUSR1 from the destructor ends it.
  void watch() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    for (;;) {
      int signal = 0;
      if (sigwait(&set, &signal) != 0) continue;
      if (signal == SIGUSR1) return;
      if (signal == SIGTERM) {
        // readline may have changed the terminal's mode.
        ::rl_deprep_terminal();
        ::_exit(128 + SIGTERM);
      }
      std::lock_guard lock(mutex);
      if (answering) {
        source.request_stop();
      } else {
        const char note[] = "\n(Ctrl-D or /exit ends)\n> ";
        const ssize_t ignored = ::write(STDOUT_FILENO, note, sizeof note - 1);
        (void)ignored;
      }
    }
  }

  std::mutex mutex;
  std::stop_source source;
  bool answering = false;
  std::thread watcher;
};

ChatTerminal::ChatTerminal() : impl_(std::make_unique<Impl>()) {
  impl_->watcher = std::thread([impl = impl_.get()] { impl->watch(); });
}

ChatTerminal::~ChatTerminal() {
  pthread_kill(impl_->watcher.native_handle(), SIGUSR1);
  impl_->watcher.join();
}

ChatLoopIo ChatTerminal::io() {
  ChatLoopIo io;
  io.out = &std::cout;
  io.colour = ::isatty(STDOUT_FILENO) == 1;
  const bool interactive = ::isatty(STDIN_FILENO) == 1;
  io.read_line = [interactive](const std::string& prompt) -> std::optional<std::string> {
    if (!interactive) {
      std::string line;
      if (!std::getline(std::cin, line)) return std::nullopt;
      return line;
    }
    std::cout.flush();
    char* line = ::readline(prompt.c_str());
    if (line == nullptr) return std::nullopt;
    std::string text(line);
    std::free(line);
    if (!text.empty()) ::add_history(text.c_str());
    return text;
  };
  io.begin_answer = [impl = impl_.get()] {
    std::lock_guard lock(impl->mutex);
    impl->source = std::stop_source();
    impl->answering = true;
    return impl->source.get_token();
  };
  io.end_answer = [impl = impl_.get()] {
    std::lock_guard lock(impl->mutex);
    impl->answering = false;
  };
  return io;
}

}  // namespace hadal
