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
constexpr std::string_view kLaterCommands[] = {"pull", "bench", "route", "plan", "deploy", "preflight"};

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

Status validate(const Settings& settings) {
  if (!parse_log_level(settings.log.level).ok()) {
    return invalid_argument("--log-level is \"", settings.log.level,
                            "\": it takes debug, info, warning, error or off");
  }
  if (settings.log.format != "text" && settings.log.format != "json") {
    return invalid_argument("--log-format is \"", settings.log.format, "\": it takes text or json");
  }
  HADAL_RETURN_IF_ERROR(validate_engine_config(settings.engine));
  HADAL_RETURN_IF_ERROR(validate_parallel_config(settings.parallel));
  return validate_server_config(settings.server);
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

Status take_positionals(const CommandSpec& spec, const std::vector<std::string>& positionals,
                        const FlagValueMap& values, Settings& settings) {
  if (positionals.size() > 1) {
    return invalid_argument("unexpected argument \"", positionals[1], "\": hadal ", spec.name, " takes one ",
                            spec.argument);
  }
  if (spec.command == Command::kChat) {
    if (!positionals.empty()) settings.chat.target = positionals[0];
    if (settings.chat.target.empty()) {
      return invalid_argument("chat needs a model or a server: hadal chat MODEL|URL");
    }
    return {};
  }
  if (!positionals.empty()) {
    const auto given = values.find(find_flag("--model-path", kForServe));
    if (given != values.end() && given->second.origin.starts_with("command line") &&
        settings.engine.model_path != positionals[0]) {
      return invalid_argument("two models: ", positionals[0], " and --model-path ",
                              settings.engine.model_path);
    }
    settings.engine.model_path = positionals[0];
  }
  if (settings.engine.model_path.empty()) return invalid_argument("serve needs a model: hadal serve MODEL");
  return {};
}

void append(std::vector<std::string>& to, const std::vector<std::string>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

Status read_settings(const CommandSpec& spec, const ArgumentLayer& line, const Environment& environment,
                     Settings& settings) {
  settings.command = spec.command;
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
  HADAL_RETURN_IF_ERROR(take_positionals(spec, line.positionals, merged, settings));
  if (const auto home = environment.find("HOME"); home != environment.end())
    settings.chat.home = home->second;
  Status valid = validate(settings);
  if (!valid.ok()) return with_origin(std::move(valid).error(), merged);
  return {};
}

Error unknown_command(const std::string& name) {
  for (std::string_view later : kLaterCommands) {
    if (name == later)
      return make_error(ErrorCode::kUnsupported, "hadal ", name,
                        " is not in this version: it has serve and chat");
  }
  if (name.starts_with("-"))
    return invalid_argument("flags come after the command: hadal serve MODEL ", name, " ...");
  constexpr std::string_view kNames[] = {"serve", "chat", "version", "help"};
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

}  // namespace

Environment process_environment() {
  Environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = text.substr(0, equals);
    if (name.starts_with("HADAL_") || name == "HOME") out.emplace(name, text.substr(equals + 1));
  }
  return out;
}

Result<ParsedCommandLine> parse_command_line(const std::vector<std::string>& arguments,
                                             const Environment& environment, int help_width) {
  ParsedCommandLine out;
  const std::string version = std::string("hadal ") + HADAL_VERSION + "\n";
  if (arguments.empty())
    return invalid_argument("which command? hadal serve MODEL, or hadal chat MODEL|URL; see hadal --help");
  const std::string& first = arguments[0];
  if (first == "version" || first == "--version") return out.print = version, out;
  if (first == "help" || first == "--help" || first == "-h") {
    const CommandSpec* about = arguments.size() > 1 ? find_command(arguments[1]) : nullptr;
    if (arguments.size() > 1 && about == nullptr) return unknown_command(arguments[1]);
    out.print = about == nullptr ? program_help(help_width) : command_help(*about, help_width);
    return out;
  }
  const CommandSpec* spec = find_command(first);
  if (spec == nullptr) return unknown_command(first);
  HADAL_ASSIGN(const ArgumentLayer line,
               read_arguments({arguments.begin() + 1, arguments.end()}, spec->mask));
  if (line.help || line.version) {
    out.print = line.help ? command_help(*spec, help_width) : version;
    return out;
  }
  HADAL_RETURN_IF_ERROR(read_settings(*spec, line, environment, out.settings));
  return out;
}

}  // namespace hadal
