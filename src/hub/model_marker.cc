#include "hub/model_marker.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "base/unique_fd.h"
#include "hub/digest.h"
#include "hub/disk.h"
#include "hub/download.h"
#include "hub/field_text.h"
#include "hub/file_filter.h"

namespace hadal {
namespace {

constexpr size_t kMaxMarker = size_t{64} << 20;
constexpr size_t kHashChunk = size_t{1} << 20;

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

int64_t number_of(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_int() ? value->as_int() : -1;
}

Result<MarkerFile> parse_file(const Json& json) {
  MarkerFile file;
  if (!json.is_object()) return invalid_argument("a file is no object");
  file.path = text_of(json, "path");
  file.size = number_of(json, "size");
  file.sha256 = text_of(json, "sha256");
  file.mtime_ns = std::max<int64_t>(0, number_of(json, "mtime_ns"));
  HADAL_RETURN_IF_ERROR(check_file_path(file.path));
  if (file.size < 0 || !is_sha256(file.sha256))
    return invalid_argument("the file \"", file.path, "\" has no size or no sha256");
  return file;
}

Error again(ErrorCode code, const std::string& directory, const std::string& what) {
  return make_error(code, directory, ": ", what,
                    ". Run the hadal pull that made this directory again: it fetches what is missing");
}

}  // namespace

int64_t ModelMarker::total_bytes() const {
  int64_t sum = 0;
  for (const MarkerFile& file : files) sum += file.size;
  return sum;
}

std::string ModelMarker::digest() const {
  std::vector<std::string> lines;
  for (const MarkerFile& file : files)
    lines.push_back(file.sha256 + " " + std::to_string(file.size) + " " + file.path + "\n");
  std::sort(lines.begin(), lines.end(), [](const std::string& a, const std::string& b) {
    return a.substr(a.find(' ', 65) + 1) < b.substr(b.find(' ', 65) + 1);
  });
  Digest digest(DigestKind::kSha256);
  for (const std::string& line : lines) digest.update(line);
  return "sha256:" + to_hex(digest.finish());
}

Result<ModelMarker> parse_marker(std::string_view text) {
  HADAL_ASSIGN(const Json json, parse_json(text, 8));
  if (!json.is_object() || number_of(json, "format") != 1)
    return invalid_argument("it is no marker of this version of hadal");
  ModelMarker marker;
  marker.source = text_of(json, "source");
  marker.revision = text_of(json, "revision");
  marker.asked = text_of(json, "asked");
  marker.selection = text_of(json, "selection");
  marker.created = text_of(json, "created");
  const Json* files = json.find("files");
  if (files == nullptr || !files->is_array()) return invalid_argument("it lists no files");
  std::vector<RemoteFile> names;
  for (const Json& entry : files->as_array()) {
    HADAL_ASSIGN(MarkerFile file, parse_file(entry));
    names.push_back({file.path});
    marker.files.push_back(std::move(file));
  }
  HADAL_RETURN_IF_ERROR(check_file_paths(names));
  if (text_of(json, "digest") != marker.digest())
    return invalid_argument("its digest is not that of the files it lists");
  return marker;
}

std::string marker_text(const ModelMarker& marker) {
  JsonArray files;
  for (const MarkerFile& file : marker.files) {
    files.push_back(Json(JsonObject{{"path", Json(file.path)},
                                    {"size", Json(file.size)},
                                    {"sha256", Json(file.sha256)},
                                    {"mtime_ns", Json(file.mtime_ns)}}));
  }
  return to_json(Json(JsonObject{{"format", Json(1)},
                                 {"source", Json(marker.source)},
                                 {"revision", Json(marker.revision)},
                                 {"asked", Json(marker.asked)},
                                 {"selection", Json(marker.selection)},
                                 {"created", Json(marker.created)},
                                 {"total_bytes", Json(marker.total_bytes())},
                                 {"digest", Json(marker.digest())},
                                 {"files", Json(std::move(files))}}),
                 1) +
         "\n";
}

Result<std::optional<ModelMarker>> read_marker(const std::string& directory) {
  const std::string path = directory + "/" + kMarkerName;
  auto text = read_file(path, kMaxMarker);
  if (!text.ok()) {
    if (text.error().code == ErrorCode::kNotFound) return std::optional<ModelMarker>();
    return std::move(text).error();
  }
  auto marker = parse_marker(*text);
  if (!marker.ok()) return invalid_argument(path, ": ", marker.error().message);
  return std::optional<ModelMarker>(std::move(*marker));
}

Status write_marker(const std::string& directory, const ModelMarker& marker) {
  return replace_file(directory + "/" + kMarkerName, marker_text(marker));
}

Status check_marker_sizes(const std::string& directory, const ModelMarker& marker,
                          std::vector<std::string>* touched) {
  for (const MarkerFile& file : marker.files) {
    struct stat info {};
    const std::string path = directory + "/" + file.path;
    if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
      return make_error(ErrorCode::kDataLoss, file.path, " is missing");
    if (info.st_size != file.size) {
      return make_error(ErrorCode::kDataLoss, file.path, " has ", info.st_size, " bytes and not ", file.size);
    }
    const int64_t mtime = static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
    const bool same = file.mtime_ns == 0 || mtime == file.mtime_ns;
    if (touched != nullptr && !same) touched->push_back(file.path);
  }
  return {};
}

Result<std::string> hash_file(const std::string& path, const std::function<void(int64_t)>& on_bytes,
                              std::stop_token stop) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return errno_error("cannot open " + path, errno);
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  Digest digest(DigestKind::kSha256);
  std::string buffer(kHashChunk, '\0');
  for (;;) {
    if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "stopped");
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("cannot read " + path, errno);
    if (n == 0) return to_hex(digest.finish());
    digest.update({buffer.data(), static_cast<size_t>(n)});
    if (on_bytes) on_bytes(n);
  }
}

