// CPU, memory, GPUs and shared memory of a pod. Pure functions; any thread.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "deploy/render/context.h"

namespace hadal {

// /dev/shm; 0: the container runtime's own 64 MiB is enough (hadal on the CPU).
double shm_bytes(const RenderContext& context, const RoleContext& role);
// Memory request and limit: /dev/shm counts in it.
double memory_bytes(const RenderContext& context, const RoleContext& role);
double cpu_count(const RenderContext& context, const RoleContext& role);
// Sets "resources".
void add_resources(const RenderContext& context, const RoleContext& role, Json& container);
// Requests against the capacity of a node, and /dev/shm against the memory.
Status check_resources(const RenderContext& context, const RoleContext& role);

}  // namespace hadal
