// The macros of CEL: has, all, exists, exists_one, filter, map, their forms with two variables, optMap, bind.
#include <algorithm>

#include "deploy/validate/cel/cel_eval.h"

namespace hadal {
namespace {

using Kind = CelNode::Kind;

bool is_variable(const CelNode& node) {
  return node.kind == Kind::kIdent;
}

}  // namespace

CelValue CelEvaluator::eval_macro(const CelNode& node, bool& handled) {
  handled = true;
  const std::string& name = node.text;
  const size_t count = node.args.size();
  if (!node.flag) {
    if (name == "has" && count == 1) return eval_has(node);
    handled = false;
    return CelValue();
  }
  const bool named = count >= 3 && is_variable(*node.args[1]);
  const bool quantifier = name == "all" || name == "exists" || name == "exists_one" || name == "existsOne";
  if (quantifier && named && count == 3) return eval_quantifier(node, 1);
  if (quantifier && named && count == 4 && is_variable(*node.args[2])) return eval_quantifier(node, 2);
  if (named && ((name == "filter" && count == 3) || (name == "map" && (count == 3 || count == 4))))
    return eval_transform(node);
  if ((name == "transformList" || name == "transformMap") && named && (count == 4 || count == 5) &&
      is_variable(*node.args[2]))
    return eval_two_variable_transform(node);
  if ((name == "optMap" || name == "optFlatMap") && named && count == 3) return eval_optional_macro(node);
  if (name == "bind" && named && count == 4 && is_variable(*node.args[0]) && node.args[0]->text == "cel")
    return eval_bind(node);
  handled = false;
  return CelValue();
}

CelValue CelEvaluator::eval_has(const CelNode& node) {
  const CelNode& field = *node.args[0];
  if (field.kind != Kind::kSelect && field.kind != Kind::kOptSelect)
    return cel_error("has() needs a field: has(self.name)");
  CelValue object = eval(*field.args[0]);
  if (object.is_error()) return object;
  if (object.is<CelOptional>()) {
    if (object.get<CelOptional>().value == nullptr) return CelValue(false);
    object = CelValue(*object.get<CelOptional>().value);
  }
  if (!object.is_map()) return cel_error("has() needs a field of a map");
  return CelValue(cel_has_field(object, field.text, schemas_));
}

void CelEvaluator::enter(const CelNode& node, size_t num_variables, const CelValue& range,
                         const CelList& elements, size_t i) {
  if (num_variables == 1) {
    bind(node.args[1]->text, elements[i]);
    return;
  }
  // Two variables: index and item, or key and value.
  const bool map = range.is_map();
  bind(node.args[1]->text, map ? elements[i] : CelValue(static_cast<int64_t>(i)));
  bind(node.args[2]->text, map ? cel_lookup(range, elements[i], schemas_) : elements[i]);
}

CelValue CelEvaluator::eval_quantifier(const CelNode& node, size_t num_variables) {
  const CelValue range = eval(*node.args[0]);
  if (range.is_error()) return range;
  if (!range.is_list() && !range.is_map()) return cel_error(node.text + "() needs a list or a map");
  if (!charge(cel_size(range))) return cel_error("the rule takes too long");
  const CelList elements = cel_elements(range, schemas_);
  const bool one = node.text == "exists_one" || node.text == "existsOne";
  const bool decides = node.text == "exists";
  std::optional<CelValue> error;
  int64_t num_true = 0;
  for (size_t i = 0; i < elements.size(); ++i) {
    enter(node, num_variables, range, elements, i);
    CelValue v = eval(*node.args[1 + num_variables]);
    leave(num_variables);
    if (!v.is<bool>()) {
      if (!v.is_error()) v = cel_error("a boolean is needed here");
      if (one || exhausted()) return v;
      if (!error) error = std::move(v);
      continue;
    }
    num_true += v.get<bool>() ? 1 : 0;
    if (!one && v.get<bool>() == decides) return v;
  }
  if (one) return CelValue(num_true == 1);
  return error ? *std::move(error) : CelValue(!decides);
}

CelValue CelEvaluator::eval_transform(const CelNode& node) {
  const CelValue range = eval(*node.args[0]);
  if (range.is_error()) return range;
  if (!range.is_list() && !range.is_map()) return cel_error(node.text + "() needs a list or a map");
  if (!charge(cel_size(range))) return cel_error("the rule takes too long");
  const bool filter = node.text == "filter";
  const bool has_test = filter || node.args.size() == 4;
  const CelList elements = cel_elements(range, schemas_);
  CelList out;
  for (size_t i = 0; i < elements.size(); ++i) {
    enter(node, 1, range, elements, i);
    CelValue test = has_test ? eval(*node.args[2]) : CelValue(true);
    CelValue v;
    const bool taken = test.is<bool>() && test.get<bool>();
    if (taken) v = filter ? elements[i] : eval(*node.args.back());
    leave(1);
    if (!test.is<bool>()) return test.is_error() ? test : cel_error("a boolean is needed here");
    if (v.is_error()) return v;
    if (taken) out.push_back(std::move(v));
  }
  return cel_list(std::move(out));
}

CelValue CelEvaluator::eval_two_variable_transform(const CelNode& node) {
  const CelValue range = eval(*node.args[0]);
  if (range.is_error()) return range;
  if (!range.is_list() && !range.is_map()) return cel_error(node.text + "() needs a list or a map");
  if (!charge(cel_size(range))) return cel_error("the rule takes too long");
  const CelList elements = cel_elements(range, schemas_);
  CelList list;
  CelMap map;
  for (size_t i = 0; i < elements.size(); ++i) {
    enter(node, 2, range, elements, i);
    CelValue test = node.args.size() == 5 ? eval(*node.args[3]) : CelValue(true);
    CelValue v;
    const bool taken = test.is<bool>() && test.get<bool>();
    if (taken) v = eval(*node.args.back());
    leave(2);
    if (!test.is<bool>()) return test.is_error() ? test : cel_error("a boolean is needed here");
    if (v.is_error()) return v;
    if (!taken) continue;
    CelValue key = range.is_map() ? elements[i] : CelValue(static_cast<int64_t>(i));
    map.emplace_back(std::move(key), v);
    list.push_back(std::move(v));
  }
  return node.text == "transformList" ? cel_list(std::move(list)) : cel_map(std::move(map));
}

CelValue CelEvaluator::eval_optional_macro(const CelNode& node) {
  const CelValue target = eval(*node.args[0]);
  if (target.is_error()) return target;
  if (!target.is<CelOptional>()) return cel_error(node.text + "() needs an optional value");
  if (target.get<CelOptional>().value == nullptr) return target;
  bind(node.args[1]->text, *target.get<CelOptional>().value);
  CelValue v = eval(*node.args[2]);
  leave(1);
  if (v.is_error() || node.text == "optFlatMap") return v;
  return cel_optional(std::move(v));
}

CelValue CelEvaluator::eval_bind(const CelNode& node) {
  CelValue v = eval(*node.args[2]);
  if (v.is_error()) return v;
  bind(node.args[1]->text, std::move(v));
  CelValue out = eval(*node.args[3]);
  leave(1);
  return out;
}

}  // namespace hadal
