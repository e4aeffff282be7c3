#include <dlfcn.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "preflight/fake_nvml.h"
#include "preflight/gpu_checks.h"
#include "preflight/test_host.h"

namespace hadal {
namespace {

using namespace std::chrono_literals;

// The fake library, loaded as the real one is; its state begins fresh.
class Gpu : public testing::Test {
 protected:
  Gpu() : handle_(::dlopen(HADAL_FAKE_NVML, RTLD_NOW)) {
    if (handle_ == nullptr) return;
    const auto get = reinterpret_cast<FakeNvml* (*)()>(::dlsym(handle_, "fake_nvml_state"));
    state_ = get();
    *state_ = FakeNvml{};
    for (unsigned i = 0; i < 8; ++i) {
      FakeGpu one;
      one.minor = i;
      one.pci = "00000000:" + std::string(1, static_cast<char>('1' + i)) + "8:00.0";
      state_->gpus.push_back(one);
      host_.put("/dev/nvidia" + std::to_string(i), "");
    }
    host_.put("/dev/nvidiactl", "");
    host_.put("/dev/nvidia-uvm", "");
  }
  ~Gpu() override {
    if (handle_ != nullptr) ::dlclose(handle_);
  }

  GpuInventory inventory() { return read_gpus(host_, {"/nowhere/libnvidia-ml.so.1", HADAL_FAKE_NVML}, 20s); }
  CheckResult check(CheckResult (*run)(const CheckContext&)) {
    TestContext context(host_);
    context.config = config_;
    context.gpus = inventory();
    return run(context.get());
  }

