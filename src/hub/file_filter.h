// Which files of a repository are fetched, and which names are safe to create. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hub/listing.h"

namespace hadal {

// Shell patterns: * (also across slashes), ?, [a-z], [!a-z]; a backslash makes the next character plain. A
// pattern that ends in a slash stands for all below that folder. Time: at most length times length.
bool glob_matches(std::string_view pattern, std::string_view text);
// The whole path, or for a pattern without a slash the last part of it.
bool path_matches(std::string_view pattern, std::string_view path);

// A file that runs code when Python loads it.
bool is_pickle(std::string_view path);
// Weights that hadal reads: .safetensors, .gguf.
bool is_weight_file(std::string_view path);

// A name from a server, as a path below the target directory: relative, no "..", no control characters, no
// name of hadal's own. Errors: kInvalidArgument naming it.
Status check_file_path(std::string_view path);
// All of a listing: each path, and that no two collide.
Status check_file_paths(const std::vector<RemoteFile>& files);

struct FileFilter {
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  bool allow_pickle = false;
  bool all_files = false;
};

struct SkippedFile {
  std::string path;
  int64_t size = 0;
  const char* why = "";  // "a pickle", "not included", ...
};

struct FileChoice {
  std::vector<RemoteFile> files;
  std::vector<SkippedFile> skipped;
};

// Errors: kInvalidArgument where nothing is left, or only pickles hold the weights, saying what to do.
Result<FileChoice> choose_files(std::vector<RemoteFile> files, const FileFilter& filter);

// Lines for people: what was left out and why, three names of each reason.
std::vector<std::string> skipped_lines(const FileChoice& choice);

}  // namespace hadal
