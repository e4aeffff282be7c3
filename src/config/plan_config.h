// PlanConfig: what hadal plan is asked to do. A value; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hadal {

struct PlanConfig {
  std::string model;  // a short name, repository, directory, config.json or .gguf
  std::string gpus;   // "16xH200"; "": how many of which are needed
  int nodes = 0;      // 0: as many as the GPU's usual server needs
  std::string network = "rdma-400";
  int64_t isl = 1024;
  int64_t osl = 1024;
  int64_t concurrency = 0;   // 0: as much as is best
  std::string slo;           // "2s,50ms"
  std::string weight_dtype;  // "": the checkpoint's
  std::string kv_dtype = "bf16";
  int64_t context_length = 0;      // that one request must have; 0: none
  double static_fraction = 0;      // 0: hadal's own rule
  int64_t max_step_tokens = 8192;  // of one step
  int tp = 0;                      // 0, all four: the planner chooses
  int pp = 0;
  int ep = 0;
  int dp_attention = 0;
  std::vector<std::string> calibrate;  // result files
  std::string format = "text";         // text, json, svg
  std::string output;                  // "": standard output
  int max_layouts = 8;
  double gpu_hour_price = 0;
  std::string storage = "nvme";
  double storage_gbs = 0;
  double node_cpus = 0;
  double cpu_request = 0;
  double node_memory_gib = 0;
  double memory_request_gib = 0;
  bool table = false;
  bool records = false;
  bool list = false;
  bool pins_layout() const { return tp > 0 || pp > 0 || ep > 0 || dp_attention > 0; }
};

}  // namespace hadal
