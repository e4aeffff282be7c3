#include "chat/line_editor.h"

#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <clocale>
#include <cstdint>
#include <cstdio>
#include <optional>

#include "base/unique_fd.h"
#include "base/utf8.h"

namespace hadal {
namespace {

constexpr int kHistoryLines = 1000;
constexpr char32_t kReplacement = 0xFFFD;

bool locale_is_utf8() {
  return std::string_view(::nl_langinfo(CODESET)) == "UTF-8";
}

void set_utf8_locale() {
  if (std::setlocale(LC_CTYPE, "") != nullptr && locale_is_utf8()) return;
  for (const char* name : {"C.UTF-8", "C.utf8", "en_US.UTF-8"}) {
    if (std::setlocale(LC_CTYPE, name) != nullptr && locale_is_utf8()) return;
  }
}

std::wstring widen(const std::string& text) {
  std::wstring out;
  for (size_t i = 0; i < text.size();) {
    const Utf8Decoded decoded = utf8_decode(std::string_view(text).substr(i));
    out += static_cast<wchar_t>(decoded.code_point);
    i += static_cast<size_t>(decoded.length);
  }
  return out;
}

std::string narrow(std::wstring_view text) {
  std::string out;
  for (wchar_t c : text) utf8_append(out, static_cast<char32_t>(c));
  return out;
}

// What other threads ask of the one that reads: bits.
enum Asked : unsigned { kInterrupt = 1, kSuspend = 2, kResume = 4 };

}  // namespace

void stop_process() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTSTP);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(SIGTSTP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

struct LineEditor::Impl {
  // libedit's callbacks carry the editor alone; its client data is this.
  static Impl& of(EditLine* editor) {
    void* self = nullptr;
    el_wget(editor, EL_CLIENTDATA, &self);
    return *static_cast<Impl*>(self);
  }
  static wchar_t* show_prompt(EditLine* editor) { return of(editor).prompt.data(); }
  static int next_character(EditLine* editor, wchar_t* out) { return of(editor).read_character(out); }

  // 1 and a character; -1 at the end of input or when interrupted, which ends the line.
  int read_character(wchar_t* out) {
    std::string bytes;
    for (;;) {
      char byte = 0;
      if (!read_byte(byte)) return -1;
      bytes += byte;
      const int length = utf8_valid_length(bytes);
      if (length < 0) continue;
      // The byte that shows the one before to be cut belongs to the next character: it may be the Enter key.
      if (length == 0 && bytes.size() > 1) unread = byte;
      *out = static_cast<wchar_t>(length == 0 ? kReplacement : utf8_decode(bytes).code_point);
      return 1;
    }
  }

  bool read_byte(char& out) {
    if (unread.has_value()) {
      out = *unread;
      unread.reset();
      return true;
    }
    for (;;) {
      pollfd both[2] = {{wake.get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
      if (::poll(both, 2, -1) < 0 && errno != EINTR) return false;
      uint64_t count = 0;
      if ((both[0].revents & POLLIN) != 0 && ::read(wake.get(), &count, sizeof count) > 0) {
        if (!obey(asked.exchange(0))) return false;
        continue;  // the input may have changed since
      }
      if (both[1].revents == 0) continue;
      const ssize_t got = ::read(STDIN_FILENO, &out, 1);
      if (got == 1) return true;
      if (got == 0 || (errno != EINTR && errno != EAGAIN)) return false;
    }
  }

  void ask(Asked what) {
    asked.fetch_or(what);
    const uint64_t one = 1;
    const ssize_t ignored = ::write(wake.get(), &one, sizeof one);
    (void)ignored;
  }

  // False: the line ends here.
  bool obey(unsigned what) {
    if ((what & kSuspend) != 0) {
      el_wset(editor, EL_PREP_TERM, 0);
      stop_process();
      // Nothing stops a process whose shell has gone.
      el_wset(editor, EL_PREP_TERM, 1);
    }
    if ((what & kResume) != 0) {
      // The shell set the terminal's mode, which libedit does not know.
      el_wset(editor, EL_PREP_TERM, 0);
      el_wset(editor, EL_PREP_TERM, 1);
      std::fputs("\r\x1b[K", shown);
      el_wset(editor, EL_REFRESH);
    }
    interrupted = (what & kInterrupt) != 0;
    return !interrupted;
  }

  void bind_keys() const {
    // As most shells: libedit's own Ctrl-W cuts a region, and these keys it does not know.
    el_wset(editor, EL_BIND, L"^W", L"ed-delete-prev-word", nullptr);
    el_wset(editor, EL_BIND, L"^R", L"em-inc-search-prev", nullptr);
    el_wset(editor, EL_BIND, L"\\e[3~", L"ed-delete-next-char", nullptr);
    el_wset(editor, EL_BIND, L"\\e[1~", L"ed-move-to-beg", nullptr);
    el_wset(editor, EL_BIND, L"\\e[4~", L"ed-move-to-end", nullptr);
    el_wset(editor, EL_BIND, L"\\e[H", L"ed-move-to-beg", nullptr);
    el_wset(editor, EL_BIND, L"\\e[F", L"ed-move-to-end", nullptr);
    el_wset(editor, EL_BIND, L"\\e[1;5C", L"em-next-word", nullptr);
    el_wset(editor, EL_BIND, L"\\e[1;5D", L"ed-prev-word", nullptr);
  }

  // The line is shown on the terminal even where the answers go to a file.
  FILE* const shown = ::isatty(STDOUT_FILENO) == 1 ? stdout : stderr;
  EditLine* editor = nullptr;
  HistoryW* history = nullptr;
  UniqueFd wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::wstring prompt;
  std::atomic<unsigned> asked{0};
  std::optional<char> unread;
  bool interrupted = false;
};

LineEditor::LineEditor() : impl_(std::make_unique<Impl>()) {
  set_utf8_locale();
  impl_->editor = el_init("hadal", stdin, impl_->shown, stderr);
  impl_->history = history_winit();
  if (impl_->editor == nullptr || impl_->history == nullptr) return;
  HistEventW event{};
  history_w(impl_->history, &event, H_SETSIZE, kHistoryLines);
  history_w(impl_->history, &event, H_SETUNIQUE, 1);
  el_wset(impl_->editor, EL_CLIENTDATA, impl_.get());
  el_wset(impl_->editor, EL_PROMPT, &Impl::show_prompt);
  el_wset(impl_->editor, EL_EDITOR, L"emacs");
  el_wset(impl_->editor, EL_HIST, history_w, impl_->history);
  el_wset(impl_->editor, EL_GETCFN, &Impl::next_character);
  impl_->bind_keys();
}

LineEditor::~LineEditor() {
  if (impl_->history != nullptr) history_wend(impl_->history);
  if (impl_->editor != nullptr) el_end(impl_->editor);
}

ChatInput LineEditor::read(const std::string& prompt) {
  if (impl_->editor == nullptr || impl_->history == nullptr) return {};
  impl_->prompt = widen(prompt);
  impl_->interrupted = false;
  // Before the prompt shows: a Ctrl-D typed between it and libedit's own change of mode would be lost.
  el_wset(impl_->editor, EL_PREP_TERM, 1);
  int count = 0;
  const wchar_t* line = el_wgets(impl_->editor, &count);
  if (impl_->interrupted) {
    std::fputs("\n", impl_->shown);
    return {ChatInput::Kind::kInterrupted, ""};
  }
  if (line == nullptr || count <= 0) return {ChatInput::Kind::kEnd, ""};
  std::wstring_view text(line, static_cast<size_t>(count));
  const bool whole = text.ends_with(L'\n');
  if (whole) text.remove_suffix(1);
  if (text.ends_with(L'\r')) text.remove_suffix(1);
  ChatInput input{ChatInput::Kind::kLine, narrow(text)};
  if (!text.empty()) {
    HistEventW event{};
    history_w(impl_->history, &event, H_ENTER, std::wstring(text).c_str());
  }
  return input;
}

void LineEditor::interrupt() {
  impl_->ask(kInterrupt);
}

void LineEditor::suspend() {
  impl_->ask(kSuspend);
}

void LineEditor::resume() {
  impl_->ask(kResume);
}

void LineEditor::restore_terminal() {
  if (impl_->editor != nullptr) el_wset(impl_->editor, EL_PREP_TERM, 0);
}

}  // namespace hadal
