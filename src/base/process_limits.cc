#include "base/process_limits.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>

namespace hadal {
namespace {

constexpr uint64_t kReservedDescriptors = 128;  // model files, logs, epoll, group, one too many

}  // namespace

uint64_t descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return limit.rlim_cur;
}

uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
  return descriptor_limit();
}

uint64_t connections_within(uint64_t wanted, uint64_t descriptors) {
  const uint64_t reserved = std::min(kReservedDescriptors, descriptors / 2);
  return std::max<uint64_t>(1, std::min(wanted, descriptors - reserved));
}

void tune_allocator() {
#if defined(__GLIBC__)
  // Fixed: by default glibc raises this threshold to the largest block that was ever freed, up to 32 MiB,
  // after which large blocks stay in the arenas.
  mallopt(M_MMAP_THRESHOLD, 256 << 10);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
  mallopt(M_ARENA_MAX, 2);
#endif
}

}  // namespace hadal
