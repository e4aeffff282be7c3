// hadal: one program, one subcommand for each job. Parses the flags and runs the command.
#include <cstdio>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/signals.h"
#include "base/log.h"
#include "base/process_limits.h"
#include "config/flags.h"

namespace {

void set_up_logging(const hadal::Settings& settings) {
  auto level = hadal::parse_log_level(settings.log.level);
  // A conversation is not interrupted by what the engine has to say about itself.
  if (settings.command == hadal::Command::kChat && settings.log.level == "info")
    level = hadal::LogLevel::kWarning;
  hadal::init_logging(*level,
                      settings.log.format == "json" ? hadal::LogFormat::kJson : hadal::LogFormat::kText);
  for (const std::string& note : settings.notes) hadal::log_info(note);
}

}  // namespace

int main(int argc, char** argv) {
  hadal::block_signals();
  hadal::tune_allocator();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  auto parsed = hadal::parse_command_line(arguments, hadal::process_environment());
  if (!parsed.ok()) {
    std::fprintf(stderr, "hadal: %s\n", parsed.error().message.c_str());
    return 2;
  }
  if (parsed->print.has_value()) {
    std::fputs(parsed->print->c_str(), stdout);
    return 0;
  }
  set_up_logging(parsed->settings);
  hadal::raise_descriptor_limit();
  const int code = parsed->settings.command == hadal::Command::kServe
                       ? hadal::run_serve(std::move(parsed->settings))
                       : hadal::run_chat(std::move(parsed->settings));
  hadal::shutdown_logging();
  return code;
}
