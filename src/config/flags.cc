#include "config/flags.h"

#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "config/flag_values.h"
#include "config/flags_help.h"
#include "config/nearest_name.h"

#ifndef HADAL_VERSION
#define HADAL_VERSION "unknown"
#endif

namespace hadal {
namespace {

// Commands of the design that this version does not have.
constexpr std::string_view kLaterCommands[] = {"bench", "route"};

Status apply_values(const FlagValueMap& values, Settings& settings) {
  for (const auto& [flag, value] : values) {
    for (const std::string& text : value.texts) {
      const Status status = flag->set(settings, text);
      if (status.ok()) continue;
      // Never a secret in a message that ends up in a log.
      return invalid_argument(value.origin, ": ", is_secret(*flag) ? "bad value" : status.error().message);
    }
  }
  return {};
}

Status validate(const CommandSpec& spec, const Settings& settings) {
  if (!parse_log_level(settings.log.level).ok()) {
    return invalid_argument("--log-level is \"", settings.log.level,
                            "\": it takes debug, info, warning, error or off");
  }
  if (settings.log.format != "text" && settings.log.format != "json") {
    return invalid_argument("--log-format is \"", settings.log.format, "\": it takes text or json");
  }
  return spec.validate == nullptr ? Status() : spec.validate(settings);
}

// A check of all settings names flags; this says where the first of them was set.
Error with_origin(Error error, const FlagValueMap& values) {
  const std::string& text = error.message;
  for (size_t begin = text.find("--"); begin != std::string::npos; begin = text.find("--", begin + 2)) {
    const size_t end = std::min(text.find_first_not_of("-abcdefghijklmnopqrstuvwxyz", begin), text.size());
    for (const auto& [flag, value] : values) {
      const auto names = flag_names(*flag);
      if (std::find(names.begin(), names.end(), text.substr(begin, end - begin)) == names.end()) continue;
      return make_error(error.code, text, " (", value.origin, ")");
    }
  }
  return error;
}

Status take_arguments(const CommandSpec& spec, const std::vector<std::string>& arguments,
                      const FlagValueMap& values, Settings& settings) {
  if (arguments.size() > spec.max_arguments) {
    const std::string& extra = arguments[spec.max_arguments];
    if (spec.max_arguments == 0)
      return invalid_argument("unexpected argument \"", extra, "\": hadal ", spec.name, " takes flags alone");
    return invalid_argument("unexpected argument \"", extra, "\": hadal ", spec.name, " takes ",
                            spec.max_arguments == 1 ? "one " : "", spec.argument);
  }
  return spec.take == nullptr ? Status() : spec.take(arguments, values, settings);
}

void append(std::vector<std::string>& to, const std::vector<std::string>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

Status read_settings(const CommandSpec& spec, const ArgumentLayer& line, const Environment& environment,
                     Settings& settings) {
  settings.command = spec.command;
  settings.environment = environment;
  HADAL_ASSIGN(const FlagLayer variables, read_environment(environment, spec.mask));
  FlagValueMap merged = variables.values;
  for (const auto& [flag, value] : line.values) merged[flag] = value;
  const auto config = merged.find(find_flag("--config", spec.mask));
  if (config != merged.end()) {
    HADAL_ASSIGN(const FlagLayer file, read_config_file(config->second.texts.back(), spec.mask));
    append(settings.notes, file.notes);
    for (const auto& [flag, value] : file.values) merged.try_emplace(flag, value);
  }
  append(settings.notes, variables.notes);
  append(settings.notes, line.notes);
  HADAL_RETURN_IF_ERROR(apply_values(merged, settings));
  HADAL_RETURN_IF_ERROR(take_arguments(spec, line.positionals, merged, settings));
  if (const auto home = environment.find("HOME"); home != environment.end())
    settings.chat.home = home->second;
  Status valid = validate(spec, settings);
  if (!valid.ok()) return with_origin(std::move(valid).error(), merged);
  return {};
}

Error unknown_command(const std::string& name) {
  for (std::string_view later : kLaterCommands) {
    if (name == later)
      return make_error(ErrorCode::kUnsupported, "hadal ", name, " is not in this version: see hadal --help");
  }
  if (name.starts_with("-"))
    return invalid_argument("flags come after the command: hadal serve MODEL ", name, " ...");
  constexpr std::string_view kNames[] = {"serve",  "chat",      "pull",    "push", "plan",
                                         "deploy", "preflight", "version", "help"};
  const std::string nearest = nearest_name(name, kNames);
  if (!nearest.empty())
    return invalid_argument("there is no command \"", name, "\": did you mean hadal ", nearest, "?");
  if (name.find_first_of("/.:") != std::string::npos) {
    return invalid_argument("there is no command \"", name, "\": did you mean hadal serve ", name,
                            " or hadal chat ", name, "?");
  }
  return invalid_argument("there is no command \"", name, "\": see hadal --help");
}

const CommandSpec* find_command(std::string_view name) {
  for (const CommandSpec& command : command_table()) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

// "deploy" or "deploy" "render": the command that the arguments begin with, and how many of them name it.
std::pair<const CommandSpec*, size_t> find_command(std::span<const std::string> arguments) {
  if (arguments.size() > 1) {
    const CommandSpec* both = find_command(arguments[0] + " " + arguments[1]);
    if (both != nullptr) return {both, 2};
  }
  return {arguments.empty() ? nullptr : find_command(arguments[0]), 1};
}

// `hadal deploy`, `hadal deploy --help` and `hadal deploy nothing`, where "deploy" has only commands.
Result<ParsedCommandLine> parse_family(std::span<const std::string> arguments, const std::string& help) {
  ParsedCommandLine out;
  if (arguments.size() == 1 || arguments[1] == "--help" || arguments[1] == "-h") return out.print = help, out;
  std::vector<std::string_view> names;
  const std::string prefix = arguments[0] + " ";
  for (const CommandSpec& command : command_table()) {
    if (command.name.starts_with(prefix)) names.push_back(command.name.substr(prefix.size()));
  }
  const std::string nearest = nearest_name(arguments[1], names);
  return invalid_argument(
      "hadal ", arguments[0], " has no command \"", arguments[1], "\": ",
      nearest.empty() ? "see hadal " + prefix + "--help" : "did you mean hadal " + prefix + nearest + "?");
}

Result<ParsedCommandLine> help_about(std::span<const std::string> arguments, int help_width) {
  ParsedCommandLine out;
  const CommandSpec* about = find_command(arguments).first;
  out.print = about == nullptr ? family_help(arguments[0], help_width) : command_help(*about, help_width);
  if (out.print->empty()) return unknown_command(arguments[0]);
  return out;
}

// What commands read beside HADAL_*: whole names, or prefixes that end with an underscore.
constexpr std::string_view kForeignVariables[] = {
    "HOME",
    "NO_COLOR",
    "TERM",
    "HF_",
    "HUGGING_FACE_HUB_TOKEN",
    "AWS_",
    "MODELSCOPE_",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "LWS_",
    "POD_",
    "NODE_NAME",
    "NCCL_",
    "GLOO_",
    "TORCH_NCCL_",
    "XDG_CACHE_HOME",
    "HOSTNAME",
    "UCX_",
    "NVSHMEM_",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "NVIDIA_VISIBLE_DEVICES",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
};

bool is_known_variable(std::string_view name) {
  if (name.starts_with("HADAL_")) return true;
  for (std::string_view known : kForeignVariables) {
    if (known.ends_with("_") ? name.starts_with(known) : name == known) return true;
  }
  return false;
}

}  // namespace

Environment process_environment() {
  Environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = text.substr(0, equals);
    if (is_known_variable(name)) out.emplace(name, text.substr(equals + 1));
  }
  return out;
}

std::vector<std::string> inherited_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) out.emplace_back(*entry);
  return out;
}

