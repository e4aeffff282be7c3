// PeerNames: the peers that the addresses of --seed-from stand for. A name may stand for several hosts (a
// headless Service of Kubernetes), and for others a minute later: each is a peer of its own, since each has
// other parts of the model. Names are looked up once at the start and then now and again by a thread of its
// own; take_new() on any one thread.
#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace hadal {

// Addresses of a name ("10.0.0.7", "fd00::7"), without those that are this host's own; empty: none is known.
using LookUp = std::function<std::vector<std::string>(const std::string& name)>;
std::vector<std::string> look_up_peers(const std::string& name);

// The peers of one address of --seed-from: the address itself where it has a number for a host, is https
// (certificates are for names) or stands for one host; else http://ADDRESS:PORT of each.
std::vector<std::string> peers_of(const std::string& url, const LookUp& look_up);

class PeerNames {
 public:
  // Blocks for the first look-up. `wake` is called from the thread when there is something to take.
  PeerNames(std::vector<std::string> urls, std::function<void()> wake, LookUp look_up = look_up_peers);
  // Those that were not given before.
  std::vector<std::string> take_new();

 private:
  void run(std::stop_token stop);
  bool look();

  const std::vector<std::string> urls_;
  const std::function<void()> wake_;
  const LookUp look_up_;
  std::mutex mutex_;
  std::set<std::string> known_;
  std::vector<std::string> new_;
  std::jthread thread_;  // last: it ends first
};

}  // namespace hadal
