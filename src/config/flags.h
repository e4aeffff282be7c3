// The flag table: every flag's name, environment variable, YAML key, help and setter in one place. It parses
// the command line, prints --help and makes docs/flags.md. Main thread only.
//
// A flag --max-running-requests is HADAL_MAX_RUNNING_REQUESTS in the environment and max-running-requests in
// the file given by --config. Command line beats environment, which beats the file, which beats the default.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/settings.h"

namespace hadal {

struct ParsedCommandLine {
  Settings settings;
  // Set when the program should print this and end (--help, --version): exit code 0.
  std::optional<std::string> print;
};

using GetEnv = std::function<std::optional<std::string>(std::string_view)>;

// arguments: without the program's name. Errors: kInvalidArgument naming the flag, the value and what it
// takes, with the nearest known flag for a misspelt one.
Result<ParsedCommandLine> parse_command_line(const std::vector<std::string>& arguments,
                                             const GetEnv& get_env);

// The process environment.
GetEnv process_environment();

// docs/flags.md, from the table.
std::string flags_markdown();

}  // namespace hadal
