// The functions of NVML that preflight uses, over FakeNvml. Built as a shared library for the tests.
#include "preflight/fake_nvml.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

namespace {

constexpr int kSuccess = 0;
constexpr int kNotSupported = 3;
constexpr int kInsufficientSize = 7;

FakeNvml g_state;  // a library's state, as the real one has
std::atomic<int> g_shutdowns{0};

int put_text(const std::string& text, char* out, unsigned size) {
  if (text.size() + 1 > size) return kInsufficientSize;
  std::memcpy(out, text.c_str(), text.size() + 1);
  return kSuccess;
}

FakeGpu& gpu(void* device) {
  return *static_cast<FakeGpu*>(device);
}

struct PciInfo {
  char legacy[16];
  unsigned numbers[5];
  char bus_id[32];
};
struct Memory {
  unsigned long long total, free, used;
};
struct Fabric {
  unsigned char uuid[16];
  int status;
  unsigned clique;
  unsigned char state;
};

}  // namespace

extern "C" {

FakeNvml* fake_nvml_state() {
  return &g_state;
}

int nvmlInit_v2() {
  std::this_thread::sleep_for(std::chrono::milliseconds(g_state.hang_milliseconds));
  return g_state.init_code;
}
int nvmlShutdown() {
  ++g_shutdowns;
  return kSuccess;
}
int fake_nvml_shutdowns() {
  return g_shutdowns.load();
}
const char* nvmlErrorString(int code) {
  return code == 18 ? "Driver/library version mismatch" : "some error";
}
int nvmlSystemGetDriverVersion(char* out, unsigned size) {
  return put_text(g_state.driver, out, size);
}
int nvmlSystemGetCudaDriverVersion_v2(int* out) {
  return *out = 13000, kSuccess;
}
int nvmlDeviceGetCount_v2(unsigned* out) {
  return *out = static_cast<unsigned>(g_state.gpus.size()), kSuccess;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** out) {
  *out = &g_state.gpus[index];
  return g_state.gpus[index].handle_code;
}
int nvmlDeviceGetName(void* d, char* out, unsigned size) {
  return put_text(gpu(d).name, out, size);
}
int nvmlDeviceGetUUID(void* d, char* out, unsigned size) {
  return put_text("GPU-" + gpu(d).pci, out, size);
}
int nvmlDeviceGetMinorNumber(void* d, unsigned* out) {
  return *out = gpu(d).minor, kSuccess;
}
int nvmlDeviceGetPciInfo_v3(void* d, PciInfo* out) {
  return put_text(gpu(d).pci, out->bus_id, sizeof out->bus_id);
}
int nvmlDeviceGetMemoryInfo(void* d, Memory* out) {
  *out = {gpu(d).total, gpu(d).free, gpu(d).total - gpu(d).free};
  return kSuccess;
}
int nvmlDeviceGetCudaComputeCapability(void* d, int* major, int* minor) {
  *major = gpu(d).compute_major;
  *minor = gpu(d).compute_minor;
  return kSuccess;
}
int nvmlDeviceGetEccMode(void* d, int* current, int* pending) {
  return *current = *pending = gpu(d).ecc ? 1 : 0, kSuccess;
}
int nvmlDeviceGetTotalEccErrors(void* d, int type, int counter, unsigned long long* out) {
  if (type != 1) return kNotSupported;
  *out = counter == 0 ? gpu(d).uncorrected : gpu(d).uncorrected + 1;
  return kSuccess;
}
int nvmlDeviceGetRemappedRows(void* d, unsigned* corrected, unsigned* uncorrected, unsigned* pending,
                              unsigned* failed) {
  *corrected = 0;
  *uncorrected = gpu(d).remapped;
  *pending = gpu(d).remap_pending ? 1 : 0;
  *failed = gpu(d).remap_failed ? 1 : 0;
  return kSuccess;
}
int nvmlDeviceGetRetiredPages(void* d, int, unsigned* count, unsigned long long* addresses) {
  *count = gpu(d).retired;
  return addresses == nullptr && *count > 0 ? kInsufficientSize : kSuccess;
}
int nvmlDeviceGetMigMode(void* d, unsigned* current, unsigned* pending) {
  return *current = *pending = gpu(d).mig ? 1 : 0, kSuccess;
}
int nvmlDeviceGetPersistenceMode(void* d, int* out) {
  return *out = gpu(d).persistence ? 1 : 0, kSuccess;
}
int nvmlDeviceGetComputeMode(void* d, int* out) {
  return *out = gpu(d).compute_mode, kSuccess;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void* d, unsigned long long* out) {
  return *out = gpu(d).throttle, kSuccess;
}
int nvmlDeviceGetCurrPcieLinkWidth(void* d, unsigned* out) {
  return *out = gpu(d).width, kSuccess;
}
int nvmlDeviceGetMaxPcieLinkWidth(void*, unsigned* out) {
  return *out = 16, kSuccess;
}
int nvmlDeviceGetCurrPcieLinkGeneration(void*, unsigned* out) {
  return *out = 1, kSuccess;
}
int nvmlDeviceGetMaxPcieLinkGeneration(void*, unsigned* out) {
  return *out = 5, kSuccess;
}
int nvmlDeviceGetTemperature(void*, int, unsigned* out) {
  return *out = 39, kSuccess;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void* d, unsigned* count, void*) {
  *count = gpu(d).processes;
  return *count > 0 ? kInsufficientSize : kSuccess;
}
int nvmlDeviceGetNvLinkState(void* d, unsigned link, int* active) {
  if (link >= gpu(d).links.size()) return kNotSupported;
  *active = gpu(d).links[link] ? 1 : 0;
  return kSuccess;
}
int nvmlDeviceGetGpuFabricInfo(void* d, Fabric* out) {
  out->state = gpu(d).fabric_state;
  out->status = gpu(d).fabric_status;
  return kSuccess;
}
int nvmlDeviceGetP2PStatus(void*, void*, int index, int* out) {
  *out = index == 2 ? (g_state.nvlink_pairs ? 0 : 6) : (g_state.readable_pairs ? 0 : 1);
  return kSuccess;
}
int nvmlDeviceGetTopologyCommonAncestor(void*, void*, int* out) {
  return *out = 30, kSuccess;
}

}  // extern "C"