  FakeHost host_;
  PreflightConfig config_;
  void* handle_;
  FakeNvml* state_ = nullptr;
};

TEST_F(Gpu, EightGoodOnes) {
  ASSERT_NE(state_, nullptr);
  config_.expect_gpus = 8;
  config_.gpu_type = "H200";
  config_.min_driver = "550.54";
  config_.min_compute = "9.0";
  const GpuInventory gpus = inventory();
  EXPECT_EQ(gpus.source, GpuInventory::Source::kNvml);
  EXPECT_EQ(gpus.driver, "580.159.04");
  EXPECT_EQ(gpus.gpus.at(7).pci, "0000:88:00.0");
  for (const CheckSpec& spec : check_table()) {
    if (spec.group != "gpu" || spec.name == "gpu-cuda") continue;
    const CheckResult result = check(spec.run);
    EXPECT_EQ(result.verdict, Verdict::kPass) << spec.name << ": " << result.text;
  }
  EXPECT_NE(check(&check_gpu_cuda).text.find("13.0"), std::string::npos);
}

TEST_F(Gpu, CountAgainstWhatIsExpected) {
  config_.expect_gpus = 9;
  CheckResult result = check(&check_gpu_count);
  EXPECT_EQ(result.verdict, Verdict::kFail);
  EXPECT_NE(result.text.find("8 GPUs, 9 expected"), std::string::npos) << result.text;
  config_.expect_gpus = 4;
  EXPECT_EQ(check(&check_gpu_count).verdict, Verdict::kWarn);
  config_.expect_gpus = -1;
  EXPECT_EQ(check(&check_gpu_count).verdict, Verdict::kInfo);
  state_->gpus[3].handle_code = 15;
  config_.expect_gpus = 8;
  result = check(&check_gpu_count);
  EXPECT_EQ(result.verdict, Verdict::kFail);
  EXPECT_NE(result.text.find("GPU 3"), std::string::npos) << result.text;
}

// Each fault alone is found by its check, which names the GPU.
TEST_F(Gpu, FaultsAreFound) {
  const struct {
    void (*spoil)(FakeGpu&);
    CheckResult (*run)(const CheckContext&);
    Verdict verdict;
  } faults[] = {
      {[](FakeGpu& g) { g.uncorrected = 1; }, &check_gpu_ecc, Verdict::kFail},
      {[](FakeGpu& g) { g.remap_pending = true; }, &check_gpu_ecc, Verdict::kFail},
      {[](FakeGpu& g) { g.remap_failed = true; }, &check_gpu_ecc, Verdict::kFail},
      {[](FakeGpu& g) { g.ecc = false; }, &check_gpu_ecc, Verdict::kWarn},
      {[](FakeGpu& g) { g.mig = true; }, &check_gpu_mig, Verdict::kFail},
      {[](FakeGpu& g) { g.persistence = false; }, &check_gpu_mode, Verdict::kWarn},
      {[](FakeGpu& g) { g.compute_mode = 2; }, &check_gpu_mode, Verdict::kFail},
      {[](FakeGpu& g) { g.width = 8; }, &check_gpu_pcie, Verdict::kWarn},
      {[](FakeGpu& g) { g.throttle = 0x40; }, &check_gpu_throttle, Verdict::kWarn},
      {[](FakeGpu& g) { g.links[4] = false; }, &check_gpu_nvlink, Verdict::kFail},
      {[](FakeGpu& g) { g.fabric_state = 1; }, &check_gpu_fabric, Verdict::kFail},
      {[](FakeGpu& g) { g.fabric_status = 999; }, &check_gpu_fabric, Verdict::kFail},
      {[](FakeGpu& g) { g.free = g.total / 2; }, &check_gpu_memory, Verdict::kWarn},
      {[](FakeGpu& g) { g.processes = 2; }, &check_gpu_memory, Verdict::kWarn},
      {[](FakeGpu& g) { g.minor = 77; }, &check_gpu_devices, Verdict::kFail},
  };
  for (size_t i = 0; i < std::size(faults); ++i) {
    ASSERT_EQ(check(faults[i].run).verdict, Verdict::kPass) << i;
    const FakeGpu good = state_->gpus[2];
    faults[i].spoil(state_->gpus[2]);
    const CheckResult result = check(faults[i].run);
    EXPECT_EQ(result.verdict, faults[i].verdict) << i << ": " << result.text;
    EXPECT_TRUE(result.text.find("GPU 2") != std::string::npos ||
                result.text.find("nvidia77") != std::string::npos)
        << i << ": " << result.text;
    state_->gpus[2] = good;
  }
}

TEST_F(Gpu, TypesDriversAndPairs) {
  state_->gpus[5].name = "NVIDIA A100-SXM4-80GB";
  state_->gpus[5].compute_major = 8;
  EXPECT_EQ(check(&check_gpu_model).verdict, Verdict::kWarn);
  config_.gpu_type = "H200";
  EXPECT_EQ(check(&check_gpu_model).verdict, Verdict::kFail);
  config_.min_compute = "8.9";
  CheckResult result = check(&check_gpu_compute);
  EXPECT_EQ(result.verdict, Verdict::kFail);
  EXPECT_NE(result.text.find("no native FP8"), std::string::npos) << result.text;
  config_.min_driver = "580.160";
  EXPECT_EQ(check(&check_gpu_driver).verdict, Verdict::kFail);
  state_->readable_pairs = false;
  result = check(&check_gpu_peers);
  EXPECT_EQ(result.verdict, Verdict::kWarn);
  EXPECT_NE(result.text.find("0-1 PHB"), std::string::npos) << result.text;
}

TEST_F(Gpu, MismatchFallsBackToProcAndClaimsNoMore) {
  state_->init_code = 18;
  host_.put("/proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (x@y)\n");
  host_.put("/proc/driver/nvidia/gpus/0000:00:06.0/information",
            "Model: \t\t NVIDIA H100 80GB HBM3\nGPU UUID: \t GPU-2f\nDevice Minor: \t 0\n");
  const GpuInventory gpus = inventory();
  EXPECT_EQ(gpus.source, GpuInventory::Source::kProc);
  EXPECT_NE(gpus.problem.find("version mismatch"), std::string::npos) << gpus.problem;
  EXPECT_EQ(gpus.driver, "580.159.04");
  ASSERT_EQ(gpus.gpus.size(), 1u);
  EXPECT_EQ(gpus.gpus[0].name, "NVIDIA H100 80GB HBM3");
  config_.expect_gpus = 1;
  EXPECT_EQ(check(&check_gpu_count).verdict, Verdict::kPass);
  for (auto run : {&check_gpu_memory, &check_gpu_ecc, &check_gpu_mig, &check_gpu_nvlink, &check_gpu_fabric,
                   &check_gpu_throttle})
    EXPECT_EQ(check(run).verdict, Verdict::kNotChecked);
}

TEST_F(Gpu, WithoutADriverNothingIsClaimed) {
  TestContext context(host_);
  context.gpus = read_gpus(host_, {"/nowhere/libnvidia-ml.so.1"}, 5s);
  EXPECT_EQ(context.gpus.source, GpuInventory::Source::kNone);
  for (const CheckSpec& spec : check_table()) {
    if (spec.group == "gpu") {
      EXPECT_EQ(spec.run(context.get()).verdict, Verdict::kNotChecked) << spec.name;
    }
  }
  context.config.expect_gpus = 8;
  EXPECT_EQ(check_gpu_count(context.get()).verdict, Verdict::kFail);
  context.config.expect_gpus = 0;
  EXPECT_EQ(check_gpu_count(context.get()).verdict, Verdict::kPass);
}

TEST_F(Gpu, AHangingDriverIsNotWaitedFor) {
  state_->hang_milliseconds = 1500;
  const int before = reinterpret_cast<int (*)()>(::dlsym(handle_, "fake_nvml_shutdowns"))();
  const GpuInventory gpus = read_gpus(host_, {HADAL_FAKE_NVML}, 50ms);
  EXPECT_EQ(gpus.source, GpuInventory::Source::kNone);
  EXPECT_NE(gpus.problem.find("did not answer"), std::string::npos) << gpus.problem;
  // The thread that was left behind uses the library for a while.
  const auto shutdowns = reinterpret_cast<int (*)()>(::dlsym(handle_, "fake_nvml_shutdowns"));
  for (const auto end = std::chrono::steady_clock::now() + 20s;
       shutdowns() == before && std::chrono::steady_clock::now() < end;)
    std::this_thread::sleep_for(10ms);
  EXPECT_EQ(shutdowns(), before + 1);
}

TEST(PciAddress, OfAllForms) {
  EXPECT_EQ(pci_address("00000000:00:06.0"), "0000:00:06.0");
  EXPECT_EQ(pci_address("0001:AF:1f.7"), "0001:af:1f.7");
  for (const char* bad :
       {"", "0000:00:06", "x:00:06.0", "0000:00:0606", "00010000:00:06.0", "0000:zz:06.0", "-001:00:06.0"})
    EXPECT_EQ(pci_address(bad), "") << bad;
}

}  // namespace
}  // namespace hadal
