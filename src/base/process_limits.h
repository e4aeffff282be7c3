// What a server asks of its process: many descriptors, and memory that goes back to the system. Main thread,
// before other threads start.
#pragma once

#include <cstdint>

namespace hadal {

// Raises the soft limit of open descriptors to the hard one; returns what holds then.
uint64_t raise_descriptor_limit();
// The soft limit as it is.
uint64_t descriptor_limit();
// How many of `wanted` connections may be open with that limit: some descriptors are left for everything
// else, so that one connection too many can still be accepted and told so.
uint64_t connections_within(uint64_t wanted, uint64_t descriptors);

// Sets the C library's allocator up for a server: large blocks (request bodies, token lists) are given back
// to the system when freed, and few arenas keep free memory.
void tune_allocator();

}  // namespace hadal
