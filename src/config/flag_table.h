// The rows of the flag table and how a value gets from text into Settings. Internal to config/.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/settings.h"

namespace hadal {

enum CommandMask : unsigned { kForServe = 1, kForChat = 2, kForBoth = 3 };

struct FlagSpec {
  std::string_view names;  // "--tp,--tp-size": the first is the YAML key and environment name
  unsigned commands = kForServe;
  std::string_view group;
  std::string_view metavar;  // "" for a switch
  std::string_view help;
  bool repeats = false;  // may be given several times; a list in YAML; comma-separated in the environment
  Status (*set)(Settings& settings, std::string_view value) = nullptr;
  std::string (*show)(const Settings& settings) = nullptr;  // the default, for --help
};

std::span<const FlagSpec> flag_table();
// The flag of this command with this name ("--tp-size", "-p"); null: none.
const FlagSpec* find_flag(std::string_view name, unsigned commands);
// "--tp", "--tp-size", ...
std::vector<std::string_view> flag_names(const FlagSpec& flag);

// The first of FlagSpec::names without its dashes: "max-running-requests".
std::string_view flag_key(const FlagSpec& flag);
// "HADAL_MAX_RUNNING_REQUESTS" for "--max-running-requests".
std::string environment_name(std::string_view flag_name);
inline std::string flag_environment_name(const FlagSpec& flag) {
  return environment_name(flag.names.substr(0, flag.names.find(',')));
}
// Its value must not be shown.
bool is_secret(const FlagSpec& flag);
// Where hadal's own names are misspelt: the nearest flag of this command, or "".
std::string nearest_flag(std::string_view name, unsigned commands);

}  // namespace hadal
