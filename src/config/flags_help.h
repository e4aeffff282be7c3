// What --help prints, from the flag table and the commands. Internal to config/. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "config/flag_table.h"

namespace hadal {

// `hadal --help`.
std::string program_help(int width);
// `hadal serve --help`: the argument, then every flag by group with its default and environment variable.
std::string command_help(const CommandSpec& command, int width);
// `hadal deploy --help`: the commands of a command; "" where `name` has none.
std::string family_help(std::string_view name, int width);

}  // namespace hadal
