// ModelHost: everything between a model's path and a running engine, built in order and stopped in reverse:
// weights, text, the group of hosts, ranks, engine. Owned by main; main thread only, but for what it says
// otherwise.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/start_plan.h"
#include "app/text_setup.h"
#include "base/metrics.h"
#include "config/settings.h"
#include "server/served_model.h"

namespace hadal {

class ModelHost {
 public:
  // phase: a literal: "opening", "joining", "loading", "starting"; progress: 0 to 1 of the phase.
  using Progress = std::function<void(const char* phase, double progress)>;

  // Blocks until the model answers (or, on a follower, until its ranks are loaded). Prints the memory table
  // to the log.
  static Result<std::unique_ptr<ModelHost>> load(const Settings& settings, MetricsRegistry& metrics,
                                                 const Progress& progress);
  ~ModelHost();  // stop()

  bool is_follower() const;
  // What the server serves. A follower's engine refuses every request and reports its phase.
  ServedModel served() const;
  EngineApi& engine();

  // The engine takes requests from here on; after the server was attached (it sets the step-end hook). Once.
  void start();

  // Follower: runs until the leader ends the group (ok) or the group is lost (the reason).
  Status follow();
  // Any thread. Follower: asks the leader to finish what runs and end the group. Leader: whether one asked.
  void ask_to_leave(const std::string& reason);
  bool asked_to_drain() const;
  // Any thread. Follower: leaves the group, which ends it everywhere.
  void leave(const std::string& reason);

  // Ends the engine, the ranks and the group. Open requests get a final delta. Idempotent.
  void stop();

 private:
  struct Impl;
  explicit ModelHost(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
