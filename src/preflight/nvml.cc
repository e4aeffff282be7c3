#include "preflight/nvml.h"

#include <dlfcn.h>

#include <memory>

#include "preflight/words.h"

namespace hadal {
namespace {

using Device = void*;
constexpr unsigned kTextBytes = 96;
constexpr unsigned kMaxLinks = 18;
constexpr unsigned kMaxGpus = 1024;

// Structures of the interface, as the library fills them.
struct PciInfo {
  char bus_id_legacy[16];
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned device_id;
  unsigned subsystem_id;
  char bus_id[32];
};
struct Memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};
struct FabricInfo {
  unsigned char cluster_uuid[16];
  int status;
  unsigned clique_id;
  unsigned char state;
};

class Library {
 public:
  explicit Library(const std::string& path) : handle_(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) {
      const char* text = ::dlerror();
      error_ = text == nullptr ? "cannot be loaded" : text;
    }
  }
  ~Library() {
    if (handle_ != nullptr) ::dlclose(handle_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  bool loaded() const { return handle_ != nullptr; }
  const std::string& error() const { return error_; }

  // Calls an int function of the library; kNvmlNotSupported where this version lacks it.
  template <typename... Args>
  int call(const char* name, Args... args) const {
    void* symbol = ::dlsym(handle_, name);
    if (symbol == nullptr) return kNvmlNotSupported;
    return reinterpret_cast<int (*)(Args...)>(symbol)(args...);
  }
  // The newest of two names that is there.
  template <typename... Args>
  int call_either(const char* newer, const char* older, Args... args) const {
    return call(::dlsym(handle_, newer) != nullptr ? newer : older, args...);
  }
  bool has(const char* name) const { return ::dlsym(handle_, name) != nullptr; }
  std::string describe(int code) const {
    void* symbol = ::dlsym(handle_, "nvmlErrorString");
    if (symbol == nullptr) return "error " + std::to_string(code);
    const char* text = reinterpret_cast<const char* (*)(int)>(symbol)(code);
    return text == nullptr ? "error " + std::to_string(code) : text;
  }

 private:
  void* const handle_;
  std::string error_;
};

// A value that one function writes.
template <typename T, typename Out>
void ask(const Library& nvml, const char* name, Device device, std::optional<Out>& out) {
  T value{};
  if (nvml.call(name, device, &value) == kNvmlSuccess) out = static_cast<Out>(value);
}

std::string ask_text(const Library& nvml, const char* name, Device device) {
  char buffer[kTextBytes] = {};
  if (nvml.call(name, device, static_cast<char*>(buffer), kTextBytes) != kNvmlSuccess) return "";
  buffer[kTextBytes - 1] = '\0';
  return buffer;
}

void ask_identity(const Library& nvml, Device device, GpuInfo& gpu) {
  gpu.name = ask_text(nvml, "nvmlDeviceGetName", device);
  gpu.uuid = ask_text(nvml, "nvmlDeviceGetUUID", device);
  ask<unsigned>(nvml, "nvmlDeviceGetMinorNumber", device, gpu.minor);
  PciInfo pci{};
  if (nvml.call_either("nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", device, &pci) == kNvmlSuccess) {
    pci.bus_id[sizeof pci.bus_id - 1] = '\0';
    gpu.pci = pci_address(static_cast<const char*>(pci.bus_id));
  }
  Memory memory{};
  if (nvml.call("nvmlDeviceGetMemoryInfo", device, &memory) == kNvmlSuccess) {
    gpu.memory_total = memory.total;
    gpu.memory_free = memory.free;
  }
  int major = 0;
  int minor = 0;
  if (nvml.call("nvmlDeviceGetCudaComputeCapability", device, &major, &minor) == kNvmlSuccess) {
    gpu.compute_major = major;
    gpu.compute_minor = minor;
  }
}

void ask_memory_health(const Library& nvml, Device device, GpuInfo& gpu) {
  constexpr int kUncorrected = 1;
  constexpr int kDoubleBit = 1;
  int current = 0;
  int pending = 0;
  if (nvml.call("nvmlDeviceGetEccMode", device, &current, &pending) == kNvmlSuccess) gpu.ecc = current == 1;
  unsigned long long count = 0;
  if (nvml.call("nvmlDeviceGetTotalEccErrors", device, kUncorrected, 0, &count) == kNvmlSuccess)
    gpu.uncorrected_volatile = count;
  if (nvml.call("nvmlDeviceGetTotalEccErrors", device, kUncorrected, 1, &count) == kNvmlSuccess)
    gpu.uncorrected_aggregate = count;
  unsigned corrected_rows = 0;
  unsigned uncorrected_rows = 0;
  unsigned is_pending = 0;
  unsigned failed = 0;
  if (nvml.call("nvmlDeviceGetRemappedRows", device, &corrected_rows, &uncorrected_rows, &is_pending,
                &failed) == kNvmlSuccess) {
    gpu.remapped_rows = static_cast<int>(uncorrected_rows);
    gpu.remap_pending = is_pending != 0;
    gpu.remap_failed = failed != 0;
  }
  // With room for none the library says how many there are.
  unsigned pages = 0;
  const int code = nvml.call("nvmlDeviceGetRetiredPages", device, kDoubleBit, &pages,
                             static_cast<unsigned long long*>(nullptr));
  if (code == kNvmlSuccess || code == kNvmlInsufficientSize) gpu.retired_pages = static_cast<int>(pages);
  ask<int>(nvml, "nvmlDeviceGetRetiredPagesPendingStatus", device, gpu.retire_pending);
}

void ask_state(const Library& nvml, Device device, GpuInfo& gpu) {
  unsigned current = 0;
  unsigned pending = 0;
  if (nvml.call("nvmlDeviceGetMigMode", device, &current, &pending) == kNvmlSuccess) gpu.mig = current == 1;
  ask<int>(nvml, "nvmlDeviceGetPersistenceMode", device, gpu.persistence);
  ask<int>(nvml, "nvmlDeviceGetComputeMode", device, gpu.compute_mode);
  ask<unsigned long long>(nvml, "nvmlDeviceGetCurrentClocksThrottleReasons", device, gpu.throttle);
  ask<unsigned>(nvml, "nvmlDeviceGetCurrPcieLinkWidth", device, gpu.pcie_width);
  ask<unsigned>(nvml, "nvmlDeviceGetMaxPcieLinkWidth", device, gpu.pcie_max_width);
  ask<unsigned>(nvml, "nvmlDeviceGetCurrPcieLinkGeneration", device, gpu.pcie_generation);
  ask<unsigned>(nvml, "nvmlDeviceGetMaxPcieLinkGeneration", device, gpu.pcie_max_generation);
  unsigned degrees = 0;
  if (nvml.call("nvmlDeviceGetTemperature", device, 0, &degrees) == kNvmlSuccess)
    gpu.temperature = static_cast<int>(degrees);
  unsigned processes = 0;
  const int code =
      nvml.call_either("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2",
                       device, &processes, static_cast<void*>(nullptr));
  if (code == kNvmlSuccess || code == kNvmlInsufficientSize) gpu.processes = static_cast<int>(processes);
}

void ask_links(const Library& nvml, Device device, GpuInfo& gpu) {
  for (unsigned link = 0; link < kMaxLinks; ++link) {
    int active = 0;
    // The codes for "no such link" differ from driver to driver: none of them is a link that is down.
    if (nvml.call("nvmlDeviceGetNvLinkState", device, link, &active) != kNvmlSuccess) break;
    gpu.nvlinks.push_back(active == 1);
  }
  FabricInfo fabric{};
  if (nvml.call("nvmlDeviceGetGpuFabricInfo", device, &fabric) == kNvmlSuccess && fabric.state <= 3) {
    gpu.fabric = static_cast<FabricState>(fabric.state);
    gpu.fabric_status = fabric.status;
  }
}

std::string path_name(int level) {
  switch (level) {
    case 0:
    case 10:
      return "PIX";
    case 20:
      return "PXB";
    case 30:
      return "PHB";
    case 40:
      return "NODE";
    case 50:
      return "SYS";
    default:
      return "";
  }
}

std::vector<std::vector<GpuPair>> ask_pairs(const Library& nvml, const std::vector<Device>& devices) {
  constexpr int kRead = 0;
  constexpr int kNvlink = 2;
  std::vector<std::vector<GpuPair>> out(devices.size(), std::vector<GpuPair>(devices.size()));
  for (size_t a = 0; a < devices.size(); ++a) {
    for (size_t b = 0; b < devices.size(); ++b) {
      if (a == b) continue;
      int status = 0;
      if (nvml.call("nvmlDeviceGetP2PStatus", devices[a], devices[b], kRead, &status) == kNvmlSuccess)
        out[a][b].readable = status == 0;
      if (nvml.call("nvmlDeviceGetP2PStatus", devices[a], devices[b], kNvlink, &status) == kNvmlSuccess)
        out[a][b].nvlink = status == 0;
      int level = -1;
      if (nvml.call("nvmlDeviceGetTopologyCommonAncestor", devices[a], devices[b], &level) == kNvmlSuccess)
        out[a][b].path = path_name(level);
    }
  }
  return out;
}

void ask_system(const Library& nvml, GpuInventory& out) {
  char driver[kTextBytes] = {};
  if (nvml.call("nvmlSystemGetDriverVersion", static_cast<char*>(driver), kTextBytes) == kNvmlSuccess) {
    driver[kTextBytes - 1] = '\0';
    out.driver = driver;
  }
  int cuda = 0;
  if (nvml.call_either("nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetCudaDriverVersion", &cuda) ==
      kNvmlSuccess)
    out.cuda_version = cuda;
}

// False with out.problem set where the library does not answer.
bool read_library(const Library& nvml, GpuInventory& out) {
  if (!nvml.has("nvmlInit_v2")) return out.problem = "is no NVML: it lacks nvmlInit_v2", false;
  int code = nvml.call("nvmlInit_v2");
  if (code != kNvmlSuccess) {
    out.problem = "nvmlInit: " + nvml.describe(code);
    if (code == kNvmlVersionMismatch)
      out.problem += " (the driver was updated without a reboot, or the container has another version)";
    return false;
  }
  ask_system(nvml, out);
  unsigned count = 0;
  code = nvml.call("nvmlDeviceGetCount_v2", &count);
  if (code != kNvmlSuccess) out.problem = "nvmlDeviceGetCount: " + nvml.describe(code);
  std::vector<Device> devices;
  for (unsigned i = 0; i < std::min(count, kMaxGpus); ++i) {
    Device device = nullptr;
    const int got = nvml.call("nvmlDeviceGetHandleByIndex_v2", i, &device);
    if (got != kNvmlSuccess) {
      out.problem = "GPU " + std::to_string(i) + ": " + nvml.describe(got);
      continue;
    }
    GpuInfo gpu;
    ask_identity(nvml, device, gpu);
    ask_memory_health(nvml, device, gpu);
    ask_state(nvml, device, gpu);
    ask_links(nvml, device, gpu);
    devices.push_back(device);
    out.gpus.push_back(std::move(gpu));
  }
  out.pairs = ask_pairs(nvml, devices);
  nvml.call("nvmlShutdown");
  return true;
}

}  // namespace

bool read_nvml(const std::vector<std::string>& libraries, GpuInventory& out) {
  out.problem = "libnvidia-ml.so.1 was not found";
  for (const std::string& path : libraries) {
    const Library nvml(path);
    if (!nvml.loaded()) {
      // Absence is the common case: only what is there and broken is worth words.
      if (nvml.error().find("No such file") == std::string::npos) out.problem = nvml.error();
      continue;
    }
    GpuInventory seen;
    seen.library = path;
    if (read_library(nvml, seen)) {
      seen.source = GpuInventory::Source::kNvml;
      out = std::move(seen);
      return true;
    }
    out.problem = path + ": " + seen.problem;
  }
  return false;
}

}  // namespace hadal
