// What the command line, the environment and the --config file say, before it becomes Settings: texts and
// where each comes from. Internal to config/. Main thread only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/flag_table.h"
#include "config/flags.h"

namespace hadal {

struct FlagLayer {
  FlagValueMap values;
  std::vector<std::string> notes;  // for the user: what is ignored, and why
};

struct ArgumentLayer : FlagLayer {
  std::vector<std::string> positionals;
  bool help = false;
  bool version = false;
};

// Arguments after the command's name. "--name value", "--name=value"; "--" ends the flags.
Result<ArgumentLayer> read_arguments(const std::vector<std::string>& arguments, unsigned command);
// HADAL_* variables; Kubernetes' service links are told apart and left out.
Result<FlagLayer> read_environment(const Environment& environment, unsigned command);
// Errors begin with "path:line: ".
Result<FlagLayer> read_config_file(const std::string& path, unsigned command);

// A flag of SGLang that is none of hadal's, from any layer. values: what it was given; spelling: as the user
// wrote it. Adds a note, or the error says what hadal does not have. False: SGLang has no such flag either.
Result<bool> take_sglang_flag(std::string_view name, std::string_view spelling,
                              const std::vector<std::string>& values, std::vector<std::string>& notes);
// The message for a name that is no flag of this command.
std::string unknown_flag_message(std::string_view name, std::string_view spelling, unsigned command);

}  // namespace hadal
