// What --help prints, from the flag table and the commands. Internal to config/. Pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "config/settings.h"

namespace hadal {

struct CommandSpec {
  std::string_view name;
  Command command = Command::kNone;
  unsigned mask = 0;          // of FlagSpec::commands
  std::string_view argument;  // "MODEL"
  std::string_view argument_help;
  std::string_view summary;
};

std::span<const CommandSpec> command_table();

// `hadal --help`.
std::string program_help(int width);
// `hadal serve --help`: the argument, then every flag by group with its default and environment variable.
std::string command_help(const CommandSpec& command, int width);

}  // namespace hadal
