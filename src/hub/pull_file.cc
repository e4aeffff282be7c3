#include "hub/pull_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "hub/disk.h"
#include "hub/download.h"

namespace hadal {
namespace {

std::string unique_text() {
  std::random_device random;
  return std::to_string(random()) + std::to_string(random());
}

}  // namespace

std::string part_path(const std::string& directory, int id) {
  return directory + "/" + kPullFolder + "/" + std::to_string(id) + ".part";
}

std::string PullFile::validator() const {
  if (remote.checksum.known()) {
    return "sum" + std::to_string(static_cast<int>(remote.checksum.kind)) + ":" + remote.checksum.hex;
  }
  return remote.etag.empty() ? "" : "etag:" + remote.etag;
}

Status PullFile::find_state(PullJournal& journal) {
  if (remote.size < 0) return {};
  const std::string known = validator();
  // Content that nothing identifies cannot be gone on with by a later run.
  HADAL_ASSIGN(id, journal.file(remote.path, remote.size, known.empty() ? "once:" + unique_text() : known));
  part_path_ = part_path(directory_, id);
  const JournalFile begun = journal.get(id);
  const auto part = stat_regular(part_path_);
  const auto final_file = stat_regular(final_path());
  if (begun.done) {
    if (part.ok() && part->size == remote.size && part->mtime_ns == begun.mtime_ns) {
      // Killed between the journal's entry and the renaming.
      HADAL_RETURN_IF_ERROR(make_directories(directory_, remote.path));
      if (::rename(part_path_.c_str(), final_path().c_str()) != 0)
        return errno_error("cannot put " + final_path() + " in place", errno);
      state = State::kDone;
    } else if (final_file.ok() && final_file->size == remote.size && final_file->mtime_ns == begun.mtime_ns) {
      state = State::kDone;
    }
    if (state == State::kDone) {
      entry = {remote.path, remote.size, begun.sha256, begun.mtime_ns};
      written.add({0, remote.size});
      return {};
    }
    HADAL_RETURN_IF_ERROR(journal.discard(id, {0, remote.size}));
  } else if (!begun.written.empty()) {
    if (part.ok() && part->size == remote.size) {
      written = begun.written;
      troubled = begun.troubled;
      compared = begun.compared;
      return {};
    }
    HADAL_RETURN_IF_ERROR(journal.discard(id, {0, remote.size}));
  }
  if (remote.checksum.known() && final_file.ok() && final_file->size == remote.size) state = State::kAdopting;
  return {};
}

Status PullFile::open(PullJournal& journal) {
  if (state == State::kAdopting) {
    fd = std::make_shared<UniqueFd>(::open(final_path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd->valid()) return errno_error("cannot open " + final_path(), errno);
    return {};
  }
  if (id < 0) part_path_ = directory_ + "/" + kPullFolder + "/stream-" + std::to_string(key) + ".part";
  if (written.empty()) ::unlink(part_path_.c_str());
  HADAL_ASSIGN(UniqueFd opened, open_data_file(part_path_));
  fd = std::make_shared<UniqueFd>(std::move(opened));
  if (remote.size >= 0) {
    const Status reserved = reserve_space(fd->get(), remote.size, part_path_);
    if (!reserved.ok() && written.empty()) {
      fd.reset();
      ::unlink(part_path_.c_str());
    }
    HADAL_RETURN_IF_ERROR(reserved);
  }
  claimed = written;
  state = State::kFetching;
  (void)journal;
  return {};
}

Status PullFile::write(PullJournal& journal, int64_t offset, std::string_view data) {
  HADAL_RETURN_IF_ERROR(write_all_at(fd->get(), data, offset, part_path_));
  const ByteRange range{offset, offset + static_cast<int64_t>(data.size())};
  written.add(range);
  claimed.add(range);
  return id < 0 ? Status() : journal.add_written(id, range);
}

Status PullFile::discard(PullJournal& journal, ByteRange range) {
  written.remove(range);
  claimed.remove(range);
  troubled.remove(range);
  compared.remove(range);
  return id < 0 ? Status() : journal.discard(id, range);
}

Status PullFile::note_trouble(PullJournal& journal, ByteRange range) {
  if (range.end < 0 || troubled.covers(range)) return {};
  troubled.add(range);
  return id < 0 ? Status() : journal.add_troubled(id, range);
}

Status PullFile::note_compared(PullJournal& journal, ByteRange range) {
  compared.add(range);
  return id < 0 ? Status() : journal.add_compared(id, range);
}

Status PullFile::restart(PullJournal& journal, int64_t size, const std::string& etag) {
  if (id >= 0 && remote.size > 0) HADAL_RETURN_IF_ERROR(journal.discard(id, {0, remote.size}));
  ::unlink(part_path_.c_str());
  fd.reset();
  written.clear();
  claimed.clear();
  troubled.clear();
  compared.clear();
  from_peers.clear();
  suspects.clear();
  changed_to.clear();
  resolved.clear();
  if (size >= 0) remote.size = size;
  remote.etag = etag;
  id = -1;
  state = State::kWaiting;
  return {};
}

Result<MarkerFile> PullFile::finish(PullJournal& journal, const std::string& sha256) const {
  if (!adopted && remote.size != 0 && ::fdatasync(fd->get()) != 0)
    return errno_error("cannot sync " + part_path_, errno);
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0) return errno_error("cannot stat " + part_path_, errno);
  const int64_t mtime = static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
  // Should the machine lose this entry, a checksum still tells that the file is right.
  const bool sync = !remote.checksum.known();
  if (id >= 0) HADAL_RETURN_IF_ERROR(journal.set_done(id, sha256, mtime, sync));
  if (!adopted) {
    HADAL_RETURN_IF_ERROR(make_directories(directory_, remote.path));
    const std::string target = final_path();
    if (::rename(part_path_.c_str(), target.c_str()) != 0)
      return errno_error("cannot put " + target + " in place", errno);
  }
  return MarkerFile{remote.path, info.st_size, sha256, mtime};
}

ByteRange PullFile::next_range(int64_t part_bytes) const {
  if (remote.size < 0) return {0, claimed.empty() ? -1 : 0};
  const auto gaps = claimed.missing({0, remote.size});
  if (gaps.empty()) return {};
  return {gaps.front().begin, std::min(gaps.front().end, gaps.front().begin + part_bytes)};
}

}  // namespace hadal
