// model_digest: what tells two checkpoints apart without reading their weights, for the hosts of a group.
// Main thread, at start.
#pragma once

#include <string>

#include "config/settings.h"
#include "weights/weight_source.h"

namespace hadal {

// SHA-256, as 64 hex digits, of the parsed configuration and the tensor table: names, types, shapes, offsets
// and file sizes; of random weights their seed and type. Errors: kIo, kDataLoss naming the file.
Result<std::string> model_digest(const EngineConfig& engine, const OpenedModel& model);

}  // namespace hadal
