// The networks between nodes that the planner knows, and the time of the collectives that run on them and
// inside a node. Formulas and their measurements: docs/plan.md. Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "plan/gpu_table.h"

namespace hadal {

struct Fabric {
  std::string_view name;  // "rdma-400"
  std::string_view text;  // "one 400 Gbit/s InfiniBand or RoCE card a GPU"
  bool rdma = false;
  double gbs_per_gpu = 0;  // GB/s each way that a GPU has of it when all of the node's GPUs send
  double latency_us = 0;   // of one message
};

std::span<const Fabric> network_table();
const Fabric* find_network(std::string_view name);  // null: unknown

// All-reduce of `bytes` on `ranks` ranks of which `per_node` share a node, in microseconds.
double all_reduce_us(const GpuSpec& gpu, const Fabric& network, int ranks, int per_node, double bytes);
// Dispatch and combine of experts together: each rank sends `rows` rows out as fp8 and gets them back in
// bf16.
double expert_exchange_us(const GpuSpec& gpu, const Fabric& network, int ranks, int per_node, double rows,
                          int64_t hidden_size);
// A message of `bytes` to the next stage, or of KV to a decode rank.
double send_us(const GpuSpec& gpu, const Fabric& network, bool across_nodes, double bytes);

}  // namespace hadal
