// Collectives among the ranks of one process (threads that share memory): CPU tensor parallelism on one host.
// make_local_communicators makes one Communicator per rank; they share a hub that lives as long as any of
// them.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "comm/communicator.h"

namespace hadal {

// timeout: how long a call waits for the slowest rank before it fails, naming that rank.
std::vector<std::unique_ptr<Communicator>> make_local_communicators(int size,
                                                                    std::chrono::milliseconds timeout);

}  // namespace hadal
