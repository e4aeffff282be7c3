// The steps of make_context: GPUs, instances and their ranks, time budgets, and what the engines, profiles
// and versions cannot do. Internal to deploy/render; one thread.
#pragma once

#include "base/result.h"
#include "deploy/render/context.h"

namespace hadal {

Status resolve_gpus(const DeploySpec& spec, RenderContext& context);
Status resolve_roles(const DeploySpec& spec, RenderContext& context);
void resolve_times(const DeploySpec& spec, RenderContext& context);
// kUnsupported, with what does it instead.
Status check_support(const DeploySpec& spec, RenderContext& context);
// What the spec says of its model against what is known of it: the reference, who fills the volume, the
// context.
Status check_model(const DeploySpec& spec, RenderContext& context);
// The planner's verdict on memory and types.
Status check_fit(const DeploySpec& spec, RenderContext& context);

}  // namespace hadal
