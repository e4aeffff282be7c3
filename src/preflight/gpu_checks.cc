#include "preflight/gpu_checks.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/join_text.h"
#include "preflight/gpu_inventory.h"
#include "preflight/nvml.h"
#include "preflight/words.h"

namespace hadal {
namespace {

constexpr double kMostUsed = 0.02;  // of a GPU's memory that is gone before anything of ours runs
constexpr int kHotDegrees = 85;

bool expects_gpus(const CheckContext& context) {
  return context.config.expect_gpus > 0;
}

// The answer where there is nothing to look at: a failure if GPUs are expected.
CheckResult without_gpus(const CheckContext& context) {
  if (context.gpus.source == GpuInventory::Source::kNone)
    return not_checked("no NVIDIA driver: " + context.gpus.problem);
  return not_checked("no GPU is visible");
}

CheckResult without_nvml(const CheckContext& context) {
  return not_checked("/proc/driver/nvidia does not tell, and NVML did not answer: " + context.gpus.problem);
}

bool has_nvml(const CheckContext& context) {
  return context.gpus.source == GpuInventory::Source::kNvml;
}

std::string gpu_name(size_t index) {
  return "GPU " + std::to_string(index);
}

// The names of the GPUs for which `is` holds; `known` counts those that could be asked.
template <typename Test>
std::vector<std::string> which(const GpuInventory& gpus, const Test& is) {
  std::vector<std::string> out;
  for (size_t i = 0; i < gpus.gpus.size(); ++i) {
    if (is(gpus.gpus[i])) out.push_back(gpu_name(i));
  }
  return out;
}

std::string all_text(const GpuInventory& gpus) {
  return gpus.gpus.size() == 1 ? "the GPU" : "all " + std::to_string(gpus.gpus.size()) + " GPUs";
}

}  // namespace

CheckResult check_gpu_count(const CheckContext& context) {
  const GpuInventory& gpus = context.gpus;
  const auto count = static_cast<int64_t>(gpus.gpus.size());
  const int expected = context.config.expect_gpus;
  JsonObject facts{{"count", Json(count)}};
  if (expected >= 0) facts.emplace_back("expected", Json(expected));
  if (gpus.source == GpuInventory::Source::kNone) {
    if (expects_gpus(context)) {
      return fail_check(
          count_text(static_cast<size_t>(expected), "GPU") + " expected, none seen: " + gpus.problem, "",
          std::move(facts));
    }
    return expected == 0 ? pass("no GPU, as expected", std::move(facts))
                         : not_checked("no NVIDIA driver: " + gpus.problem);
  }
  std::string text = count_text(gpus.gpus.size(), "GPU");
  if (gpus.source == GpuInventory::Source::kProc)
    text += " (from /proc/driver/nvidia; " + gpus.problem + ")";
  else if (!gpus.problem.empty())
    text += "; " + gpus.problem;
  const std::string visible = context.host.variable("NVIDIA_VISIBLE_DEVICES");
  if (expected < 0) return info(text, std::move(facts));
  if (count == expected) return pass(text + ", as expected", std::move(facts));
  if (!visible.empty()) text += "; NVIDIA_VISIBLE_DEVICES=" + visible;
  // More than asked for is no failure of a whole host, but in a pod it means that limits do not hold.
  if (count > expected)
    return warn(text + ", " + std::to_string(expected) + " expected", "", std::move(facts));
  return fail_check(text + ", " + std::to_string(expected) + " expected", "", std::move(facts));
}

CheckResult check_gpu_model(const CheckContext& context) {
  const GpuInventory& gpus = context.gpus;
  if (gpus.gpus.empty()) return without_gpus(context);
  std::map<std::string, int> models;
  for (const GpuInfo& gpu : gpus.gpus) ++models[gpu.name.empty() ? "unknown" : gpu.name];
  std::vector<std::string> parts;
  JsonArray names;
  for (const auto& [name, count] : models) {
    parts.push_back(std::to_string(count) + " x " + name);
    names.push_back(Json(name));
  }
  const std::string text = join_text(parts, ", ");
  JsonObject facts{{"models", Json(std::move(names))}};
  const std::string& wanted = context.config.gpu_type;
  const auto others =
      which(gpus, [&](const GpuInfo& gpu) { return gpu.name.find(wanted) == std::string::npos; });
  if (!wanted.empty() && !others.empty())
    return fail_check(text + ": " + list_text(others) + " is no " + wanted, "", std::move(facts));
  if (models.size() > 1)
    return warn(text + ": different models on one host; the slowest sets the pace", "", std::move(facts));
  return wanted.empty() ? info(text, std::move(facts)) : pass(text, std::move(facts));
}

CheckResult check_gpu_memory(const CheckContext& context) {
  const GpuInventory& gpus = context.gpus;
  if (gpus.gpus.empty()) return without_gpus(context);
  if (!has_nvml(context)) return without_nvml(context);
  uint64_t least_total = ~uint64_t{0};
  uint64_t least_free = ~uint64_t{0};
  std::vector<std::string> used;
  for (size_t i = 0; i < gpus.gpus.size(); ++i) {
    const GpuInfo& gpu = gpus.gpus[i];
    if (!gpu.memory_total || !gpu.memory_free)
      return not_checked("NVML does not tell the memory of " + gpu_name(i));
    least_total = std::min(least_total, *gpu.memory_total);
    least_free = std::min(least_free, *gpu.memory_free);
    if (static_cast<double>(*gpu.memory_free) < (1 - kMostUsed) * static_cast<double>(*gpu.memory_total) ||
        gpu.processes.value_or(0) > 0) {
      std::string name = gpu_name(i) + " (" + size_text(*gpu.memory_total - *gpu.memory_free) + " used";
      if (gpu.processes.value_or(0) > 0)
        name += " by " + count_text(static_cast<size_t>(*gpu.processes), "process");
      used.push_back(name + ")");
    }
  }
  JsonObject facts{{"least_total_bytes", Json(least_total)}, {"least_free_bytes", Json(least_free)}};
  const std::string text = size_text(least_total) + " each, at least " + size_text(least_free) + " free";
  if (!used.empty()) return warn(text + "; in use: " + list_text(used), "", std::move(facts));
  return pass(text, std::move(facts));
}

CheckResult check_gpu_driver(const CheckContext& context) {
  const GpuInventory& gpus = context.gpus;
  if (gpus.source == GpuInventory::Source::kNone) return without_gpus(context);
  if (gpus.driver.empty()) return not_checked("the driver does not tell its version");
  JsonObject facts{{"driver", Json(gpus.driver)}};
  const std::string& least = context.config.min_driver;
  if (least.empty()) return info("driver " + gpus.driver, std::move(facts));
  if (compare_dotted_versions(gpus.driver, least) < 0)
    return fail_check("driver " + gpus.driver + " is older than " + least, "", std::move(facts));
  return pass("driver " + gpus.driver + ", at least " + least + " asked for", std::move(facts));
}

CheckResult check_gpu_cuda(const CheckContext& context) {
  if (context.gpus.gpus.empty()) return without_gpus(context);
  if (!has_nvml(context)) return without_nvml(context);
  if (!context.gpus.cuda_version) return not_checked("NVML does not tell the CUDA version of the driver");
  const int version = *context.gpus.cuda_version;
  const std::string text = std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  return info("programs built for CUDA up to " + text, {{"cuda", Json(text)}});
}

CheckResult check_gpu_compute(const CheckContext& context) {
  const GpuInventory& gpus = context.gpus;
  if (gpus.gpus.empty()) return without_gpus(context);
  if (!has_nvml(context)) return without_nvml(context);
  std::set<std::string> seen;
  std::vector<std::string> low;
  for (size_t i = 0; i < gpus.gpus.size(); ++i) {
    const GpuInfo& gpu = gpus.gpus[i];
    if (!gpu.compute_major) return not_checked("NVML does not tell the compute capability of " + gpu_name(i));
    const std::string version =
        std::to_string(*gpu.compute_major) + "." + std::to_string(gpu.compute_minor.value_or(0));
    seen.insert(version);
    if (!context.config.min_compute.empty() &&
        compare_dotted_versions(version, context.config.min_compute) < 0)
      low.push_back(gpu_name(i));
  }
  const std::string versions = join_text(seen, ", ");
  JsonObject facts{{"compute_capability", Json(versions)}};
  // FP8 matrix units came with Ada (8.9) and Hopper (9.0).
  const bool fp8 = compare_dotted_versions(*seen.begin(), "8.9") >= 0;
  const std::string text = "compute capability " + versions + (fp8 ? ", native FP8" : ", no native FP8");
  if (!low.empty())
    return fail_check(text + ": " + list_text(low) + " below " + context.config.min_compute, "",
                      std::move(facts));
  return context.config.min_compute.empty() ? info(text, std::move(facts)) : pass(text, std::move(facts));
}

CheckResult check_gpu_devices(const CheckContext& context) {
  const GpuInventory& gpus = context.gpus;
  if (gpus.gpus.empty()) return without_gpus(context);
  std::vector<std::string> missing;
  for (const char* path : {"/dev/nvidiactl", "/dev/nvidia-uvm"}) {
    if (!context.host.exists(path)) missing.push_back(path);
  }
  for (const GpuInfo& gpu : gpus.gpus) {
    const std::string path = "/dev/nvidia" + std::to_string(gpu.minor.value_or(0));
    if (gpu.minor && !context.host.exists(path)) missing.push_back(path);
  }
  if (!missing.empty()) return fail_check("missing: " + list_text(missing));
  return pass("device files of " + all_text(gpus) + " are there");
}

CheckResult check_gpu_ecc(const CheckContext& context) {
  const GpuInventory& gpus = context.gpus;
  if (gpus.gpus.empty()) return without_gpus(context);
  if (!has_nvml(context)) return without_nvml(context);
  const auto failed = which(gpus, [](const GpuInfo& g) { return g.remap_failed.value_or(false); });
  if (!failed.empty())
    return fail_check(list_text(failed) + ": a broken memory row could not be remapped", "replace the GPU");
  const auto fresh = which(gpus, [](const GpuInfo& g) { return g.uncorrected_volatile.value_or(0) > 0; });
  if (!fresh.empty())
    return fail_check(list_text(fresh) + ": uncorrectable memory errors since the driver was loaded",
                      "reset the GPU or reboot the node; replace the GPU if they come again");
  const auto pending = which(gpus, [](const GpuInfo& g) {
    return g.remap_pending.value_or(false) || g.retire_pending.value_or(false);
  });
  if (!pending.empty())
    return fail_check(list_text(pending) + ": a bad memory row waits to be remapped",
                      "reset the GPU or reboot the node, then it is out of use");
  const auto off = which(gpus, [](const GpuInfo& g) { return g.ecc.has_value() && !*g.ecc; });
  if (!off.empty()) return warn(list_text(off) + ": ECC is off", "nvidia-smi -e 1, and reboot");
  const auto unknown = which(gpus, [](const GpuInfo& g) { return !g.ecc.has_value(); });
  if (!unknown.empty()) return not_checked("NVML does not tell about ECC of " + list_text(unknown));
  const auto worn = which(gpus, [](const GpuInfo& g) {
    return g.remapped_rows.value_or(0) > 0 || g.retired_pages.value_or(0) > 0;
  });
  const std::string text = "ECC on, no uncorrectable error, nothing to be remapped";
  return pass(worn.empty() ? text : text + "; remapped in the past: " + list_text(worn));
}

CheckResult check_gpu_mig(const CheckContext& context) {
  const GpuInventory& gpus = context.gpus;
  if (gpus.gpus.empty()) return without_gpus(context);
  if (!has_nvml(context)) return without_nvml(context);
  const auto split_gpus = which(gpus, [](const GpuInfo& g) { return g.mig.value_or(false); });
  if (!split_gpus.empty()) return fail_check(list_text(split_gpus) + ": split into MIG instances");
  const auto unknown = which(gpus, [](const GpuInfo& g) { return !g.mig.has_value(); });
  return pass(unknown.empty() ? "off on " + all_text(gpus)
                              : "off, or not a feature of " + list_text(unknown));
}

CheckResult check_gpu_mode(const CheckContext& context) {
  constexpr int kProhibited = 2;
  const GpuInventory& gpus = context.gpus;
  if (gpus.gpus.empty()) return without_gpus(context);
  if (!has_nvml(context)) return without_nvml(context);
  const auto prohibited =
      which(gpus, [](const GpuInfo& g) { return g.compute_mode.value_or(0) == kProhibited; });
  if (!prohibited.empty())
    return fail_check(list_text(prohibited) + ": compute mode is Prohibited", "nvidia-smi -c 0");
  const auto off = which(gpus, [](const GpuInfo& g) { return g.persistence.has_value() && !*g.persistence; });
  if (!off.empty()) {
    return warn(list_text(off) + ": persistence mode is off: the first use of the GPU takes seconds",
                "nvidia-smi -pm 1, or run nvidia-persistenced");
  }
  const auto unknown = which(gpus, [](const GpuInfo& g) { return !g.persistence || !g.compute_mode; });
  if (!unknown.empty()) return not_checked("NVML does not tell the modes of " + list_text(unknown));
  return pass("persistence mode on, compute allowed on " + all_text(gpus));
}

CheckResult check_gpu_pcie(const CheckContext& context) {
  const GpuInventory& gpus = context.gpus;
  if (gpus.gpus.empty()) return without_gpus(context);
  if (!has_nvml(context)) return without_nvml(context);
  // The generation falls while a GPU idles; the width does not.
  const auto narrow = which(gpus, [](const GpuInfo& g) {
    return g.pcie_width && g.pcie_max_width && *g.pcie_width > 0 && *g.pcie_width < *g.pcie_max_width;
  });
  const GpuInfo& first = gpus.gpus.front();
  const auto unknown = which(gpus, [](const GpuInfo& g) { return !g.pcie_width || !g.pcie_max_width; });
  if (!unknown.empty()) return not_checked("NVML does not tell the PCIe link of " + list_text(unknown));
  if (!narrow.empty())
    return warn(
        list_text(narrow) + ": PCIe link narrower than the GPU's x" + std::to_string(*first.pcie_max_width),
        "reseat the GPU or look at the BIOS");
  return pass("x" + std::to_string(*first.pcie_width) + ", generation up to " +
              std::to_string(first.pcie_max_generation.value_or(0)));
}

CheckResult check_gpu_throttle(const CheckContext& context) {
  const GpuInventory& gpus = context.gpus;
  if (gpus.gpus.empty()) return without_gpus(context);
  if (!has_nvml(context)) return without_nvml(context);
  const struct {
    unsigned bits;
    const char* what;
  } reasons[] = {{kThrottleHardwareThermal | kThrottleSoftwareThermal, "too hot"},
                 {kThrottlePowerBrake, "the power supply asks for less"},
                 {kThrottleHardware, "the hardware slows down"},
                 {kThrottlePowerCap, "at the power limit"}};
  std::vector<std::string> slow;
  for (const auto& reason : reasons) {
    const auto names =
        which(gpus, [&](const GpuInfo& g) { return (g.throttle.value_or(0) & reason.bits) != 0; });
    if (!names.empty()) slow.push_back(list_text(names) + ": " + reason.what);
  }
  int hottest = 0;
  for (const GpuInfo& gpu : gpus.gpus) hottest = std::max(hottest, gpu.temperature.value_or(0));
  const std::string heat = hottest == 0 ? "" : "; hottest " + std::to_string(hottest) + " C";
  JsonObject facts{{"hottest_celsius", Json(hottest)}};
  if (!slow.empty())
    return warn("clocks are held down: " + join_text(slow, "; ") + heat, "", std::move(facts));
  const auto unknown = which(gpus, [](const GpuInfo& g) { return !g.throttle.has_value(); });
  if (!unknown.empty())
    return not_checked("NVML does not tell why clocks of " + list_text(unknown) + " are low");
  if (hottest >= kHotDegrees) return warn("idle, and hot" + heat, "", std::move(facts));
  return pass("nothing holds the clocks down" + heat, std::move(facts));
}

CheckResult check_gpu_nvlink(const CheckContext& context) {
  const GpuInventory& gpus = context.gpus;
  if (gpus.gpus.empty()) return without_gpus(context);
  if (!has_nvml(context)) return without_nvml(context);
  size_t links = 0;
  std::vector<std::string> down;
  std::set<size_t> up_counts;
  for (size_t i = 0; i < gpus.gpus.size(); ++i) {
    const std::vector<bool>& state = gpus.gpus[i].nvlinks;
    const auto up = static_cast<size_t>(std::count(state.begin(), state.end(), true));
    links += up;
    up_counts.insert(up);
    if (up > 0 && up < state.size())
      down.push_back(gpu_name(i) + " (" + std::to_string(up) + " of " + std::to_string(state.size()) + ")");
  }
  JsonObject facts{{"links_up", Json(static_cast<int64_t>(links))}};
  // A bridge between two cards uses some links only, and the same number on each.
  if (!down.empty()) {
    const std::string text = "links are down: " + list_text(down);
    if (up_counts.size() == 1) return warn(text, "", std::move(facts));
    return fail_check(text, "", std::move(facts));
  }
  if (links == 0) {
    if (gpus.gpus.size() == 1) return info("one GPU: no NVLink is up, none is needed", std::move(facts));
    return info("no NVLink is up: the GPUs speak over PCIe", std::move(facts));
  }
  if (up_counts.size() > 1)
    return fail_check("the GPUs have different numbers of links up", "", std::move(facts));
  return pass(count_text(*up_counts.begin(), "link") + " up on " + all_text(gpus), std::move(facts));
}

CheckResult check_gpu_fabric(const CheckContext& context) {
  const GpuInventory& gpus = context.gpus;
  if (gpus.gpus.empty()) return without_gpus(context);
  if (!has_nvml(context)) return without_nvml(context);
  const auto unknown = which(gpus, [](const GpuInfo& g) { return !g.fabric.has_value(); });
  if (!unknown.empty()) return not_checked("this driver's NVML does not tell the fabric's state");
  const auto state = [&](FabricState wanted) {
    return which(gpus, [&](const GpuInfo& g) { return *g.fabric == wanted; });
  };
  if (state(FabricState::kNotSupported).size() == gpus.gpus.size())
    return pass("no NVSwitch fabric to be managed");
  if (const auto names = state(FabricState::kNotStarted); !names.empty())
    return fail_check(list_text(names) + ": not registered with the fabric");
  if (const auto names = state(FabricState::kInProgress); !names.empty())
    return fail_check(list_text(names) + ": still registering with the fabric");
  const auto bad = which(gpus, [](const GpuInfo& g) {
    return *g.fabric == FabricState::kCompleted && g.fabric_status.value_or(0) != 0;
  });
  if (!bad.empty()) return fail_check(list_text(bad) + ": registering with the fabric ended with an error");
  return pass("registered with the NVSwitch fabric");
}

CheckResult check_gpu_peers(const CheckContext& context) {
  const GpuInventory& gpus = context.gpus;
  if (gpus.gpus.empty()) return without_gpus(context);
  if (!has_nvml(context)) return without_nvml(context);
  if (gpus.gpus.size() == 1) return pass("one GPU: no pair");
  size_t pairs = 0;
  size_t over_nvlink = 0;
  size_t unknown = 0;
  std::vector<std::string> apart;
  for (size_t a = 0; a < gpus.pairs.size(); ++a) {
    for (size_t b = a + 1; b < gpus.pairs.size(); ++b) {
      const GpuPair& pair = gpus.pairs[a][b];
      ++pairs;
      over_nvlink += pair.nvlink.value_or(false) ? 1 : 0;
      unknown += pair.readable ? 0 : 1;
      if (pair.readable.has_value() && !*pair.readable)
        apart.push_back(std::to_string(a) + "-" + std::to_string(b) +
                        (pair.path.empty() ? "" : " " + pair.path));
    }
  }
  JsonObject facts{{"pairs", Json(static_cast<int64_t>(pairs))},
                   {"over_nvlink", Json(static_cast<int64_t>(over_nvlink))}};
  if (unknown == pairs) return not_checked("NVML does not tell how the GPUs reach one another");
  const std::string text = std::to_string(over_nvlink) + " of " + count_text(pairs, "pair") + " over NVLink";
  if (!apart.empty())
    return warn(text + "; no direct access between GPUs " + list_text(apart), "", std::move(facts));
  if (over_nvlink > 0 && over_nvlink < pairs)
    return warn(text + ": tensor parallelism runs at the pace of the slowest pair", "", std::move(facts));
  return pass(text + ", direct access between all", std::move(facts));
}

}  // namespace hadal
