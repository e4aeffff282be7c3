// run_checks: all checks of hadal preflight in order. Main thread; blocks for as long as --timeout and the
// measurements take.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "preflight/host.h"
#include "preflight/report.h"

namespace hadal {

struct PreflightHooks {
  // Each line as soon as it is known; may be empty.
  std::function<void(const ReportLine&)> on_line;
  // "peer-meeting" before a check that may take long; may be empty.
  std::function<void(std::string_view)> on_start;
};

// Errors: kInvalidArgument naming a check of --require or --skip that does not exist.
Status check_names(const PreflightConfig& config);
Report run_checks(const Host& host, const PreflightConfig& config, const ParallelConfig& parallel,
                  const std::vector<std::string>& nvml_libraries, const PreflightHooks& hooks);
// What --print-env prints.
FabricEnv fabric_env_of(const Host& host, const ParallelConfig& parallel,
                        const std::vector<std::string>& nvml_libraries);

}  // namespace hadal
