// The ranks of this host and, with --nnodes, the link to the other hosts. Main thread, at start.
#pragma once

#include <chrono>
#include <cstdint>
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

// Every host gives a value; all get the least. timeout: for the slowest host to come here.
// Errors: kDeadlineExceeded naming the node that did not; kUnavailable when the group is lost meanwhile.
Result<int64_t> least_over_hosts(const ParallelConfig& parallel, GroupChannel& channel,
                                 const std::string& name, int64_t value, std::chrono::milliseconds timeout);

// One communicator per rank of this host. channel: null on one host; else started, and its store is used.
// collective_timeout: seconds that a rank waits for the others in one call.
Result<std::vector<std::unique_ptr<Communicator>>> make_communicators(const ParallelConfig& parallel,
                                                                      GroupChannel* channel,
                                                                      double collective_timeout);

}  // namespace hadal
