// Huge pages for the large buffers of loading. Internal to weights/.
#pragma once

#include <sys/mman.h>

#include <cstddef>

namespace hadal {

// Asks for huge pages where `size` bytes at `address` (of an anonymous map) are enough to gain by them. A
// kernel that has none ignores it.
inline void want_huge_pages(void* address, size_t size) {
  constexpr size_t kFrom = size_t{4} << 20;
  if (size >= kFrom) ::madvise(address, size, MADV_HUGEPAGE);
}

}  // namespace hadal
