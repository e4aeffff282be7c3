// The revisions of a deployment, as a table and as JSON. Pure; any thread.
#pragma once

#include <string>

#include "base/json.h"
#include "deploy/cluster/inventory.h"

namespace hadal::cluster {

// The newest first: number, time, source, objects, and what there is to say of it.
std::string history_text(const Inventory& inventory);
// The oldest first: [{"revision", "time", "source", "objects", "stored", "current"}].
Json history_json(const Inventory& inventory);

}  // namespace hadal::cluster
