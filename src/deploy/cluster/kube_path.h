// The Kubernetes API's addresses: paths of kinds and objects, queries. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace hadal::cluster {

// A kind as the cluster serves it.
struct KubeResource {
  std::string api_version;  // "apps/v1", "v1"
  std::string kind;         // "Deployment"
  std::string plural;       // "deployments"
  bool namespaced = true;
};

using KubeQuery = std::vector<std::pair<std::string, std::string>>;

// "/api/v1" or "/apis/apps/v1".
std::string group_version_path(std::string_view api_version);
// "/apis/apps/v1/namespaces/llm/deployments"; namespace_name "": of all namespaces.
std::string collection_path(const KubeResource& resource, std::string_view namespace_name);
// The same with "/NAME".
std::string object_path(const KubeResource& resource, std::string_view namespace_name, std::string_view name);
// "?a=b&c=d", or "".
std::string query_text(const KubeQuery& query);
// Everything but letters, digits and "-._~" as %XX.
std::string percent_encode(std::string_view text);
// "apps" of "apps/v1", "" of "v1".
std::string_view group_of(std::string_view api_version);
// A name that can stand in a path: no slash, no "%", not "." or "..", at most 253 characters.
bool is_path_segment(std::string_view name);

// The kinds that every cluster has under these names, and the CRDs hadal knows: so that reading them needs no
// discovery. Null: another kind.
const KubeResource* well_known_resource(std::string_view kind);

}  // namespace hadal::cluster
