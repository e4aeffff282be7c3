#include "plan/time_budget.h"

#include <algorithm>
#include <cmath>

namespace hadal {
namespace {

// What a checkpoint loader reaches, not what the device could. "8 GPUs" figures are of one 8-GPU node.
constexpr StorageRate kRates[] = {
    {StorageKind::kPageCache, 7.4, 0,
     "61 GB from memory in 8.2 s (InstantTensor's benchmark, tmpfs row of fastsafetensors)"},
    {StorageKind::kNvme, 4.3, 0,
     "R1 by safetensors on 8x H200: 688.6 GB in 160 s (InstantTensor's benchmark)"},
    {StorageKind::kLocalSsd, 1.2, 0,
     "a cloud's network-attached SSD: 16 GB in 14.3 s (Run:ai streamer's benchmark, GP3)"},
    {StorageKind::kCfsTurbo, 1.5, 20.0,
     "CFS-Turbo sells throughput by capacity; 1.5 GB/s a client is its usual single-mount rate"},
    {StorageKind::kNfs, 0.2, 1.0, "R1 over NFS takes about an hour (vLLM issues 6319 and 15862)"},
    {StorageKind::kS3, 0.6, 5.0, "16 GB in about 28 s by ranged parts (Run:ai streamer's benchmark, S3)"},
    {StorageKind::kHttp, 0.1, 0.5, "one stream of a gigabit line"},
};

constexpr double kStartSeconds = 30;  // process, driver, rendezvous
constexpr double kStartSecondsPerNode = 5;
// SGLang's log of R1 on 16x H20: 84.89 s for 61 layers and its default list of batch sizes.
constexpr double kGraphSeconds = 84.89 / (61.0 * 36.0);
constexpr double kMargin = 3.0;
constexpr int kLeastStartup = 300;
constexpr int kLeastJob = 3600;
constexpr int kProbePeriod = 10;
// Kubernetes: 40 s until a node counts as NotReady (node-monitor-grace-period) and 300 s of the default
// toleration.
constexpr double kNodeLossSeconds = 340;
constexpr double kGroupAbortSeconds = 10;  // hadal's ranks notice a lost peer and end

int round_up(double seconds, int unit) {
  return static_cast<int>(std::ceil(seconds / unit)) * unit;
}

double positive(double value, double fallback) {
  return std::isfinite(value) && value > 0 ? value : fallback;
}

double load_seconds(const TimeBudgetInput& in) {
  const StorageRate& rate = storage_rate(in.storage);
  const double readers = std::max(1, in.num_nodes) * static_cast<double>(std::max(1, in.num_groups));
  double gbs = positive(in.storage_gbs, rate.node_gbs);
  if (rate.shared_gbs > 0) gbs = std::min(gbs, std::max(rate.shared_gbs, gbs) / readers);
  return static_cast<double>(std::max<int64_t>(in.weight_bytes, 0)) / 1e9 / gbs;
}

void forecast(const TimeBudgetInput& in, TimeBudget& out) {
  const double cached = static_cast<double>(std::max<int64_t>(in.weight_bytes, 0)) / 1e9 /
                        std::max(storage_rate(StorageKind::kPageCache).node_gbs,
                                 positive(in.storage_gbs, storage_rate(in.storage).node_gbs));
  const double again = out.start_s + out.graphs_s;
  out.recovery = {
      {"a process crashes", kGroupAbortSeconds + again + cached,
       "peers notice, the containers restart in place, weights come from the page cache, graphs"},
      {"a network card goes down", kGroupAbortSeconds + again + cached,
       "collectives abort, the group restarts in place on what is left, weights come from the page cache, "
       "graphs"},
      {"a node is lost", kNodeLossSeconds + out.image_pull_s + again + out.load_s,
       "Kubernetes gives the node up (40 s and 300 s of toleration), image pull, load, graphs on a spare "
       "node"},
  };
}

}  // namespace

std::string_view storage_kind_name(StorageKind kind) {
  constexpr std::string_view kNames[] = {"page-cache", "nvme", "ssd", "cfs-turbo", "nfs", "s3", "http"};
  return kNames[static_cast<size_t>(kind)];
}

Result<StorageKind> parse_storage_kind(std::string_view name) {
  for (const StorageRate& rate : kRates) {
    if (name == storage_kind_name(rate.kind)) return rate.kind;
  }
  return invalid_argument("storage \"", name,
                          "\": there are page-cache, nvme, ssd, cfs-turbo, nfs, s3 and http");
}

const StorageRate& storage_rate(StorageKind kind) {
  for (const StorageRate& rate : kRates) {
    if (rate.kind == kind) return rate;
  }
  return kRates[1];
}

TimeBudget time_budget(const TimeBudgetInput& in) {
  TimeBudget out;
  const double image = static_cast<double>(std::max<int64_t>(in.image_bytes, 0)) / 1e9;
  out.image_pull_s = image / positive(in.image_pull_gbs, 0.2);
  out.start_s = kStartSeconds + kStartSecondsPerNode * std::max(1, in.num_nodes);
  out.load_s = load_seconds(in);
  out.graphs_s = kGraphSeconds * std::max(0, in.num_layers) * std::max(0, in.num_graphs);
  const double startup = out.start_s + out.load_s + out.graphs_s;
  out.total_s = out.image_pull_s + startup;
  out.startup_budget_s = std::max(kLeastStartup, round_up(startup * kMargin, kProbePeriod));
  out.startup_failure_threshold = out.startup_budget_s / kProbePeriod;
  out.download_s =
      static_cast<double>(std::max<int64_t>(in.weight_bytes, 0)) / 1e9 / positive(in.download_gbs, 0.0125);
  out.job_deadline_s = std::max(kLeastJob, round_up(out.download_s * kMargin, 60));
  out.progress_deadline_s = out.startup_budget_s + round_up(out.image_pull_s * kMargin, 60) + 60;
  forecast(in, out);
  return out;
}

}  // namespace hadal
