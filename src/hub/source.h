// open_source: from a reference to the pinned list of its files and what requests for them carry. Blocking;
// the caller's thread.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "config/settings.h"
#include "hub/listing.h"
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

// Any kind but a directory. Errors name the host and what to do.
Result<Source> open_source(const ModelRef& ref, const Settings& settings, const Notice& notice,
                           std::stop_token stop);

TransferOptions transfer_options(const HubConfig& config);

}  // namespace hadal
