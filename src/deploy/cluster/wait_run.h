// ReadinessWaiter: waits until objects are what they were applied to be, and says on the way, one line a
// change, why they are not yet. One thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "deploy/cluster/kube_client.h"
#include "deploy/cluster/object_cache.h"
#include "deploy/cluster/readiness.h"

namespace hadal::cluster {

using PrintLine = std::function<void(const std::string& line)>;

struct WaitItem {
  KubeResource resource;
  std::string namespace_name, name;
  std::string uid;         // "": any
  int64_t generation = 0;  // older looks at it do not count
  std::string title() const;
};

enum class WaitEnd { kReady, kFailed, kTimeout, kStopped };

class ReadinessWaiter {
 public:
  ReadinessWaiter(KubeClient& client, PrintLine print);
  // deadline: of this and every later wait.
  WaitEnd wait(const std::vector<WaitItem>& items, std::chrono::steady_clock::time_point deadline);
  // Until none of the items exists any more.
  WaitEnd wait_gone(const std::vector<WaitItem>& items, std::chrono::steady_clock::time_point deadline);

 private:
  void follow(const std::vector<WaitItem>& items);
  // Whether the text is new to that subject; numbers alone (ages, counts) are no news.
  bool is_news(const std::string& subject, const std::string& text);
  void say(const WaitItem& item, const Readiness& readiness);
  WaitEnd look(const std::vector<WaitItem>& items);

  KubeClient& client_;
  const PrintLine print_;
  std::unique_ptr<ObjectCache> cache_;
  std::map<std::string, std::string> said_;
};

}  // namespace hadal::cluster