Status check_marker_content(const std::string& directory, const ModelMarker& marker,
                            const std::function<void(int64_t)>& on_bytes, std::stop_token stop) {
  std::string wrong;
  int count = 0;
  const auto add = [&](const std::string& line) {
    if (++count <= 20) wrong += "\n  " + line;
  };
  for (const MarkerFile& file : marker.files) {
    ModelMarker one;
    one.files = {file};
    const Status size = check_marker_sizes(directory, one);
    if (!size.ok()) {
      add(size.error().message);
      continue;
    }
    auto hash = hash_file(directory + "/" + file.path, on_bytes, stop);
    if (!hash.ok() && hash.error().code == ErrorCode::kCancelled) return std::move(hash).error();
    if (!hash.ok()) {
      add(hash.error().message);
    } else if (*hash != file.sha256) {
      add(file.path + " has other content: SHA-256 " + *hash + " and not " + file.sha256);
    }
  }
  if (count == 0) return {};
  return make_error(ErrorCode::kDataLoss, directory, ": ", count, count == 1 ? " file is" : " files are",
                    " not what was pulled:", wrong);
}

Status check_before_loading(const std::string& path) {
  std::string directory = path;
  if (!is_directory(path)) {
    directory = std::filesystem::path(path).parent_path().string();
    if (directory.empty()) directory = ".";
  }
  auto marker = read_marker(directory);
  if (!marker.ok()) return again(ErrorCode::kDataLoss, directory, marker.error().message);
  if (!marker->has_value()) {
    if (!path_exists(directory + "/" + kPullFolder + "/journal")) return {};
    return again(ErrorCode::kUnavailable, directory, "a pull into this directory has not ended");
  }
  const Status sizes = check_marker_sizes(directory, **marker);
  if (!sizes.ok()) return again(ErrorCode::kDataLoss, directory, sizes.error().message);
  return {};
}

}  // namespace hadal
