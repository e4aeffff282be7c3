// The checks of RDMA devices and of the variables that choose among them. Any thread.
#pragma once

#include "preflight/check.h"

namespace hadal {

CheckResult check_rdma_devices(const CheckContext& context);
CheckResult check_rdma_ports(const CheckContext& context);
CheckResult check_rdma_gid(const CheckContext& context);
CheckResult check_rdma_topology(const CheckContext& context);
CheckResult check_rdma_verbs(const CheckContext& context);
CheckResult check_rdma_bandwidth(const CheckContext& context);

CheckResult check_env_hca(const CheckContext& context);
CheckResult check_env_gid(const CheckContext& context);
CheckResult check_env_interface(const CheckContext& context);
CheckResult check_env_obsolete(const CheckContext& context);

}  // namespace hadal
