// Kubernetes quantities: "8", "500m", "16Gi", "1e3". Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace hadal::cluster {

// nullopt: it is none (k8s.io/apimachinery/pkg/api/resource has the format).
std::optional<double> parse_quantity(std::string_view text);
// Of a string or a number.
std::optional<double> read_quantity(const Json& value);
// "8", "0.5", "16Gi": whole binary units from 1 Mi on.
std::string quantity_text(double value);

}  // namespace hadal::cluster
