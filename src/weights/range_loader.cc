#include "weights/range_loader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "weights/huge_pages.h"

namespace hadal {
namespace {

constexpr uint64_t kBlock = 4096;           // O_DIRECT alignment of offset, length and memory
constexpr uint64_t kReadBytes = 8u << 20;   // per pread
constexpr uint64_t kMapBelow = 128u << 10;  // a map costs less than a read of its own
constexpr double kCachedShare = 0.9;        // of a range's pages, to count as cached

uint64_t round_down(uint64_t v, uint64_t to) {
  return v / to * to;
}
uint64_t round_up(uint64_t v, uint64_t to) {
  return (v + to - 1) / to * to;
}

// A mapping that ends with the last shared_ptr to it.
std::shared_ptr<const void> own_mapping(void* address, uint64_t size) {
  return {address, [size](const void* p) { ::munmap(const_cast<void*>(p), size); }};
}

}  // namespace

Result<std::unique_ptr<RangeLoader>> RangeLoader::open(std::vector<std::string> paths,
                                                       const RangeLoaderOptions& options) {
  std::unique_ptr<RangeLoader> loader(new RangeLoader(options));
  for (std::string& path : paths) {
    File file;
    file.fd = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.fd.valid()) return errno_error("cannot open " + path, errno);
    struct stat info {};
    if (::fstat(file.fd.get(), &info) != 0) return errno_error("cannot stat " + path, errno);
    const uid_t user = ::geteuid();
    file.trust_mincore = user == 0 || info.st_uid == user || ::access(path.c_str(), W_OK) == 0;
    if (options.mode == RangeLoaderOptions::Mode::kAuto ||
        options.mode == RangeLoaderOptions::Mode::kDirect) {
      file.direct = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT));
    }
    file.path = std::move(path);
    loader->files_.push_back(std::move(file));
  }
  return loader;
}

RangeLoader::~RangeLoader() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void RangeLoader::prefetch(std::span<const FileRange> ranges) {
  {
    std::lock_guard lock(mutex_);
    queue_.insert(queue_.end(), ranges.begin(), ranges.end());
    while (static_cast<int>(threads_.size()) < options_.num_threads) {
      threads_.emplace_back([this] { read_ahead(); });
    }
  }
  changed_.notify_all();
}

void RangeLoader::read_ahead() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] {
      if (stop_) return true;
      if (queue_.empty()) return false;
      return ahead_bytes_ == 0 || ahead_bytes_ + queue_.front().num_bytes <= options_.read_ahead_bytes;
    });
    if (stop_) return;
    const FileRange range = queue_.front();
    queue_.pop_front();
    auto slot = std::make_shared<Slot>();
    if (!slots_.emplace(range, slot).second) continue;
    ahead_bytes_ += range.num_bytes;
    lock.unlock();
    auto mapped = map(range);
    std::optional<Result<LoadedRange>> result;
    if (mapped.ok() && !should_map(range, mapped->data)) {
      mapped->owner.reset();
      result = read(range);
    } else {
      // Mapped ranges and errors cost no memory: load() does them on its own thread.
      mapped = LoadedRange{};
    }
    lock.lock();
    slot->mapped = !result.has_value();
    slot->result = std::move(result);
    slot->done = true;
    if (slot->mapped) ahead_bytes_ -= range.num_bytes;
    changed_.notify_all();
  }
}

Result<LoadedRange> RangeLoader::load(const FileRange& range) {
  {
    std::unique_lock lock(mutex_);
    const auto alive = shared_.find(range);
    if (alive != shared_.end()) {
      if (auto owner = alive->second.owner.lock()) return LoadedRange{alive->second.data, std::move(owner)};
      shared_.erase(alive);
    }
    const auto it = slots_.find(range);
    if (it != slots_.end()) {
      const std::shared_ptr<Slot> slot = it->second;
      changed_.wait(lock, [&] { return slot->done; });
      // The first to come takes it out; others that waited have their own pointer.
      if (const auto again = slots_.find(range); again != slots_.end() && again->second == slot) {
        slots_.erase(again);
        if (!slot->mapped) ahead_bytes_ -= range.num_bytes;
        if (slot->result && slot->result->ok()) share(range, slot->result->value());
        changed_.notify_all();
      }
      if (slot->result) return *slot->result;
    } else {
      // Not started: it is read here, so no thread shall.
      const auto queued = std::find(queue_.begin(), queue_.end(), range);
      if (queued != queue_.end()) queue_.erase(queued);
    }
  }
  auto mapped = map(range);
  if (!mapped.ok() || should_map(range, mapped->data)) return mapped;
  mapped->owner.reset();
  auto loaded = read(range);
  if (loaded.ok()) {
    std::lock_guard lock(mutex_);
    share(range, *loaded);
  }
  return loaded;
}

