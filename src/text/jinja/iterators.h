// Iterators over every iterable value, and the `loop` object of a for statement.
#pragma once

#include "text/jinja/runtime.h"

namespace hadal::jinja {

// TypeError when `v` cannot be iterated.
Iter* make_iterator(Runtime& rt, Value v);
// Python's reversed(); TypeError when `v` has no order to reverse.
Iter* make_reversed(Runtime& rt, Value v);
// Walks a vector that lives in the arena.
Iter* iterate_values(Runtime& rt, const Value* items, size_t count);

// The state of one for statement; a template reads it as `loop`.
class Loop {
 public:
  Loop(Value iterable, Iter* iterator, int depth0)
      : iterable_(iterable), iterator_(iterator), depth0_(depth0) {}
  // Moves on; false at the end.
  bool advance(Runtime& rt, Value& out);
  int64_t length(Runtime& rt);
  int64_t index0() const { return index0_; }
  int depth0() const { return depth0_; }
  bool is_last(Runtime& rt) { return !peek(rt); }
  Value previous(Runtime& rt);
  Value following(Runtime& rt);
  bool changed(Runtime& rt, Value now);

  // The for statement's node, when it is recursive, and where it ran; opaque here.
  const void* recursive_node = nullptr;
  void* activation = nullptr;

 private:
  bool peek(Runtime& rt);

  Value iterable_;
  Iter* iterator_;
  int depth0_;
  int64_t index0_ = -1;
  int64_t length_ = -1;
  Value after_, current_, before_, last_changed_;
  bool exhausted_ = false;
};

int64_t loop_length(Runtime& rt, Loop& loop);

}  // namespace hadal::jinja
