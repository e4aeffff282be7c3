// The syntax tree of the Common Expression Language, in which CRDs write their rules, and its parser.
// Grammar: the CEL specification (google/cel-spec, doc/langdef.md), with the optional syntax (".?", "[?]").
// Values; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hadal {

struct CelNode;
using CelNodePtr = std::unique_ptr<const CelNode>;

struct CelNode {
  enum class Kind {
    kNull,
    kBool,
    kInt,
    kUint,
    kDouble,
    kString,
    kBytes,
    kIdent,      // text
    kSelect,     // args[0] . text
    kOptSelect,  // args[0] .? text
    kIndex,      // args[0] [ args[1] ]
    kOptIndex,   // args[0] [? args[1] ]
    kCall,       // text ( args ); has_target: args[0] is what stands before the dot
    kList,       // args; optional_args: those written with "?"
    kMap,        // args: key, value, key, value
    kNot,
    kNegate,
    kAnd,
    kOr,
    kConditional,  // args[0] ? args[1] : args[2]
    kBinary,       // text: "==" "!=" "<" "<=" ">" ">=" "in" "+" "-" "*" "/" "%"
  };
  Kind kind = Kind::kNull;
  bool flag = false;  // of a bool; of a call: has a target
  int64_t integer = 0;
  uint64_t uinteger = 0;
  double number = 0;
  std::string text;
  std::vector<CelNodePtr> args;
  std::vector<bool> optional_args;
  int depth = 1;
  size_t offset = 0;  // of the expression's text
};

// Errors: kInvalidArgument with the place; also over 64 KiB or nested too deep.
Result<CelNodePtr> parse_cel(std::string_view text);

}  // namespace hadal
