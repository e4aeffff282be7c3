#include <algorithm>

#include "base/file.h"
#include "base/yaml.h"
#include "config/flag_values.h"
#include "config/nearest_name.h"
#include "config/sglang_flags.h"

namespace hadal {
namespace {

constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr std::string_view kPrefix = "HADAL_";
// Read by the tests and scripts of this repository, not by the program.
constexpr std::string_view kDeveloperPrefixes[] = {"HADAL_TEST_", "HADAL_BUILD_", "HADAL_DUMMY_",
                                                   "HADAL_QUICKSTART_", "HADAL_SCHEMATHESIS_"};

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "30000_TCP", "30000_TCP_ADDR": what follows NAME_PORT_ in a service link.
bool is_port_link(std::string_view rest) {
  const size_t underscore = rest.find('_');
  if (underscore == std::string_view::npos || !is_digits(rest.substr(0, underscore))) return false;
  rest.remove_prefix(underscore + 1);
  for (std::string_view protocol : {"TCP", "UDP", "SCTP"}) {
    if (!rest.starts_with(protocol)) continue;
    const std::string_view tail = rest.substr(protocol.size());
    if (tail.empty() || tail == "_PROTO" || tail == "_PORT" || tail == "_ADDR") return true;
  }
  return false;
}

// Kubernetes describes each Service of a namespace to each pod in variables of Docker's old link form: for a
// Service named "hadal", HADAL_PORT=tcp://10.0.0.1:30000, HADAL_SERVICE_HOST, HADAL_SERVICE_PORT[_NAME] and
// HADAL_PORT_30000_TCP[_PROTO|_PORT|_ADDR] (kubernetes.io, "Accessing the Service: environment variables").
bool is_service_link(std::string_view name, std::string_view value) {
  if (name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT")) return true;
  if (name.find("_SERVICE_PORT_") != std::string_view::npos) return true;
  const size_t port = name.rfind("_PORT_");
  if (port != std::string_view::npos && is_port_link(name.substr(port + 6))) return true;
  if (!name.ends_with("_PORT")) return false;
  return value.starts_with("tcp://") || value.starts_with("udp://") || value.starts_with("sctp://");
}

// Commands may have flags of the same name: this command's comes first. A variable named after the first name
// of any flag is not another flag's alias.
const FlagSpec* flag_of_variable(std::string_view variable, unsigned command) {
  const auto find = [&](unsigned commands, bool aliases) -> const FlagSpec* {
    for (const FlagSpec& flag : flag_table()) {
      if ((flag.commands & commands) == 0) continue;
      if (flag_environment_name(flag) == variable) return &flag;
      for (std::string_view name : flag_names(flag)) {
        if (aliases && environment_name(name) == variable) return &flag;
      }
    }
    return nullptr;
  };
  for (const bool aliases : {false, true}) {
    for (const unsigned commands : {command, static_cast<unsigned>(kForAll)}) {
      if (const FlagSpec* flag = find(commands, aliases)) return flag;
    }
  }
  return nullptr;
}

// "--cuda-graph-bs" of "HADAL_CUDA_GRAPH_BS".
std::string flag_of_name(std::string_view variable) {
  std::string name = "--";
  for (char c : variable.substr(kPrefix.size())) {
    name += c == '_' ? '-' : static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  return name;
}

std::string unknown_variable_note(std::string_view variable) {
  std::vector<std::string> names;
  for (const FlagSpec& flag : flag_table()) names.push_back(flag_environment_name(flag));
  const std::vector<std::string_view> views(names.begin(), names.end());
  // The common prefix says nothing about how near two names are.
  std::vector<std::string_view> tails;
  for (std::string_view name : views) tails.push_back(name.substr(kPrefix.size()));
  const std::string nearest = nearest_name(variable.substr(kPrefix.size()), tails);
  return "the environment variable " + std::string(variable) + " is no setting of hadal and is ignored" +
         (nearest.empty() ? "" : ": did you mean " + std::string(kPrefix) + nearest + "?");
}

Status take_variable(const std::string& variable, const std::string& value, unsigned command,
                     FlagLayer& out) {
  const std::string origin = "environment: " + variable;
  const FlagSpec* flag = flag_of_variable(variable, command);
  if (is_service_link(variable, value)) {
    if (flag != nullptr) {
      out.notes.push_back(variable + "=" + value +
                          " is a Kubernetes service link, not a setting, and is ignored (enableServiceLinks: "
                          "false in the pod keeps it away)");
    }
    return {};
  }
  if (flag == nullptr) {
    for (std::string_view prefix : kDeveloperPrefixes) {
      if (variable.starts_with(prefix)) return {};
    }
    // The variable may be there for hadal serve in the same pod.
    if ((command & kForBoth) == 0) return {};
    HADAL_ASSIGN(const bool taken, take_sglang_flag(flag_of_name(variable), origin, {value}, out.notes));
    if (!taken) out.notes.push_back(unknown_variable_note(variable));
    return {};
  }
  if ((flag->commands & command) == 0) {
    // SGLang's flags are answered even where another command has a flag of the name.
    if ((command & kForBoth) == 0 || (flag->commands & kForBoth) != 0) return {};
    return take_sglang_flag(flag_of_name(variable), origin, {value}, out.notes).status();
  }
  if (value.empty()) {
    // Elsewhere an empty variable is as good as none; a server without its key would be open to all.
    if (is_secret(*flag)) out.notes.push_back(variable + " is empty: it counts as not set");
    return {};
  }
  FlagValue& entry = out.values[flag];
  if (!entry.origin.empty()) {
    return invalid_argument(origin, ": the same setting as ",
                            entry.origin.substr(entry.origin.find("HADAL_")), ": set one of them");
  }
  entry.origin = origin;
  if (!flag->repeats) {
    entry.texts = {value};
    return {};
  }
  for (size_t begin = 0; begin <= value.size();) {
    const size_t comma = std::min(value.find(',', begin), value.size());
    entry.texts.push_back(value.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return {};
}

Status take_setting(const YamlSetting& setting, const std::string& path, unsigned command, FlagLayer& out) {
  const std::string place = path + ":" + std::to_string(setting.line) + ": ";
  std::string name = "--" + setting.key;
  std::replace(name.begin() + 2, name.end(), '_', '-');
  const FlagSpec* flag = find_flag(name, command);
  if (flag == nullptr) {
    if ((command & kForBoth) != 0) {
      HADAL_ASSIGN(const bool taken, take_sglang_flag(name, place + setting.key, setting.values, out.notes));
      if (taken) return {};
    }
    return invalid_argument(place, unknown_flag_message(name, setting.key, command));
  }
  if (flag_key(*flag) == "config") return invalid_argument(place, "a settings file cannot name another one");
  if (setting.values.empty()) {
    return invalid_argument(place, "\"", setting.key, "\" has no value: give one, or leave the line out");
  }
  if (setting.is_list && !flag->repeats) {
    return invalid_argument(place, "\"", setting.key, "\" takes one value, not a list");
  }
  FlagValue& entry = out.values[flag];
  if (!entry.origin.empty()) {
    return invalid_argument(place, "\"", setting.key, "\" is the same setting as ", entry.origin);
  }
  entry.origin = place + setting.key;
  entry.texts = setting.values;
  return {};
}

}  // namespace

Result<FlagLayer> read_environment(const Environment& environment, unsigned command) {
  FlagLayer out;
  for (const auto& [variable, value] : environment) {
    if (!variable.starts_with(kPrefix) || variable.size() == kPrefix.size()) continue;
    HADAL_RETURN_IF_ERROR(take_variable(variable, value, command, out));
  }
  return out;
}

Result<FlagLayer> read_config_file(const std::string& path, unsigned command) {
  auto text = read_file(path, kMaxConfigBytes);
  if (!text.ok()) return make_error(text.error().code, "--config: ", text.error().message);
  auto settings = parse_yaml_settings(*text);
  if (!settings.ok()) return invalid_argument(path, ": ", settings.error().message);
  FlagLayer out;
  for (const YamlSetting& setting : *settings) {
    HADAL_RETURN_IF_ERROR(take_setting(setting, path, command, out));
  }
  return out;
}

}  // namespace hadal
