// GroupChannel: the control link between the hosts of one group. Node 0 leads: it listens, admits the others,
// sends them the plans and keeps the small key-value store in which ranks find one another. Followers run
// what they are sent. Losing any host, or any host's abort, ends the group on every host within seconds, with
// the same reason.
//
// Owned by main. open() blocks until all hosts are there; then one thread of its own does all the input and
// output. send_plan, store calls, abort and stop may come from any thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"

namespace hadal {

struct GroupOptions {
  int nnodes = 1;
  int node_rank = 0;
  std::string address;  // HOST:PORT of the leader
  std::string secret;   // required: every frame is signed with it
  std::string config;   // "key=value" lines that must be equal on every host
  std::chrono::milliseconds rendezvous_timeout{300000};
  std::chrono::milliseconds heartbeat_interval{250};
  std::chrono::milliseconds heartbeat_timeout{2500};  // without a byte from a host: it counts as lost
};

class GroupChannel {
 public:
  struct Handlers {
    // The group is lost: called once, on the channel's thread, on every host but one that called abort,
    // before any wait here ends for that reason. Must not call back into the channel.
    std::function<void(const std::string& reason)> on_lost;
    // Follower: a plan from the leader, in order.
    std::function<void(std::string bytes)> on_plan;
    // Follower: the leader ends the group in good order.
    std::function<void()> on_stop;
    // Leader: a follower was told to stop and asks for the orderly end.
    std::function<void(const std::string& reason)> on_leaving;
  };

  // Errors name the hosts that did not come (kDeadlineExceeded), a refused setting (kPermissionDenied) or a
  // wrong secret.
  static Result<std::unique_ptr<GroupChannel>> open(const GroupOptions& options);
  // Stops the thread; without stop() before, the other hosts see this one as lost.
  ~GroupChannel();

  // Starts the channel's thread. Once, before any other call.
  void start(Handlers handlers);

  // Leader: to every follower. Never waits; a follower that stops reading is lost (on_lost).
  void send_plan(const std::string& bytes);

  // The leader's store. get waits until the key is there, the timeout passes (kDeadlineExceeded) or the group
  // is lost.
  Status store_set(const std::string& key, const std::string& value);
  Result<std::string> store_get(const std::string& key, std::chrono::milliseconds timeout);

  // How long after a host's end on_lost comes here at the latest, unless the machine is overloaded.
  std::chrono::milliseconds loss_time() const;
  // True when the group is lost, now or within this time: on_lost has returned then.
  bool wait_until_lost(std::chrono::milliseconds timeout);

  // Ends the group on every host: the others' on_lost gets `reason`.
  void abort(const std::string& reason);
  // Follower: asks the leader to finish what runs and end the group.
  void announce_leaving(const std::string& reason);
  // Leader: the orderly end; followers get on_stop. Waits until the frames are out, two seconds at the most.
  void stop();

  // This host's address as the other hosts reach it.
  const std::string& local_address() const;

 private:
  class Impl;
  explicit GroupChannel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
