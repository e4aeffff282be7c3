#include "preflight/disk_rate.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/unique_fd.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kBlock = size_t{4} << 20;
constexpr size_t kAlign = 4096;
constexpr int kReaders = 4;
constexpr uint64_t kMostWritten = uint64_t{1} << 30;
constexpr size_t kCacheSamples = 64;
// A disk that is only slow ends a block within this.
constexpr auto kHangs = std::chrono::seconds(20);
constexpr long kTmpfs = 0x01021994;

struct Name {
  long magic;
  const char* name;
};
// linux/magic.h, and those of file systems outside of the kernel.
constexpr Name kFileSystems[] = {{0xEF53, "ext4"},         {0x58465342, "xfs"},  {0x6969, "nfs"},
                                 {0x794c7630, "overlay"},  {kTmpfs, "tmpfs"},    {0x65735546, "fuse"},
                                 {0x0BD00BD0, "lustre"},   {0x00c36400, "ceph"}, {0x9123683E, "btrfs"},
                                 {0x2fc12fc1, "zfs"},      {0xFF534D42, "cifs"}, {0x47504653, "gpfs"},
                                 {0x73717368, "squashfs"}, {0x858458f6, "ramfs"}};

struct FreeMemory {
  void operator()(void* p) const { ::free(p); }
};
using Buffer = std::unique_ptr<void, FreeMemory>;

Buffer make_buffer() {
  void* p = nullptr;
  return Buffer(::posix_memalign(&p, kAlign, kBlock) == 0 ? p : nullptr);
}

void name_file_system(const std::string& path, DiskRate& out) {
  struct statfs info {};
  if (::statfs(path.c_str(), &info) != 0) return;
  const auto magic = static_cast<long>(info.f_type);
  out.in_memory = magic == kTmpfs || magic == 0x858458f6;
  for (const Name& one : kFileSystems) {
    if (one.magic == magic) out.file_system = one.name;
  }
  if (out.file_system.empty()) {
    char text[32];
    std::snprintf(text, sizeof text, "0x%lx", magic);
    out.file_system = text;
  }
}

struct Block {
  size_t file = 0;
  uint64_t offset = 0;
  size_t size = 0;
};

// Whether the page cache holds the block's first and last page; nothing where it cannot be asked.
std::optional<bool> is_cached(int fd, const Block& block) {
  void* map = ::mmap(nullptr, block.size, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(block.offset));
  if (map == MAP_FAILED) return std::nullopt;
  std::vector<unsigned char> pages((block.size + kAlign - 1) / kAlign);
  const bool known = ::mincore(map, block.size, pages.data()) == 0;
  ::munmap(map, block.size);
  if (!known) return std::nullopt;
  return std::any_of(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) != 0; });
}

// What the threads share with whoever waits for them; it outlives both.
struct Reading {
  std::vector<std::string> files;
  std::vector<UniqueFd> fds;
  std::vector<Block> blocks;
  bool direct = false;
  Clock::time_point deadline;
  std::atomic<size_t> next{0};
  std::atomic<uint64_t> bytes{0};
  std::mutex mutex;
  std::condition_variable changed;
  int running = 0;
  Clock::time_point last;
  std::string problem;
};

void read_blocks(Reading& work) {
  const Buffer buffer = make_buffer();
  while (buffer != nullptr && Clock::now() < work.deadline) {
    const size_t index = work.next.fetch_add(1);
    if (index >= work.blocks.size()) break;
    const Block& block = work.blocks[index];
    const int fd = work.fds[block.file].get();
    if (!work.direct && is_cached(fd, block).value_or(true)) continue;
    const ssize_t n = ::pread(fd, buffer.get(), kBlock, static_cast<off_t>(block.offset));
    if (n > 0) {
      work.bytes += static_cast<uint64_t>(n);
      continue;
    }
    std::lock_guard lock(work.mutex);
    work.problem = work.files[block.file] + ": " + (n == 0 ? "it became shorter" : std::strerror(errno));
    break;
  }
  std::lock_guard lock(work.mutex);
  --work.running;
  work.last = Clock::now();
  work.changed.notify_all();
}

// Opens all files past the page cache, and tries one block of it: some file systems refuse only then.
bool open_direct(Reading& work) {
  for (const std::string& file : work.files) {
    UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT));
    if (!fd.valid()) return work.fds.clear(), false;
    work.fds.push_back(std::move(fd));
  }
  const Buffer buffer = make_buffer();
  if (buffer != nullptr && ::pread(work.fds[0].get(), buffer.get(), kAlign, 0) > 0) return true;
  return work.fds.clear(), false;
}

Status open_files(Reading& work, bool in_memory) {
  work.direct = !in_memory && open_direct(work);
  for (const std::string& file : work.files) {
    if (work.direct) break;
    UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return errno_error("cannot open " + file, errno);
    work.fds.push_back(std::move(fd));
  }
  for (size_t i = 0; i < work.files.size(); ++i) {
    struct stat info {};
    if (::fstat(work.fds[i].get(), &info) != 0) return errno_error("cannot look at " + work.files[i], errno);
    const auto size = static_cast<uint64_t>(info.st_size);
    for (uint64_t at = 0; at < size; at += kBlock)
      work.blocks.push_back({i, at, static_cast<size_t>(std::min<uint64_t>(kBlock, size - at))});
  }
  return {};
}

