#include "hub/fill_record.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "base/file.h"
#include "base/json.h"
#include "hub/disk.h"
#include "hub/download.h"
#include "hub/field_text.h"
#include "hub/file_filter.h"

namespace hadal {
namespace {

constexpr size_t kMaxRecord = size_t{64} << 20;
constexpr size_t kMaxShownPaths = 5;
constexpr std::string_view kDirectoryPrefix = "file:";

struct FillRecord {
  std::string source;
  std::set<std::string> paths;
};

std::string record_path(const std::string& directory) {
  return directory + "/" + kPullFolder + "/filling";
}

// One that cannot be read says nothing: the pull is what mends the directory.
FillRecord read_record(const std::string& directory) {
  FillRecord out;
  const auto text = read_file(record_path(directory), kMaxRecord);
  if (!text.ok()) return out;
  const auto json = parse_json(*text, 4);
  if (!json.ok() || !json->is_object()) return out;
  out.source = text_of(*json, "source");
  const Json* paths = json->find("paths");
  if (paths == nullptr || !paths->is_array()) return out;
  for (const Json& path : paths->as_array()) {
    if (path.is_string() && check_file_path(path.as_string()).ok()) out.paths.insert(path.as_string());
  }
  return out;
}

std::set<std::string> words_of_source(const std::string& source) {
  std::istringstream in(source);
  std::set<std::string> out;
  for (std::string word; in >> word;) out.insert(word);
  return out;
}

// "file:/a/./b/" and "file:/a/b" are one directory.
std::string plain_path(const std::string& source) {
  std::string out = std::filesystem::path(source.substr(kDirectoryPrefix.size())).lexically_normal().string();
  while (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out;
}

// Whether a link is on the way from the directory to the file: what lies behind is not the model's.
bool leads_through_link(const std::string& directory, const std::string& path) {
  for (size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
    char target[1];
    if (::readlink((directory + "/" + path.substr(0, at)).c_str(), target, sizeof target) >= 0) return true;
  }
  return false;
}

Status remove_path(const std::string& directory, const std::string& path) {
  const std::string full = directory + "/" + path;
  if (::unlink(full.c_str()) != 0) return errno_error("cannot remove " + full, errno);
  // Folders that this leaves empty go too.
  for (size_t at = path.rfind('/'); at != std::string::npos && at > 0; at = path.rfind('/', at - 1)) {
    if (::rmdir((directory + "/" + path.substr(0, at)).c_str()) != 0) break;
  }
  return {};
}

}  // namespace

bool is_same_source(const std::string& before, const std::string& now) {
  if (before == now) return true;
  if (before.starts_with(kDirectoryPrefix) && now.starts_with(kDirectoryPrefix))
    return plain_path(before) == plain_path(now);
  if (!before.starts_with("http://") && !before.starts_with("https://")) return false;
  const std::set<std::string> old = words_of_source(before), all = words_of_source(now);
  return std::includes(all.begin(), all.end(), old.begin(), old.end());
}

Status check_holds_same(const std::string& directory, const std::string& source, bool replace) {
  if (replace) return {};
  const auto marker = read_marker(directory);
  const bool whole = marker.ok() && marker->has_value();
  const std::string held = whole ? (*marker)->source : read_record(directory).source;
  if (held.empty() || is_same_source(held, source)) return {};
  const bool several = source.starts_with("http://") || source.starts_with("https://");
  return invalid_argument(
      directory, whole ? " holds another model, " : " is being filled with another model, ", held,
      ", and is left as it is: give another directory with --to",
      several ? ", name all addresses in one command if they are files of one model," : "", " or put ",
      source, " in its place with --replace, which removes the other's files once all is there");
}

Status begin_filling(const std::string& directory, const std::string& source,
                     const std::vector<std::string>& coming) {
  FillRecord record = read_record(directory);
  const auto marker = read_marker(directory);
  if (marker.ok() && marker->has_value()) {
    for (const MarkerFile& file : (*marker)->files) record.paths.insert(file.path);
  }
  record.paths.insert(coming.begin(), coming.end());
  JsonArray paths;
  for (const std::string& path : record.paths) paths.push_back(Json(path));
  return replace_file(record_path(directory),
                      to_json(Json(JsonObject{{"source", Json(source)}, {"paths", Json(std::move(paths))}})));
}

Result<std::vector<std::string>> remove_stale(const std::string& directory,
                                              const std::vector<MarkerFile>& chosen,
                                              const std::vector<RemoteFile>& listed) {
  std::set<std::string> wanted;
  for (const MarkerFile& file : chosen) wanted.insert(file.path);
  std::map<std::string, int64_t> sizes;
  for (const RemoteFile& file : listed) sizes[file.path] = file.size;
  std::vector<std::string> removed;
  for (const std::string& path : read_record(directory).paths) {
    if (wanted.contains(path) || leads_through_link(directory, path)) continue;
    const auto there = stat_regular(directory + "/" + path);
    if (!there.ok()) continue;
    const auto at = sizes.find(path);
    if (at != sizes.end() && at->second == there->size) continue;
    HADAL_RETURN_IF_ERROR(remove_path(directory, path));
    removed.push_back(path);
  }
  return removed;
}

std::string removed_line(const std::vector<std::string>& removed) {
  if (removed.empty()) return "";
  std::string out = removed.size() == 1
                        ? "a file that was pulled before and is not in this version was removed: "
                        : std::to_string(removed.size()) +
                              " files that were pulled before and are not in this version "
                              "were removed: ";
  for (size_t i = 0; i < std::min(removed.size(), kMaxShownPaths); ++i)
    out += (i == 0 ? "" : ", ") + removed[i];
  if (removed.size() > kMaxShownPaths)
    out += " and " + std::to_string(removed.size() - kMaxShownPaths) + " more";
  return out;
}

}  // namespace hadal
