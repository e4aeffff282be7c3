// open_source: from a reference to the pinned list of its files and what requests for them carry. Blocking;
// the caller's thread.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "config/settings.h"
#include "hub/file_filter.h"
#include "hub/listing.h"
#include "hub/model_marker.h"
#include "hub/model_ref.h"
#include "hub/transfer_loop.h"
#include "net/http_message.h"

namespace hadal {

struct Source {
  Listing listing;
  // Secrets and signatures for a request to file.url itself.
  std::function<HttpHeaders(const RemoteFile& file)> headers;
};

using Notice = std::function<void(const std::string& line)>;

struct SourceOptions {
  FileFilter filter;  // nothing is asked about files that it leaves out
  // Of a directory that is complete already; null: there is none. With it the source is asked only whether it
  // has changed: whoever does not answer within ten seconds is not waited for.
  const ModelMarker* standing = nullptr;
};

// Any kind but a directory. Errors name the host and what to do.
Result<Source> open_source(const ModelRef& ref, const Settings& settings, const SourceOptions& options,
                           const Notice& notice, std::stop_token stop);
// Whether an error of open_source says that the source did not answer, or is out of order.
bool is_unreachable(const Error& error);
// "main" of HF's default and so on, as the marker keeps it.
std::string asked_revision(const ModelRef& ref);

TransferOptions transfer_options(const HubConfig& config);

}  // namespace hadal
