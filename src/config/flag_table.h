// The rows of the flag table and how a value gets from text into Settings. Internal to config/.
#pragma once

#include <span>
#include <string>
#include <string_view>

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

// A flag of SGLang's launch_server that hadal accepts and does not need.
struct UnneededFlag {
  std::string_view name;
  bool takes_value = true;
  std::string_view why;
};

// A flag of SGLang's launch_server that asks for something hadal cannot do: refused, since ignoring it would
// change what the operator gets.
struct RefusedFlag {
  std::string_view name;
  std::string_view why;
};

std::span<const FlagSpec> flag_table();
std::span<const UnneededFlag> unneeded_flags();
std::span<const RefusedFlag> refused_flags();

// The first of FlagSpec::names without its dashes: "max-running-requests".
std::string_view flag_key(const FlagSpec& flag);
// "HADAL_MAX_RUNNING_REQUESTS".
std::string flag_environment_name(const FlagSpec& flag);

}  // namespace hadal
