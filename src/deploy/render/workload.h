// The bodies of workloads that several back ends share. Internal to deploy/render; pure functions.
#pragma once

#include "base/json.h"
#include "deploy/render/context.h"

namespace hadal {

// spec of a LeaderWorkerSet: leader and workers from one template.
Json leader_worker_spec(const RenderContext& context, const RoleContext& role, bool static_replicas);
// Each rank of a LeaderWorkerSet has a claim of its own, made by the controller.
bool has_rank_claims(const RenderContext& context);
Json rank_claim_template(const RenderContext& context);
// Its groups belong to one DisaggregatedSet, whose controller names them.
bool has_disaggregated_set(const RenderContext& context);
// Changes when, and only when, `value` does.
std::string checksum(const Json& value);
// kueue's queue and volcano's, as labels and annotations of a workload.
void add_queue(const RenderContext& context, Json& metadata, bool group);

}  // namespace hadal
