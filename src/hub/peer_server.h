// PeerServer: serves a model's directory to other nodes that pull it: GET /v1/manifest says what is there,
// GET /v1/files/PATH gives it, with ranges. While a pull runs here, what it has finished so far is served. It
// knows the directory alone: the marker where the pull is done, the journal where it runs.
// Owned by run_pull; starts and ends its own threads.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "config/settings.h"

namespace hadal {

class PeerServer {
 public:
  // Listens at once. Errors: kInvalidArgument, kIo (the address), those of --peer-token-file.
  static Result<std::unique_ptr<PeerServer>> start(const Settings& settings, const std::string& directory);
  ~PeerServer();
  PeerServer(const PeerServer&) = delete;
  PeerServer& operator=(const PeerServer&) = delete;
  std::string address() const;  // "http://0.0.0.0:30100"
  uint16_t port() const;

 private:
  struct Impl;
  explicit PeerServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
