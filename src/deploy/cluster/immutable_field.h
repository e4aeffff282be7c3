// What the API server's refusal to change a field means: which field, from what to what, and what can be
// done. Its own words name the rule, and print the change as a difference of Go structures or not at all.
// Pure; any thread.
#pragma once

#include <string>

#include "base/json.h"
#include "deploy/cluster/kube_client.h"

namespace hadal::cluster {

// "" where the reply is no refusal to change what an object has: `before` is that object, `wanted` what was
// applied.
std::string immutable_refusal(const KubeReply& reply, const Json& wanted, const Json& before);

}  // namespace hadal::cluster
