// Fields of a spec that change nothing in its combination: each is an error that says where it would count,
// never silence. Found by trying: the spec is rendered again with other values of the field. Internal to
// deploy/render; any thread.
#pragma once

#include "base/result.h"
#include "deploy/render.h"
#include "deploy/spec.h"

namespace hadal {

// One render without this check.
using RenderOnce = Result<RenderResult> (*)(const DeploySpec& spec);
// kInvalidArgument, with the place of each field that was written and has no effect.
Status check_idle_fields(const DeploySpec& spec, const RenderResult& rendered, RenderOnce render);

}  // namespace hadal