double cached_part(const Reading& work) {
  size_t known = 0;
  size_t cached = 0;
  const size_t step = std::max<size_t>(1, work.blocks.size() / kCacheSamples);
  for (size_t i = 0; i < work.blocks.size(); i += step) {
    const UniqueFd fd(::open(work.files[work.blocks[i].file].c_str(), O_RDONLY | O_CLOEXEC));
    const auto is = fd.valid() ? is_cached(fd.get(), work.blocks[i]) : std::nullopt;
    known += is ? 1 : 0;
    cached += is.value_or(false) ? 1 : 0;
  }
  return known == 0 ? -1 : static_cast<double>(cached) / static_cast<double>(known);
}

// Runs `work` on threads that are left behind when the disk hangs. False then.
template <typename Shared, typename Work>
bool run_bounded(const std::shared_ptr<Shared>& shared, int threads, Clock::time_point deadline,
                 const Work& work) {
  shared->running = threads;
  for (int i = 0; i < threads; ++i) std::thread([shared, work] { work(*shared); }).detach();
  std::unique_lock lock(shared->mutex);
  return shared->changed.wait_until(lock, deadline + kHangs, [&] { return shared->running == 0; });
}

struct Writing {
  std::string directory;
  Clock::time_point deadline;
  DiskRate rate;
  std::mutex mutex;
  std::condition_variable changed;
  int running = 0;
  std::string problem;
};

UniqueFd nameless_file(const std::string& directory, bool direct) {
  const int flags = O_WRONLY | O_CLOEXEC | (direct ? O_DIRECT : 0);
  UniqueFd fd(::open(directory.c_str(), flags | O_TMPFILE, 0600));
  if (fd.valid()) return fd;
  std::string name = directory + "/.hadal-preflight-XXXXXX";
  fd = UniqueFd(::mkostemp(name.data(), O_CLOEXEC | (direct ? O_DIRECT : 0)));
  if (fd.valid()) ::unlink(name.c_str());
  return fd;
}

std::string write_blocks(const Writing& work, DiskRate& rate, bool direct) {
  const UniqueFd fd = nameless_file(work.directory, direct);
  const Buffer buffer = make_buffer();
  if (!fd.valid() || buffer == nullptr) return std::strerror(errno);
  // No zeros: file systems that compress would write nothing.
  uint64_t state = 88172645463325252u;
  auto* words = static_cast<uint64_t*>(buffer.get());
  for (size_t i = 0; i < kBlock / sizeof *words; ++i) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    words[i] = state;
  }
  const auto start = Clock::now();
  do {
    const ssize_t n = ::write(fd.get(), buffer.get(), kBlock);
    if (n <= 0) return std::strerror(errno);
    rate.bytes += static_cast<uint64_t>(n);
  } while (Clock::now() < work.deadline && rate.bytes < kMostWritten);
  if (::fdatasync(fd.get()) != 0) return std::strerror(errno);
  rate.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  rate.direct = direct;
  return "";
}

}  // namespace

Result<DiskRate> measure_read(const std::vector<std::string>& files, std::chrono::milliseconds time) {
  if (files.empty()) return invalid_argument("no file to read");
  auto work = std::make_shared<Reading>();
  work->files = files;
  DiskRate out;
  name_file_system(files.front(), out);
  HADAL_RETURN_IF_ERROR(open_files(*work, out.in_memory));
  if (work->blocks.empty()) return invalid_argument("the files are empty");
  out.cached = cached_part(*work);
  out.direct = work->direct;
  if (out.in_memory) return out;
  const auto start = Clock::now();
  work->deadline = start + time;
  // Not the same blocks at each run: a volume's own cache would answer.
  std::rotate(work->blocks.begin(),
              work->blocks.begin() +
                  static_cast<std::ptrdiff_t>(static_cast<size_t>(start.time_since_epoch().count() / 1000) %
                                              work->blocks.size()),
              work->blocks.end());
  if (!run_bounded(work, kReaders, work->deadline, [](Reading& w) { read_blocks(w); }))
    return make_error(ErrorCode::kDeadlineExceeded, "a read takes more than ", kHangs.count(),
                      " s: the volume hangs");
  std::lock_guard lock(work->mutex);
  if (!work->problem.empty()) return make_error(ErrorCode::kIo, work->problem);
  out.bytes = work->bytes;
  out.seconds = std::chrono::duration<double>(work->last - start).count();
  if (out.bytes == 0)
    return make_error(ErrorCode::kUnavailable, "all of it is in the page cache, and ", out.file_system,
                      " cannot read past that");
  return out;
}

Result<DiskRate> measure_write(const std::string& directory, std::chrono::milliseconds time) {
  auto work = std::make_shared<Writing>();
  work->directory = directory;
  name_file_system(directory, work->rate);
  work->deadline = Clock::now() + time;
  const bool done = run_bounded(work, 1, work->deadline, [](Writing& w) {
    DiskRate rate = w.rate;
    std::string problem = rate.in_memory ? "it is memory" : write_blocks(w, rate, true);
    if (!problem.empty()) {
      rate.bytes = 0;
      problem = write_blocks(w, rate, false);
    }
    std::lock_guard lock(w.mutex);
    w.rate = rate;
    w.problem = problem;
    w.running = 0;
    w.changed.notify_all();
  });
  if (!done)
    return make_error(ErrorCode::kDeadlineExceeded, "a write takes more than ", kHangs.count(),
                      " s: the volume hangs");
  std::lock_guard lock(work->mutex);
  if (!work->problem.empty()) return make_error(ErrorCode::kIo, work->problem);
  return work->rate;
}

}  // namespace hadal
