// The file system's part of a pull: writes that come out whole or as an error that says what to do, atomic
// replacement, directories made below a root without following links out of it, one process at a time.
// Any thread; one thread per descriptor.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace hadal {

// Errors: kIo naming the file; kTooLarge where the disk is full, saying so.
Status write_all(int fd, std::string_view data, const std::string& path);
Status write_all_at(int fd, std::string_view data, int64_t offset, const std::string& path);
// Reads `size` bytes into `out` (resized). kDataLoss where the file ends before.
Status read_all_at(int fd, int64_t offset, size_t size, std::string& out, const std::string& path);

// Writes a new file beside `path`, syncs it, and puts it in the place of `path`; a link there is replaced,
// not followed.
Status replace_file(const std::string& path, std::string_view content);
Status sync_directory(const std::string& path);
// Makes `root` (and what leads to it), then the folders of `relative` (a file's path below it), refusing
// links.
Status make_directories(const std::string& root, const std::string& relative);
// A regular file below root with no link on its way or in its place: its size and mtime. kNotFound: there is
// none.
struct FileStat {
  int64_t size = 0;
  int64_t mtime_ns = 0;
};
Result<FileStat> stat_regular(const std::string& path);
// Opens for reading and writing, makes it where it is not there; never through a link.
Result<UniqueFd> open_data_file(const std::string& path);
// Blocks of a file of this size are taken in advance where the file system can; the size becomes this.
Status reserve_space(int fd, int64_t size, const std::string& path);
Result<int64_t> free_space(const std::string& directory);
// Errors: kTooLarge, with how much is missing, where `needed` bytes and a margin are not free.
Status require_space(const std::string& directory, int64_t needed);

// Held by one process until it ends, however it ends. Errors: kUnavailable where another holds it.
Result<UniqueFd> lock_directory(const std::string& lock_path, const std::string& directory);

// "1.2 GB"; "840 kB".
std::string shown_bytes(int64_t bytes);

}  // namespace hadal
