// GpuInventory: the NVIDIA GPUs of this host as the driver tells them: through NVML where its library is
// there, else from /proc/driver/nvidia, which knows less. What could not be asked stays empty. Filled once;
// const afterwards; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "preflight/host.h"

namespace hadal {

enum class FabricState { kNotSupported, kNotStarted, kInProgress, kCompleted };

// How two GPUs reach one another.
struct GpuPair {
  std::optional<bool> nvlink;    // over NVLink (or NVSwitch)
  std::optional<bool> readable;  // one may read the other's memory
  std::string path;              // "PIX", "PXB", "PHB", "NODE", "SYS": through PCIe
};

struct GpuInfo {
  std::string name;
  std::string uuid;
  std::string pci;  // "0000:00:06.0", as sysfs writes it
  std::optional<int> minor;
  std::optional<uint64_t> memory_total;  // bytes
  std::optional<uint64_t> memory_free;
  std::optional<int> compute_major;
  std::optional<int> compute_minor;
  std::optional<bool> ecc;
  std::optional<uint64_t> uncorrected_volatile;   // errors since the driver was loaded
  std::optional<uint64_t> uncorrected_aggregate;  // ever
  std::optional<int> remapped_rows;               // after uncorrectable errors
  std::optional<bool> remap_pending;
  std::optional<bool> remap_failed;
  std::optional<int> retired_pages;  // GPUs before A100, double-bit
  std::optional<bool> retire_pending;
  std::optional<bool> mig;
  std::optional<bool> persistence;
  std::optional<int> compute_mode;  // 0 default, 1 exclusive thread, 2 prohibited, 3 exclusive process
  std::optional<FabricState> fabric;
  std::optional<int> fabric_status;  // an NVML code; 0: good
  std::optional<uint64_t> throttle;  // NVML's bits of the reasons why clocks are low
  std::optional<int> temperature;    // degrees Celsius
  std::optional<int> pcie_width;
  std::optional<int> pcie_max_width;
  std::optional<int> pcie_generation;
  std::optional<int> pcie_max_generation;
  std::optional<int> processes;  // that compute on it now
  std::vector<bool> nvlinks;     // of each link that the GPU has: up
};

struct GpuInventory {
  enum class Source { kNone, kNvml, kProc };
  Source source = Source::kNone;
  std::string problem;              // why NVML did not answer, or why nothing is known
  std::string library;              // NVML's file
  std::string driver;               // "580.159.04"
  std::optional<int> cuda_version;  // 13000: 13.0, the newest that the driver can run
  std::vector<GpuInfo> gpus;
  std::vector<std::vector<GpuPair>> pairs;  // [gpu][gpu]; empty where not asked
};

// What dlopen may know NVML by, in order.
std::vector<std::string> nvml_paths();

// Never waits longer than `timeout`: a broken driver may hang whoever asks it.
GpuInventory read_gpus(const Host& host, const std::vector<std::string>& libraries,
                       std::chrono::milliseconds timeout);

// "0000:00:06.0" of NVML's "00000000:00:06.0" and /proc's forms; "" where it is no PCI address.
std::string pci_address(std::string_view text);

}  // namespace hadal
