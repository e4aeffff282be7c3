// Server: the OpenAI API over HTTP. Built and run by main (and by tests); knows of the engine only EngineApi.
//
// create() binds, start() answers: health at once, everything else 503 until attach() hands over the loaded
// model. Stopping: drain(), then stop(); the engine and its EngineApi go after the server. Calls from one
// thread at a time, but for set_progress, port and num_connections.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/result.h"
#include "config/server_config.h"
#include "server/served_model.h"

namespace hadal {

class Server {
 public:
  // Checks the configuration. Errors: kInvalidArgument naming the field; kIo where the address cannot be
  // bound. version: of the program, for /version. The registry outlives the server.
  static Result<std::unique_ptr<Server>> create(const ServerConfig& config, MetricsRegistry& metrics,
                                                std::string version);
  ~Server();  // stop()
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void start();
  // For /startupz while loading. phase: a string literal. progress: 0 to 1.
  void set_progress(const char* phase, double progress);
  // Once, after start. Sets the engine's step-end hook. Empty names are filled from the configuration or
  // stay.
  void attach(ServedModel model);
  // No new orders from now on (503); waits for the answers under way, until `deadline` at most. Those that
  // are open then end with an error, for which clients have another second. True: all ended by themselves.
  bool drain(std::chrono::steady_clock::time_point deadline);
  // Cuts what is left, joins the threads. Idempotent.
  void stop();

  int port() const;
  size_t num_connections() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
