// resolve(): works out where every variable of a template lives.
//
// Jinja2 compiles a template to Python functions and decides at compile time, frame by frame, whether a name
// is a parameter, a copy of an outer variable, or looked up in the context when the frame starts. Templates
// can see the difference from plain dynamic scoping, so the same analysis is done here (it follows the
// behaviour of Jinja2 3.1's identifier tracking), and names become slots, which is also what makes rendering
// fast.
#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>

#include "text/jinja/ast.h"
#include "text/jinja/builtins.h"
#include "text/jinja/parser_impl.h"

namespace hadal::jinja {

namespace {

// A Python function that Jinja2 would have written: owner of slots.
struct Function {
  Function* parent;
  std::map<std::pair<int, std::string>, int> slots;
  int slot(int level, const std::string& name) {
    return slots.try_emplace({level, name}, static_cast<int>(slots.size())).first->second;
  }
};

struct Load {
  enum class Kind { kParam, kResolve, kAlias, kUndefined } kind;
  int outer_level = 0;  // kAlias
};

// The variables of one frame. A branch of an if is an overlay over the frame's own.
struct Symbols {
  int level = 0;
  Symbols* parent = nullptr;
  Function* function = nullptr;
  Symbols* base = nullptr;  // of a branch: what the frame had before
  std::unordered_map<std::string, Load> vars;
  std::set<std::string> stores;

  bool has_own(const std::string& name) const {
    for (const Symbols* s = this; s != nullptr; s = s->base) {
      if (s->vars.contains(name)) return true;
    }
    return false;
  }
  // The level of the frame that holds `name`, or -1.
  int find(const std::string& name) const {
    for (const Symbols* s = this; s != nullptr; s = s->parent) {
      if (s->has_own(name)) return s->level;
    }
    return -1;
  }
  void store(const std::string& name) {
    stores.insert(name);
    if (has_own(name)) return;
    const int outer = parent == nullptr ? -1 : parent->find(name);
    vars[name] = outer >= 0 ? Load{Load::Kind::kAlias, outer} : Load{Load::Kind::kUndefined};
  }
  void declare(const std::string& name) {
    stores.insert(name);
    vars[name] = {Load::Kind::kParam};
  }
  void load(const std::string& name) {
    if (find(name) < 0) vars[name] = {Load::Kind::kResolve};
  }
  void merge(const std::vector<Symbols>& branches) {
    std::set<std::string> stored;
    for (const Symbols& branch : branches) stored.insert(branch.stores.begin(), branch.stores.end());
    for (const Symbols* s = this; s != nullptr; s = s->base) {
      for (const std::string& name : s->stores) stored.erase(name);
    }
    for (const Symbols& branch : branches) {
      for (const auto& [name, how] : branch.vars) vars[name] = how;
      stores.insert(branch.stores.begin(), branch.stores.end());
    }
    for (const std::string& name : stored) {
      const int outer = parent == nullptr ? -1 : parent->find(name);
      vars[name] = outer >= 0 ? Load{Load::Kind::kAlias, outer} : Load{Load::Kind::kResolve};
    }
  }
};

// Collects the variables that one frame touches; nested frames are left alone.
class Collector {
 public:
  explicit Collector(Symbols& symbols) : symbols_(&symbols) {}

  void visit_all(const std::vector<Node*>& nodes) {
    for (Node* n : nodes) visit(n);
  }
  void visit(Node* node) {
    if (node == nullptr) return;
    switch (node->kind) {
      case NodeKind::kName:
        if (node->param) {
          symbols_->declare(node->text);
        } else if (node->store) {
          symbols_->store(node->text);
        } else {
          symbols_->load(node->text);
        }
        return;
      case NodeKind::kNamespaceRef:
        symbols_->load(node->text);
        return;
      case NodeKind::kIf:
        visit_if(node);
        return;
      case NodeKind::kMacro:
        symbols_->store(node->text);
        return;
      case NodeKind::kFor:
        visit(node->n2);
        return;
      case NodeKind::kCallBlock:
      case NodeKind::kFilterBlock:
        visit(node->n1);
        return;
      case NodeKind::kWith:
        visit_all(node->list2);
        return;
      case NodeKind::kAssign:
        visit(node->n2);
        visit(node->n1);
        return;
      case NodeKind::kAssignBlock:
        visit(node->n1);
        return;
      case NodeKind::kBlock:
      case NodeKind::kAutoescape:
        return;
      default:
        break;
    }
    for_each_child(*node, [this](Node* child) { visit(child); });
    if (node->kind == NodeKind::kLoader) {
      for (const std::string& name : node->names) symbols_->store(name);
    }
  }
  // A for loop's target belongs to the loop's own frame.
  void visit_as_param(Node* target) {
    if (target->kind == NodeKind::kName) symbols_->declare(target->text);
    for (Node* item : target->list) visit_as_param(item);
  }

