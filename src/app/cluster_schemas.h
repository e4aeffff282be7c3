// The schemas of the cluster that the settings name, for deploy validate: its CustomResourceDefinitions, the
// OpenAPI document of its own kinds, and its version. Main thread.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "config/settings.h"
#include "deploy/validate/schema.h"

namespace hadal {

struct ClusterSchemas {
  // Put into `set`, in place of built-in kinds.
  std::string kubernetes_version;  // "1.36"; "": it does not say
};

// Errors: what the client says of the cluster (no kubeconfig, refused, not reached); kInvalidArgument for a
// schema that cannot be read.
Result<ClusterSchemas> add_cluster_schemas(SchemaSet& set, const Settings& settings, std::stop_token stop);

}  // namespace hadal
