// The flag table: every flag's name, environment variable, YAML key, help and setter in one place. It parses
// the command line, prints --help and makes docs/flags.md. Main thread only.
//
// A flag --max-running-requests is HADAL_MAX_RUNNING_REQUESTS in the environment and max-running-requests in
// the file given by --config. Command line beats environment, which beats the file, which beats the default;
// a layer replaces a flag's values whole.
#pragma once

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

// arguments: without the program's name; help_width: columns of the terminal. Errors: kInvalidArgument naming
// the flag, the value, what it takes and where it was set, with the nearest known flag for a misspelt one;
// kUnsupported for a flag of SGLang that asks for what hadal does not have.
Result<ParsedCommandLine> parse_command_line(const std::vector<std::string>& arguments,
                                             const Environment& environment, int help_width = 80);

// What the program reads of the process's environment: HADAL_*, and the variables of other programs that
// commands understand (HF_TOKEN, AWS_*, KUBECONFIG, LWS_*, ...).
Environment process_environment();

// "NAME=value" of every variable of this process: what a program that it starts inherits.
std::vector<std::string> inherited_environment();

// docs/flags.md, from the table.
std::string flags_markdown();

}  // namespace hadal
