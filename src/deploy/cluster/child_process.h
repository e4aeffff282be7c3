// run_child_process: a program, without a shell, its standard output taken, its time bounded. Blocking; any
// thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hadal::cluster {

struct ChildProcessOptions {
  std::string command;  // a name without slashes is looked up in PATH
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // "NAME=value", all that the child has
  bool inherit_stdin = false;            // else it reads nothing
  std::chrono::milliseconds timeout{60'000};
  size_t max_output = size_t{1} << 20;
};

struct ChildProcessResult {
  int exit_code = 0;  // 128 + the signal that ended it
  std::string output;
};

// Standard error is ours. Errors: kNotFound (no such program), kDeadlineExceeded (it was killed), kTooLarge.
Result<ChildProcessResult> run_child_process(const ChildProcessOptions& options);

// Replaces or adds a variable.
void set_variable(std::vector<std::string>& environment, std::string_view name, std::string_view value);

}  // namespace hadal::cluster
