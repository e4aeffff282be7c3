// Versions of what runs in a cluster, where nobody says others: what hadal deploy render makes fields for,
// and what hadal deploy validate checks them against. One table, or a rendered file would be checked for
// another cluster than it was made for. Constants; any thread.
#pragma once

#include <string_view>

namespace hadal {

// Kubernetes and the controllers that production clusters commonly have; KServe is that of the schemas which
// validate has built in (deploy/validate/kube_schema_table.inc), since no field that is rendered came later
// than 0.17.
inline constexpr std::string_view kUsualKubernetes = "1.32";
inline constexpr std::string_view kUsualLws = "0.9.0";
inline constexpr std::string_view kUsualKserve = "0.20.0";
inline constexpr std::string_view kUsualVolcano = "1.11.0";
inline constexpr std::string_view kUsualKeda = "2.17.0";
inline constexpr std::string_view kUsualGatewayApi = "1.3.0";
inline constexpr std::string_view kUsualDynamo = "1.3.0";

}  // namespace hadal
