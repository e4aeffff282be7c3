// The tables of built-in filters, tests and global functions, and how they are called.
#pragma once

#include <string_view>

#include "text/jinja/ops.h"
#include "text/jinja/runtime.h"

namespace hadal::jinja {

struct FilterInfo {
  std::string_view name;
  Signature signature;  // of what follows the filtered value
  Value (*call)(Runtime&, Value self, const Value* args);
  Value (*call_raw)(Runtime&, Value self, const Args& args) = nullptr;  // instead of call: takes what comes
};

struct TestInfo {
  std::string_view name;
  int num_args;  // after the tested value
  bool (*call)(Runtime&, Value self, const Value* args);
};

// nullptr when there is none.
const FilterInfo* find_filter(std::string_view name);
const TestInfo* find_test(std::string_view name);
const GlobalFunction* find_global(std::string_view name);

Value call_filter(Runtime& rt, const FilterInfo& info, Value self, const Args& args);
bool call_test(Runtime& rt, const TestInfo& info, Value self, const Args& args);

// Filters by kind of work; each table is its own file.
const FilterInfo* find_text_filter(std::string_view name);
const FilterInfo* find_number_filter(std::string_view name);
const FilterInfo* find_sequence_filter(std::string_view name);
const FilterInfo* find_lazy_filter(std::string_view name);

// Whether an argument is true; `otherwise` when it was not given.
inline bool is_true(Runtime& rt, Value v, bool otherwise) {
  return v.missing() ? otherwise : truthy(rt, v);
}
// The item's value of a dotted attribute path ("a.b.0"), looked up as templates do. Where `fallback` is not
// missing it replaces undefined on the way.
Value get_path(Runtime& rt, Value item, Value attribute, Value fallback = Value());
// Lower case for strings, other values as they are: the key of case-insensitive sorting.
Value fold_case(Runtime& rt, Value v);

}  // namespace hadal::jinja
