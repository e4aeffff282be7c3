#include "chat/terminal.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <iterator>
#include <mutex>
#include <thread>

#include "chat/line_editor.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kExitInterrupted = 128 + SIGINT;
constexpr int kExitTerminated = 128 + SIGTERM;
constexpr size_t kMaxInputBytes = size_t{64} << 20;
// Two presses within this are one.
constexpr auto kDoublePress = std::chrono::milliseconds(400);

// Escapes that a cut answer may have left open, and a line: of an answer, or of progress.
constexpr char kPlain[] = "\x1b[0m\n";

}  // namespace

struct ChatTerminal::Impl {
  enum class Doing { kStarting, kReading, kAnswering, kBetween };

  // Waits for signals; SIGUSR1 from the destructor ends it.
  void watch() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    sigaddset(&set, SIGCONT);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    for (;;) {
      int signal = 0;
      if (sigwait(&set, &signal) != 0) continue;
      if (signal == SIGUSR1) return;
      std::lock_guard lock(mutex);
      if (signal == SIGTERM) end(kExitTerminated);
      if (signal == SIGINT) interrupt();
      if (signal == SIGTSTP) doing == Doing::kReading ? editor->suspend() : stop_process();
      if (signal == SIGCONT && doing == Doing::kReading) editor->resume();
    }
  }

  void interrupt() {
    switch (doing) {
      case Doing::kStarting:
        end(kExitInterrupted);
      case Doing::kReading:
        editor->interrupt();
        return;
      case Doing::kAnswering:
        if (source.stop_requested() && Clock::now() - stopped_at > kDoublePress) end(kExitInterrupted);
        if (!source.stop_requested()) stopped_at = Clock::now();
        source.request_stop();
        return;
      case Doing::kBetween:
        return;
    }
  }

  // At once: nothing of a conversation is worth waiting for threads that may be stuck.
  [[noreturn]] void end(int code) {
    if (editor != nullptr) editor->restore_terminal();
    if (output_is_terminal && (doing == Doing::kAnswering || doing == Doing::kStarting)) {
      const ssize_t ignored = ::write(STDOUT_FILENO, kPlain, sizeof kPlain - 1);
      (void)ignored;
    }
    ::_exit(code);
  }

  void set_doing(Doing what) {
    std::lock_guard lock(mutex);
    doing = what;
  }

  ChatInput read_line(const std::string& prompt) {
    std::cout.flush();
    set_doing(Doing::kReading);
    ChatInput input = editor->read(prompt);
    set_doing(Doing::kBetween);
    return input;
  }

  std::mutex mutex;
  Doing doing = Doing::kStarting;
  std::stop_source source;
  Clock::time_point stopped_at;
  const bool input_is_terminal = ::isatty(STDIN_FILENO) == 1;
  const bool output_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  std::unique_ptr<LineEditor> editor;  // where the input is a terminal
  std::thread watcher;
};

ChatTerminal::ChatTerminal() : impl_(std::make_unique<Impl>()) {
  if (impl_->input_is_terminal) impl_->editor = std::make_unique<LineEditor>();
  impl_->watcher = std::thread([impl = impl_.get()] { impl->watch(); });
}

ChatTerminal::~ChatTerminal() {
  pthread_kill(impl_->watcher.native_handle(), SIGUSR1);
  impl_->watcher.join();
}

ChatLoopIo ChatTerminal::io() {
  ChatLoopIo io;
  io.out = &std::cout;
  io.err = &std::cerr;
  io.interactive = impl_->input_is_terminal;
  io.colour = impl_->output_is_terminal;
  io.read_line = [impl = impl_.get()](const std::string& prompt) { return impl->read_line(prompt); };
  io.read_all = []() -> Result<std::string> {
    std::string text;
    char buffer[16384];
    while (std::cin.read(buffer, sizeof buffer) || std::cin.gcount() > 0) {
      text.append(buffer, static_cast<size_t>(std::cin.gcount()));
      if (text.size() > kMaxInputBytes) {
        return make_error(ErrorCode::kTooLarge, "the standard input is larger than ", kMaxInputBytes,
                          " bytes");
      }
    }
    return text;
  };
  io.begin_answer = [impl = impl_.get()] {
    std::lock_guard lock(impl->mutex);
    impl->source = std::stop_source();
    impl->doing = Impl::Doing::kAnswering;
    return impl->source.get_token();
  };
  io.end_answer = [impl = impl_.get()] {
    impl->set_doing(impl->input_is_terminal ? Impl::Doing::kBetween : Impl::Doing::kStarting);
  };
  return io;
}

}  // namespace hadal
