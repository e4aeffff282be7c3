// Collectives among ranks on several hosts over TCP (Gloo, github.com/facebookincubator/gloo, Debian's
// libgloo). Gloo's headers and exceptions stay inside gloo.cc.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "comm/communicator.h"

namespace hadal {

// Where ranks find one another's addresses; on several hosts the group's leader keeps it (group/).
class RendezvousStore {
 public:
  virtual ~RendezvousStore() = default;
  virtual Status set(const std::string& key, const std::string& value) = 0;
  // Waits for the key until `timeout` at most; the error names the key.
  virtual Result<std::string> get(const std::string& key, std::chrono::milliseconds timeout) = 0;
};

struct GlooOptions {
  int rank = 0;
  int size = 1;
  std::string bind_address;  // this host's address as the other hosts reach it
  std::chrono::milliseconds connect_timeout{60000};
  std::chrono::milliseconds timeout{60000};  // of one collective
  std::string prefix;                        // of keys in the store: one per group of communicators
};

// Connects to every other rank. Errors: kUnavailable naming what was waited for, kInvalidArgument for the
// address.
Result<std::unique_ptr<Communicator>> make_gloo_communicator(RendezvousStore& store,
                                                             const GlooOptions& options);

}  // namespace hadal
