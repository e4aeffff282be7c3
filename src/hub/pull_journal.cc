#include "hub/pull_journal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <charconv>

#include "base/file.h"
#include "hub/disk.h"
#include "hub/web_address.h"
#include "net/http_message.h"

namespace hadal {
namespace {

constexpr std::string_view kTitle = "hadal-pull 1";
constexpr int64_t kRewriteBytes = int64_t{4} << 20;
constexpr int kMaxJournalFiles = 1'000'000;

// FNV-1a: against torn writes, not against people.
std::string line_checksum(std::string_view line) {
  uint32_t hash = 2166136261u;
  for (char c : line) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  char text[16];
  std::snprintf(text, sizeof text, "%08x", hash);
  return text;
}

void add_line(std::string& out, const std::string& line) {
  out += line + "#" + line_checksum(line) + "\n";
}

std::string range_line(char kind, int id, ByteRange range) {
  return std::string(1, kind) + " " + std::to_string(id) + " " + std::to_string(range.begin) + " " +
         std::to_string(range.end);
}

std::string file_line(int id, const JournalFile& file) {
  return "f " + std::to_string(id) + " " + std::to_string(file.size) + " " +
         percent_encode(file.validator, false) + " " + percent_encode(file.path, false);
}

std::string done_line(int id, const JournalFile& file) {
  return "d " + std::to_string(id) + " " + file.sha256 + " " + std::to_string(file.mtime_ns);
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> out;
  while (!line.empty() && out.size() < 8) {
    const size_t end = std::min(line.find(' '), line.size());
    out.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return out;
}

bool read_field(std::string_view text, int64_t& out) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() && out >= 0;
}

// One journal as it is read.
struct JournalReader {
  const std::string& boot_id;
  JournalState state = {};
  bool same_boot = false;

  // False: no line of a journal.
  bool take(std::string_view line) {
    const auto words = split(line);
    if (words.empty()) return false;
    if (words[0] == "b" && words.size() <= 2) {
      same_boot = words.size() == 2 && !boot_id.empty() && words[1] == boot_id;
      return true;
    }
    int64_t id = 0;
    if (words.size() < 4 || !read_field(words[1], id) || id > kMaxJournalFiles) return false;
    if (words[0] == "f") return take_file(static_cast<int>(id), words);
    const auto at = state.files.find(static_cast<int>(id));
    if (at == state.files.end()) return false;
    if (words[0] == "d") return take_done(at->second, words);
    return take_range(at->second, words);
  }

  bool take_file(int id, const std::vector<std::string_view>& words) {
    JournalFile file;
    if (words.size() != 5 || !read_field(words[2], file.size)) return false;
    file.validator = percent_decode(words[3]);
    file.path = percent_decode(words[4]);
    state.files[id] = std::move(file);
    return true;
  }

  static bool take_done(JournalFile& file, const std::vector<std::string_view>& words) {
    if (words.size() != 4 || words[2].size() != 64 || !read_field(words[3], file.mtime_ns)) return false;
    file.sha256 = words[2];
    file.done = true;
    return true;
  }

  bool take_range(JournalFile& file, const std::vector<std::string_view>& words) {
    ByteRange range;
    if (words.size() != 4 || !read_field(words[2], range.begin) || !read_field(words[3], range.end))
      return false;
    if (range.begin >= range.end || range.end > file.size) return false;
    if (words[0] == "x") {
      file.written.remove(range);
      file.synced.remove(range);
      file.troubled.remove(range);
      file.compared.remove(range);
      file.done = false;
      return true;
    }
    if (words[0] == "t") {
      file.troubled.add(range);
      return true;
    }
    if (words[0] == "c") {
      if (same_boot) file.compared.add(range);
      return true;
    }
    if (words[0] == "s") {
      file.written.add(range);
      file.synced.add(range);
      return true;
    }
    if (words[0] != "w") return false;
    if (same_boot) file.written.add(range);
    return true;
  }
};

}  // namespace

JournalState parse_journal(std::string_view text, const std::string& boot_id) {
  JournalReader reader{boot_id};
  bool first = true;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) break;
    const std::string_view line = text.substr(at, end - at);
    const size_t hash = line.rfind('#');
    if (hash == std::string_view::npos || line.substr(hash + 1) != line_checksum(line.substr(0, hash))) break;
    const std::string_view content = line.substr(0, hash);
    if (first ? content != kTitle : !reader.take(content)) break;
    first = false;
    at = end + 1;
  }
  reader.state.valid_bytes = at;
  return std::move(reader.state);
}

Result<std::unique_ptr<PullJournal>> PullJournal::open(const std::string& path, const std::string& boot_id) {
  std::unique_ptr<PullJournal> journal(new PullJournal(path));
  journal->boot_id_ = boot_id;
  auto text = read_file(path, kMaxJournal);
  if (!text.ok() && text.error().code != ErrorCode::kNotFound) return std::move(text).error();
  if (text.ok()) journal->files_ = parse_journal(*text, boot_id).files;
  for (const auto& [id, file] : journal->files_) journal->ids_by_path_.emplace(file.path, id);
  if (!journal->files_.empty()) journal->next_id_ = journal->files_.rbegin()->first + 1;
  HADAL_RETURN_IF_ERROR(journal->rewrite());
  return journal;
}