Result<ParsedCommandLine> parse_command_line(const std::vector<std::string>& arguments,
                                             const Environment& environment, int help_width) {
  ParsedCommandLine out;
  const std::string version = std::string("hadal ") + HADAL_VERSION + "\n";
  if (arguments.empty())
    return invalid_argument("which command? hadal serve MODEL, or hadal chat MODEL|URL; see hadal --help");
  const std::string& first = arguments[0];
  if (first == "version" || first == "--version") {
    for (const std::string& more : std::span(arguments).subspan(1)) {
      if (more != "--help" && more != "-h")
        return invalid_argument("unexpected argument \"", more, "\": hadal version takes none");
    }
    return out.print = version, out;
  }
  if (first == "help" || first == "--help" || first == "-h") {
    if (arguments.size() > 1) return help_about({arguments.data() + 1, arguments.size() - 1}, help_width);
    return out.print = program_help(help_width), out;
  }
  const auto [spec, num_words] = find_command(arguments);
  if (spec == nullptr) {
    const std::string family = family_help(first, help_width);
    return family.empty() ? unknown_command(first) : parse_family(arguments, family);
  }
  HADAL_ASSIGN(const ArgumentLayer line,
               read_arguments({arguments.begin() + static_cast<std::ptrdiff_t>(num_words), arguments.end()},
                              spec->mask));
  if (line.help || line.version) {
    out.print = line.help ? command_help(*spec, help_width) : version;
    return out;
  }
  HADAL_RETURN_IF_ERROR(read_settings(*spec, line, environment, out.settings));
  return out;
}

}  // namespace hadal
