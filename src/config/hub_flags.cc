// The flags and commands of hadal pull and hadal push.
#include "config/flag_fields.h"
#include "config/flag_table.h"

namespace hadal {

std::span<const FlagSpec> hub_flags() {
  return {};
}
std::span<const CommandSpec> hub_commands() {
  return {};
}

}  // namespace hadal
