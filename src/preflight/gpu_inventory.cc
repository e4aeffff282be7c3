#include "preflight/gpu_inventory.h"

#include <future>
#include <memory>
#include <thread>

#include "preflight/nvml.h"
#include "preflight/words.h"

namespace hadal {
namespace {

constexpr const char* kProc = "/proc/driver/nvidia";

// "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build": the first word that
// is a version.
std::string driver_of(const std::string& text) {
  for (const std::string& line : split_lines(text)) {
    if (!line.starts_with("NVRM version")) continue;
    for (const std::string& word : split(line, ' ')) {
      const bool version =
          word.find('.') != std::string::npos && word.find_first_not_of("0123456789.") == std::string::npos;
      if (version) return word;
    }
  }
  return "";
}

void read_proc(const Host& host, GpuInventory& out) {
  const std::string base(kProc);
  const auto version = host.read(base + "/version");
  if (!version) return;
  out.source = GpuInventory::Source::kProc;
  out.driver = driver_of(*version);
  for (const std::string& name : host.list(base + "/gpus")) {
    const auto text = host.read(base + "/gpus/" + name + "/information");
    if (!text) continue;
    GpuInfo gpu;
    gpu.name = value_of(*text, "Model");
    gpu.uuid = value_of(*text, "GPU UUID");
    gpu.pci = pci_address(name);
    if (const auto minor = whole_number(value_of(*text, "Device Minor")))
      gpu.minor = static_cast<int>(*minor);
    out.gpus.push_back(std::move(gpu));
  }
}

}  // namespace

std::vector<std::string> nvml_paths() {
  constexpr const char* kName = "libnvidia-ml.so.1";
  std::vector<std::string> out{kName};
  for (const char* directory :
       {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/local/nvidia/lib64",
        "/usr/local/nvidia/lib", "/home/kubernetes/bin/nvidia/lib64",
        "/run/nvidia/driver/usr/lib/x86_64-linux-gnu"})
    out.push_back(std::string(directory) + "/" + kName);
  return out;
}

std::string pci_address(std::string_view text) {
  // domain:bus:device.function, the domain with four digits or eight.
  const auto parts = split(text, ':');
  if (parts.size() != 3) return "";
  const auto domain = whole_number(parts[0], 16);
  if (!domain || *domain < 0 || *domain > 0xffff || parts[1].size() != 2 || parts[2].size() != 4 ||
      parts[2][2] != '.')
    return "";
  std::string out;
  for (int shift = 12; shift >= 0; shift -= 4) out += "0123456789abcdef"[(*domain >> shift) & 15];
  out += ":" + parts[1] + ":" + parts[2];
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c);
  if (out.find_first_not_of("0123456789abcdef:.") != std::string::npos) return "";
  return out;
}

GpuInventory read_gpus(const Host& host, const std::vector<std::string>& libraries,
                       std::chrono::milliseconds timeout) {
  auto promise = std::make_shared<std::promise<GpuInventory>>();
  std::future<GpuInventory> answer = promise->get_future();
  std::thread([promise, libraries] {
    GpuInventory seen;
    read_nvml(libraries, seen);
    promise->set_value(std::move(seen));
  }).detach();
  GpuInventory out;
  if (answer.wait_for(timeout) == std::future_status::ready) {
    out = answer.get();
  } else {
    out.problem = "NVML did not answer within " + std::to_string(timeout.count() / 1000) +
                  " s: the driver hangs (see dmesg)";
  }
  if (out.source == GpuInventory::Source::kNone) read_proc(host, out);
  return out;
}

}  // namespace hadal
