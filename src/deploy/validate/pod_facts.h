// What rules want to know of a Pod's spec. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "deploy/validate/value.h"

namespace hadal {

// GPUs that a container, or a Pod's containers together, get.
int64_t gpus_of(View container);
int64_t gpus_of_pod(View pod_spec);
// It has GPUs, or starts an engine.
bool is_serving(View container);
bool serves_model(View pod_spec);

}  // namespace hadal
