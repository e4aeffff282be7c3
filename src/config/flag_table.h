// The rows of the flag table and how a value gets from text into Settings. Internal to config/.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/settings.h"

namespace hadal {

// One bit a command.
enum CommandMask : unsigned {
  kForServe = 1 << 0,
  kForChat = 1 << 1,
  kForBoth = kForServe | kForChat,
  kForPull = 1 << 2,
  kForPush = 1 << 3,
  kForPlan = 1 << 4,
  kForPreflight = 1 << 5,
  kForRender = 1 << 6,
  kForValidate = 1 << 7,
  kForRules = 1 << 8,
  kForSchema = 1 << 9,
  kForDiff = 1 << 10,
  kForApply = 1 << 11,
  kForStatus = 1 << 12,
  kForLogs = 1 << 13,
  kForDoctor = 1 << 14,
  kForDelete = 1 << 15,
  kForRollback = 1 << 16,
  kForHistory = 1 << 17,
  // Those that talk to a cluster.
  kForCluster = kForDiff | kForApply | kForStatus | kForLogs | kForDoctor | kForDelete | kForRollback |
                kForHistory | kForValidate,
  kForAll = ~0u,
};

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

struct FlagValue {
  std::vector<std::string> texts;  // one unless the flag repeats; the last one counts where it may not
  std::string origin;              // "command line: --port", "environment: HADAL_PORT", "hadal.yaml:3: port"
};
using FlagValueMap = std::map<const FlagSpec*, FlagValue>;

struct CommandSpec {
  std::string_view name;  // "serve"; of a command's command: "deploy render"
  Command command = Command::kNone;
  unsigned mask = 0;          // of FlagSpec::commands: one bit
  std::string_view argument;  // "MODEL"; "" where it takes none
  std::string_view argument_help;
  std::string_view summary;
  size_t max_arguments = 1;
  // Puts the arguments that are no flags into the settings. After the flags.
  Status (*take)(const std::vector<std::string>& arguments, const FlagValueMap& values,
                 Settings& settings) = nullptr;
  // The last word on the settings; errors name the flag.
  Status (*validate)(const Settings& settings) = nullptr;
};

// Every flag and command: those of each family (below) together.
std::span<const FlagSpec> flag_table();
std::span<const CommandSpec> command_table();
std::span<const FlagSpec> serve_flags();
std::span<const CommandSpec> serve_commands();
std::span<const FlagSpec> hub_flags();
std::span<const CommandSpec> hub_commands();
std::span<const FlagSpec> plan_flags();
std::span<const CommandSpec> plan_commands();
std::span<const FlagSpec> deploy_flags();
std::span<const CommandSpec> deploy_commands();
std::span<const FlagSpec> preflight_flags();
std::span<const CommandSpec> preflight_commands();

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
