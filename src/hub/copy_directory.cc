#include "hub/copy_directory.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "base/file.h"
#include "hub/disk.h"
#include "hub/file_filter.h"
#include "hub/fill_record.h"

namespace hadal {
namespace {

constexpr size_t kCopyChunk = size_t{16} << 20;

Status copy_bytes(int from, int to, int64_t size, const std::string& path, const std::stop_token& stop) {
  if (::ioctl(to, FICLONE, from) == 0) return {};
  int64_t done = 0;
  while (done < size) {
    if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "stopped");
    const ssize_t n = ::copy_file_range(from, nullptr, to, nullptr, kCopyChunk, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += n;
  }
  // File systems that cannot copy between one another: through memory.
  std::string buffer;
  while (done < size) {
    if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "stopped");
    const auto count = static_cast<size_t>(std::min<int64_t>(size - done, int64_t{1} << 20));
    HADAL_RETURN_IF_ERROR(read_all_at(from, done, count, buffer, path));
    HADAL_RETURN_IF_ERROR(write_all_at(to, buffer, done, path));
    done += static_cast<int64_t>(count);
  }
  return {};
}

// Whether copies share their blocks with the original: they then need no space.
bool may_clone(const std::string& from, const std::string& to) {
  struct stat a {
  }, b{};
  if (::stat(from.c_str(), &a) != 0 || ::stat(to.c_str(), &b) != 0 || a.st_dev != b.st_dev) return false;
  struct statfs info {};
  if (::statfs(to.c_str(), &info) != 0) return true;  // the copy itself will tell
  constexpr long kBtrfs = 0x9123683E, kXfs = 0x58465342, kZfs = 0x2FC12FC1;
  return info.f_type == kBtrfs || info.f_type == kXfs || info.f_type == kZfs;
}

Status check_copy_space(const std::string& from, const std::string& to,
                        const std::vector<MarkerFile>& files) {
  if (may_clone(from, to)) return {};
  int64_t needed = 0;
  for (const MarkerFile& file : files) {
    const auto there = stat_regular(to + "/" + file.path);
    if (!there.ok() || there->size != file.size) needed += file.size;
  }
  return require_space(to, needed);
}

struct Copier {
  const std::string& from;
  const std::string& to;
  const std::stop_token& stop;
  std::atomic<int64_t>& done;
  int64_t copied = 0;

  // The file at its place, with its hash. expected: what the original's marker says, or ""; before: the
  // entry of an earlier copy, or null.
  Status copy(MarkerFile& file, std::string expected, const MarkerFile* before) {
    if (expected.empty() && before != nullptr && before->size == file.size) {
      // Reading the original is enough to know that the copy is still the same.
      HADAL_ASSIGN(const std::string now, hash_file(from + "/" + file.path, {}, stop));
      if (now == before->sha256) expected = now;
    }
    HADAL_RETURN_IF_ERROR(make_directories(to, file.path));
    const std::string target = to + "/" + file.path, fresh = to + "/" + kPullFolder + "/copy.part";
    if (!expected.empty()) {
      const auto there = stat_regular(target);
      if (there.ok() && there->size == file.size) {
        HADAL_ASSIGN(file.sha256, hash_file(
                                      target, [&](int64_t n) { done += n; }, stop));
        file.mtime_ns = there->mtime_ns;
        if (file.sha256 == expected) return {};
        done -= file.size;
      }
    }
    ::unlink(fresh.c_str());
    const UniqueFd in(::open((from + "/" + file.path).c_str(), O_RDONLY | O_CLOEXEC));
    if (!in.valid()) return errno_error("cannot open " + from + "/" + file.path, errno);
    HADAL_ASSIGN(const UniqueFd out, open_data_file(fresh));
    HADAL_RETURN_IF_ERROR(copy_bytes(in.get(), out.get(), file.size, fresh, stop));
    copied += file.size;
    HADAL_ASSIGN(file.sha256, hash_file(
                                  fresh, [&](int64_t n) { done += n; }, stop));
    if (!expected.empty() && file.sha256 != expected) {
      return make_error(ErrorCode::kDataLoss, from, "/", file.path, " is not what its marker says (SHA-256 ",
                        file.sha256, " and not ", expected, "): pull it again there first");
    }
    if (::fdatasync(out.get()) != 0) return errno_error("cannot sync " + fresh, errno);
    HADAL_ASSIGN(const FileStat stat, stat_regular(fresh));
    file.mtime_ns = stat.mtime_ns;
    if (::rename(fresh.c_str(), target.c_str()) != 0)
      return errno_error("cannot put " + target + " in place", errno);
    return sync_directory(target.substr(0, target.rfind('/')));
  }
};

// Those of the files that are wanted; says which.
Result<std::vector<MarkerFile>> choose_local(const std::string& from, const std::vector<MarkerFile>& found,
                                             const std::vector<RemoteFile>& listed, const HubConfig& config,
                                             const Notice& notice) {
  std::map<std::string, MarkerFile> by_path;
  for (const MarkerFile& file : found) by_path[file.path] = file;
  auto chosen = choose_files(listed, {config.include, config.exclude, config.allow_pickle, config.all_files});
  if (!chosen.ok()) return make_error(chosen.error().code, from, ": ", chosen.error().message);
  std::vector<MarkerFile> out;
  int64_t bytes = 0;
  for (const RemoteFile& file : chosen->files) {
    out.push_back(by_path[file.path]);
    bytes += file.size;
  }
  notice(from + ": " + std::to_string(out.size()) + " files, " + shown_bytes(bytes));
  for (const std::string& skipped : skipped_lines(*chosen)) notice(skipped);
  return out;
}

// From here on, until the new marker is there, the directory is unfinished. Returns what an earlier copy put
// there.
Result<std::map<std::string, MarkerFile>> begin_copy(const std::string& directory, const ModelMarker& next) {
  std::map<std::string, MarkerFile> earlier;
  const auto old = read_marker(directory);
  if (old.ok() && old->has_value()) {
    for (const MarkerFile& file : (*old)->files) earlier[file.path] = file;
  }
  std::vector<std::string> coming;
  for (const MarkerFile& file : next.files) coming.push_back(file.path);
  HADAL_RETURN_IF_ERROR(begin_filling(directory, next.source, coming));
  HADAL_RETURN_IF_ERROR(replace_file(directory + "/" + kPullFolder + "/journal", ""));
  ::unlink((directory + "/" + kMarkerName).c_str());
  return earlier;
}

}  // namespace

