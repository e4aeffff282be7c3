// The checks of the system: kernel, CPU features, memory settings, user, home, clock. Any thread.
#pragma once

#include "preflight/check.h"

namespace hadal {

CheckResult check_kernel(const CheckContext& context);
CheckResult check_cpu_features(const CheckContext& context);
CheckResult check_hugepages(const CheckContext& context);
CheckResult check_numa_balancing(const CheckContext& context);
CheckResult check_user(const CheckContext& context);
CheckResult check_home(const CheckContext& context);
CheckResult check_clock_sync(const CheckContext& context);

}  // namespace hadal
