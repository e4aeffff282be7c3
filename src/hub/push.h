// push_model: `hadal push DIR s3://bucket/prefix`: files in parts and in parallel, each part with its
// SHA-256, an upload that was cut short taken up again, what is there with the same checksum left alone; the
// marker goes last, so that a pull from there knows every checksum. Blocking; threads of its own while it
// runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hub/pull.h"

namespace hadal {

struct PushOutcome {
  std::string target;  // "s3://bucket/prefix"
  ModelMarker marker;
  int uploaded = 0;
  int skipped = 0;
  int64_t sent = 0;
};

// Errors: kInvalidArgument (the directory, the address), kCancelled, and what the disk and the store give.
Result<PushOutcome> push_model(const Settings& settings, const Notice& notice, PullMonitor& monitor,
                               std::stop_token stop);

// The S3 answers that push reads.
struct S3Part {
  int number = 0;
  int64_t size = 0;
  std::string etag;    // quotes kept
  std::string sha256;  // raw; "": not there
};
// The uploads under way for exactly this key, the oldest first. kInvalidArgument.
Result<std::vector<std::string>> parse_s3_uploads(std::string_view xml, const std::string& key);
// One page of ListParts; next: the marker of the next page, 0 at the last.
Status parse_s3_parts(std::string_view xml, std::vector<S3Part>& parts, int& next);

// Of each part but the last: at least `wanted` and S3's 5 MiB, and at most 10000 parts.
int64_t push_part_bytes(int64_t file_size, int64_t wanted);

}  // namespace hadal
