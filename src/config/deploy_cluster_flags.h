// The flags and commands of hadal deploy that talk to a cluster: part of the flag table. Internal to config/.
#pragma once

#include <span>

#include "config/flag_table.h"

namespace hadal {

std::span<const FlagSpec> deploy_cluster_flags();
std::span<const CommandSpec> deploy_cluster_commands();

}  // namespace hadal
