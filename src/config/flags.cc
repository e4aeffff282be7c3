#include "config/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>

#include "base/file.h"
#include "base/log.h"
#include "base/yaml.h"
#include "config/flag_table.h"

#ifndef HADAL_VERSION
#define HADAL_VERSION "unknown"
#endif

namespace hadal {
namespace {

constexpr size_t kMaxConfigBytes = size_t{1} << 20;

using Values = std::map<const FlagSpec*, std::vector<std::string>>;

// What one subcommand's arguments were.
struct CommandLineValues {
  Values values;
  std::vector<std::string> positionals;
  std::string config_file;
  std::vector<std::string> unneeded;
  // Switches: CLI11 writes "true", "false" or what follows "=" here. A deque, so that its elements stay in
  // place.
  std::deque<std::pair<const FlagSpec*, std::string>> switches;
};

std::string help_text(const FlagSpec& flag) {
  std::string text(flag.help);
  if (flag.show != nullptr) {
    const std::string shown = flag.show(Settings{});
    if (!shown.empty() && !flag.metavar.empty()) text += " [" + shown + "]";
  }
  return text;
}

void add_flags(CLI::App& app, unsigned command, CommandLineValues& out) {
  app.add_option("--config", out.config_file, "YAML file of flags: keys are flag names without dashes")
      ->type_name("FILE")
      ->group("Logging");
  for (const FlagSpec& flag : flag_table()) {
    if ((flag.commands & command) == 0) continue;
    const auto keep = [&out, spec = &flag](const std::vector<std::string>& values) {
      auto& list = out.values[spec];
      list.insert(list.end(), values.begin(), values.end());
      return true;
    };
    if (flag.metavar.empty()) {
      std::string& value = out.switches.emplace_back(&flag, "").second;
      app.add_flag(std::string(flag.names), value, help_text(flag))->group(std::string(flag.group));
      continue;
    }
    CLI::Option* option = app.add_option(std::string(flag.names), keep, help_text(flag));
    option->group(std::string(flag.group))->expected(1)->type_name(std::string(flag.metavar));
    option->multi_option_policy(flag.repeats ? CLI::MultiOptionPolicy::TakeAll
                                             : CLI::MultiOptionPolicy::TakeLast);
    option->allow_extra_args(false);
  }
  for (const UnneededFlag& flag : unneeded_flags()) {
    const auto note = [&out, spec = &flag](const std::vector<std::string>&) {
      out.unneeded.push_back(std::string(spec->name) + " is not needed: " + std::string(spec->why));
      return true;
    };
    if (flag.takes_value) {
      app.add_option(std::string(flag.name), note)->expected(1)->group("");
    } else {
      app.add_flag(std::string(flag.name), [note](int64_t) { note({}); })->group("");
    }
  }
}

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int up = row[j];
      row[j] = std::min({up + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = up;
    }
  }
  return row[b.size()];
}

std::vector<std::string_view> split_names(std::string_view names) {
  std::vector<std::string_view> out;
  for (size_t begin = 0; begin <= names.size();) {
    const size_t comma = std::min(names.find(',', begin), names.size());
    out.push_back(names.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return out;
}

std::string nearest_flag(std::string_view name, unsigned command) {
  std::string best;
  int best_distance = static_cast<int>(std::max<size_t>(2, name.size() / 4)) + 1;
  for (const FlagSpec& flag : flag_table()) {
    if ((flag.commands & command) == 0) continue;
    for (std::string_view candidate : split_names(flag.names)) {
      const int d = edit_distance(name, candidate);
      if (d < best_distance) {
        best_distance = d;
        best = candidate;
      }
    }
  }
  return best;
}

Error unknown_argument(std::string_view argument, unsigned command) {
  const std::string_view name = argument.substr(0, argument.find('='));
  for (const RefusedFlag& flag : refused_flags()) {
    if (flag.name == name) return make_error(ErrorCode::kUnsupported, name, ": ", flag.why);
  }
  const std::string nearest = name.starts_with("-") ? nearest_flag(name, command) : "";
  if (!nearest.empty()) return invalid_argument("unknown flag ", name, ": did you mean ", nearest, "?");
  return invalid_argument("unexpected argument \"", argument, "\": see --help");
}

const FlagSpec* find_key(std::string_view key, unsigned command) {
  for (const FlagSpec& flag : flag_table()) {
    if ((flag.commands & command) == 0) continue;
    for (std::string_view name : split_names(flag.names)) {
      if (name.substr(name.find_first_not_of('-')) == key) return &flag;
    }
  }
  return nullptr;
}

Result<std::string> yaml_scalar(const std::string& key, const Json& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool() || value.is_number()) return to_json(value);
  return invalid_argument("key \"", key, "\" must be a plain value, not ", value.kind_name());
}

Status read_config_file(const std::string& path, unsigned command, Values& out,
                        std::vector<std::string>& notes) {
  HADAL_ASSIGN(const std::string text, read_file(path, kMaxConfigBytes));
  auto parsed = parse_yaml(text);
  if (!parsed.ok()) return invalid_argument(path, ": ", parsed.error().message);
  if (parsed->is_null()) return {};
  if (!parsed->is_object()) return invalid_argument(path, " must be a mapping of flag names to values");
  for (const auto& [raw_key, value] : parsed->as_object()) {
    std::string key = raw_key;
    std::replace(key.begin(), key.end(), '_', '-');
    const FlagSpec* flag = find_key(key, command);
    if (flag == nullptr) {
      const auto unneeded = std::find_if(unneeded_flags().begin(), unneeded_flags().end(),
                                         [&](const UnneededFlag& f) { return f.name.substr(2) == key; });
      if (unneeded == unneeded_flags().end()) {
        return invalid_argument(path, ": ", unknown_argument("--" + key, command).message);
      }
      notes.push_back(path + ": " + key + " is not needed: " + std::string(unneeded->why));
      continue;
    }
    std::vector<std::string>& list = out[flag];
    if (value.is_array() && flag->repeats) {
      for (const Json& item : value.as_array()) {
        HADAL_ASSIGN(std::string text_value, yaml_scalar(raw_key, item));
        list.push_back(std::move(text_value));
      }
    } else if (!value.is_null()) {
      auto text_value = yaml_scalar(raw_key, value);
      if (!text_value.ok()) return invalid_argument(path, ": ", text_value.error().message);
      list.push_back(std::move(text_value).value());
    }
  }
  return {};
}

void read_environment(const GetEnv& get_env, unsigned command, Values& out) {
  for (const FlagSpec& flag : flag_table()) {
    if ((flag.commands & command) == 0) continue;
    const auto value = get_env(flag_environment_name(flag));
    if (!value.has_value() || value->empty()) continue;
    if (!flag.repeats) {
      out[&flag] = {*value};
      continue;
    }
    for (std::string_view part : split_names(*value)) out[&flag].emplace_back(part);
  }
}

// Later layers replace a flag's values whole, so that --api-key on the command line is not added to the
// file's.
Status apply(const Values& values, std::string_view origin, Settings& settings) {
  for (const auto& [flag, list] : values) {
    for (const std::string& value : list) {
      const Status status = flag->set(settings, value);
      if (status.ok()) continue;
      const bool secret =
          flag_key(*flag).find("key") != std::string_view::npos || flag_key(*flag) == "group-secret";
      return invalid_argument(origin, "--", flag_key(*flag), ": ",
                              secret ? "bad value" : status.error().message);
    }
  }
  return {};
}

Status validate(Settings& settings) {
  HADAL_RETURN_IF_ERROR(parse_log_level(settings.log.level).status());
  if (settings.log.format != "text" && settings.log.format != "json") {
    return invalid_argument("--log-format is \"", settings.log.format, "\": it takes text or json");
  }
  HADAL_RETURN_IF_ERROR(validate_engine_config(settings.engine));
  HADAL_RETURN_IF_ERROR(validate_parallel_config(settings.parallel));
  if (settings.command == Command::kServe) {
    if (settings.engine.model_path.empty()) return invalid_argument("serve needs a model: hadal serve MODEL");
    HADAL_RETURN_IF_ERROR(validate_server_config(settings.server));
  } else if (settings.chat.target.empty()) {
    return invalid_argument("chat needs a model or a server: hadal chat MODEL|URL");
  }
  return {};
}

Status finish(CommandLineValues line, Command command, const GetEnv& get_env, Settings& settings) {
  const unsigned mask = command == Command::kServe ? kForServe : kForChat;
  Values file;
  if (line.config_file.empty()) line.config_file = get_env("HADAL_CONFIG").value_or("");
  if (!line.config_file.empty()) {
    HADAL_RETURN_IF_ERROR(read_config_file(line.config_file, mask, file, settings.notes));
  }
  Values environment;
  read_environment(get_env, mask, environment);
  Values merged = std::move(file);
  for (const auto& [flag, list] : environment) merged[flag] = list;
  for (const auto& [flag, list] : line.values) merged[flag] = list;
  for (const auto& [flag, value] : line.switches) {
    if (!value.empty()) merged[flag] = {value};
  }
  HADAL_RETURN_IF_ERROR(apply(merged, "", settings));
  settings.command = command;
  settings.config_file = line.config_file;
  settings.notes.insert(settings.notes.end(), line.unneeded.begin(), line.unneeded.end());
  if (!line.positionals.empty()) {
    if (command == Command::kServe) settings.engine.model_path = line.positionals[0];
    settings.chat.target = line.positionals[0];
    if (line.positionals.size() > 1) return unknown_argument(line.positionals[1], mask);
  }
  return validate(settings);
}

}  // namespace

GetEnv process_environment() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

Result<ParsedCommandLine> parse_command_line(const std::vector<std::string>& arguments,
                                             const GetEnv& get_env) {
  CLI::App app("hadal: serve DeepSeek-R1 and its relatives on your own machines over the OpenAI API.",
               "hadal");
  app.set_version_flag("--version", std::string("hadal ") + HADAL_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(44);
  CommandLineValues serve_line;
  CommandLineValues chat_line;
  CLI::App* serve = app.add_subcommand("serve", "Load a model and serve the OpenAI API");
  serve->add_option("MODEL", serve_line.positionals, "Hugging Face directory, .gguf file, or config.json");
  add_flags(*serve, kForServe, serve_line);
  CLI::App* chat = app.add_subcommand("chat", "Talk to a local model or to a server in the terminal");
  chat->add_option("MODEL|URL", chat_line.positionals,
                   "Model as for serve, or http(s)://HOST:PORT of a server");
  add_flags(*chat, kForChat, chat_line);

  ParsedCommandLine out;
  const bool in_chat = !arguments.empty() && arguments[0] == "chat";
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(std::move(reversed));
  } catch (const CLI::CallForVersion&) {
    out.print = std::string("hadal ") + HADAL_VERSION + "\n";
    return out;
  } catch (const CLI::CallForHelp&) {
    out.print = serve->parsed() ? serve->help() : chat->parsed() ? chat->help() : app.help();
    return out;
  } catch (const CLI::ExtrasError&) {
    for (CLI::App* one : {serve, chat, &app}) {
      const auto extras = one->remaining();
      if (!extras.empty()) return unknown_argument(extras[0], in_chat ? kForChat : kForServe);
    }
    return invalid_argument("unexpected arguments: see hadal --help");
  } catch (const CLI::ParseError& error) {
    return invalid_argument(error.what(), ": see hadal --help");
  }
  HADAL_RETURN_IF_ERROR(serve->parsed()
                            ? finish(std::move(serve_line), Command::kServe, get_env, out.settings)
                            : finish(std::move(chat_line), Command::kChat, get_env, out.settings));
  return out;
}

std::string flags_markdown() {
  std::string out =
      "# Flags\n\nPrinted by `hadal_flags_doc` from the flag table; each is also an environment variable and "
      "a key of the\n"
      "YAML file given by `--config`. The command line beats the environment, which beats the file.\n";
  std::string_view group;
  for (const FlagSpec& flag : flag_table()) {
    if (flag.group != group) {
      group = flag.group;
      out += "\n## " + std::string(group) +
             "\n| flag | environment | commands | default | meaning |\n| --- | --- | --- | --- | --- |\n";
    }
    std::string names;
    for (std::string_view name : split_names(flag.names)) {
      if (!names.empty()) names += " ";
      names += "`" + std::string(name) + (flag.metavar.empty() ? "" : " " + std::string(flag.metavar)) + "`";
    }
    const std::string commands = flag.commands == kForBoth    ? "serve, chat"
                                 : flag.commands == kForServe ? "serve"
                                                              : "chat";
    const std::string shown = flag.show == nullptr ? "" : flag.show(Settings{});
    out += "| " + names + " | `" + flag_environment_name(flag) + "` | " + commands + " | " + shown + " | " +
           std::string(flag.help) + " |\n";
  }
  out += "\n## Flags of SGLang that are accepted and not needed\n| flag | why |\n| --- | --- |\n";
  for (const UnneededFlag& flag : unneeded_flags()) {
    out += "| `" + std::string(flag.name) + "` | " + std::string(flag.why) + " |\n";
  }
  out += "\n## Flags of SGLang that are refused\n| flag | why |\n| --- | --- |\n";
  for (const RefusedFlag& flag : refused_flags()) {
    out += "| `" + std::string(flag.name) + "` | " + std::string(flag.why) + " |\n";
  }
  return out;
}

}  // namespace hadal
