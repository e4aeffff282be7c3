// Verbs: whether user space can use the RDMA devices, asked of libibverbs where it is installed: hadal is
// built without it. Blocking; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hadal {

struct VerbsAnswer {
  bool library = false;
  std::string problem;  // why nothing could be asked
  std::vector<std::string> devices;
  std::vector<std::string> broken;  // "mlx5_1: cannot be opened"
  uint64_t registered = 0;          // bytes that the first device locked as a trial; 0: none
  std::string register_problem;
};

// Opens each device and registers `bytes` of memory with the first, as NCCL does with its buffers.
VerbsAnswer ask_verbs(const std::string& library, uint64_t bytes);

}  // namespace hadal
