#include "hub/pull.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <map>
#include <optional>

#include "base/file.h"
#include "base/log.h"
#include "hub/copy_directory.h"
#include "hub/credentials.h"
#include "hub/disk.h"
#include "hub/file_filter.h"
#include "hub/fill_record.h"
#include "hub/s3_store.h"
#include "hub/web_address.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

std::string joined(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ",") + item;
  return out;
}

// What decides which files are chosen: another choice is another pull.
std::string selection_of(const HubConfig& config) {
  std::string out;
  if (!config.include.empty()) out += "include=" + joined(config.include) + " ";
  if (!config.exclude.empty()) out += "exclude=" + joined(config.exclude) + " ";
  if (config.allow_pickle) out += "allow-pickle ";
  if (config.all_files) out += "all-files ";
  if (!out.empty()) out.pop_back();
  return out;
}

std::vector<std::string> split_commas(const std::vector<std::string>& items) {
  std::vector<std::string> out;
  for (const std::string& item : items) {
    for (size_t begin = 0; begin <= item.size();) {
      const size_t end = std::min(item.find(',', begin), item.size());
      if (end > begin) out.push_back(item.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return out;
}

// Below DIR/.hadal-pull, and held by this process.
struct Workplace {
  UniqueFd lock;
  std::unique_ptr<PullJournal> journal;
  std::string folder;
};

Result<Workplace> open_workplace(const std::string& directory) {
  Workplace place;
  place.folder = directory + "/" + kPullFolder;
  HADAL_RETURN_IF_ERROR(make_directories(directory, std::string(kPullFolder) + "/x"));
  HADAL_ASSIGN(place.lock, lock_directory(place.folder + "/lock", directory));
  return place;
}

void remove_workplace(const Workplace& place, const std::vector<int>& ids) {
  for (int id : ids) ::unlink((place.folder + "/" + std::to_string(id) + ".part").c_str());
  ::unlink((place.folder + "/journal").c_str());
  std::error_code ignored;
  std::filesystem::remove_all(place.folder, ignored);
}

// Whether the marker says that all of this is there already.
bool is_complete(const std::string& directory, const Listing& listing, const std::string& selection,
                 const std::vector<RemoteFile>& files) {
  const auto marker = read_marker(directory);
  if (!marker.ok() || !marker->has_value()) return false;
  const ModelMarker& old = **marker;
  if (old.source != listing.source || old.revision != listing.revision || old.selection != selection ||
      old.files.size() != files.size()) {
    return false;
  }
  std::map<std::string, const MarkerFile*> by_path;
  for (const MarkerFile& file : old.files) by_path[file.path] = &file;
  for (const RemoteFile& file : files) {
    const auto at = by_path.find(file.path);
    if (at == by_path.end() || (file.size >= 0 && at->second->size != file.size)) return false;
    if (file.checksum.kind == Checksum::Kind::kSha256 && at->second->sha256 != file.checksum.hex)
      return false;
    // Nothing pins it: what is there may be an older version.
    if (!file.checksum.known() && listing.revision.empty()) return false;
  }
  std::vector<std::string> touched;
  return check_marker_sizes(directory, old, &touched).ok() && touched.empty();
}

bool is_commit(const std::string& revision) {
  return revision.size() == 40 && revision.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// The SHA-256 that --sha256 gives, by file; "" with one file: its own.
std::map<std::string, std::string> given_checksums(const HubConfig& config) {
  std::map<std::string, std::string> out;
  for (const std::string& given : config.checksums) {
    const size_t equals = given.rfind('=');
    std::string hex = given.substr(equals == std::string::npos ? 0 : equals + 1);
    std::transform(hex.begin(), hex.end(), hex.begin(), [](unsigned char c) { return std::tolower(c); });
    out[equals == std::string::npos ? "" : given.substr(0, equals)] = hex;
  }
  return out;
}

const std::string* find_given(const std::map<std::string, std::string>& given, const std::string& path) {
  auto at = given.find(path);
  if (at == given.end()) at = given.find("");
  return at == given.end() ? nullptr : &at->second;
}

// The marker of a directory that is whole and holds what is asked for, as far as the directory alone can
// tell.
std::optional<ModelMarker> standing_model(const std::string& directory, const ModelRef& ref,
                                          const HubConfig& config) {
  if (path_exists(directory + "/" + kPullFolder + "/journal")) return std::nullopt;
  auto marker = read_marker(directory);
  if (!marker.ok() || !marker->has_value()) return std::nullopt;
  const ModelMarker& old = **marker;
  const bool same_revision =
      old.asked == asked_revision(ref) || (is_commit(ref.revision) && old.revision == ref.revision);
  if (old.source != shown_ref(ref) || old.selection != selection_of(config) || !same_revision)
    return std::nullopt;
  const auto given = given_checksums(config);
  for (const MarkerFile& file : old.files) {
    const std::string* hex = find_given(given, file.path);
    if (hex != nullptr && *hex != file.sha256) return std::nullopt;
  }
  std::vector<std::string> touched;
  if (!check_marker_sizes(directory, old, &touched).ok() || !touched.empty()) return std::nullopt;
  return std::move(**marker);
}

// Whether nothing that the source could say would change what the directory must hold.
bool is_pinned(const ModelMarker& standing, const ModelRef& ref, const HubConfig& config) {
  if (is_commit(ref.revision)) return standing.revision == ref.revision;
  const auto given = given_checksums(config);
  return ref.kind == ModelRef::Kind::kHttp && standing.files.size() == ref.urls.size() &&
         std::all_of(standing.files.begin(), standing.files.end(),
                     [&](const MarkerFile& file) { return find_given(given, file.path) != nullptr; });
}

Status check_space(const std::string& directory, const std::vector<RemoteFile>& files, int64_t begun) {
  int64_t needed = 0;
  for (const RemoteFile& file : files) needed += std::max<int64_t>(0, file.size);
  return require_space(directory, needed - begun);
}

// Bytes on disk of what an earlier run began.
int64_t reserved_bytes(const std::string& directory, const PullJournal& journal,
                       const std::vector<RemoteFile>& files) {
  int64_t sum = 0;
  std::map<std::string, int64_t> wanted;
  for (const RemoteFile& file : files) wanted[file.path] = file.size;
  for (int id : journal.ids()) {
    const JournalFile begun = journal.get(id);
    const auto at = wanted.find(begun.path);
    if (at == wanted.end() || at->second != begun.size) continue;
    struct stat info {};
    if (begun.done || ::lstat(part_path(directory, id).c_str(), &info) != 0) {
      sum += begun.done ? begun.size : 0;
    } else {
      sum += std::min<int64_t>(begun.size, static_cast<int64_t>(info.st_blocks) * 512);
    }
  }
  return sum;
}

void say_choice(const FileChoice& choice, const Listing& listing, const Notice& notice) {
  int64_t bytes = 0;
  for (const RemoteFile& file : choice.files) bytes += std::max<int64_t>(0, file.size);
  std::string line = listing.source;
  if (!listing.revision.empty()) line += " at " + listing.revision;
  line += ": " + std::to_string(choice.files.size()) + (choice.files.size() == 1 ? " file, " : " files, ") +
          shown_bytes(bytes);
  notice(line);
  for (const std::string& skipped : skipped_lines(choice)) notice(skipped);
}

struct Puller {
  const Settings& settings;
  const Notice& notice;
  PullMonitor& monitor;
  std::stop_token stop;
  PullOutcome outcome = {};
  std::string asked = {};  // the revision

  // The directory as it is.
  PullOutcome stay(ModelMarker marker, std::string unchecked) {
    outcome.marker = std::move(marker);
    outcome.nothing_to_do = true;
    outcome.unchecked = std::move(unchecked);
    return std::move(outcome);
  }

  Result<PullOutcome> run(const ModelRef& ref) {
    const auto start = Clock::now();
    const HubConfig& config = settings.hub;
    const FileFilter filter{config.include, config.exclude, config.allow_pickle, config.all_files};
    std::optional<ModelMarker> standing = standing_model(outcome.directory, ref, config);
    if (standing && is_pinned(*standing, ref, config)) return stay(*std::move(standing), "");
    const auto opened = open_source(ref, settings, {filter, standing ? &*standing : nullptr}, notice, stop);
    if (!opened.ok() && standing && is_unreachable(opened.error()))
      return stay(*std::move(standing), opened.error().message);
    if (!opened.ok()) return opened.error();
    const Source& source = *opened;
    const Status paths = check_file_paths(source.listing.files);
    if (!paths.ok())
      return make_error(ErrorCode::kDataLoss, source.listing.source, ": ", paths.error().message);
    auto chosen = choose_files(source.listing.files, filter);
    if (!chosen.ok())
      return make_error(chosen.error().code, source.listing.source, ": ", chosen.error().message);
    say_choice(*chosen, source.listing, notice);
    asked = asked_revision(ref);
    HADAL_RETURN_IF_ERROR(fetch(source, chosen->files));
    outcome.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return std::move(outcome);
  }

  Status fetch(const Source& source, const std::vector<RemoteFile>& files) {
    const std::string selection = selection_of(settings.hub);
    HADAL_ASSIGN(Workplace place, open_workplace(outcome.directory));
    const std::string journal_path = place.folder + "/journal";
    if (!path_exists(journal_path) && is_complete(outcome.directory, source.listing, selection, files)) {
      HADAL_ASSIGN(auto old, read_marker(outcome.directory));
      outcome.marker = std::move(*old);
      outcome.nothing_to_do = true;
      if (outcome.marker.asked != asked) {
        outcome.marker.asked = asked;
        HADAL_RETURN_IF_ERROR(write_marker(outcome.directory, outcome.marker));
      }
      remove_workplace(place, {});
      return {};
    }
    HADAL_ASSIGN(place.journal, PullJournal::open(journal_path, read_boot_id()));
    HADAL_RETURN_IF_ERROR(
        check_space(outcome.directory, files, reserved_bytes(outcome.directory, *place.journal, files)));
    std::vector<std::string> coming;
    for (const RemoteFile& file : files) coming.push_back(file.path);
    HADAL_RETURN_IF_ERROR(begin_filling(outcome.directory, source.listing.source, coming));
    // From here on the directory is not what its marker says.
    const std::string marker_path = outcome.directory + "/" + kMarkerName;
    if (::unlink(marker_path.c_str()) != 0 && errno != ENOENT)
      return errno_error("cannot remove " + marker_path, errno);
    HADAL_ASSIGN(auto entries, download(source, files, *place.journal));
    outcome.marker.source = source.listing.source;
    outcome.marker.revision = source.listing.revision;
    outcome.marker.asked = asked;
    outcome.marker.selection = selection;
    outcome.marker.created = timestamp_now();
    outcome.marker.files = std::move(entries);
    HADAL_ASSIGN(const auto removed,
                 remove_stale(outcome.directory, outcome.marker.files, source.listing.files));
    if (!removed.empty()) notice(removed_line(removed));
    HADAL_RETURN_IF_ERROR(write_marker(outcome.directory, outcome.marker));
    remove_workplace(place, place.journal->ids());
    return {};
  }

  Result<std::vector<MarkerFile>> download(const Source& source, const std::vector<RemoteFile>& files,
                                           PullJournal& journal) {
    DownloadOptions options;
    options.directory = outcome.directory;
    options.transfer = transfer_options(settings.hub);
    options.part_bytes = settings.hub.part_bytes;
    options.max_failures = settings.hub.retries;
    options.headers = source.headers;
    options.notice = notice;
    options.peers = split_commas(settings.hub.seeds);
    if (!settings.hub.peer_token_file.empty()) {
      HADAL_ASSIGN(options.peer_token, read_secret_file(settings.hub.peer_token_file));
    }
    for (const std::string& peer : options.peers) {
      std::string ignored;
      HADAL_RETURN_IF_ERROR(without_user_info(peer, ignored).status());
    }
    Downloader downloader(std::move(options), journal);
    const DownloadStats& stats = downloader.stats();
    monitor.watch("pulling", [&stats] {
      return PullProgress{"", stats.there, stats.total, std::max<int64_t>(0, stats.there - stats.fetched)};
    });
    auto entries = downloader.run(files, stop);
    monitor.stop_watching();
    outcome.fetched = stats.fetched;
    outcome.from_peers = stats.from_peers;
    outcome.retries = stats.retries;
    return entries;
  }
};

}  // namespace

PullProgress PullMonitor::progress() const {
  std::lock_guard lock(mutex_);
  if (!read_) return {};
  PullProgress out = read_();
  out.what = what_;
  return out;
}

void PullMonitor::watch(std::string what, std::function<PullProgress()> read) {
  std::lock_guard lock(mutex_);
  what_ = std::move(what);
  read_ = std::move(read);
}

void PullMonitor::stop_watching() {
  std::lock_guard lock(mutex_);
  read_ = nullptr;
}

std::string timestamp_now() {
  const time_t now = ::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

Result<std::string> pull_directory(const Settings& settings) {
  std::string directory = settings.hub.directory;
  if (directory.empty()) {
    HADAL_ASSIGN(const ModelRef ref, parse_model_ref(settings.hub.arguments));
    if (ref.name.empty() || ref.name == "." || ref.name == "..")
      return invalid_argument(shown_ref(ref), " has no name to call a directory by: give --to DIR");
    directory = "./" + ref.name;
  }
  while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
  if (path_exists(directory) && !is_directory(directory))
    return invalid_argument(directory, " is a file: hadal pull fills a directory; name it with --to");
  return directory;
}

Result<PullOutcome> pull_model(const Settings& settings, const Notice& notice, PullMonitor& monitor,
                               std::stop_token stop) {
  HADAL_ASSIGN(const ModelRef ref, parse_model_ref(settings.hub.arguments));
  Puller puller{settings, notice, monitor, std::move(stop)};
  HADAL_ASSIGN(puller.outcome.directory, pull_directory(settings));
  if (ref.kind == ModelRef::Kind::kDirectory) {
    return copy_model(ref, settings, puller.outcome.directory, notice, monitor, puller.stop);
  }
  HADAL_RETURN_IF_ERROR(check_holds_same(puller.outcome.directory, shown_ref(ref), settings.hub.replace));
  return puller.run(ref);
}

Result<ModelMarker> verify_model(const std::string& directory, PullMonitor& monitor, std::stop_token stop) {
  HADAL_ASSIGN(auto marker, read_marker(directory));
  if (!marker) {
    return make_error(ErrorCode::kNotFound, directory, " has no ", kMarkerName,
                      ": hadal pull writes it; for files from elsewhere, hadal pull ", directory, " --to ",
                      directory, " makes one");
  }
  std::atomic<int64_t> done{0};
  const int64_t total = marker->total_bytes();
  monitor.watch("verifying", [&] { return PullProgress{"", done, total, 0}; });
  const Status status = check_marker_content(
      directory, *marker, [&](int64_t bytes) { done += bytes; }, std::move(stop));
  monitor.stop_watching();
  if (!status.ok()) return status.error();
  return std::move(*marker);
}

Result<std::vector<MarkerFile>> list_directory(const std::string& directory) {
  std::vector<MarkerFile> out;
  std::error_code code;
  using Walk = std::filesystem::recursive_directory_iterator;
  for (Walk at(directory, code), end; !code && at != end; at.increment(code)) {
    const std::string path = at->path().string().substr(directory.size() + 1);
    if (path.starts_with(".hadal-")) {
      if (at->is_directory(code)) at.disable_recursion_pending();
      continue;
    }
    struct stat info {};
    if (::stat(at->path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    HADAL_RETURN_IF_ERROR(check_file_path(path));
    out.push_back({path, info.st_size, "",
                   static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec});
  }
  if (code) return make_error(ErrorCode::kIo, "cannot list ", directory, ": ", code.message());
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return out;
}

Result<ModelMarker> describe_directory(const std::string& directory, const std::string& source,
                                       const std::function<void(int64_t)>& on_bytes, std::stop_token stop) {
  ModelMarker marker;
  marker.source = source;
  marker.created = timestamp_now();
  HADAL_ASSIGN(marker.files, list_directory(directory));
  for (MarkerFile& file : marker.files) {
    HADAL_ASSIGN(file.sha256, hash_file(directory + "/" + file.path, on_bytes, stop));
  }
  return marker;
}

}  // namespace hadal