Result<PullOutcome> copy_model(const ModelRef& ref, const Settings& settings, const std::string& directory,
                               const Notice& notice, PullMonitor& monitor, std::stop_token stop) {
  PullOutcome outcome;
  outcome.directory = directory;
  HADAL_RETURN_IF_ERROR(check_before_loading(ref.path));
  HADAL_ASSIGN(const auto known, read_marker(ref.path));
  std::error_code ignored;
  const bool same = std::filesystem::equivalent(ref.path, directory, ignored);
  outcome.marker.source =
      known ? known->source : "file:" + std::filesystem::absolute(ref.path, ignored).string();
  if (!same) HADAL_RETURN_IF_ERROR(check_holds_same(directory, outcome.marker.source, settings.hub.replace));
  HADAL_ASSIGN(const std::vector<MarkerFile> found, list_directory(ref.path));
  std::vector<RemoteFile> listed;
  for (const MarkerFile& file : found) listed.push_back({file.path, file.size});
  HADAL_ASSIGN(outcome.marker.files, choose_local(ref.path, found, listed, settings.hub, notice));
  std::map<std::string, std::string> expected;
  if (known) {
    for (const MarkerFile& file : known->files) expected[file.path] = file.sha256;
  }
  std::atomic<int64_t> done{0};
  const int64_t total = outcome.marker.total_bytes();
  HADAL_RETURN_IF_ERROR(make_directories(directory, std::string(kPullFolder) + "/x"));
  HADAL_ASSIGN(const UniqueFd lock, lock_directory(directory + "/" + kPullFolder + "/lock", directory));
  std::map<std::string, MarkerFile> earlier;
  if (!same) {
    HADAL_RETURN_IF_ERROR(check_copy_space(ref.path, directory, outcome.marker.files));
    HADAL_ASSIGN(earlier, begin_copy(directory, outcome.marker));
  }
  monitor.watch(same ? "hashing" : "copying", [&] { return PullProgress{"", done, total, 0}; });
  Copier copier{ref.path, directory, stop, done};
  Status status;
  for (MarkerFile& file : outcome.marker.files) {
    if (same) {
      auto hash = hash_file(
          directory + "/" + file.path, [&](int64_t n) { done += n; }, stop);
      status = hash.status();
      if (hash.ok()) file.sha256 = *hash;
    } else {
      const auto at = earlier.find(file.path);
      status = copier.copy(file, expected[file.path], at == earlier.end() ? nullptr : &at->second);
    }
    if (!status.ok()) break;
  }
  monitor.stop_watching();
  HADAL_RETURN_IF_ERROR(status);
  outcome.fetched = copier.copied;
  outcome.local = true;
  outcome.nothing_to_do = copier.copied == 0 && !same;
  if (!same) {
    HADAL_ASSIGN(const auto removed, remove_stale(directory, outcome.marker.files, listed));
    if (!removed.empty()) notice(removed_line(removed));
    outcome.nothing_to_do &= removed.empty();
  }
  outcome.marker.revision = known ? known->revision : "";
  outcome.marker.created = timestamp_now();
  HADAL_RETURN_IF_ERROR(write_marker(directory, outcome.marker));
  std::filesystem::remove_all(directory + "/" + kPullFolder, ignored);
  return outcome;
}

}  // namespace hadal
