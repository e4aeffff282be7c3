// ObjectCache: the objects of some collections as the cluster has them now: each is listed, then watched, by
// a thread of its own; a watch that breaks goes on from its last version, one that is too old is listed
// again, and where watching is not allowed the list is asked for every few seconds. Any thread may read.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "deploy/cluster/kube_client.h"

namespace hadal::cluster {

// Takes a watch's bytes apart into its events.
class WatchReader {
 public:
  struct Event {
    std::string type;  // ADDED, MODIFIED, DELETED, BOOKMARK, ERROR
    Json object;
  };
  // Errors: kDataLoss (no JSON), kTooLarge.
  Result<std::vector<Event>> feed(std::string_view data);

 private:
  std::string line_;
};

class ObjectCache {
 public:
  explicit ObjectCache(const KubeClient& client);
  ~ObjectCache();
  ObjectCache(const ObjectCache&) = delete;
  ObjectCache& operator=(const ObjectCache&) = delete;

  // Starts to follow a collection; again with the same arguments does nothing.
  void follow(const KubeResource& resource, const std::string& namespace_name);
  // The objects of a kind, of all collections followed. In the order of namespace and name.
  std::vector<Json> objects(std::string_view kind) const;
  // Everything there is, for pure functions to look at.
  std::vector<Json> all() const;
  // Waits until something has changed since `version`, or the time is up, or stop. The version now.
  uint64_t wait_for_change(uint64_t version, std::chrono::milliseconds time, std::stop_token stop) const;
  // Whether every collection has been read once (or cannot be: see problems()).
  bool complete() const;
  // Collections that cannot be read, with why: "pods: forbidden ...".
  std::vector<std::string> problems() const;

 private:
  struct Collection;
  void run(Collection& collection, std::stop_token stop);
  Status list(Collection& collection, KubeClient& client);
  Status watch(Collection& collection, KubeClient& client, bool& allowed);
  void note(Collection& collection, std::string problem);

  const KubeClient& client_;
  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  uint64_t version_ = 1;
  std::vector<std::unique_ptr<Collection>> collections_;
};

}  // namespace hadal::cluster
