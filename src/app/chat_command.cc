#include <unistd.h>

#include <cstdio>

#include "app/commands.h"
#include "app/model_host.h"
#include "base/file.h"
#include "chat/chat_backend.h"
#include "chat/chat_loop.h"
#include "chat/terminal.h"

namespace hadal {
namespace {

int print_error(const Error& error) {
  std::fprintf(stderr, "hadal chat: %s\n", error.message.c_str());
  return 1;
}

// On a terminal one line that is redrawn and goes in the end; elsewhere the first line of each wait.
ChatNotice notice_on_stderr() {
  return [terminal = ::isatty(STDERR_FILENO) == 1, shown = false](const std::string& text) mutable {
    if (terminal) {
      std::fprintf(stderr, "\r%s\x1b[K", text.c_str());
    } else if (!shown && !text.empty()) {
      std::fprintf(stderr, "%s\n", text.c_str());
    }
    shown = !text.empty();
  };
}

// "http://host", and "host:30000" where no file has that name.
bool is_url(const std::string& target) {
  if (target.starts_with("http://") || target.starts_with("https://")) return true;
  const size_t colon = target.find(':');
  return colon != std::string::npos && colon > 0 && colon + 1 < target.size() && !path_exists(target) &&
         target.find_first_not_of("0123456789", colon + 1) == std::string::npos;
}

}  // namespace

int run_chat(Settings settings) {
  ChatTerminal terminal;
  if (is_url(settings.chat.target)) {
    auto backend = make_url_backend(settings.chat, notice_on_stderr());
    if (!backend.ok()) return print_error(backend.error());
    return ChatLoop(**backend, settings.chat, terminal.io()).run();
  }
  settings.engine.model_path = settings.chat.target;
  settings.engine.max_running_requests = 1;
  MetricsRegistry metrics;
  auto host = ModelHost::load(settings, metrics, [](const char*, double) {});
  if (!host.ok()) return print_error(host.error());
  const ServedModel served = (*host)->served();
  (*host)->start();
  const auto backend = make_local_backend(settings.chat, served);
  return ChatLoop(*backend, settings.chat, terminal.io()).run();
}

}  // namespace hadal