 private:
  void visit_if(Node* node) {
    visit(node->n1);
    Symbols* frame = symbols_;
    std::vector<Symbols> branches(3);
    const std::vector<Node*>* bodies[] = {&node->list, &node->list3, &node->list2};
    for (size_t i = 0; i < 3; ++i) {
      branches[i].level = frame->level;
      branches[i].parent = frame->parent;
      branches[i].function = frame->function;
      branches[i].base = frame;
      symbols_ = &branches[i];
      visit_all(*bodies[i]);
    }
    symbols_ = frame;
    frame->merge(branches);
  }

  Symbols* symbols_;
};

// Which of `wanted` are read before they are written, anywhere below `nodes` (blocks apart).
class UndeclaredFinder {
 public:
  explicit UndeclaredFinder(std::set<std::string> wanted) : wanted_(std::move(wanted)) {}
  std::set<std::string> find(const std::vector<Node*>& nodes) {
    for (Node* n : nodes) visit(n);
    return found_;
  }

 private:
  void visit(const Node* node) {
    if (node->kind == NodeKind::kBlock) return;
    if (node->kind == NodeKind::kName) {
      if (!node->store && !node->param && wanted_.contains(node->text)) {
        found_.insert(node->text);
      } else {
        wanted_.erase(node->text);
      }
      return;
    }
    for_each_child(*node, [this](const Node* child) { visit(child); });
  }

  std::set<std::string> wanted_, found_;
};

class Resolver {
 public:
  explicit Resolver(Template& t) : template_(t) {}

  void run() {
    Function* function = new_function(nullptr);
    Symbols root;
    root.function = function;
    if (UndeclaredFinder({"self"}).find(template_.body).contains("self")) {
      root.declare("self");
      template_.self_slot = function->slot(0, "self");
    }
    Collector(root).visit_all(template_.body);
    Context c{&root, false, true, false};
    body(template_.body, c);
    template_.frame = frame_of(root);
    template_.num_slots = static_cast<int>(function->slots.size());
    for (size_t i = 0; i < template_.blocks.size(); ++i) block(template_.blocks[i]);
  }

 private:
  // Where in the template the walk is.
  struct Context {
    Symbols* frame;
    bool soft;  // inside an if: unknown filters only fail when reached
    bool toplevel;
    bool in_loop;  // break and continue have a loop in this function
  };

  Function* new_function(Function* parent) { return &functions_.emplace_back(Function{parent, {}}); }
  static Symbols inner(Symbols& parent, Function* function) {
    Symbols s;
    s.level = parent.level + 1;
    s.parent = &parent;
    s.function = function;
    return s;
  }
  int name_index(const std::string& name) {
    const auto [at, added] = names_.try_emplace(name, static_cast<int>(template_.names.size()));
    if (added) template_.names.push_back(name);
    return at->second;
  }
  // Where `name` of the frame at `level` is, seen from `from`'s function.
  static Place place_at(const Symbols& from, int level, const std::string& name) {
    const Symbols* owner = &from;
    while (owner->level != level) owner = owner->parent;
    Place place;
    for (const Function* f = from.function; f != owner->function; f = f->parent) ++place.hops;
    place.slot = owner->function->slot(level, name);
    return place;
  }
  static Place place_of(const Symbols& frame, const std::string& name, int line) {
    const int level = frame.find(name);
    if (level < 0)
      fail(ErrorKind::kSyntax, "the name '" + name + "' is unknown to the scope it is used in", line);
    return place_at(frame, level, name);
  }
  Frame frame_of(Symbols& symbols) {
    Frame frame;
    std::vector<std::string> names;
    for (const auto& [name, load] : symbols.vars) names.push_back(name);
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      const Load& load = symbols.vars[name];
      const int slot = symbols.function->slot(symbols.level, name);
      frame.slots.push_back(slot);
      switch (load.kind) {
        case Load::Kind::kParam:
          break;
        case Load::Kind::kResolve:
          frame.loads.push_back({FrameLoad::Action::kResolve, slot, {}, name_index(name)});
          break;
        case Load::Kind::kAlias:
          frame.loads.push_back(
              {FrameLoad::Action::kAlias, slot, place_at(symbols, load.outer_level, name), -1});
          break;
        case Load::Kind::kUndefined:
          frame.loads.push_back({FrameLoad::Action::kUndefined, slot, {}, -1});
          break;
      }
    }
    return frame;
  }

