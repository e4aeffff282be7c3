// Runtime: what every built-in needs while one template renders: memory, the step budget, and making values.
// One per render, on the rendering thread.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace hadal::jinja {

struct Limits {
  int64_t max_steps = 20'000'000;         // evaluated nodes; long texts and lists count more
  size_t max_output = size_t{64} << 20;   // bytes of the rendered text, and of any one string
  size_t max_memory = size_t{512} << 20;  // bytes of all values together
  int max_depth = 1200;                   // nested evaluation
};

class Runtime {
 public:
  Runtime(const Limits& limits, std::chrono::system_clock::time_point now)
      : arena(limits.max_memory), limits_(limits), steps_left_(limits.max_steps), now_(now) {}
  virtual ~Runtime() = default;

  Arena arena;

  // Counts work; kLimit error when the budget is spent.
  void step(int64_t cost = 1) {
    steps_left_ -= cost;
    if (steps_left_ < 0) [[unlikely]]
      out_of_steps();
  }
  const Limits& limits() const { return limits_; }
  std::chrono::system_clock::time_point now() const { return now_; }

  // Strings: `text` copies into the arena, `view` does not.
  Value text(std::string_view s, bool markup = false);
  Value view(std::string_view s, bool markup = false) { return Value::from_view(s, markup); }
  Value integer(int128 v);
  Value list(std::span<const Value> items);
  Value tuple(std::span<const Value> items);
  Value list(std::initializer_list<Value> items) { return list(std::span(items.begin(), items.size())); }
  Value tuple(std::initializer_list<Value> items) { return tuple(std::span(items.begin(), items.size())); }
  Value undefined_name(std::string_view name);
  Value undefined_hint(std::string_view hint);  // hint is a literal
  Value undefined_member(Value object, Value name, bool unsafe = false);
  Value from_json(const Json& json, int depth = 0);

  // Dicts under construction. set() replaces the value of an equal key.
  Dict* new_dict(size_t expected = 0);
  void set(Dict& dict, Value key, Value value);
  const Value* find(const Dict& dict, Value key);  // TypeError for an unhashable key
  const Value* find(const Dict& dict, std::string_view key);
  Value dict_value(const Dict* d) { return Value::from_pointer(Tag::kDict, d); }

  // Iteration. TypeError when the value cannot be iterated.
  Iter* iterate(Value v);
  bool is_iterable(Value v) const;
  std::vector<Value> to_vector(Value v);
  // Python's len(), or -1 where it has none.
  int64_t length(Value v);

  // Calls anything callable. Implemented by the interpreter.
  virtual Value call(Value callee, const Args& args) = 0;
  // RecursionError beyond the depth limit; use Depth below.
  void enter() {
    if (++depth_ > limits_.max_depth) too_deep();
  }
  void leave() { --depth_; }
  [[noreturn]] void raise_undefined(Value v);
  uint64_t hash(Value v);

  // Containers whose repr() is being written: one inside itself (through a namespace) prints as "...".
  std::vector<const void*> in_repr;

 private:
  [[noreturn]] void out_of_steps();
  [[noreturn]] void too_deep();
  void grow(Dict& dict, uint32_t capacity);
  void reindex(Dict& dict);
  Seq* sequence(std::span<const Value> items);

  Limits limits_;
  int64_t steps_left_;
  int depth_ = 0;
  std::chrono::system_clock::time_point now_;
};

// One level of nesting, for as long as it lives.
class Depth {
 public:
  explicit Depth(Runtime& rt) : rt_(rt) { rt_.enter(); }
  ~Depth() { rt_.leave(); }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;

 private:
  Runtime& rt_;
};

// Fills `out` (missing where not given) with the arguments for `signature`; `what` names the callee in
// errors. Errors: TypeError as Python: too many, unknown keyword, given twice, required one absent.
void bind(const Signature& signature, const Args& args, std::string_view what, std::vector<Value>& out);

}  // namespace hadal::jinja
