#include "config/flags_help.h"

#include <algorithm>

#include "base/join_text.h"
#include "config/flag_table.h"
#include "config/flags.h"
#include "config/sglang_flags.h"

namespace hadal {
namespace {

constexpr int kIndent = 26;  // of a flag's text
constexpr int kMinWidth = 50;
constexpr int kMaxWidth = 110;

// `left` in the first column, `text` wrapped in the second; `left` has a line of its own where it is too
// long.
void add_entry(std::string& out, std::string_view left, std::string_view text, int width) {
  std::string line = "  " + std::string(left);
  if (line.size() + 2 > kIndent) {
    out += line + "\n";
    line.clear();
  }
  line.resize(kIndent, ' ');
  bool empty = true;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    begin = end + 1;
    if (!empty && line.size() + 1 + word.size() > static_cast<size_t>(width)) {
      out += line + "\n";
      line.assign(kIndent, ' ');
      empty = true;
    }
    if (!empty) line += ' ';
    line += word;
    empty = false;
  }
  out += line + "\n";
}

std::string names_with_value(const FlagSpec& flag) {
  std::string names = join_text(flag_names(flag), ", ");
  if (!flag.metavar.empty()) names += " " + std::string(flag.metavar);
  return names;
}

std::string default_of(const FlagSpec& flag) {
  return flag.show == nullptr ? "" : flag.show(Settings{});
}

// "[default: 30000; env: HADAL_PORT]"
std::string settings_of(const FlagSpec& flag) {
  const std::string shown = default_of(flag);
  return "[" + (shown.empty() ? "" : "default: " + shown + "; ") + "env: " + flag_environment_name(flag) +
         "]";
}

void add_command(std::string& out, const CommandSpec& command, int width) {
  std::string left(command.name);
  if (!command.argument.empty()) left += " " + std::string(command.argument);
  add_entry(out, left, command.summary, width);
}

// "serve, chat": who has this flag.
std::string commands_of(const FlagSpec& flag) {
  if (flag.commands == kForAll) return "all";
  std::string out;
  for (const CommandSpec& command : command_table()) {
    if ((flag.commands & command.mask) == 0) continue;
    if (!out.empty()) out += ", ";
    out += command.name;
  }
  return out;
}

}  // namespace

std::string program_help(int width) {
  width = std::clamp(width, kMinWidth, kMaxWidth);
  std::string out =
      "hadal: serve DeepSeek-R1 and its relatives on your own machines over the OpenAI API.\n\n"
      "Usage: hadal COMMAND [FLAGS]\n\nCommands\n";
  for (const CommandSpec& command : command_table()) add_command(out, command, width);
  add_entry(out, "version", "Print the version", width);
  add_entry(out, "help [COMMAND]", "Print this, or a command's flags", width);
  out += "\nFlags\n";
  add_entry(out, "--help, -h", "After a command: its flags", width);
  add_entry(out, "--version", "Print the version", width);
  out +=
      "\nExamples\n"
      "  hadal serve ./model --port 30000\n"
      "  hadal chat http://127.0.0.1:30000\n"
      "  hadal chat ./model.gguf -p 'What is the deepest trench of the sea?'\n";
  return out;
}

std::string command_help(const CommandSpec& command, int width) {
  width = std::clamp(width, kMinWidth, kMaxWidth);
  std::string out = "hadal " + std::string(command.name) + ": " + std::string(command.summary) + ".\n\n";
  out += "Usage: hadal " + std::string(command.name) + " ";
  if (!command.argument.empty()) out += std::string(command.argument) + " ";
  out += "[FLAGS]\n\n";
  if (!command.argument.empty()) add_entry(out, command.argument, command.argument_help, width);
  std::string_view group;
  bool has_duration = false;
  for (const FlagSpec& flag : flag_table()) {
    if ((flag.commands & command.mask) == 0) continue;
    has_duration |= flag.metavar == "DURATION";
    if (flag.group != group) {
      group = flag.group;
      out += "\n" + std::string(group) + "\n";
    }
    add_entry(out, names_with_value(flag), flag.help, width);
    out += std::string(kIndent, ' ') + settings_of(flag) + "\n";
  }
  add_entry(out, "--help, -h", "Print this", width);
  if (has_duration)
    out += "\nA DURATION is a number with a unit (500ms, 90s, 15m, 24h, 2d); without one it is seconds.\n";
  out +=
      "\nA flag is also an environment variable (env above) and a key of the --config file. The command "
      "line\n"
      "beats the environment, which beats the file.";
  if ((command.mask & kForBoth) != 0) {
    out +=
        " Flags of SGLang's launch_server that hadal does not need\n"
        "are accepted with a line that says why; docs/flags.md lists them.";
  }
  return out + "\n";
}

std::string family_help(std::string_view name, int width) {
  width = std::clamp(width, kMinWidth, kMaxWidth);
  std::string out;
  for (const CommandSpec& command : command_table()) {
    const bool member = command.name.starts_with(name) && command.name.size() > name.size() &&
                        command.name[name.size()] == ' ';
    if (!member) continue;
    if (out.empty()) out = "Usage: hadal " + std::string(name) + " COMMAND [FLAGS]\n\nCommands\n";
    add_command(out, command, width);
  }
  if (!out.empty()) add_entry(out, "--help, -h", "After a command: its flags", width);
  return out;
}

std::string flags_markdown() {
  std::string out =
      "# Flags\n\nPrinted by `hadal_flags_doc` from the flag table; each is also an environment variable and "
      "a key of the\n"
      "YAML file given by `--config`. The command line beats the environment, which beats the file.\n"
      "A DURATION is a number with a unit, `500ms`, `90s`, `15m`, `24h` or `2d`; without one it is seconds.\n"
      "[exit-codes.md](exit-codes.md) has the exit codes.\n";
  std::string_view group;
  for (const FlagSpec& flag : flag_table()) {
    if (flag.group != group) {
      group = flag.group;
      out += "\n## " + std::string(group) +
             "\n| flag | environment | commands | default | meaning |\n| --- | --- | --- | --- | --- |\n";
    }
    std::string names;
    for (std::string_view name : flag_names(flag)) {
      if (!names.empty()) names += " ";
      names += "`" + std::string(name) + (flag.metavar.empty() ? "" : " " + std::string(flag.metavar)) + "`";
    }
    out += "| " + names + " | `" + flag_environment_name(flag) + "` | " + commands_of(flag) + " | " +
           default_of(flag) + " | " + std::string(flag.help) + " |\n";
  }
  for (const auto& [verdict, title] :
       {std::pair{FlagVerdict::kUnneeded, "accepted and not needed"}, {FlagVerdict::kRefused, "refused"}}) {
    out += "\n## Flags of SGLang that are " + std::string(title) + "\n| why | flags |\n| --- | --- |\n";
    const SglangReason* reason = nullptr;
    for (const SglangFlags& row : sglang_flags()) {
      if (row.reason.verdict != verdict) continue;
      if (reason != &row.reason) {
        if (reason != nullptr) out += " |\n";
        out += "| " + std::string(row.reason.text) + " |";
        reason = &row.reason;
      }
      for (std::string_view rest = row.names; !rest.empty();) {
        const size_t end = std::min(rest.find(' '), rest.size());
        out += " `" + std::string(rest.substr(0, end)) + "`";
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
      if (!row.harmless.empty()) out += " (but for " + std::string(row.harmless) + ")";
    }
    out += " |\n";
  }
  return out;
}

}  // namespace hadal
