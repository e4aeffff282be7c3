// The checks of GPUs. Pure functions over the inventory; any thread.
#pragma once

#include "preflight/check.h"

namespace hadal {

CheckResult check_gpu_count(const CheckContext& context);
CheckResult check_gpu_model(const CheckContext& context);
CheckResult check_gpu_memory(const CheckContext& context);
CheckResult check_gpu_driver(const CheckContext& context);
CheckResult check_gpu_cuda(const CheckContext& context);
CheckResult check_gpu_compute(const CheckContext& context);
CheckResult check_gpu_devices(const CheckContext& context);
CheckResult check_gpu_ecc(const CheckContext& context);
CheckResult check_gpu_mig(const CheckContext& context);
CheckResult check_gpu_mode(const CheckContext& context);
CheckResult check_gpu_pcie(const CheckContext& context);
CheckResult check_gpu_throttle(const CheckContext& context);
CheckResult check_gpu_nvlink(const CheckContext& context);
CheckResult check_gpu_fabric(const CheckContext& context);
CheckResult check_gpu_peers(const CheckContext& context);

}  // namespace hadal
