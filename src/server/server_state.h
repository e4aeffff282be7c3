// ServerState: what the handler, the tokenizer jobs and the Server share. Const, or atomic. Owned by the
// Server.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "config/server_config.h"
#include "server/auth.h"
#include "server/output_batcher.h"
#include "server/served_model.h"
#include "server/worker_pool.h"

namespace hadal {

struct ServerState {
  ServerState(const ServerConfig& c, MetricsRegistry& m) : config(c), metrics(m) {}
  const ServerConfig config;
  MetricsRegistry& metrics;
  ApiKeys keys;
  std::string openapi;
  std::string version;

  // Set once by attach, in this order; `ready` publishes them.
  std::string openapi_of_model;  // with its names and sizes
  std::shared_ptr<const ServedModel> model;
  std::shared_ptr<OutputBatcher> batcher;
  std::atomic<bool> ready{false};

  std::atomic<bool> draining{false};
  std::atomic<const char*> phase{"starting"};  // literals only
  std::atomic<double> progress{0};             // of the phase, 0 to 1
  std::atomic<size_t> queued_bytes{0};         // of bodies that wait for a tokenizer thread
  std::atomic<int64_t> num_active{0};          // exchanges between handle and on_done

  std::unique_ptr<WorkerPool> pool;
  uint64_t random_base = 0;
  std::atomic<uint64_t> random_counter{0};

  uint64_t seed_base = 0;  // set by attach
  std::atomic<uint64_t> seed_counter{0};

  // Well mixed and never the same twice; not for secrets. Any thread.
  uint64_t next_random();
  // The seed of a request that brings none: the n-th is the same for the same ServedModel::random_seed.
  uint64_t next_seed();
  // 24 hexadecimal digits.
  std::string next_id(std::string_view prefix);
};

}  // namespace hadal
