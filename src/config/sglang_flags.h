// The flags of SGLang's launch_server that are no flags of hadal: which of them an operator may leave in the
// command, because hadal needs no such setting, and which are refused, because leaving them out would change
// what the operator gets. Constant tables; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

// What follows the flag on the command line.
enum class FlagValues {
  kNone,
  kNegatable,  // nothing; --no-NAME exists too
  kOne,
  kOptional,  // one or nothing
  kNumbers,   // one number or more
  kWords,     // one word or more
};

enum class FlagVerdict { kUnneeded, kRefused };

struct SglangReason {
  FlagVerdict verdict;
  // Unneeded: why. Refused: what hadal does not have, and what to do instead.
  std::string_view text;
};

struct SglangFlags {
  const SglangReason& reason;
  FlagValues values;
  std::string_view names;  // "--a --b"
  // With this value even a refused flag asks for nothing that hadal does not do ("--dp-size 1"). "": none.
  std::string_view harmless = {};
};

std::span<const SglangFlags> sglang_flags();

struct SglangMatch {
  const SglangFlags* flag = nullptr;
  bool negated = false;  // by --no-NAME
};
// name: with its dashes. flag is null where SGLang has no such flag, or hadal has it too.
SglangMatch find_sglang_flag(std::string_view name);

// Whether SGLang's launch_server or hadal serve has a flag of this name, with its dashes.
bool is_engine_flag(std::string_view name);
// All of them that begin with these letters, as argparse completes them; none where the name is one itself.
std::vector<std::string> engine_flags_with_prefix(std::string_view prefix);
// What a misspelt one was meant to be, or "".
std::string nearest_engine_flag(std::string_view name);

}  // namespace hadal