void RangeLoader::share(const FileRange& range, const LoadedRange& loaded) {
  constexpr size_t kPruneFrom = 256;
  if (shared_.size() >= kPruneFrom)
    std::erase_if(shared_, [](const auto& item) { return item.second.owner.expired(); });
  shared_[range] = Shared{loaded.data, loaded.owner};
  if (options_.keep_bytes == 0) return;
  kept_.emplace_back(loaded.owner, range.num_bytes);
  kept_bytes_ += range.num_bytes;
  while (kept_bytes_ > options_.keep_bytes) {
    kept_bytes_ -= kept_.front().second;
    kept_.pop_front();
  }
}

Result<LoadedRange> RangeLoader::map(const FileRange& range) const {
  const File& file = files_[range.file];
  struct stat info {};
  if (::fstat(file.fd.get(), &info) != 0) return errno_error("cannot stat " + file.path, errno);
  if (range.offset + range.num_bytes > static_cast<uint64_t>(info.st_size)) {
    return make_error(ErrorCode::kDataLoss, file.path, " ends at ", info.st_size, ", before byte ",
                      range.offset + range.num_bytes, ": it was changed while being read");
  }
  // An empty range still has an address.
  static constexpr std::byte kNothing{};
  if (range.num_bytes == 0)
    return LoadedRange{&kNothing, std::shared_ptr<const void>(&kNothing, [](const void*) {})};
  const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t begin = round_down(range.offset, page);
  const uint64_t size = range.offset + range.num_bytes - begin;
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd.get(), static_cast<off_t>(begin));
  if (address == MAP_FAILED) return errno_error("cannot map " + file.path, errno);
  return LoadedRange{static_cast<const std::byte*>(address) + (range.offset - begin),
                     own_mapping(address, size)};
}

bool RangeLoader::should_map(const FileRange& range, const std::byte* mapped) const {
  using Mode = RangeLoaderOptions::Mode;
  if (range.num_bytes == 0) return true;
  if (options_.mode != Mode::kAuto) return options_.mode == Mode::kMap;
  if (range.num_bytes < kMapBelow) return true;
  if (!files_[range.file].trust_mincore) return false;
  const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(mapped);
  const uintptr_t begin = address / page * page;
  const uint64_t pages = (address + range.num_bytes - begin + page - 1) / page;
  std::vector<unsigned char> cached(pages);
  if (::mincore(reinterpret_cast<void*>(begin), pages * page, cached.data()) != 0) return true;
  const auto count =
      std::count_if(cached.begin(), cached.end(), [](unsigned char c) { return (c & 1) != 0; });
  return static_cast<double>(count) >= kCachedShare * static_cast<double>(pages);
}

Result<LoadedRange> RangeLoader::read(const FileRange& range) const {
  const File& file = files_[range.file];
  const uint64_t begin = round_down(range.offset, kBlock);
  const uint64_t end = range.offset + range.num_bytes;
  const uint64_t size = round_up(end, kBlock) - begin;
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) {
    return make_error(ErrorCode::kResourceExhausted, "cannot allocate ", size, " bytes to read ", file.path,
                      ": not enough memory");
  }
  LoadedRange out{static_cast<const std::byte*>(address) + (range.offset - begin),
                  own_mapping(address, size)};
  want_huge_pages(address, size);
  HADAL_RETURN_IF_ERROR(read_into(file, range, static_cast<std::byte*>(address), begin, end));
  return out;
}

// Fills buffer with the file's bytes [begin, end), begin being a multiple of kBlock; may write up to the next
// block.
Status RangeLoader::read_into(const File& file, const FileRange& range, std::byte* buffer, uint64_t begin,
                              uint64_t end) const {
  uint64_t at = begin;
  bool direct = file.direct.valid();
  while (at < end) {
    // A short direct read leaves `at` inside a block (only at the end of a file, or on odd file systems).
    if (at % kBlock != 0) direct = false;
    const uint64_t left = direct ? round_up(end - at, kBlock) : end - at;
    const auto want = static_cast<size_t>(std::min(left, kReadBytes));
    const ssize_t n = ::pread(direct ? file.direct.get() : file.fd.get(), buffer + (at - begin), want,
                              static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && direct) {
      direct = false;
      continue;
    }
    if (n < 0) return errno_error("cannot read " + file.path, errno);
    if (n == 0) {
      return make_error(ErrorCode::kDataLoss, file.path, " ends at ", at, ", before byte ",
                        range.offset + range.num_bytes, ": it was changed while being read");
    }
    at += static_cast<uint64_t>(n);
  }
  return {};
}

}  // namespace hadal
