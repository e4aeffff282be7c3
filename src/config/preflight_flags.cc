// The flags and commands of hadal preflight.
#include "config/flag_fields.h"
#include "config/flag_table.h"

namespace hadal {

std::span<const FlagSpec> preflight_flags() {
  return {};
}
std::span<const CommandSpec> preflight_commands() {
  return {};
}

}  // namespace hadal
