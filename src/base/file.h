// Whole-file reads and read-only memory maps. Any thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/result.h"

namespace hadal {

// Errors: kNotFound, kIo, kTooLarge over max_bytes. The message names the path.
Result<std::string> read_file(const std::string& path, size_t max_bytes = size_t{1} << 30);
Status write_file(const std::string& path, std::string_view content);
bool path_exists(const std::string& path);
bool is_directory(const std::string& path);

// A whole file mapped read-only; unmapped by the destructor. Movable.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  // Tells the kernel that [offset, offset + size) is read soon / no longer needed; page-aligned inwards.
  void will_need(size_t offset, size_t size) const;
  void dont_need(size_t offset, size_t size) const;

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::string path_;
};

}  // namespace hadal
