#include "deploy/cluster/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "base/unique_fd.h"

namespace hadal::cluster {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kReapInterval = std::chrono::milliseconds(5);

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// The child starts with no signal blocked, and in a group of its own where it does not share our terminal.
Result<pid_t> spawn(const ChildProcessOptions& options, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  if (!options.inherit_stdin)
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  sigaddset(&defaults, SIGXFSZ);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              (options.inherit_stdin ? 0 : POSIX_SPAWN_SETPGROUP)));
  std::vector<std::string> words = {options.command};
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> environment = options.environment;
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, options.command.c_str(), &actions, &attributes,
                                   pointers(words).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error == ENOENT) return make_error(ErrorCode::kNotFound, "it is not installed (not found)");
  if (error != 0) return make_error(ErrorCode::kIo, "cannot start it: ", std::strerror(error));
  return pid;
}

// Until the end of its output. False: the deadline came first.
Result<bool> read_output(int fd, Clock::time_point deadline, size_t max_output, std::string& out) {
  char buffer[16384];
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd poll_fd{fd, POLLIN, 0};
    const int ready = ::poll(&poll_fd, 1, static_cast<int>(std::max<int64_t>(0, left)));
    if (ready == 0) return false;
    if (ready < 0 && errno == EINTR) continue;
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    out.append(buffer, static_cast<size_t>(n));
    if (out.size() > max_output) return make_error(ErrorCode::kTooLarge, "it printed too much");
  }
}

// The exit code; -1: still running at the deadline.
int reap(pid_t pid, Clock::time_point deadline) {
  for (;;) {
    int status = 0;
    const pid_t done = ::waitpid(pid, &status, WNOHANG);
    if (done == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (done < 0 && errno != EINTR) return 0;
    if (Clock::now() >= deadline) return -1;
    std::this_thread::sleep_for(kReapInterval);
  }
}

void kill_child(pid_t pid, bool group) {
  ::kill(group ? -pid : pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

Result<ChildProcessResult> run_child_process(const ChildProcessOptions& options) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("cannot make a pipe", errno);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  HADAL_ASSIGN(const pid_t pid, spawn(options, writer.get()));
  writer.reset();
  const Clock::time_point deadline = Clock::now() + options.timeout;
  ChildProcessResult out;
  const Result<bool> all = read_output(reader.get(), deadline, options.max_output, out.output);
  out.exit_code = all.ok() && *all ? reap(pid, deadline) : -1;
  if (out.exit_code >= 0) return out;
  kill_child(pid, !options.inherit_stdin);
  if (!all.ok()) return all.error();
  return make_error(ErrorCode::kDeadlineExceeded, "it did not end within ", options.timeout.count() / 1000,
                    " s");
}

void set_variable(std::vector<std::string>& environment, std::string_view name, std::string_view value) {
  const std::string prefix = std::string(name) + "=";
  std::erase_if(environment, [&](const std::string& entry) { return entry.starts_with(prefix); });
  environment.push_back(prefix + std::string(value));
}

}  // namespace hadal::cluster
