// The flags and commands of the commands of hadal deploy.
#include "config/flag_fields.h"
#include "config/flag_table.h"

namespace hadal {

std::span<const FlagSpec> deploy_flags() {
  return {};
}
std::span<const CommandSpec> deploy_commands() {
  return {};
}

}  // namespace hadal
