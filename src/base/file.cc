#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "base/unique_fd.h"

namespace hadal {
namespace {

Result<UniqueFd> open_read(const std::string& path, size_t* size) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return errno_error("cannot open " + path, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno_error("cannot stat " + path, errno);
  if (S_ISDIR(info.st_mode)) return invalid_argument(path, " is a directory, not a file");
  *size = static_cast<size_t>(info.st_size);
  return fd;
}

}  // namespace

Result<std::string> read_file(const std::string& path, size_t max_bytes) {
  size_t size = 0;
  HADAL_ASSIGN(const UniqueFd fd, open_read(path, &size));
  std::string content;
  // Pipes and /proc files say size 0: read to the end whatever the size said.
  char buffer[1 << 16];
  content.reserve(std::min(size, max_bytes));
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("cannot read " + path, errno);
    if (n == 0) return content;
    if (content.size() + static_cast<size_t>(n) > max_bytes) {
      return make_error(ErrorCode::kTooLarge, path, " is larger than the limit of ", max_bytes, " bytes");
    }
    content.append(buffer, static_cast<size_t>(n));
  }
}

Status write_file(const std::string& path, std::string_view content) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.valid()) return errno_error("cannot create " + path, errno);
  while (!content.empty()) {
    const ssize_t n = ::write(fd.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("cannot write " + path, errno);
    content.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

bool path_exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

bool is_directory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  MappedFile file;
  file.path_ = path;
  HADAL_ASSIGN(const UniqueFd fd, open_read(path, &file.size_));
  if (file.size_ == 0) return file;
  void* data = ::mmap(nullptr, file.size_, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return errno_error("cannot map " + path, errno);
  file.data_ = static_cast<const std::byte*>(data);
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      path_(std::move(other.path_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

namespace {
void advise(const std::byte* base, size_t total, size_t offset, size_t size, int advice) {
  if (base == nullptr || offset >= total) return;
  size = std::min(size, total - offset);
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t begin = (offset + page - 1) / page * page;
  const size_t end = (offset + size) / page * page;
  if (end > begin) ::madvise(const_cast<std::byte*>(base) + begin, end - begin, advice);
}
}  // namespace

void MappedFile::will_need(size_t offset, size_t size) const {
  advise(data_, size_, offset, size, MADV_WILLNEED);
}
void MappedFile::dont_need(size_t offset, size_t size) const {
  advise(data_, size_, offset, size, MADV_DONTNEED);
}

}  // namespace hadal
