// Downloader: fetches the files of a listing into a directory: ranges in parallel, resumed from the journal,
// hashed as they come, put in place one by one when they are whole and right. It believes no server: every
// answer is judged (range_answer.h), every failure is counted, every wait has an end.
//
// One Downloader a directory, under its lock; run() on one thread; stats() on any.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "hub/listing.h"
#include "hub/model_marker.h"
#include "hub/pull_journal.h"
#include "hub/transfer_loop.h"
#include "net/http_message.h"

namespace hadal {

struct DownloadOptions {
  std::string directory;
  TransferOptions transfer;
  int64_t part_bytes = int64_t{32} << 20;
  int max_failures = 8;                    // in a row, without progress
  std::chrono::milliseconds backoff{500};  // after the first failure; doubles
  std::chrono::milliseconds max_backoff{60'000};
  std::chrono::seconds max_throttle{1800};  // the longest Retry-After that is waited for
  std::vector<std::string> peers;           // "http://node:port"
  std::string peer_token;
  // Fields that a request to the file's own address carries (tokens, signatures); called for each. They never
  // go to another origin.
  std::function<HttpHeaders(const RemoteFile& file)> headers;
  // A line for people.
  std::function<void(const std::string& line)> notice;
};

// Read while it runs.
struct DownloadStats {
  std::atomic<int64_t> total{0};       // bytes of all files
  std::atomic<int64_t> there{0};       // of them on this disk
  std::atomic<int64_t> fetched{0};     // received by this run
  std::atomic<int64_t> from_peers{0};  // of them
  std::atomic<int> retries{0};
};

class Downloader {
 public:
  Downloader(DownloadOptions options, PullJournal& journal);
  ~Downloader();
  Downloader(const Downloader&) = delete;
  Downloader& operator=(const Downloader&) = delete;

  // Fetches what is not there; the marker's entries of all files. On any error what was fetched stays, and a
  // later run goes on from it. Errors: kCancelled (stop), kDataLoss (content that is wrong again and again),
  // kUnavailable and others, naming file and host.
  Result<std::vector<MarkerFile>> run(const std::vector<RemoteFile>& files, std::stop_token stop);
  const DownloadStats& stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Where unfinished files and the journal are, below the model's directory.
inline constexpr char kPullFolder[] = ".hadal-pull";
std::string part_path(const std::string& directory, int id);

}  // namespace hadal
