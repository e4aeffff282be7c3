// The checks of limits: locked memory, descriptors, processes, shared memory, the control group. Any thread.
#pragma once

#include "preflight/check.h"

namespace hadal {

CheckResult check_memlock(const CheckContext& context);
CheckResult check_nofile(const CheckContext& context);
CheckResult check_nproc(const CheckContext& context);
CheckResult check_core(const CheckContext& context);
CheckResult check_shm_size(const CheckContext& context);
CheckResult check_shm_leftovers(const CheckContext& context);
CheckResult check_memory(const CheckContext& context);
CheckResult check_cpus(const CheckContext& context);

}  // namespace hadal