// A new file with what counts takes the old one's place at once.
Status PullJournal::rewrite() {
  std::string text;
  add_line(text, std::string(kTitle));
  add_line(text, boot_id_.empty() ? "b" : "b " + boot_id_);
  for (const auto& [id, file] : files_) {
    add_line(text, file_line(id, file));
    for (const ByteRange& range : file.synced.ranges()) add_line(text, range_line('s', id, range));
    for (const ByteRange& range : file.written.ranges()) {
      for (const ByteRange& only : file.synced.missing(range)) add_line(text, range_line('w', id, only));
    }
    for (const ByteRange& range : file.troubled.ranges()) add_line(text, range_line('t', id, range));
    for (const ByteRange& range : file.compared.ranges()) add_line(text, range_line('c', id, range));
    if (file.done) add_line(text, done_line(id, file));
  }
  HADAL_RETURN_IF_ERROR(replace_file(path_, text));
  fd_ = UniqueFd(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
  if (!fd_.valid()) return errno_error("cannot open " + path_, errno);
  bytes_ = static_cast<int64_t>(text.size());
  rewrite_at_ = std::max(kRewriteBytes, 3 * bytes_);
  return {};
}

Status PullJournal::append(const std::string& lines, bool sync) {
  HADAL_RETURN_IF_ERROR(write_all(fd_.get(), lines, path_));
  bytes_ += static_cast<int64_t>(lines.size());
  if (sync && ::fdatasync(fd_.get()) != 0) return errno_error("cannot sync " + path_, errno);
  if (bytes_ > rewrite_at_) return rewrite();
  return {};
}

Result<int> PullJournal::file(const std::string& path, int64_t size, const std::string& validator) {
  std::lock_guard lock(mutex_);
  HADAL_CHECK(!validator.empty() && size >= 0);
  const auto [first, last] = ids_by_path_.equal_range(path);
  for (auto at = first; at != last; ++at) {
    const JournalFile& file = files_.at(at->second);
    if (file.size == size && file.validator == validator) return at->second;
  }
  if (next_id_ > kMaxJournalFiles) {
    return make_error(ErrorCode::kTooLarge, path_, " is full: delete it and run hadal pull again");
  }
  JournalFile file;
  file.path = path;
  file.size = size;
  file.validator = validator;
  std::string line;
  add_line(line, file_line(next_id_, file));
  files_[next_id_] = std::move(file);
  ids_by_path_.emplace(path, next_id_);
  HADAL_RETURN_IF_ERROR(append(line, false));
  return next_id_++;
}

JournalFile PullJournal::get(int id) const {
  std::lock_guard lock(mutex_);
  return files_.at(id);
}

PullJournal::Unsynced PullJournal::unsynced(int id) const {
  std::lock_guard lock(mutex_);
  const JournalFile& file = files_.at(id);
  Unsynced out;
  const auto generation = generations_.find(id);
  if (generation != generations_.end()) out.generation = generation->second;
  for (const ByteRange& range : file.written.ranges()) {
    for (const ByteRange& only : file.synced.missing(range)) out.ranges.add(only);
  }
  return out;
}

std::vector<int> PullJournal::ids() const {
  std::lock_guard lock(mutex_);
  std::vector<int> out;
  for (const auto& [id, file] : files_) out.push_back(id);
  return out;
}

bool PullJournal::has_done_files() const {
  std::lock_guard lock(mutex_);
  for (const auto& [id, file] : files_) {
    if (file.done) return true;
  }
  return false;
}

Status PullJournal::add_range(char kind, RangeSet JournalFile::*set, int id, ByteRange range) {
  if (range.begin >= range.end) return {};
  std::lock_guard lock(mutex_);
  (files_.at(id).*set).add(range);
  std::string line;
  add_line(line, range_line(kind, id, range));
  return append(line, false);
}

Status PullJournal::add_written(int id, ByteRange range) {
  return add_range('w', &JournalFile::written, id, range);
}
Status PullJournal::add_troubled(int id, ByteRange range) {
  return add_range('t', &JournalFile::troubled, id, range);
}
Status PullJournal::add_compared(int id, ByteRange range) {
  return add_range('c', &JournalFile::compared, id, range);
}

Status PullJournal::add_synced(int id, const Unsynced& synced) {
  if (synced.ranges.empty()) return {};
  std::lock_guard lock(mutex_);
  if (generations_[id] != synced.generation) return {};
  JournalFile& file = files_.at(id);
  std::string lines;
  for (const ByteRange& range : synced.ranges.ranges()) {
    file.synced.add(range);
    add_line(lines, range_line('s', id, range));
  }
  return append(lines, true);
}

Status PullJournal::discard(int id, ByteRange range) {
  if (range.begin >= range.end) return {};
  std::lock_guard lock(mutex_);
  JournalFile& file = files_.at(id);
  ++generations_[id];
  file.written.remove(range);
  file.synced.remove(range);
  file.troubled.remove(range);
  file.compared.remove(range);
  file.done = false;
  std::string line;
  add_line(line, range_line('x', id, range));
  return append(line, true);
}

Status PullJournal::set_done(int id, const std::string& sha256, int64_t mtime_ns, bool sync) {
  std::lock_guard lock(mutex_);
  JournalFile& file = files_.at(id);
  file.done = true;
  file.sha256 = sha256;
  file.mtime_ns = mtime_ns;
  std::string line;
  add_line(line, done_line(id, file));
  return append(line, sync);
}

std::string read_boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id", 256);
  if (!text.ok()) return "";
  std::string id;
  for (char c : *text) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-') id += c;
  }
  return id;
}

}  // namespace hadal
