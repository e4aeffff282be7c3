// Interpreter: walks a resolved template with one context and writes its text. One per render, one thread.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "text/jinja/ast.h"
#include "text/jinja/runtime.h"

namespace hadal::jinja {

// The variables of one running function of the template.
struct Activation {
  Value* slots;
  Activation* parent;
  Dict* context;  // what the template has set at its top level, where blocks can see it
};

struct Macro {
  const Node* node;
  Activation* activation;  // where it was defined
  bool anonymous;          // the body of a call block
};

struct BlockRef {
  const Node* node;
};

Value macro_attribute(Runtime& rt, const Macro& macro, std::string_view name);
std::string macro_repr(const Macro& macro);
// self.name: missing when the template has no such block.
Value block_reference(Runtime& rt, std::string_view name);

class Interpreter final : public Runtime {
 public:
  // `variables` is an object that outlives the interpreter.
  Interpreter(const Template& t, const Json& variables, const Limits& limits,
              std::chrono::system_clock::time_point now);

  // Throws JinjaError with the line.
  std::string run();
  Value call(Value callee, const Args& args) override;
  const Template& source() const { return template_; }

 private:
  friend class FilteredIter;
  enum class Flow : uint8_t { kNext, kBreak, kContinue };

  // statements (interpreter.cc)
  Flow run_body(const std::vector<Node*>& nodes, Activation& a);
  Flow run_statement(const Node& node, Activation& a);
  void run_output(const Node& node, Activation& a);
  Flow run_for(const Node& node, Activation& a);
  Flow run_loop(const Node& node, Activation& a, Value iterable, int depth0);
  Value run_recursive(const Node& node, Activation& outer, Value iterable, int depth0);
  Flow run_scope(const Node& node, Activation& a);
  void run_assign(const Node& node, Activation& a);
  void run_call_block(const Node& node, Activation& a);
  void run_block(const Node& node, Dict* context);
  void enter_frame(const Frame& frame, Activation& a);
  void leave_frame(const Frame& frame, Activation& a);
  void assign(const Node& target, Value v, Activation& a);
  void export_names(const Node& target, Activation& a);
  Activation* new_activation(int num_slots, Activation* parent, Dict* context);
  Value call_macro(const Macro& macro, const Args& args);
  Value call_block(const Node& node);
  // Takes back what was written since `mark`.
  Value capture(size_t mark);
  void write(std::string_view text);
  // The result of a filter or call block, which Jinja2 joins without str().
  void write_text(Value v);

  // expressions (evaluator.cc)
  Value evaluate(const Node& node, Activation& a);
  Value evaluate_constant(const Node& node, Activation& a);
  Value evaluate_inner(const Node& node, Activation& a);
  Value evaluate_filter(const Node& node, Activation& a, Value self);
  Value evaluate_filter_chain(const Node& node, Activation& a, Value body);
  Value evaluate_call(const Node& node, Activation& a, Value caller);
  Value evaluate_compare(const Node& node, Activation& a);
  Value evaluate_concat(const Node& node, Activation& a);
  Value evaluate_dict(const Node& node, Activation& a);
  Value evaluate_getitem(const Node& node, Activation& a);
  void arguments(const Node& node, Activation& a, Args& args);
  Value& variable(Place place, Activation& a) {
    Activation* at = &a;
    for (int i = 0; i < place.hops; ++i) at = at->parent;
    return at->slots[place.slot];
  }
  Value resolve_name(int index, Dict* context);
  Value outside(std::string_view name);

  const Template& template_;
  const Json& variables_;
  std::vector<Value> resolved_;  // by index into Template::names; missing: not looked up yet
  std::vector<bool> is_resolved_;
  std::string out_;
  int line_ = 1;
  bool folding_ = false;  // a printed constant is being evaluated
  Dict* root_context_ = nullptr;
};

}  // namespace hadal::jinja
