// The ranks of this host and, with --nnodes, the link to the other hosts. Main thread, at start.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "config/engine_config.h"
#include "group/group_channel.h"

namespace hadal {

// Opens and returns the channel: waits until all hosts are there. `must_agree`: "key=value" lines.
Result<std::unique_ptr<GroupChannel>> open_group(const ParallelConfig& parallel,
                                                 const std::string& must_agree);

// One communicator per rank of this host. channel: null on one host; else started, and its store is used.
// collective_timeout: seconds that a rank waits for the others in one call.
Result<std::vector<std::unique_ptr<Communicator>>> make_communicators(const ParallelConfig& parallel,
                                                                      GroupChannel* channel,
                                                                      double collective_timeout);

}  // namespace hadal
