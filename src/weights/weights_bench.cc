// Prints how fast weights come into memory, beside the floor that this machine's storage and memory set.
//   weights_bench MODEL    reads every tensor of a model in the order of its files, as the loader does
//   weights_bench          random weights of each type
#include <fcntl.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "weights/checkpoint_source.h"
#include "weights/random_weights.h"

namespace hadal {
namespace {

class Timer {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

double resident_mib() {
  long size = 0;
  long resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%ld %ld", &size, &resident) != 2) resident = 0;
  if (file != nullptr) std::fclose(file);
  return static_cast<double>(resident * ::sysconf(_SC_PAGESIZE)) / 1048576.0;
}

// Touches every byte, as packing does.
uint64_t sum_words(const std::byte* data, int64_t num_bytes) {
  uint64_t sum = 0;
  for (int64_t i = 0; i + 8 <= num_bytes; i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, data + i, 8);
    sum += word;
  }
  return sum;
}

// The files dropped from the page cache, as after a boot.
void drop_cache(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.valid()) ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  }
}

// GB/s of plain reads of the files: the floor.
double plain_read(const std::vector<std::string>& paths, bool direct) {
  constexpr size_t kChunk = 8u << 20;
  void* buffer = std::aligned_alloc(4096, kChunk);
  double bytes = 0;
  const Timer timer;
  for (const std::string& path : paths) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0)));
    for (;;) {
      const ssize_t n = ::read(fd.get(), buffer, kChunk);
      if (n <= 0) break;
      bytes += static_cast<double>(n);
    }
  }
  std::free(buffer);
  return bytes / timer.seconds() / 1e9;
}

void read_model(const std::string& path, bool cold) {
  const Timer open_timer;
  auto model = open_model(path, {});
  if (!model.ok()) {
    std::printf("%s\n", model.error().message.c_str());
    std::exit(1);
  }
  TensorTable table;
  if (model->gguf != nullptr) {
    table = *gguf_tensor_table(*model->gguf, model->config);
  } else {
    table = *read_safetensors_directory(path);
  }
  const double open_seconds = open_timer.seconds();
  if (cold) drop_cache(table.paths);
  const double floor = plain_read(table.paths, cold);
  std::vector<std::string> names;
  for (const TensorEntry& entry : table.entries) names.push_back(entry.name);
  const double resident_before = resident_mib();
  double peak = 0;
  uint64_t sum = 0;
  const Timer timer;
  model->source->prefetch(names);
  for (const TensorEntry& entry : table.entries) {
    auto tensor = model->source->read(entry.name, entry.shape);
    if (!tensor.ok()) {
      std::printf("%s\n", tensor.error().message.c_str());
      std::exit(1);
    }
    sum += sum_words(tensor->tensor.ptr<std::byte>(), static_cast<int64_t>(entry.range.num_bytes));
    peak = std::max(peak, resident_mib());
  }
  const double seconds = timer.seconds();
  const double gigabytes = static_cast<double>(model->source->read_bytes()) / 1e9;
  std::printf("%s: open %.3f s; %zu tensors, %.3f GB in %.3f s: %.2f GB/s (floor, plain reads: %.2f)\n",
              cold ? "cold" : "warm", open_seconds, names.size(), gigabytes, seconds, gigabytes / seconds,
              floor);
  std::printf("  resident %.0f MiB before, %.0f peak, %.0f after; checksum %016llx; unread %zu\n",
              resident_before, peak, resident_mib(), static_cast<unsigned long long>(sum),
              model->source->unread().size());
}

void random_speed() {
  constexpr int64_t kCount = int64_t{64} << 20;
  std::vector<std::byte> buffer(static_cast<size_t>(kCount) * 4);
  const Timer set_timer;
  std::memset(buffer.data(), 1, buffer.size());
  std::printf("floor, memset: %.2f GB/s\n", static_cast<double>(buffer.size()) / set_timer.seconds() / 1e9);
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF8E4M3, DType::kQ8_0,
                            DType::kQ4_0, DType::kQ4_1, DType::kQ4_K, DType::kQ6_K}) {
    const Timer timer;
    fill_random(dtype, 1, "w", 0.0f, 0.02f, 0, kCount, buffer.data());
    std::printf("random %-8s %.2f GB/s on 1 thread\n", std::string(dtype_name(dtype)).c_str(),
                static_cast<double>(dtype_bytes(dtype, kCount)) / timer.seconds() / 1e9);
  }
}

}  // namespace
}  // namespace hadal

int main(int argc, char** argv) {
  if (argc < 2) {
    hadal::random_speed();
    return 0;
  }
  hadal::read_model(argv[1], true);
  hadal::read_model(argv[1], false);
  return 0;
}
