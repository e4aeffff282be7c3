// hadal: one program, one subcommand for each job. Parses the flags and runs the command.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/signals.h"
#include "base/json.h"
#include "base/log.h"
#include "base/process_limits.h"
#include "config/flags.h"

namespace {

constexpr int kDefaultColumns = 80;

int terminal_columns() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kDefaultColumns;
}

void set_up_logging(const hadal::Settings& settings) {
  auto level = hadal::parse_log_level(settings.log.level);
  // A conversation is not interrupted by what the engine has to say about itself.
  if (settings.command == hadal::Command::kChat && settings.log.level == "info")
    level = hadal::LogLevel::kWarning;
  hadal::init_logging(*level,
                      settings.log.format == "json" ? hadal::LogFormat::kJson : hadal::LogFormat::kText);
}

// Whatever the log's level: the operator asked for something that is not done.
void print_notes(const hadal::Settings& settings) {
  for (const std::string& note : settings.notes) {
    std::string line = "hadal: " + note;
    if (settings.log.format == "json") {
      line = hadal::to_json(
          hadal::Json(hadal::JsonObject{{"level", hadal::Json("info")}, {"message", hadal::Json(note)}}));
    }
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

int run_command(hadal::Settings settings) {
  using hadal::Command;
  switch (settings.command) {
    case Command::kServe:
      return hadal::run_serve(std::move(settings));
    case Command::kChat:
      return hadal::run_chat(std::move(settings));
    case Command::kPull:
      return hadal::run_pull(std::move(settings));
    case Command::kPush:
      return hadal::run_push(std::move(settings));
    case Command::kPlan:
      return hadal::run_plan(std::move(settings));
    case Command::kPreflight:
      return hadal::run_preflight(std::move(settings));
    case Command::kDeployRender:
      return hadal::run_deploy_render(std::move(settings));
    case Command::kDeploySchema:
      return hadal::run_deploy_schema(std::move(settings));
    case Command::kDeployValidate:
      return hadal::run_deploy_validate(std::move(settings));
    case Command::kDeployRules:
      return hadal::run_deploy_rules(std::move(settings));
    case Command::kDeployDiff:
      return hadal::run_deploy_diff(std::move(settings));
    case Command::kDeployApply:
      return hadal::run_deploy_apply(std::move(settings));
    case Command::kDeployStatus:
      return hadal::run_deploy_status(std::move(settings));
    case Command::kDeployLogs:
      return hadal::run_deploy_logs(std::move(settings));
    case Command::kDeployDoctor:
      return hadal::run_deploy_doctor(std::move(settings));
    case Command::kDeployDelete:
      return hadal::run_deploy_delete(std::move(settings));
    case Command::kDeployRollback:
      return hadal::run_deploy_rollback(std::move(settings));
    case Command::kDeployHistory:
      return hadal::run_deploy_history(std::move(settings));
    default:
      break;
  }
  std::fprintf(stderr, "hadal: this command is not in this version\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  hadal::block_signals();
  hadal::tune_allocator();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  auto parsed = hadal::parse_command_line(arguments, hadal::process_environment(), terminal_columns());
  if (!parsed.ok()) {
    std::fprintf(stderr, "hadal: %s\n", parsed.error().message.c_str());
    return 2;
  }
  if (parsed->print.has_value()) {
    std::fputs(parsed->print->c_str(), stdout);
    return 0;
  }
  if (parsed->settings.command == hadal::Command::kChat) hadal::block_stop_signals();
  set_up_logging(parsed->settings);
  print_notes(parsed->settings);
  hadal::raise_descriptor_limit();
  const int code = run_command(std::move(parsed->settings));
  hadal::shutdown_logging();
  return code;
}
