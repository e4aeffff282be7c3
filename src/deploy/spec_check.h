// check_deploy_spec: the fields of a spec against one another, as far as the spec alone tells: what does not
// go together, what is missing for what was asked. render_spec checks the rest (versions, memory, layouts).
// Pure; any thread.
#pragma once

#include "base/result.h"
#include "deploy/spec.h"

namespace hadal {

// kInvalidArgument: every error on a line of its own, with its place and the fix.
Status check_deploy_spec(const DeploySpec& spec);

// Most instances that autoscaling may make.
int64_t scaling_max(const DeploySpec& spec);

// "1.30" >= "1.9.2", part by part.
bool version_at_least(std::string_view version, std::string_view least);

}  // namespace hadal
