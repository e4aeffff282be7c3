// Feeds arbitrary bytes to the safetensors reader through a file in memory, and reads every tensor it finds.
#include <sys/mman.h>

#include <cstdint>
#include <string>

#include "base/unique_fd.h"
#include "weights/checkpoint_source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const hadal::UniqueFd fd(::memfd_create("safetensors", MFD_CLOEXEC));
  if (::write(fd.get(), data, size) != static_cast<ssize_t>(size)) return 0;
  const std::string path = "/proc/self/fd/" + std::to_string(fd.get());
  auto table = hadal::read_safetensors_file(path);
  if (!table.ok()) return 0;
  const auto entries = table->entries;
  auto source = hadal::CheckpointSource::open_safetensors(path);
  HADAL_CHECK(source.ok()) << source.error().message;
  volatile int sink = 0;
  for (const hadal::TensorEntry& entry : entries) {
    auto tensor = (*source)->read(entry.name, entry.shape);
    if (!tensor.ok() || entry.range.num_bytes == 0) continue;
    const auto* bytes = tensor->tensor.ptr<unsigned char>();
    sink = sink + bytes[0] + bytes[entry.range.num_bytes - 1];
  }
  return 0;
}
