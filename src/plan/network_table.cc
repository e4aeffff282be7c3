#include "plan/network_table.h"

#include <algorithm>
#include <cmath>

namespace hadal {
namespace {

constexpr Fabric kNetworks[] = {
    {"rdma-400", "one 400 Gbit/s InfiniBand or RoCE card a GPU", true, 50, 6},
    {"rdma-200", "one 200 Gbit/s InfiniBand or RoCE card a GPU", true, 25, 6},
    {"rdma-100", "four 200 Gbit/s InfiniBand or RoCE cards for eight GPUs", true, 12.5, 6},
    {"tcp-100", "100 Gbit/s Ethernet a node, without RDMA", false, 1.25, 60},
    {"tcp-25", "25 Gbit/s Ethernet a node, without RDMA", false, 0.3, 60},
};

// Shares of the wire's rate. NVLink: an 8x H200 all-reduce of 2 MB takes 19.3 us and NCCL moves some 75 % of
// 450 GB/s; DeepEP dispatches 128 tokens to 8 experts each over NVLink in 37 us, 198 GB/s; over 50 GB/s RDMA
// it reaches 43 to 58 GB/s.
constexpr double kCollectiveShare = 0.75;
constexpr double kExchangeShare = 0.5;
constexpr double kRdmaShare = 0.95;
constexpr double kTcpShare = 0.6;

// Start to end of an empty all-reduce inside a node: 2x H200 2.6 us, 8x 3.7 us (SGLang's kernels); over PCIe
// NCCL's 20.
double local_latency_us(const GpuSpec& gpu, int ranks) {
  if (gpu.resource.empty()) return 15;
  if (gpu.nvlink_gbs <= 0) return 20;
  return 2.2 + 0.5 * std::log2(static_cast<double>(ranks));
}

double local_gbs(const GpuSpec& gpu) {
  return gpu.nvlink_gbs > 0 ? gpu.nvlink_gbs : gpu.pcie_gbs * 0.6;
}

double remote_gbs(const Fabric& network) {
  return network.gbs_per_gpu * (network.rdma ? kRdmaShare : kTcpShare);
}

double us(double bytes, double gbs) {
  return bytes / (gbs * 1e3);
}

}  // namespace

std::span<const Fabric> network_table() {
  return kNetworks;
}

const Fabric* find_network(std::string_view name) {
  for (const Fabric& network : kNetworks) {
    if (network.name == name) return &network;
  }
  return nullptr;
}

double all_reduce_us(const GpuSpec& gpu, const Fabric& network, int ranks, int per_node, double bytes) {
  if (ranks <= 1) return 0;
  const int local = std::min(ranks, per_node);
  const int nodes = (ranks + per_node - 1) / per_node;
  double time = 0;
  if (local > 1) {
    const double share = 2.0 * (local - 1) / local;
    time += local_latency_us(gpu, local) + us(bytes * share, local_gbs(gpu) * kCollectiveShare);
  }
  if (nodes > 1) {
    // Reduce-scatter inside, all-reduce of each GPU's part between nodes, all-gather inside: NCCL's tree or
    // ring.
    const double share = 2.0 * (nodes - 1) / nodes / local;
    time += 2 * network.latency_us * std::ceil(std::log2(static_cast<double>(nodes))) + 8 +
            us(bytes * share, remote_gbs(network));
  }
  return time;
}

double expert_exchange_us(const GpuSpec& gpu, const Fabric& network, int ranks, int per_node, double rows,
                          int64_t hidden_size) {
  if (ranks <= 1) return 0;
  const double bytes = rows * static_cast<double>(hidden_size) * 3;  // 1 out, 2 back
  if (ranks <= per_node) return 24 + us(bytes, local_gbs(gpu) * kExchangeShare);
  const double remote = 1.0 - static_cast<double>(per_node) / ranks;
  const double local_us = us(bytes * (1 - remote), local_gbs(gpu) * kExchangeShare);
  return 40 + 4 * network.latency_us + std::max(local_us, us(bytes * remote, remote_gbs(network)));
}

double send_us(const GpuSpec& gpu, const Fabric& network, bool across_nodes, double bytes) {
  if (across_nodes) return network.latency_us + us(bytes, remote_gbs(network));
  return local_latency_us(gpu, 2) + us(bytes, local_gbs(gpu) * kCollectiveShare);
}

}  // namespace hadal
