// Report: the answers of all checks, as lines, JSON and one reason. Pure functions but for their callers; any
// thread.
#pragma once

#include <string>
#include <vector>

#include "preflight/check.h"
#include "preflight/fabric_env.h"
#include "preflight/peer_meeting.h"

namespace hadal {

struct ReportLine {
  const CheckSpec* spec = nullptr;
  CheckResult result;
  bool required = false;  // by --require
  bool failed = false;    // decides the exit code
};

struct Report {
  std::vector<ReportLine> lines;
  FabricEnv env;
  PeerOutcome peers;
  int rank = 0;
  int nnodes = 1;
  double seconds = 0;
  size_t failed() const;
};

// What counts as failed: failures; warnings with --strict; whatever did not pass among those required.
bool is_failure(const CheckResult& result, bool required, bool strict);

// "ok    gpu-count       8 GPUs, as expected". color: with terminal colours.
std::string line_text(const ReportLine& line, bool color);
std::string summary_text(const Report& report);
std::string report_json(const Report& report);
// One line, at most 4,000 bytes: what failed. "" where nothing did.
std::string failure_reason(const Report& report);
// All checks: what, why, fix.
std::string list_checks(bool json);

}  // namespace hadal
