// The namespaces that an apply's objects go to: which are missing, and what makes them. Functions; those that
// take a client block.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "deploy/cluster/apply_input.h"
#include "deploy/cluster/kube_client.h"

namespace hadal::cluster {

// By name, with the first object of each: "" for the deployment's own, which comes first.
std::vector<std::pair<std::string, std::string>> namespaces_of(const ApplyInput& input,
                                                               const std::string& own);
// The input's Namespace of this name; null: it has none.
const ApplyObject* namespace_in(const ApplyInput& input, const std::string& name);
// False also where we may not look.
Result<bool> is_namespace_missing(KubeClient& client, const std::string& name);
// As --create-namespace makes it.
ApplyObject made_namespace(const std::string& name);
// What can be done; user: the object that goes there, "" for the deployment's own.
std::string missing_namespace_advice(const std::string& name, const std::string& user);

}  // namespace hadal::cluster
