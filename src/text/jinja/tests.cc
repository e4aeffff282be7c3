// The tests of `is`, and how filters and tests are called.
#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/ops.h"
#include "text/jinja/repr.h"
#include "text/jinja/strings.h"

namespace hadal::jinja {

namespace {

template <CompareOp op>
bool test_compare(Runtime& rt, Value v, const Value* args) {
  return compare(rt, op, v, args[0]);
}

bool remainder_is(Runtime& rt, Value v, Value divisor, int64_t wanted) {
  return equals(rt, modulo(rt, v, divisor), Value::from_int(wanted));
}

bool is_callable(Value v) {
  switch (v.tag) {
    case Tag::kUndefined:
    case Tag::kMacro:
    case Tag::kMethod:
    case Tag::kGlobal:
    case Tag::kJoiner:
    case Tag::kLoop:
    case Tag::kBlockRef:
      return true;
    default:
      return false;
  }
}

bool is_sequence(Value v) {
  switch (v.tag) {
    case Tag::kUndefined:
    case Tag::kStr:
    case Tag::kList:
    case Tag::kTuple:
    case Tag::kDict:
    case Tag::kRange:
      return true;
    default:
      return false;
  }
}

constexpr TestInfo kTests[] = {
    {"odd", 0, [](Runtime& rt, Value v, const Value*) { return remainder_is(rt, v, Value::from_int(2), 1); }},
    {"even", 0,
     [](Runtime& rt, Value v, const Value*) { return remainder_is(rt, v, Value::from_int(2), 0); }},
    {"divisibleby", 1, [](Runtime& rt, Value v, const Value* a) { return remainder_is(rt, v, a[0], 0); }},
    {"defined", 0, [](Runtime&, Value v, const Value*) { return !v.is_undefined(); }},
    {"undefined", 0, [](Runtime&, Value v, const Value*) { return v.is_undefined(); }},
    {"filter", 0,
     [](Runtime&, Value v, const Value*) {
       if (!is_hashable(v)) type_error("unhashable type: '" + std::string(type_name(v)) + "'");
       return v.is_str() && find_filter(v.str()) != nullptr;
     }},
    {"test", 0,
     [](Runtime&, Value v, const Value*) {
       if (!is_hashable(v)) type_error("unhashable type: '" + std::string(type_name(v)) + "'");
       return v.is_str() && find_test(v.str()) != nullptr;
     }},
    {"none", 0, [](Runtime&, Value v, const Value*) { return v.is_none(); }},
    {"boolean", 0, [](Runtime&, Value v, const Value*) { return v.is(Tag::kBool); }},
    {"false", 0, [](Runtime&, Value v, const Value*) { return v.is(Tag::kBool) && !v.boolean; }},
    {"true", 0, [](Runtime&, Value v, const Value*) { return v.is(Tag::kBool) && v.boolean; }},
    {"integer", 0, [](Runtime&, Value v, const Value*) { return v.is_int() && !v.is(Tag::kBool); }},
    {"float", 0, [](Runtime&, Value v, const Value*) { return v.is(Tag::kFloat); }},
    {"lower", 0, [](Runtime& rt, Value v, const Value*) { return is_lower_text(str_view(rt, v)); }},
    {"upper", 0, [](Runtime& rt, Value v, const Value*) { return is_upper_text(str_view(rt, v)); }},
    {"string", 0, [](Runtime&, Value v, const Value*) { return v.is_str(); }},
    {"mapping", 0, [](Runtime&, Value v, const Value*) { return v.is(Tag::kDict); }},
    {"number", 0, [](Runtime&, Value v, const Value*) { return v.is_number(); }},
    {"sequence", 0, [](Runtime&, Value v, const Value*) { return is_sequence(v); }},
    {"iterable", 0, [](Runtime& rt, Value v, const Value*) { return rt.is_iterable(v); }},
    {"callable", 0, [](Runtime&, Value v, const Value*) { return is_callable(v); }},
    {"sameas", 1, [](Runtime&, Value v, const Value* a) { return same_object(v, a[0]); }},
    {"escaped", 0, [](Runtime&, Value v, const Value*) { return v.is_str() && v.markup; }},
    {"in", 1, test_compare<CompareOp::kIn>},
    {"==", 1, test_compare<CompareOp::kEq>},
    {"eq", 1, test_compare<CompareOp::kEq>},
    {"equalto", 1, test_compare<CompareOp::kEq>},
    {"!=", 1, test_compare<CompareOp::kNe>},
    {"ne", 1, test_compare<CompareOp::kNe>},
    {">", 1, test_compare<CompareOp::kGt>},
    {"gt", 1, test_compare<CompareOp::kGt>},
    {"greaterthan", 1, test_compare<CompareOp::kGt>},
    {"ge", 1, test_compare<CompareOp::kGe>},
    {">=", 1, test_compare<CompareOp::kGe>},
    {"<", 1, test_compare<CompareOp::kLt>},
    {"lt", 1, test_compare<CompareOp::kLt>},
    {"lessthan", 1, test_compare<CompareOp::kLt>},
    {"<=", 1, test_compare<CompareOp::kLe>},
    {"le", 1, test_compare<CompareOp::kLe>},
};

}  // namespace

const TestInfo* find_test(std::string_view name) {
  const auto at = std::find_if(std::begin(kTests), std::end(kTests),
                               [name](const TestInfo& t) { return t.name == name; });
  return at == std::end(kTests) ? nullptr : at;
}

const FilterInfo* find_filter(std::string_view name) {
  for (const auto find : {find_text_filter, find_number_filter, find_sequence_filter, find_lazy_filter}) {
    if (const FilterInfo* info = find(name)) return info;
  }
  return nullptr;
}

Value call_filter(Runtime& rt, const FilterInfo& info, Value self, const Args& args) {
  rt.step();
  if (info.call_raw != nullptr) return info.call_raw(rt, self, args);
  std::vector<Value> bound;
  bind(info.signature, args, info.name, bound);
  return info.call(rt, self, bound.data());
}

bool call_test(Runtime& rt, const TestInfo& info, Value self, const Args& args) {
  // The tests that are operators take no keywords; no template passes any to the others.
  if (!args.keyword.empty() && (info.num_args == 0 || args.keyword.size() > 1)) {
    type_error(std::string(info.name) + "() got an unexpected keyword argument");
  }
  Value value = args.positional.empty() ? Value() : args.positional[0];
  if (!args.keyword.empty()) {
    const std::string_view key = args.keyword[0].first;
    const bool known = (info.name == "divisibleby" && key == "num") ||
                       (info.name == "sameas" && key == "other") || (info.name == "in" && key == "seq");
    if (!known || !value.missing())
      type_error(std::string(info.name) + "() got an unexpected keyword argument");
    value = args.keyword[0].second;
  }
  const size_t given = args.positional.size() + args.keyword.size();
  if (given != static_cast<size_t>(info.num_args)) {
    type_error(std::string(info.name) + "() takes " + std::to_string(info.num_args) +
               " arguments after the value, " + std::to_string(given) + " given");
  }
  return info.call(rt, self, &value);
}

}  // namespace hadal::jinja
