// The checks of this host's place in the network: its name and address, the leader's name, free ports. Any
// thread.
#pragma once

#include "preflight/check.h"

namespace hadal {

CheckResult check_host_name(const CheckContext& context);
CheckResult check_leader_name(const CheckContext& context);
CheckResult check_ports(const CheckContext& context);

}  // namespace hadal
