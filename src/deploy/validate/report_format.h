// A validation's findings as text for people, JSON, or SARIF 2.1.0 for code hosts. Pure; any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "deploy/validate.h"

namespace hadal {

// Those of at least this severity.
std::vector<Finding> findings_from(const ValidationReport& report, Severity least);
// color: with a terminal's colours.
std::string report_text(const ValidationReport& report, std::span<const Finding> findings, bool color);
std::string report_json(const ValidationReport& report, std::span<const Finding> findings);
// The schema of docs.oasis-open.org/sarif/sarif/v2.1.0.
std::string report_sarif(std::span<const Finding> findings, std::string_view version);

}  // namespace hadal