  void body(const std::vector<Node*>& nodes, const Context& c) {
    for (Node* n : nodes) statement(n, c);
  }

  void statement(Node* node, const Context& c) {
    switch (node->kind) {
      case NodeKind::kOutput:
        for (Node* n : node->list) expression(n, c);
        return;
      case NodeKind::kIf: {
        Context inside = c;
        inside.soft = true;
        expression(node->n1, inside);
        body(node->list, inside);
        body(node->list3, inside);
        body(node->list2, inside);
        return;
      }
      case NodeKind::kFor:
        for_loop(node, c);
        return;
      case NodeKind::kMacro:
        macro(node, c);
        node->place = place_of(*c.frame, node->text, node->line);
        node->flag2 = c.toplevel && !template_.blocks.empty();
        return;
      case NodeKind::kCallBlock:
        macro(node, c);
        if (node->n1 != nullptr) expression(node->n1, c);
        return;
      case NodeKind::kFilterBlock:
      case NodeKind::kAutoescape:
        scope(node, c);
        return;
      case NodeKind::kWith:
        with(node, c);
        return;
      case NodeKind::kAssign:
        expression(node->n2, c);
        expression(node->n1, c);
        node->flag2 = c.toplevel && !template_.blocks.empty();
        return;
      case NodeKind::kAssignBlock:
        assign_block(node, c);
        return;
      case NodeKind::kBlock:
        if (node->flag) {
          std::set<std::string> seen;
          for (const Symbols* s = c.frame; s != nullptr; s = s->parent) {
            for (const std::string& name : s->stores) {
              if (seen.insert(name).second)
                node->scope.emplace_back(name, place_of(*c.frame, name, node->line));
            }
          }
        }
        return;
      case NodeKind::kBreak:
      case NodeKind::kContinue:
        if (!c.in_loop) {
          fail(ErrorKind::kSyntax,
               node->kind == NodeKind::kBreak ? "'break' outside loop" : "'continue' not properly in loop",
               node->line);
        }
        return;
      case NodeKind::kLoader:
        expression(node->n1, c);
        return;
      default:
        expression(node, c);
    }
  }

  void expression(Node* node, const Context& c) {
    if (node == nullptr) return;
    if (node->kind == NodeKind::kName || node->kind == NodeKind::kNamespaceRef) {
      node->place = place_of(*c.frame, node->text, node->line);
      return;
    }
    Context inside = c;
    inside.soft = c.soft || node->kind == NodeKind::kCondition;
    const bool unknown = (node->kind == NodeKind::kFilter && node->filter == nullptr) ||
                         (node->kind == NodeKind::kTest && node->test == nullptr);
    if (unknown && !c.soft) {
      fail(ErrorKind::kSyntax,
           std::string("No ") + (node->kind == NodeKind::kFilter ? "filter" : "test") + " named '" +
               node->text + "'.",
           node->line);
    }
    for_each_child(*node, [&](Node* child) { expression(child, inside); });
  }

  static bool stores_loop(const Node* node) {
    if (node->kind == NodeKind::kName && node->store && node->text == "loop") return true;
    bool found = false;
    for_each_child(*node, [&](const Node* child) { found = found || stores_loop(child); });
    return found;
  }
  static bool has_scoped_block(const Node* node) {
    if (node->kind == NodeKind::kBlock && node->flag) return true;
    bool found = false;
    for_each_child(*node, [&](const Node* child) { found = found || has_scoped_block(child); });
    return found;
  }
  Node* clone_target(const Node* target) {
    Node& copy = template_.nodes.emplace_back(*target);
    Node* result = &copy;
    for (Node*& item : result->list) item = clone_target(item);
    return result;
  }

  void for_loop(Node* node, const Context& c) {
    Function* outer = c.frame->function;
    Function* function = node->flag ? new_function(outer) : outer;
    Symbols loop_frame = inner(*c.frame, function);
    Symbols else_frame = inner(*c.frame, function);
    node->flag2 =
        node->flag || UndeclaredFinder({"loop"}).find(node->list).contains("loop") || has_scoped_block(node);
    if (node->flag2) loop_frame.declare("loop");
    if (stores_loop(node))
      fail(ErrorKind::kSyntax, "Can't assign to special loop variable in for-loop target", node->line);
    Collector collector(loop_frame);
    collector.visit_as_param(node->n1);
    collector.visit_all(node->list);
    Collector(else_frame).visit_all(node->list2);
    expression(node->n2, {c.frame, c.soft, false, false});
    if (node->n3 != nullptr) loop_filter(node, c);
    const Context inside{&loop_frame, false, false, true};
    expression(node->n1, inside);
    if (node->flag2) node->place = place_at(loop_frame, loop_frame.level, "loop");
    body(node->list, inside);
    body(node->list2, {&else_frame, false, false, !node->flag && c.in_loop});
    node->frame = frame_of(loop_frame);
    node->else_frame = frame_of(else_frame);
    node->loop_slots = node->flag ? static_cast<int>(function->slots.size()) : 0;
  }

