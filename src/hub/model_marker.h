// ModelMarker: the file .hadal-model.json that hadal pull writes last into a model's directory: where the
// model is from and what is in it. Whoever loads the model can tell in a millisecond whether it is whole.
// Values and functions over files; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hadal {

inline constexpr char kMarkerName[] = ".hadal-model.json";

struct MarkerFile {
  std::string path;
  int64_t size = 0;
  std::string sha256;    // hex
  int64_t mtime_ns = 0;  // after the pull; a later one: perhaps changed since. 0: not known
};

struct ModelMarker {
  std::string source;     // "hf:org/name"
  std::string revision;   // "" where the source has none
  std::string asked;      // the branch or tag that was asked for, which gave that revision
  std::string selection;  // what --include and so on chose, as one line
  std::string created;    // RFC 3339, UTC
  std::vector<MarkerFile> files;

  int64_t total_bytes() const;
  // "sha256:..." over path, size and hash of every file, by path: the same for the same content.
  std::string digest() const;
};

// Errors: kInvalidArgument where it is no marker, its paths are unsafe, or its digest is not that of its
// files.
Result<ModelMarker> parse_marker(std::string_view text);
std::string marker_text(const ModelMarker& marker);
// Nothing where the directory has none. Errors as parse_marker's, naming the file.
Result<std::optional<ModelMarker>> read_marker(const std::string& directory);
// At once, and on disk when it returns.
Status write_marker(const std::string& directory, const ModelMarker& marker);

// Names and sizes. kDataLoss naming the first file that is missing or has another size. `touched` (may be
// null): files whose time of change is known and not the marker's.
Status check_marker_sizes(const std::string& directory, const ModelMarker& marker,
                          std::vector<std::string>* touched = nullptr);
// Every byte. on_bytes: as they are read. kDataLoss naming all files that are wrong; kCancelled.
Status check_marker_content(const std::string& directory, const ModelMarker& marker,
                            const std::function<void(int64_t)>& on_bytes = {}, std::stop_token stop = {});

// What a program that loads a model asks first: a directory with a marker must have its files in their sizes,
// and one where a pull has not ended is refused. No marker and no pull: nothing is asked. `path`: a directory
// or a file in it. Errors: kDataLoss, kUnavailable; each says to run hadal pull again.
Status check_before_loading(const std::string& path);

// SHA-256 of a whole file, as hex.
Result<std::string> hash_file(const std::string& path, const std::function<void(int64_t)>& on_bytes = {},
                              std::stop_token stop = {});

}  // namespace hadal
