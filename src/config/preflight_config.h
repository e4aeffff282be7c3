// PreflightConfig: what hadal preflight is asked to do. A value; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace hadal {

struct PreflightConfig {
  // What the machine must have. Unset (-1, 0 or ""): told, not judged.
  int expect_gpus = -1;
  std::string gpu_type;     // part of the product name: "H200"
  std::string min_driver;   // "550.54"
  std::string min_compute;  // "9.0"
  int64_t min_shm = 0;      // 0: 1 GiB where there are GPUs
  int64_t min_memlock = 0;  // 0: unlimited where RDMA devices are there
  int64_t min_memory = 0;
  double min_cpus = 0;
  int64_t min_read_rate = 0;       // bytes a second of the model volume
  int64_t min_peer_bandwidth = 0;  // bytes a second between two hosts

  std::string model;      // directory, or a .gguf file
  std::string cache_dir;  // "": HF_HOME, XDG_CACHE_HOME or HOME/.cache
  std::vector<std::string> ports;

  // Checks by name or group ("gpu"): those that must pass, and those that are left out.
  std::vector<std::string> require;
  std::vector<std::string> skip;
  bool strict = false;  // warnings fail

  std::chrono::milliseconds timeout{300'000};  // for the leader's name and for the other hosts
  std::chrono::milliseconds disk_time{2'000};
  std::chrono::milliseconds peer_time{1'000};  // of one measurement in one direction
  std::chrono::milliseconds max_skew{500};

  std::string format = "text";  // "text" or "json"
  std::string output;           // file for the JSON
  std::string termination_log;  // file for the one-line reason
  bool list = false;
  bool print_env = false;
};

// Errors name the flag.
Status validate_preflight_config(const PreflightConfig& config);

}  // namespace hadal
