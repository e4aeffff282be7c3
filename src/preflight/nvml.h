// Nvml: NVIDIA's management library, found at run time. hadal is built without it: what is used of its binary
// interface (NVIDIA, NVML API Reference) is declared here. Internal to preflight/; one thread at a time.
#pragma once

#include <string>
#include <vector>

#include "preflight/gpu_inventory.h"

namespace hadal {

// The codes that are told apart.
enum NvmlCode : int {
  kNvmlSuccess = 0,
  kNvmlNotSupported = 3,
  kNvmlNoPermission = 4,
  kNvmlInsufficientSize = 7,
  kNvmlDriverNotLoaded = 9,
  kNvmlGpuIsLost = 15,
  kNvmlVersionMismatch = 18,
};

// Bits of nvmlDeviceGetCurrentClocksThrottleReasons.
enum NvmlThrottle : unsigned {
  kThrottleIdle = 0x1,
  kThrottleAppClocks = 0x2,
  kThrottlePowerCap = 0x4,
  kThrottleHardware = 0x8,
  kThrottleSyncBoost = 0x10,
  kThrottleSoftwareThermal = 0x20,
  kThrottleHardwareThermal = 0x40,
  kThrottlePowerBrake = 0x80,
};

// Tries each library; `out.problem` says what the last one met. True when NVML answered.
bool read_nvml(const std::vector<std::string>& libraries, GpuInventory& out);

}  // namespace hadal
