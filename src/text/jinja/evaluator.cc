// Expressions of the interpreter.
#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/ops.h"
#include "text/jinja/repr.h"

namespace hadal::jinja {

Value Interpreter::evaluate(const Node& node, Activation& a) {
  step();
  switch (node.kind) {  // leaves first: they need no room on the stack
    case NodeKind::kConst:
      return node.value;
    case NodeKind::kName: {
      const Value v = variable(node.place, a);
      return v.missing() ? undefined_name(node.text) : v;
    }
    default:
      break;
  }
  Depth depth(*this);
  return evaluate_inner(node, a);
}

// Jinja2 evaluates a printed constant when it compiles, and there a slice that Python refuses is undefined
// instead of an error. When that fails the expression is left to run time.
Value Interpreter::evaluate_constant(const Node& node, Activation& a) {
  try {
    folding_ = true;
    const Value v = evaluate(node, a);
    folding_ = false;
    return v;
  } catch (const JinjaError& e) {
    folding_ = false;
    if (e.kind == ErrorKind::kLimit) throw;
  }
  return evaluate(node, a);
}

Value Interpreter::evaluate_inner(const Node& node, Activation& a) {
  using BinaryOp = Value (*)(Runtime&, Value, Value);
  BinaryOp op = nullptr;
  switch (node.kind) {
    case NodeKind::kGetattr:
      return get_attribute(*this, evaluate(*node.n1, a), node.value);
    case NodeKind::kGetitem:
      return evaluate_getitem(node, a);
    case NodeKind::kCall:
      return evaluate_call(node, a, Value());
    case NodeKind::kFilter:
      return evaluate_filter(node, a, Value());
    case NodeKind::kTest: {
      const Value self = evaluate(*node.n1, a);
      Args args;
      arguments(node, a, args);
      if (node.test == nullptr) fail(ErrorKind::kRuntime, "No test named '" + node.text + "' found.");
      return Value::from_bool(call_test(*this, *node.test, self, args));
    }
    case NodeKind::kCompare:
      return evaluate_compare(node, a);
    case NodeKind::kConcat:
      return evaluate_concat(node, a);
    case NodeKind::kAnd: {
      const Value left = evaluate(*node.n1, a);
      return truthy(*this, left) ? evaluate(*node.n2, a) : left;
    }
    case NodeKind::kOr: {
      const Value left = evaluate(*node.n1, a);
      return truthy(*this, left) ? left : evaluate(*node.n2, a);
    }
    case NodeKind::kNot:
      return Value::from_bool(!truthy(*this, evaluate(*node.n1, a)));
    case NodeKind::kCondition:
      if (truthy(*this, evaluate(*node.n1, a))) return evaluate(*node.n2, a);
      if (node.n3 != nullptr) return evaluate(*node.n3, a);
      return undefined_hint("the inline if-expression evaluated to false and no else section was defined.");
    case NodeKind::kTuple:
    case NodeKind::kList: {
      std::vector<Value> items;
      items.reserve(node.list.size());
      for (const Node* item : node.list) items.push_back(evaluate(*item, a));
      return node.kind == NodeKind::kList ? list(items) : tuple(items);
    }
    case NodeKind::kDict:
      return evaluate_dict(node, a);
    case NodeKind::kNeg:
      return negate(*this, evaluate(*node.n1, a));
    case NodeKind::kPos:
      return positive(*this, evaluate(*node.n1, a));
    case NodeKind::kAdd:
      op = add;
      break;
    case NodeKind::kSub:
      op = subtract;
      break;
    case NodeKind::kMul:
      op = multiply;
      break;
    case NodeKind::kDiv:
      op = divide;
      break;
    case NodeKind::kFloorDiv:
      op = floor_divide;
      break;
    case NodeKind::kMod:
      op = modulo;
      break;
    case NodeKind::kPow:
      op = power;
      break;
    default:
      fail(ErrorKind::kRuntime, "not an expression");
  }
  const Value left = evaluate(*node.n1, a);
  return op(*this, left, evaluate(*node.n2, a));
}

Value Interpreter::evaluate_getitem(const Node& node, Activation& a) {
  const Value object = evaluate(*node.n1, a);
  if (node.n2->kind != NodeKind::kSlice) return get_item(*this, object, evaluate(*node.n2, a));
  const auto bound = [&](const Node* n) { return n == nullptr ? Value() : evaluate(*n, a); };
  const Value start = bound(node.n2->n1);
  const Value stop = bound(node.n2->n2);
  const Value step_by = bound(node.n2->n3);
  if (!folding_) return slice(*this, object, start, stop, step_by);
  try {
    return slice(*this, object, start, stop, step_by);
  } catch (const JinjaError& e) {
    if (e.kind != ErrorKind::kType) throw;
    return undefined_member(object, Value::none());
  }
}

Value Interpreter::evaluate_compare(const Node& node, Activation& a) {
  Value left = evaluate(*node.n1, a);
  for (size_t i = 0; i < node.list.size(); ++i) {
    const Value right = evaluate(*node.list[i], a);
    if (!compare(*this, node.ops[i], left, right)) return Value::from_bool(false);
    left = right;
  }
  return Value::from_bool(true);
}

Value Interpreter::evaluate_concat(const Node& node, Activation& a) {
  // Every operand is evaluated before any is turned into text.
  std::vector<Value> parts;
  parts.reserve(node.list.size());
  for (const Node* part : node.list) parts.push_back(evaluate(*part, a));
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    append_str(*this, out, parts[i]);
    if (out.size() > limits().max_output) fail(ErrorKind::kLimit, "the result of ~ is too long");
  }
  return text(out);
}

