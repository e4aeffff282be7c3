// TempDir: a fresh directory for a test's files, removed with all it holds by the destructor. For tests and
// fuzz targets only. Throws from std::filesystem: tests want that. One thread at a time.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/file.h"

namespace hadal {

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hadal-test-XXXXXX").string();
    HADAL_CHECK(::mkdtemp(pattern.data()) != nullptr) << pattern;
    path_ = pattern;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  // Writes and returns the file's path.
  std::string write(std::string_view name, std::string_view content) const {
    const std::string target = file(name);
    const Status status = write_file(target, content);
    HADAL_CHECK(status.ok()) << status.to_string();
    return target;
  }

 private:
  std::string path_;
};

}  // namespace hadal
