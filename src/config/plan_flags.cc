// The flags and commands of hadal plan.
#include "config/flag_fields.h"
#include "config/flag_table.h"

namespace hadal {

std::span<const FlagSpec> plan_flags() {
  return {};
}
std::span<const CommandSpec> plan_commands() {
  return {};
}

}  // namespace hadal
