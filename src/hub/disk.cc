#include "hub/disk.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace hadal {
namespace {

Error write_error(const std::string& path, int code) {
  if (code == ENOSPC || code == EDQUOT) {
    return make_error(ErrorCode::kTooLarge, "cannot write ", path, ": ",
                      code == ENOSPC ? "no space is left on the disk" : "the disk quota is used up",
                      "; make room and run the same command again: it goes on from here");
  }
  if (code == EFBIG) {
    return make_error(ErrorCode::kTooLarge, "cannot write ", path,
                      ": a file of that size is over what the file system or ulimit -f allows");
  }
  return errno_error("cannot write " + path, code);
}

Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0777) == 0) return {};
  const int code = errno;
  if (code != EEXIST) return errno_error("cannot make the directory " + path, code);
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return errno_error("cannot stat " + path, errno);
  if (S_ISLNK(info.st_mode)) {
    return invalid_argument(path, " is a link: hadal pull does not write through links in its directory");
  }
  if (!S_ISDIR(info.st_mode)) return invalid_argument(path, " is in the way: it is no directory");
  return {};
}

}  // namespace

Status write_all(int fd, std::string_view data, const std::string& path) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return write_error(path, errno);
    data.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Status write_all_at(int fd, std::string_view data, int64_t offset, const std::string& path) {
  while (!data.empty()) {
    const ssize_t n = ::pwrite(fd, data.data(), data.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return write_error(path, errno);
    data.remove_prefix(static_cast<size_t>(n));
    offset += n;
  }
  return {};
}

Status read_all_at(int fd, int64_t offset, size_t size, std::string& out, const std::string& path) {
  out.resize(size);
  for (size_t done = 0; done < size;) {
    const ssize_t n = ::pread(fd, out.data() + done, size - done, offset + static_cast<int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("cannot read " + path, errno);
    if (n == 0) return make_error(ErrorCode::kDataLoss, path, " is shorter than it was");
    done += static_cast<size_t>(n);
  }
  return {};
}

Status replace_file(const std::string& path, std::string_view content) {
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd.valid()) return errno_error("cannot create " + fresh, errno);
  HADAL_RETURN_IF_ERROR(write_all(fd.get(), content, fresh));
  if (::fsync(fd.get()) != 0) return errno_error("cannot sync " + fresh, errno);
  if (::rename(fresh.c_str(), path.c_str()) != 0)
    return errno_error("cannot put " + path + " in place", errno);
  return sync_directory(std::filesystem::path(path).parent_path().string());
}

Status sync_directory(const std::string& path) {
  const std::string name = path.empty() ? "." : path;
  const UniqueFd fd(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return errno_error("cannot open " + name, errno);
  // Some network and FUSE file systems cannot sync a directory, and need not.
  if (::fsync(fd.get()) != 0 && errno != EINVAL && errno != ENOTSUP && errno != EROFS)
    return errno_error("cannot sync " + name, errno);
  return {};
}

Status make_directories(const std::string& root, const std::string& relative) {
  std::error_code code;
  std::filesystem::create_directories(root, code);
  if (code && !std::filesystem::is_directory(root))
    return make_error(ErrorCode::kIo, "cannot make the directory ", root, ": ", code.message());
  for (size_t at = relative.find('/'); at != std::string::npos; at = relative.find('/', at + 1)) {
    HADAL_RETURN_IF_ERROR(make_directory(root + "/" + relative.substr(0, at)));
  }
  return {};
}

Result<FileStat> stat_regular(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return errno_error(path, errno);
  if (!S_ISREG(info.st_mode)) return make_error(ErrorCode::kNotFound, path, " is no regular file");
  return FileStat{info.st_size,
                  static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec};
}

Result<UniqueFd> open_data_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd.valid()) return errno_error("cannot open " + path, errno);
  return fd;
}

Status reserve_space(int fd, int64_t size, const std::string& path) {
  if (size == 0 || ::fallocate(fd, 0, 0, size) == 0) {
    return ::ftruncate(fd, size) == 0 ? Status() : Status(errno_error("cannot size " + path, errno));
  }
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) return write_error(path, errno);
  if (::ftruncate(fd, size) != 0) return write_error(path, errno);
  return {};
}

Result<int64_t> free_space(const std::string& directory) {
  struct statvfs info {};
  if (::statvfs(directory.c_str(), &info) != 0)
    return errno_error("cannot ask for the free space of " + directory, errno);
  return static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
}

Status require_space(const std::string& directory, int64_t needed) {
  constexpr int64_t kMargin = int64_t{64} << 20;
  HADAL_ASSIGN(const int64_t free, free_space(directory));
  if (needed <= 0 || needed + kMargin <= free) return {};
  return make_error(ErrorCode::kTooLarge, directory, ": ", shown_bytes(needed), " are needed, with ",
                    shown_bytes(kMargin), " of reserve for what else is written there, and ",
                    shown_bytes(free), " are free (", shown_bytes(needed + kMargin - free),
                    " are missing): make room, choose another --to, or leave files out with --exclude");
}

Result<UniqueFd> lock_directory(const std::string& lock_path, const std::string& directory) {
  UniqueFd fd(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd.valid()) return errno_error("cannot open " + lock_path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return make_error(ErrorCode::kUnavailable, "another hadal pull is at work in ", directory,
                        ": wait until it has ended, or stop it");
    }
    return errno_error("cannot lock " + lock_path, errno);
  }
  return fd;
}

std::string shown_bytes(int64_t bytes) {
  const double value = static_cast<double>(bytes);
  char text[48];
  if (bytes < 1000) {
    std::snprintf(text, sizeof text, "%lld bytes", static_cast<long long>(bytes));
  } else if (bytes < 1'000'000) {
    std::snprintf(text, sizeof text, "%.0f kB", value / 1e3);
  } else if (bytes < 1'000'000'000) {
    std::snprintf(text, sizeof text, "%.1f MB", value / 1e6);
  } else {
    std::snprintf(text, sizeof text, "%.2f GB", value / 1e9);
  }
  return text;
}

}  // namespace hadal
