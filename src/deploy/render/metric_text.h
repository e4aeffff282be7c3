// PromQL of this deployment's metrics. Internal to deploy/render; pure functions.
#pragma once

#include <string>

#include "deploy/render/context.h"

namespace hadal {

// What selects this deployment's series: the monitors copy the pods' label hadal.dev/deployment.
std::string metric_labels(const RenderContext& context);
// Share of KV in use by pod.
std::string kv_usage_query(const RenderContext& context);
// The quantile of a histogram over the last five minutes.
std::string quantile_query(const RenderContext& context, double quantile, std::string_view histogram);

}  // namespace hadal
