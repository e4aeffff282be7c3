// Python's operators on values: truth, equality, order, arithmetic, membership, subscripts and attributes.
// All raise JinjaError as Python raises; any thread that owns the Runtime.
#pragma once

#include "text/jinja/runtime.h"

namespace hadal::jinja {

enum class CompareOp : uint8_t { kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn };

bool truthy(Runtime& rt, Value v);
// The error of an integer that does not fit.
[[noreturn]] void too_big();
bool equals(Runtime& rt, Value a, Value b);
bool compare(Runtime& rt, CompareOp op, Value a, Value b);
bool contains(Runtime& rt, Value container, Value item);
// Python's `is`, as far as it can be told without object identity of numbers and strings.
bool same_object(Value a, Value b);

Value add(Runtime& rt, Value a, Value b);
Value subtract(Runtime& rt, Value a, Value b);
Value multiply(Runtime& rt, Value a, Value b);
Value divide(Runtime& rt, Value a, Value b);
Value floor_divide(Runtime& rt, Value a, Value b);
Value modulo(Runtime& rt, Value a, Value b);  // text % values is printf-style formatting
Value power(Runtime& rt, Value a, Value b);
Value negate(Runtime& rt, Value v);
Value positive(Runtime& rt, Value v);

// float() of a number.
double to_double(Value v);
// An integer argument (bool counts): TypeError for anything else, OverflowError outside int64.
int64_t to_index(Runtime& rt, Value v);

// environment.getattr: the attribute, else the item, else undefined.
Value get_attribute(Runtime& rt, Value object, Value name);
// environment.getitem: the item, else (for a string) the attribute, else undefined.
Value get_item(Runtime& rt, Value object, Value key);
// Python's getattr: missing when there is none. Unsafe attributes come back as undefined.
Value own_attribute(Runtime& rt, Value object, Value name);
// object[start:stop:step]; missing bounds are None.
Value slice(Runtime& rt, Value object, Value start, Value stop, Value step);
struct SliceBounds {
  int64_t start, step, count;
};
SliceBounds slice_bounds(Runtime& rt, Value start, Value stop, Value step, int64_t length);

}  // namespace hadal::jinja