  // "for x in y if test": the test runs in a function of its own, with its own copy of the target.
  void loop_filter(Node* node, const Context& c) {
    Function* function = new_function(c.frame->function);
    Symbols frame = inner(*c.frame, function);
    Collector collector(frame);
    collector.visit_as_param(node->n1);
    collector.visit(node->n3);
    node->list3.push_back(clone_target(node->n1));
    const Context inside{&frame, false, false, false};
    expression(node->list3[0], inside);
    expression(node->n3, inside);
    node->test_frame = frame_of(frame);
    node->test_slots = static_cast<int>(function->slots.size());
  }

  void macro(Node* node, const Context& c) {
    Function* function = new_function(c.frame->function);
    Symbols frame = inner(*c.frame, function);
    Collector collector(frame);
    collector.visit_all(node->list);
    collector.visit_all(node->list2);
    collector.visit_all(node->list3);
    std::set<std::string> special = UndeclaredFinder({"caller", "kwargs", "varargs"}).find(node->list3);
    for (size_t i = 0; i < node->list.size(); ++i) {
      const std::string& name = node->list[i]->text;
      if (name == "caller") {
        node->explicit_caller = static_cast<int>(i);
        if (special.contains("caller") && i + node->list2.size() < node->list.size()) {
          fail(ErrorKind::kSyntax,
               "When defining macros or call blocks the special \"caller\" argument must be omitted or be "
               "given a default.",
               node->line);
        }
      }
      if (name == "kwargs" || name == "varargs") special.erase(name);
    }
    const auto declare = [&](const char* name, int& slot) {
      if (!special.contains(name)) return;
      frame.declare(name);
      slot = function->slot(frame.level, name);
    };
    if (node->explicit_caller < 0) declare("caller", node->caller_slot);
    declare("kwargs", node->kwargs_slot);
    declare("varargs", node->varargs_slot);
    for (const Node* parameter : node->list) {
      node->parameter_slots.push_back(function->slot(frame.level, parameter->text));
    }
    const Context inside{&frame, false, false, false};
    for (Node* value : node->list2) expression(value, inside);
    body(node->list3, inside);
    node->frame = frame_of(frame);
    node->num_slots = static_cast<int>(function->slots.size());
  }

  void scope(Node* node, const Context& c) {
    Symbols frame = inner(*c.frame, c.frame->function);
    Collector collector(frame);
    collector.visit_all(node->list);
    collector.visit(node->n1);
    const Context inside{&frame, false, false, c.in_loop};
    body(node->list, inside);
    expression(node->n1, inside);
    node->frame = frame_of(frame);
  }

  void with(Node* node, const Context& c) {
    Symbols frame = inner(*c.frame, c.frame->function);
    Collector collector(frame);
    collector.visit_all(node->list);
    collector.visit_all(node->list3);
    const Context inside{&frame, false, false, c.in_loop};
    for (Node* target : node->list) expression(target, inside);
    Context outside = c;
    for (Node* value : node->list2) expression(value, outside);
    body(node->list3, inside);
    node->frame = frame_of(frame);
  }

  void assign_block(Node* node, const Context& c) {
    Symbols frame = inner(*c.frame, c.frame->function);
    Collector(frame).visit_all(node->list);
    const Context inside{&frame, false, false, c.in_loop};
    body(node->list, inside);
    expression(node->n1, c);
    if (node->n2 != nullptr) expression(node->n2, inside);
    node->frame = frame_of(frame);
    node->flag2 = c.toplevel && !template_.blocks.empty();
  }

  void block(Node* node) {
    Function* function = new_function(nullptr);
    Symbols frame;
    frame.function = function;
    const std::set<std::string> special = UndeclaredFinder({"self", "super"}).find(node->list);
    for (const std::string& name : special) {
      frame.declare(name);
      (name == "self" ? node->self_slot : node->super_slot) = function->slot(0, name);
    }
    Collector(frame).visit_all(node->list);
    body(node->list, {&frame, false, false, false});
    node->frame = frame_of(frame);
    node->num_slots = static_cast<int>(function->slots.size());
  }

  Template& template_;
  std::deque<Function> functions_;
  std::unordered_map<std::string, int> names_;
};

}  // namespace

void resolve(Template& t) {
  Resolver(t).run();
}

}  // namespace hadal::jinja
