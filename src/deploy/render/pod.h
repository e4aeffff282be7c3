// The one pod template: leader, workers, prefill and decode all come from pod_template, so they cannot drift.
// Pure functions; any thread.
#pragma once

#include <string_view>

#include "base/json.h"
#include "deploy/render/context.h"

namespace hadal {

// {metadata: {labels, annotations}, spec}. The container is called `container_name`.
Json pod_template(const RenderContext& context, const RoleContext& role,
                  std::string_view container_name = "engine");

// Parts that other pods (download, router, web page) share.
Json container_security(const RenderContext& context, bool rdma = false);
Json pod_security(const RenderContext& context);
// securityContext, serviceAccountName, automountServiceAccountToken, enableServiceLinks, imagePullSecrets.
void add_pod_basics(const RenderContext& context, Json& spec);
// Dynamo's operator gives its pods an account that may find the others: ours would hide it.
void drop_account(Json& pod_spec);
// nodeSelector, tolerations.
void add_placement(const RenderContext& context, Json& spec);
JsonArray cache_env(const RenderContext& context);
Json cache_volume(const RenderContext& context);
Json cache_mount();

// The model volume and its mount, read-only for engines. `rank_claims`: the claims of the LeaderWorkerSet's
// own templates are used (pvc-per-node).
Json model_volume(const RenderContext& context, bool writable);
Json model_mount(const RenderContext& context, bool writable);
// A Job or DaemonSet of ours fills the volume while the engine's pods are there.
bool is_filled_by_us(const RenderContext& context);
// hadal pull's container.
Json pull_container(const RenderContext& context, std::string_view name);

}  // namespace hadal
