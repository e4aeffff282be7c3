#include "text/jinja/interpreter.h"

#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/iterators.h"
#include "text/jinja/ops.h"
#include "text/jinja/repr.h"

namespace hadal::jinja {

// "for x in y if test": passes on the items for which the test holds.
class FilteredIter final : public Iter {
 public:
  FilteredIter(Interpreter& in, const Node& node, Activation* a, Iter* source)
      : in_(in), node_(node), a_(a), source_(source) {}
  bool next(Runtime&, Value& out) override {
    if (!entered_) in_.enter_frame(node_.test_frame, *a_);
    entered_ = true;
    Value item;
    while (source_->next(in_, item)) {
      in_.step();
      in_.assign(*node_.list3[0], item, *a_);
      if (!truthy(in_, in_.evaluate(*node_.n3, *a_))) continue;
      out = in_.evaluate(*node_.list3[0], *a_);
      return true;
    }
    return false;
  }

 private:
  Interpreter& in_;
  const Node& node_;
  Activation* a_;
  Iter* source_;
  bool entered_ = false;
};

Value macro_attribute(Runtime& rt, const Macro& macro, std::string_view name) {
  const Node& node = *macro.node;
  if (name == "name") return macro.anonymous ? Value::none() : Value::from_view(node.text);
  if (name == "caller") return Value::from_bool(node.caller_slot >= 0 || node.explicit_caller >= 0);
  if (name == "catch_kwargs") return Value::from_bool(node.kwargs_slot >= 0);
  if (name == "catch_varargs") return Value::from_bool(node.varargs_slot >= 0);
  if (name == "explicit_caller") return Value::from_bool(node.explicit_caller >= 0);
  if (name == "arguments") {
    std::vector<Value> names;
    for (const Node* parameter : node.list) names.push_back(parameter->value);
    return rt.tuple(names);
  }
  return {};
}

std::string macro_repr(const Macro& macro) {
  return macro.anonymous ? "<Macro anonymous>" : "<Macro '" + macro.node->text + "'>";
}

Value block_reference(Runtime& rt, std::string_view name) {
  const auto& in = static_cast<Interpreter&>(rt);
  for (const Node* block : in.source().blocks) {
    if (block->text == name)
      return Value::from_pointer(Tag::kBlockRef, rt.arena.make<BlockRef>(BlockRef{block}));
  }
  return {};
}

Interpreter::Interpreter(const Template& t, const Json& variables, const Limits& limits,
                         std::chrono::system_clock::time_point now)
    : Runtime(limits, now),
      template_(t),
      variables_(variables),
      resolved_(t.names.size()),
      is_resolved_(t.names.size()) {}

std::string Interpreter::run() {
  try {
    root_context_ = new_dict();
    Activation* a = new_activation(template_.num_slots, nullptr, root_context_);
    if (template_.self_slot >= 0) a->slots[template_.self_slot] = Value::from_pointer(Tag::kSelf, nullptr);
    enter_frame(template_.frame, *a);
    run_body(template_.body, *a);
  } catch (JinjaError& e) {
    if (e.line == 0) e.line = line_;
    throw;
  }
  return std::move(out_);
}

Activation* Interpreter::new_activation(int num_slots, Activation* parent, Dict* context) {
  auto* a = arena.make<Activation>();
  a->slots = arena.array<Value>(static_cast<size_t>(num_slots));
  std::fill_n(a->slots, num_slots, Value());
  a->parent = parent;
  a->context = context;
  return a;
}

void Interpreter::enter_frame(const Frame& frame, Activation& a) {
  for (const FrameLoad& load : frame.loads) {
    switch (load.action) {
      case FrameLoad::Action::kResolve:
        a.slots[load.slot] = resolve_name(load.global, a.context);
        break;
      case FrameLoad::Action::kAlias:
        a.slots[load.slot] = variable(load.from, a);
        break;
      case FrameLoad::Action::kUndefined:
        a.slots[load.slot] = Value();
        break;
    }
  }
}

void Interpreter::leave_frame(const Frame& frame, Activation& a) {
  for (int slot : frame.slots) a.slots[slot] = Value();
}

Value Interpreter::outside(std::string_view name) {
  if (const Json* found = variables_.find(name)) return from_json(*found);
  if (const GlobalFunction* global = find_global(name)) return Value::from_pointer(Tag::kGlobal, global);
  return {};
}

Value Interpreter::resolve_name(int index, Dict* context) {
  const auto i = static_cast<size_t>(index);
  if (!template_.blocks.empty()) {
    if (const Value* found = find(*context, template_.names[i])) return *found;
  }
  if (!is_resolved_[i]) {
    resolved_[i] = outside(template_.names[i]);
    is_resolved_[i] = true;
  }
  return resolved_[i];
}

void Interpreter::write(std::string_view text) {
  if (out_.size() + text.size() > limits().max_output) {
    fail(ErrorKind::kLimit,
         "the rendered text is longer than " + std::to_string(limits().max_output) + " bytes");
  }
  out_ += text;
}

void Interpreter::write_text(Value v) {
  if (!v.is_str()) type_error("expected str instance, " + std::string(type_name(v)) + " found");
  write(v.str());
}

Value Interpreter::capture(size_t mark) {
  const Value result = text(std::string_view(out_).substr(mark));
  out_.resize(mark);
  return result;
}

Interpreter::Flow Interpreter::run_body(const std::vector<Node*>& nodes, Activation& a) {
  for (const Node* node : nodes) {
    const Flow flow = run_statement(*node, a);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_statement(const Node& node, Activation& a) {
  step();
  line_ = node.line;
  switch (node.kind) {
    case NodeKind::kOutput:
      run_output(node, a);
      return Flow::kNext;
    case NodeKind::kIf: {
      Depth depth(*this);
      if (truthy(*this, evaluate(*node.n1, a))) return run_body(node.list, a);
      for (const Node* branch : node.list3) {
        line_ = branch->line;
        if (truthy(*this, evaluate(*branch->n1, a))) return run_body(branch->list, a);
      }
      return run_body(node.list2, a);
    }
    case NodeKind::kFor:
      return run_for(node, a);
    case NodeKind::kAssign:
      run_assign(node, a);
      return Flow::kNext;
    case NodeKind::kMacro: {
      const Value macro = Value::from_pointer(Tag::kMacro, arena.make<Macro>(Macro{&node, &a, false}));
      variable(node.place, a) = macro;
      if (node.flag2) set(*a.context, Value::from_view(node.text), macro);
      return Flow::kNext;
    }
    case NodeKind::kCallBlock:
      run_call_block(node, a);
      return Flow::kNext;
    case NodeKind::kFilterBlock:
    case NodeKind::kWith:
    case NodeKind::kAssignBlock:
    case NodeKind::kAutoescape:
      return run_scope(node, a);
    case NodeKind::kBlock: {
      if (node.flag2) fail(ErrorKind::kRuntime, "Required block '" + node.text + "' not found");
      Dict* context = a.context;
      if (node.flag) {
        context = new_dict(context->size + node.scope.size());
        for (uint32_t i = 0; i < a.context->size; ++i)
          set(*context, a.context->keys[i], a.context->values[i]);
        for (const auto& [name, place] : node.scope) {
          const Value v = variable(place, a);
          if (!v.missing()) set(*context, Value::from_view(name), v);
        }
      }
      run_block(node, context);
      return Flow::kNext;
    }
    case NodeKind::kBreak:
      return Flow::kBreak;
    case NodeKind::kContinue:
      return Flow::kContinue;
    case NodeKind::kLoader:
      evaluate(*node.n1, a);
      type_error("no loader for this environment specified");
    default:
      fail(ErrorKind::kRuntime, "not a statement");
  }
}

void Interpreter::run_output(const Node& node, Activation& a) {
  for (const Node* child : node.list) {
    if (child->kind == NodeKind::kConst && child->value.is_str()) {
      write(child->value.str());
      continue;
    }
    line_ = child->line;
    const Value v = child->constant ? evaluate_constant(*child, a) : evaluate(*child, a);
    if (v.is_str()) {
      write(v.str());
    } else if (!v.is_undefined()) {
      std::string text;
      append_str(*this, text, v);
      write(text);
    }
  }
}

Interpreter::Flow Interpreter::run_for(const Node& node, Activation& a) {
  Depth depth(*this);
  const Value iterable = evaluate(*node.n2, a);
  if (node.flag) {
    const Value text = run_recursive(node, a, iterable, 0);
    write(text.str());
    return Flow::kNext;
  }
  return run_loop(node, a, iterable, 0);
}

Value Interpreter::run_recursive(const Node& node, Activation& outer, Value iterable, int depth0) {
  Depth depth(*this);
  Activation* a = new_activation(node.loop_slots, &outer, outer.context);
  const size_t mark = out_.size();
  run_loop(node, *a, iterable, depth0);
  return capture(mark);
}

Interpreter::Flow Interpreter::run_loop(const Node& node, Activation& a, Value iterable, int depth0) {
  Iter* source = iterate(iterable);
  Activation* outer = node.flag ? a.parent : &a;
  if (node.n3 != nullptr) {
    Activation* test = new_activation(node.test_slots, outer, a.context);
    source = arena.make<FilteredIter>(*this, node, test, source);
    iterable = Value::from_pointer(Tag::kIter, source);
  }
  Loop* loop = node.flag2 ? arena.make<Loop>(iterable, source, depth0) : nullptr;
  if (loop != nullptr && node.flag) {
    loop->recursive_node = &node;
    loop->activation = outer;
  }
  bool empty = true;
  Value item;
  while (loop != nullptr ? loop->advance(*this, item) : source->next(*this, item)) {
    step();
    assign(*node.n1, item, a);
    if (loop != nullptr) variable(node.place, a) = Value::from_pointer(Tag::kLoop, loop);
    enter_frame(node.frame, a);
    const Flow flow = run_body(node.list, a);
    // As in Jinja2, an iteration that ends early does not keep the else branch from running.
    if (flow == Flow::kNext) empty = false;
    if (flow == Flow::kBreak) break;
  }
  leave_frame(node.frame, a);
  if (!empty || node.list2.empty()) return Flow::kNext;
  enter_frame(node.else_frame, a);
  const Flow flow = run_body(node.list2, a);
  leave_frame(node.else_frame, a);
  return flow;
}

Interpreter::Flow Interpreter::run_scope(const Node& node, Activation& a) {
  Depth depth(*this);
  Flow flow = Flow::kNext;
  enter_frame(node.frame, a);
  const size_t mark = out_.size();
  switch (node.kind) {
    case NodeKind::kWith:
      for (size_t i = 0; i < node.list.size(); ++i) assign(*node.list[i], evaluate(*node.list2[i], a), a);
      flow = run_body(node.list3, a);
      break;
    case NodeKind::kAutoescape:
      if (truthy(*this, evaluate(*node.n1, a)))
        fail(ErrorKind::kLimit, "autoescape is not supported in chat templates");
      flow = run_body(node.list, a);
      break;
    case NodeKind::kFilterBlock: {
      flow = run_body(node.list, a);
      const Value body = capture(mark);
      if (flow == Flow::kNext) {
        write_text(evaluate_filter(*node.n1, a, body));
      }
      break;
    }
    default: {  // {% set x %}...{% endset %}
      flow = run_body(node.list, a);
      Value body = capture(mark);
      if (flow == Flow::kNext) {
        if (node.n2 != nullptr) body = evaluate_filter(*node.n2, a, body);
        assign(*node.n1, body, a);
        if (node.flag2) export_names(*node.n1, a);
      }
      break;
    }
  }
  if (flow == Flow::kNext) leave_frame(node.frame, a);
  return flow;
}

void Interpreter::assign(const Node& target, Value v, Activation& a) {
  if (target.kind == NodeKind::kName) {
    variable(target.place, a) = v;
    return;
  }
  if (target.kind == NodeKind::kNamespaceRef) {
    const Value ns = variable(target.place, a);
    if (!ns.is(Tag::kNamespace)) fail(ErrorKind::kRuntime, "cannot assign attribute on non-namespace object");
    if (target.attr.starts_with("_")) {
      fail(ErrorKind::kSecurity,
           "Chat templates cannot store underscore-prefixed attributes on a namespace, but got '" +
               target.attr + "'. Please rename the attribute.");
    }
    set(ns.ns->attributes, target.value, v);
    return;
  }
  const std::vector<Value> items = to_vector(v);
  if (items.size() != target.list.size()) {
    value_error(items.size() < target.list.size()
                    ? "not enough values to unpack (expected " + std::to_string(target.list.size()) +
                          ", got " + std::to_string(items.size()) + ")"
                    : "too many values to unpack (expected " + std::to_string(target.list.size()) + ")");
  }
  for (size_t i = 0; i < items.size(); ++i) assign(*target.list[i], items[i], a);
}

void Interpreter::export_names(const Node& target, Activation& a) {
  if (target.kind == NodeKind::kName) set(*a.context, target.value, variable(target.place, a));
  for (const Node* item : target.list) export_names(*item, a);
}

void Interpreter::run_assign(const Node& node, Activation& a) {
  // Jinja2 checks every namespace of the target before it evaluates the value.
  const auto check = [&](const Node& target, auto&& self) -> void {
    if (target.kind == NodeKind::kNamespaceRef && !variable(target.place, a).is(Tag::kNamespace)) {
      fail(ErrorKind::kRuntime, "cannot assign attribute on non-namespace object");
    }
    for (const Node* item : target.list) self(*item, self);
  };
  check(*node.n1, check);
  assign(*node.n1, evaluate(*node.n2, a), a);
  if (node.flag2) export_names(*node.n1, a);
}

void Interpreter::run_call_block(const Node& node, Activation& a) {
  const Value caller = Value::from_pointer(Tag::kMacro, arena.make<Macro>(Macro{&node, &a, true}));
  if (node.flag) {  // generation
    write(call_macro(*caller.macro, {}).str());
    return;
  }
  write_text(evaluate_call(*node.n1, a, caller));
}

void Interpreter::run_block(const Node& node, Dict* context) {
  Depth depth(*this);
  Activation* a = new_activation(node.num_slots, nullptr, context);
  if (node.self_slot >= 0) a->slots[node.self_slot] = Value::from_pointer(Tag::kSelf, nullptr);
  if (node.super_slot >= 0) a->slots[node.super_slot] = undefined_hint("there is no parent block.");
  enter_frame(node.frame, *a);
  run_body(node.list, *a);
}

Value Interpreter::call_block(const Node& node) {
  const size_t mark = out_.size();
  run_block(node, root_context_);
  return capture(mark);
}

// jinja2.runtime.Macro.__call__.
Value Interpreter::call_macro(const Macro& macro, const Args& args) {
  // A macro costs Python several stack frames; this keeps our stack in bounds too.
  Depth d1(*this), d2(*this), d3(*this);
  const Node& node = *macro.node;
  const size_t count = node.list.size();
  Activation* a = new_activation(node.num_slots, macro.activation, macro.activation->context);
  std::vector<std::pair<std::string_view, Value>> keyword = args.keyword;
  const auto pop = [&keyword](std::string_view name) {
    for (auto at = keyword.begin(); at != keyword.end(); ++at) {
      if (at->first != name) continue;
      const Value v = at->second;
      keyword.erase(at);
      return v;
    }
    return Value();
  };
  const size_t positional = std::min(count, args.positional.size());
  bool found_caller = positional == count && node.explicit_caller >= 0;
  for (size_t i = 0; i < count; ++i) {
    const std::string& name = node.list[i]->text;
    if (i >= positional && name == "caller") found_caller = true;
    a->slots[node.parameter_slots[i]] = i < positional ? args.positional[i] : pop(name);
  }
  if (node.caller_slot >= 0 && !found_caller) {
    Value caller = pop("caller");
    if (caller.missing() || caller.is_none()) caller = undefined_hint("No caller defined");
    a->slots[node.caller_slot] = caller;
  }
  const std::string who = "macro " + (macro.anonymous ? std::string("None") : "'" + node.text + "'");
  if (node.kwargs_slot >= 0) {
    Dict* rest = new_dict(keyword.size());
    for (const auto& [name, value] : keyword) set(*rest, Value::from_view(name), value);
    a->slots[node.kwargs_slot] = dict_value(rest);
  } else if (!keyword.empty()) {
    type_error(who + " takes no keyword argument '" + std::string(keyword.front().first) + "'");
  }
  if (node.varargs_slot >= 0) {
    a->slots[node.varargs_slot] = tuple(std::span(args.positional).subspan(positional));
  } else if (args.positional.size() > count) {
    type_error(who + " takes not more than " + std::to_string(count) + " argument(s)");
  }
  enter_frame(node.frame, *a);
  const size_t first_default = count - node.list2.size();
  for (size_t i = 0; i < count; ++i) {
    Value& slot = a->slots[node.parameter_slots[i]];
    if (!slot.missing()) continue;
    if (i >= first_default) {
      slot = evaluate(*node.list2[i - first_default], *a);
    } else {
      slot = undefined_hint(text("parameter '" + node.list[i]->text + "' was not provided").str());
    }
  }
  const size_t mark = out_.size();
  run_body(node.list3, *a);
  return capture(mark);
}

Value Interpreter::call(Value callee, const Args& args) {
  Depth depth(*this);
  step();
  switch (callee.tag) {
    case Tag::kMacro:
      return call_macro(*callee.macro, args);
    case Tag::kMethod: {
      const MethodInfo& info = *callee.method->info;
      if (info.call_raw != nullptr) return info.call_raw(*this, callee.method->self, args);
      std::vector<Value> bound;
      bind(info.signature, args, info.name, bound);
      return info.call(*this, callee.method->self, bound.data());
    }
    case Tag::kGlobal:
      return callee.global->call(*this, args);
    case Tag::kBlockRef:
      if (!args.positional.empty() || !args.keyword.empty()) type_error("a block takes no arguments");
      return call_block(*callee.block->node);
    case Tag::kJoiner:
      if (!args.positional.empty() || !args.keyword.empty()) type_error("a joiner takes no arguments");
      if (!callee.joiner->used) {
        callee.joiner->used = true;
        return Value::from_view("");
      }
      return callee.joiner->separator;
    case Tag::kLoop: {
      Loop& loop = *callee.loop;
      if (loop.recursive_node == nullptr) {
        type_error("The loop must have the 'recursive' marker to be called recursively.");
      }
      std::vector<Value> bound;
      bind({"iterable", 1}, args, "loop", bound);
      Depth d1(*this), d2(*this);
      return run_recursive(*static_cast<const Node*>(loop.recursive_node),
                           *static_cast<Activation*>(loop.activation), bound[0], loop.depth0() + 1);
    }
    case Tag::kUndefined:
      raise_undefined(callee);
    default:
      type_error("'" + std::string(type_name(callee)) + "' object is not callable");
  }
}

}  // namespace hadal::jinja
