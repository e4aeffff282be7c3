// Feeds arbitrary bytes to the GGUF reader through a file in memory; reads every tensor's first and last
// byte.
#include <sys/mman.h>

#include <cstdint>
#include <string>

#include "base/gguf.h"
#include "base/unique_fd.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const hadal::UniqueFd fd(::memfd_create("gguf", MFD_CLOEXEC));
  if (::write(fd.get(), data, size) != static_cast<ssize_t>(size)) return 0;
  auto file = hadal::GgufFile::open("/proc/self/fd/" + std::to_string(fd.get()));
  if (!file.ok()) return 0;
  volatile int sink = 0;
  for (const auto& info : (*file)->tensors()) {
    const auto bytes = (*file)->tensor_bytes(info);
    sink = sink + static_cast<int>(bytes.front()) + static_cast<int>(bytes.back());
  }
  return 0;
}
