// Prometheus' text format 0.0.4 with numbers as people write them: 0.009, where prometheus-cpp prints
// 0.008999999999999999 and so names another bucket than the one that a dashboard asks for. Pure; any thread.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace hadal {

std::string metrics_to_text(const std::vector<prometheus::MetricFamily>& families);

}  // namespace hadal
