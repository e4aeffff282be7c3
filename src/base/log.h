// Logging: one process-wide sink set up by main before any thread starts, one line per event on stderr.
// Message text first, then key=value fields. Prompts, completions and keys are never logged. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace hadal {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };
enum class LogFormat { kText, kJson };

// "debug", "info", "warning" ("warn"), "error", "off"; kInvalidArgument otherwise.
Result<LogLevel> parse_log_level(std::string_view name);

// main only, before threads. The writer is a background thread with a bounded queue: when it is full the
// oldest line is dropped, never the caller delayed.
void init_logging(LogLevel level, LogFormat format);
// Writes what is queued and stops the writer; later lines go straight to stderr.
void shutdown_logging();
bool log_enabled(LogLevel level);

// One line with fields: LogLine(LogLevel::kInfo, "loaded model").field("bytes", 12);
// Emitted by the destructor.
class LogLine {
 public:
  LogLine(LogLevel level, std::string_view message);
  LogLine(const LogLine&) = delete;
  LogLine& operator=(const LogLine&) = delete;
  ~LogLine();
  LogLine& field(std::string_view key, const Json& value);

 private:
  const LogLevel level_;
  const bool enabled_;
  std::string message_;
  JsonObject fields_;
};

inline LogLine log_info(std::string_view message) {
  return LogLine(LogLevel::kInfo, message);
}
inline LogLine log_warning(std::string_view message) {
  return LogLine(LogLevel::kWarning, message);
}
inline LogLine log_error(std::string_view message) {
  return LogLine(LogLevel::kError, message);
}
inline LogLine log_debug(std::string_view message) {
  return LogLine(LogLevel::kDebug, message);
}

}  // namespace hadal
