// How fast a volume reads and writes, measured for a bounded time. The page cache is told apart: reads go
// past it (O_DIRECT), or, where the file system cannot do that, only parts that it does not hold are read.
// Blocking; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace hadal {

struct DiskRate {
  uint64_t bytes = 0;
  double seconds = 0;
  bool direct = false;      // past the page cache
  bool in_memory = false;   // a file system without a disk (tmpfs)
  std::string file_system;  // "ext4", "nfs", ...; or its number
  double cached = -1;       // part of the files that the page cache held before, from a sample; -1: unknown
  double rate() const { return seconds > 0 ? static_cast<double>(bytes) / seconds : 0; }
};

// Reads blocks of the files with a few threads until the time is up or all is read. Errors: kIo;
// kDeadlineExceeded where a read hangs; kUnavailable where all of it is in the page cache.
Result<DiskRate> measure_read(const std::vector<std::string>& files, std::chrono::milliseconds time);

// Writes one file that has no name, at most 1 GiB of it, to the disk. Errors: kIo; kDeadlineExceeded.
Result<DiskRate> measure_write(const std::string& directory, std::chrono::milliseconds time);

}  // namespace hadal
