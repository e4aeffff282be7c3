// What the fake NVML library of the tests answers: a test loads the library, takes this through
// fake_nvml_state() and sets it. One thread at a time.
#pragma once

#include <string>
#include <vector>

struct FakeGpu {
  std::string name = "NVIDIA H200";
  std::string pci = "00000000:18:00.0";
  unsigned minor = 0;
  unsigned long long total = 141ull << 30;
  unsigned long long free = 141ull << 30;
  int compute_major = 9;
  int compute_minor = 0;
  bool ecc = true;
  unsigned long long uncorrected = 0;
  unsigned remapped = 0;
  bool remap_pending = false;
  bool remap_failed = false;
  unsigned retired = 0;
  bool mig = false;
  bool persistence = true;
  int compute_mode = 0;
  unsigned long long throttle = 1;
  std::vector<bool> links = std::vector<bool>(18, true);
  unsigned char fabric_state = 3;
  int fabric_status = 0;
  unsigned width = 16;
  unsigned processes = 0;
  int handle_code = 0;  // of nvmlDeviceGetHandleByIndex
};

struct FakeNvml {
  int init_code = 0;
  int hang_milliseconds = 0;
  std::string driver = "580.159.04";
  std::vector<FakeGpu> gpus;
  bool nvlink_pairs = true;
  bool readable_pairs = true;
};

extern "C" FakeNvml* fake_nvml_state();
// How often nvmlShutdown was called: after that the caller's thread reads the state no more.
extern "C" int fake_nvml_shutdowns();
