// pull_model: `hadal pull` from the reference to the marker file. Blocking; the caller's thread; what it
// reports can be read on any thread meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "config/settings.h"
#include "hub/download.h"
#include "hub/model_marker.h"
#include "hub/source.h"

namespace hadal {

// Bytes, for whoever draws them. total 0: nothing to show yet.
struct PullProgress {
  std::string what;
  int64_t done = 0;
  int64_t total = 0;
  int64_t begun_with = 0;  // was there before this run
};

class PullMonitor {
 public:
  PullProgress progress() const;
  void watch(std::string what, std::function<PullProgress()> read);
  void stop_watching();

 private:
  mutable std::mutex mutex_;
  std::string what_;
  std::function<PullProgress()> read_;
};

struct PullOutcome {
  std::string directory;
  ModelMarker marker;
  bool nothing_to_do = false;
  std::string unchecked;  // why the source could not be asked whether it has changed
  bool local = false;     // copied from a directory
  int64_t fetched = 0;
  int64_t from_peers = 0;
  int retries = 0;
  double seconds = 0;
};

// Errors: kInvalidArgument (the reference, flags), kCancelled, and what the source, the disk and the
// downloads give; each says what to do.
Result<PullOutcome> pull_model(const Settings& settings, const Notice& notice, PullMonitor& monitor,
                               std::stop_token stop);
// `hadal pull --verify DIR`.
Result<ModelMarker> verify_model(const std::string& directory, PullMonitor& monitor, std::stop_token stop);
// Where the model goes: --to, or ./NAME.
Result<std::string> pull_directory(const Settings& settings);

// Of a directory without a marker: all its files, hashed. For push.
Result<ModelMarker> describe_directory(const std::string& directory, const std::string& source,
                                       const std::function<void(int64_t)>& on_bytes, std::stop_token stop);
// Regular files below, as sorted relative paths; hadal's own left out; links to files count as files.
Result<std::vector<MarkerFile>> list_directory(const std::string& directory);

// "2026-01-31T12:00:00Z" of now.
std::string timestamp_now();

}  // namespace hadal
