// The syntax tree of a template, with the places of its variables worked out by resolve() (scope.h).
// Built once, then read by any number of renders at the same time.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/ops.h"
#include "text/jinja/value.h"

namespace hadal::jinja {

enum class NodeKind : uint8_t {
  // expressions
  kName,
  kNamespaceRef,
  kConst,
  kTuple,
  kList,
  kDict,
  kCondition,
  kFilter,
  kTest,
  kCall,
  kGetattr,
  kGetitem,
  kSlice,
  kConcat,
  kCompare,
  kAdd,
  kSub,
  kMul,
  kDiv,
  kFloorDiv,
  kMod,
  kPow,
  kAnd,
  kOr,
  kNot,
  kNeg,
  kPos,
  // statements
  kOutput,
  kFor,
  kIf,
  kMacro,
  kCallBlock,
  kFilterBlock,
  kWith,
  kAssign,
  kAssignBlock,
  kBlock,
  kBreak,
  kContinue,
  kLoader,
  kAutoescape,
};

// Where a variable lives: `hops` functions outwards, then a slot of that function's activation.
struct Place {
  int hops = 0;
  int slot = -1;
};

// How a frame's variables start when it is entered (Jinja2 compiles this into assignments).
struct FrameLoad {
  enum class Action : uint8_t { kResolve, kAlias, kUndefined } action;
  int slot;
  Place from;       // kAlias
  int global = -1;  // kResolve: index into Template::names
};

struct Frame {
  std::vector<FrameLoad> loads;
  std::vector<int> slots;  // every variable of the frame: unset again when it is left
};

struct FilterInfo;
struct TestInfo;

// One node. Which members are used depends on the kind; see the comments.
struct Node {
  NodeKind kind;
  int line = 0;
  int height = 0;                  // of the tree below: bounds recursion
  std::string text;                // name, attribute, filter, test, block
  std::string attr;                // kNamespaceRef: the attribute
  Value value;                     // kConst; kGetattr/kName/kNamespaceRef: the name as a value
  Node* n1 = nullptr;              // operand, target, condition, call, filter; kCondition: test
  Node* n2 = nullptr;              // right operand, iterable, key; kCondition: when true; calls: *args
  Node* n3 = nullptr;              // kFor: filter; kCondition: when false; calls: **kwargs
  std::vector<Node*> list;         // items, positional arguments, body, parameters (macros)
  std::vector<Node*> list2;        // dict values, keyword values, else body, defaults
  std::vector<Node*> list3;        // elif branches, macro body, with body
  std::vector<std::string> names;  // keyword names; kLoader: what it would define
  std::vector<CompareOp> ops;
  bool store = false;     // kName: written, not read
  bool param = false;     // kName: a parameter
  bool constant = false;  // an expression that Jinja2 evaluates when it compiles the template
  bool flag =
      false;  // kFor: recursive; kBlock: scoped; kFilter/kTest: unknown but only an error when reached
  bool flag2 = false;  // kFor: uses `loop`; kBlock: required; kAssign*, kMacro: at the top level

  const FilterInfo* filter = nullptr;
  const TestInfo* test = nullptr;
  Place place;                          // kName, kNamespaceRef, kMacro, kFor (`loop`)
  Frame frame, else_frame, test_frame;  // of statements with a scope of their own
  int num_slots = 0;                    // kMacro, kCallBlock, kBlock: of their function
  int test_slots = 0, loop_slots = 0;   // kFor: of the filter's function and of a recursive loop's
  std::vector<int> parameter_slots;     // macros
  int caller_slot = -1, kwargs_slot = -1, varargs_slot = -1;
  int explicit_caller = -1;                          // index of a parameter named caller
  int self_slot = -1, super_slot = -1;               // kBlock
  std::vector<std::pair<std::string, Place>> scope;  // kBlock scoped: variables the block sees
};

struct Template {
  std::deque<Node> nodes;  // owns them: no recursion when it is destroyed
  Arena arena{size_t{64} << 20};
  std::vector<Node*> body;
  std::vector<std::string> names;  // variables looked up outside the template
  Frame frame;
  int num_slots = 0;
  int self_slot = -1;
  std::vector<Node*> blocks;

  Value literal(std::string_view s) {
    char* at = arena.chars(s.size());
    if (!s.empty()) std::memcpy(at, s.data(), s.size());
    return Value::from_view({at, s.size()});
  }
};

}  // namespace hadal::jinja