Value Interpreter::evaluate_dict(const Node& node, Activation& a) {
  Dict* dict = new_dict(node.list.size());
  for (size_t i = 0; i < node.list.size(); ++i) {
    const Value key = evaluate(*node.list[i], a);
    set(*dict, key, evaluate(*node.list2[i], a));
  }
  return dict_value(dict);
}

void Interpreter::arguments(const Node& node, Activation& a, Args& args) {
  args.positional.reserve(node.list.size());
  for (const Node* arg : node.list) args.positional.push_back(evaluate(*arg, a));
  for (size_t i = 0; i < node.names.size(); ++i)
    args.keyword.emplace_back(node.names[i], evaluate(*node.list2[i], a));
  if (node.n2 != nullptr) {
    const std::vector<Value> more = to_vector(evaluate(*node.n2, a));
    args.positional.insert(args.positional.end(), more.begin(), more.end());
  }
  if (node.n3 == nullptr) return;
  const Value more = evaluate(*node.n3, a);
  if (more.is_undefined()) raise_undefined(more);
  if (!more.is(Tag::kDict))
    type_error("argument after ** must be a mapping, not " + std::string(type_name(more)));
  for (uint32_t i = 0; i < more.dict->size; ++i) {
    const Value key = more.dict->keys[i];
    if (!key.is_str()) type_error("keywords must be strings");
    for (const auto& [name, value] : args.keyword) {
      if (name == key.str())
        type_error("got multiple values for keyword argument '" + std::string(name) + "'");
    }
    args.keyword.emplace_back(key.str(), more.dict->values[i]);
  }
}

Value Interpreter::evaluate_filter(const Node& node, Activation& a, Value self) {
  if (node.n1 != nullptr)
    self =
        node.n1->kind == NodeKind::kFilter ? evaluate_filter_chain(*node.n1, a, self) : evaluate(*node.n1, a);
  Args args;
  arguments(node, a, args);
  if (node.filter == nullptr) fail(ErrorKind::kRuntime, "No filter named '" + node.text + "' found.");
  return call_filter(*this, *node.filter, self, args);
}

// In a filter block the innermost filter of a chain has no operand: it takes the block's text.
Value Interpreter::evaluate_filter_chain(const Node& node, Activation& a, Value body) {
  Depth depth(*this);
  step();
  return evaluate_filter(node, a, body);
}

Value Interpreter::evaluate_call(const Node& node, Activation& a, Value caller) {
  const Value callee = evaluate(*node.n1, a);
  Args args;
  arguments(node, a, args);
  if (!caller.missing()) {
    for (const auto& [name, value] : args.keyword) {
      if (name == "caller") type_error("got multiple values for keyword argument 'caller'");
    }
    args.keyword.emplace_back("caller", caller);
  }
  line_ = node.line;
  return call(callee, args);
}

}  // namespace hadal::jinja
