// The checks of the group's other hosts: pure functions over the outcome of the meeting. Any thread.
#pragma once

#include "preflight/check.h"
#include "preflight/peer_meeting.h"

namespace hadal {

// This host as it introduces itself. failures: of its own checks.
PeerNode describe_self(const CheckContext& context, std::vector<std::string> failures);

CheckResult check_peer_meeting(const CheckContext& context);
CheckResult check_peer_failures(const CheckContext& context);
CheckResult check_peer_agreement(const CheckContext& context);
CheckResult check_clock_skew(const CheckContext& context);
CheckResult check_peer_latency(const CheckContext& context);
CheckResult check_peer_bandwidth(const CheckContext& context);

}  // namespace hadal
