#include "base/log.h"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>

namespace hadal {
namespace {

// The logger is the one process-wide object of the program: a line must be loggable from anywhere, a crash
// path too.
struct LogState {
  std::atomic<LogLevel> level{LogLevel::kInfo};
  std::atomic<LogFormat> format{LogFormat::kText};
  std::shared_ptr<spdlog::logger> logger;  // set before threads start, cleared after they ended
};

LogState& state() {
  static LogState instance;
  return instance;
}

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
    case LogLevel::kOff:
      return "off";
  }
  return "info";
}

std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(millis / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + n, sizeof text - n, ".%03dZ", static_cast<int>(millis % 1000));
  return text;
}

}  // namespace

Result<LogLevel> parse_log_level(std::string_view name) {
  for (LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError, LogLevel::kOff}) {
    if (name == level_name(level)) return level;
  }
  if (name == "warn") return LogLevel::kWarning;
  return invalid_argument("unknown log level \"", name, "\": use debug, info, warning, error or off");
}

void init_logging(LogLevel level, LogFormat format) {
  state().level = level;
  state().format = format;
  if (state().logger) return;
  spdlog::init_thread_pool(8192, 1);
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  state().logger = std::make_shared<spdlog::async_logger>("hadal", sink, spdlog::thread_pool(),
                                                          spdlog::async_overflow_policy::overrun_oldest);
  state().logger->set_pattern("%v");
  state().logger->set_level(spdlog::level::trace);
  state().logger->flush_on(spdlog::level::trace);
}

void shutdown_logging() {
  if (!state().logger) return;
  state().logger->flush();
  state().logger.reset();
  spdlog::shutdown();
}

bool log_enabled(LogLevel level) {
  return level >= state().level.load(std::memory_order_relaxed);
}

LogLine::LogLine(LogLevel level, std::string_view message) : level_(level), enabled_(log_enabled(level)) {
  if (enabled_) message_ = message;
}

LogLine& LogLine::field(std::string_view key, const Json& value) {
  if (enabled_) fields_.emplace_back(std::string(key), value);
  return *this;
}

LogLine::~LogLine() {
  if (!enabled_) return;
  std::string line;
  if (state().format.load(std::memory_order_relaxed) == LogFormat::kJson) {
    JsonWriter json(line);
    json.begin_object()
        .member("time", timestamp())
        .member("level", level_name(level_))
        .member("message", message_);
    for (const auto& [key, value] : fields_) json.member(key, value);
    json.end_object();
  } else {
    line = timestamp() + " " + std::string(level_name(level_)) + ": ";
    // A newline in a message would forge a second line.
    for (char c : message_) line += c == '\n' ? ' ' : c;
    for (const auto& [key, value] : fields_) {
      line += ' ' + key + '=';
      line += to_json(value);
    }
  }
  const auto logger = state().logger;
  if (logger) {
    logger->info(line);
  } else {
    line += '\n';
    std::fputs(line.c_str(), stderr);
  }
}

}  // namespace hadal
