// copy_model: `hadal pull` of a local directory: files are cloned where the file system can (no bytes are
// moved), copied else, always hashed, and checked against the source's marker where it has one. The same
// directory as source and target: its files are hashed and the marker is written. Blocking.
#pragma once

#include "hub/pull.h"

namespace hadal {

Result<PullOutcome> copy_model(const ModelRef& ref, const Settings& settings, const std::string& directory,
                               const Notice& notice, PullMonitor& monitor, std::stop_token stop);

}  // namespace hadal
