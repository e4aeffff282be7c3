#include "config/flag_table.h"

#include <algorithm>

#include "config/deploy_cluster_flags.h"
#include "config/flag_fields.h"
#include "config/nearest_name.h"

namespace hadal {
namespace {

Status set_config_file(Settings& s, std::string_view value) {
  s.config_file = value;
  return {};
}
template <auto Field>
using Log = FlagField<&Settings::log, Field>;
using LC = LogConfig;

const FlagSpec kCommonFlags[] = {
    // clang-format off
    {"--config", kForAll, "Settings and logging", "FILE", "YAML file of flags: each line is a flag's name without dashes, a colon and its value; lists where a flag may be repeated", kOnce, &set_config_file, nullptr},
    {"--log-level", kForAll, "Settings and logging", "LEVEL", "debug, info, warning, error or off", kOnce, HADAL_FIELD(Log, &LC::level)},
    {"--log-format", kForAll, "Settings and logging", "FORMAT", "text or json", kOnce, HADAL_FIELD(Log, &LC::format)},
    // clang-format on
};

template <typename T>
std::vector<T> joined(std::initializer_list<std::span<const T>> parts) {
  std::vector<T> out;
  for (std::span<const T> part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

}  // namespace

std::span<const FlagSpec> flag_table() {
  static const std::vector<FlagSpec> kTable =
      joined<FlagSpec>({serve_flags(), hub_flags(), plan_flags(), deploy_flags(), deploy_cluster_flags(),
                        preflight_flags(), kCommonFlags});
  return kTable;
}

std::span<const CommandSpec> command_table() {
  static const std::vector<CommandSpec> kTable =
      joined<CommandSpec>({serve_commands(), hub_commands(), plan_commands(), deploy_commands(),
                           deploy_cluster_commands(), preflight_commands()});
  return kTable;
}

std::vector<std::string_view> flag_names(const FlagSpec& flag) {
  std::vector<std::string_view> out;
  for (size_t begin = 0; begin <= flag.names.size();) {
    const size_t comma = std::min(flag.names.find(',', begin), flag.names.size());
    out.push_back(flag.names.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return out;
}

const FlagSpec* find_flag(std::string_view name, unsigned commands) {
  for (const FlagSpec& flag : flag_table()) {
    if ((flag.commands & commands) == 0) continue;
    for (std::string_view candidate : flag_names(flag)) {
      if (candidate == name) return &flag;
    }
  }
  return nullptr;
}

bool is_secret(const FlagSpec& flag) {
  const std::string_view key = flag_key(flag);
  return key == "api-key" || key == "chat-api-key" || key == "group-secret";
}

std::string nearest_flag(std::string_view name, unsigned commands) {
  std::vector<std::string_view> candidates;
  for (const FlagSpec& flag : flag_table()) {
    if ((flag.commands & commands) == 0) continue;
    for (std::string_view candidate : flag_names(flag)) candidates.push_back(candidate);
  }
  return nearest_name(name, candidates);
}

std::string_view flag_key(const FlagSpec& flag) {
  const std::string_view first = flag.names.substr(0, flag.names.find(','));
  return first.substr(first.find_first_not_of('-'));
}

std::string environment_name(std::string_view flag_name) {
  std::string name = "HADAL_";
  for (char c : flag_name.substr(flag_name.find_first_not_of('-'))) {
    name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  }
  return name;
}

}  // namespace hadal
