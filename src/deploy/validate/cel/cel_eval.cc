#include "deploy/validate/cel/cel_eval.h"

#include <algorithm>
#include <limits>

namespace hadal {
namespace {

using Kind = CelNode::Kind;

CelValue not_boolean() {
  return cel_error("a boolean is needed here");
}

// Names of types, as values.
bool is_type_name(std::string_view name) {
  constexpr std::string_view kTypes[] = {"int",  "uint", "double",    "bool", "string",       "bytes",
                                         "list", "map",  "null_type", "type", "optional_type"};
  return std::find(std::begin(kTypes), std::end(kTypes), name) != std::end(kTypes);
}

// "strings.quote", "ip.isCanonical", "format.named": functions with a name that has a dot.
bool is_namespace(const CelNode& node) {
  constexpr std::string_view kNamespaces[] = {"optional", "strings", "ip", "format", "sets", "cel", "math"};
  return node.kind == Kind::kIdent &&
         std::find(std::begin(kNamespaces), std::end(kNamespaces), node.text) != std::end(kNamespaces);
}

}  // namespace

CelValue CelEvaluator::eval(const CelNode& node) {
  if (!charge(0)) return cel_error("the rule takes too long");
  switch (node.kind) {
    case Kind::kNull:
      return CelValue();
    case Kind::kBool:
      return CelValue(node.flag);
    case Kind::kInt:
      return CelValue(node.integer);
    case Kind::kUint:
      return CelValue(node.uinteger);
    case Kind::kDouble:
      return CelValue(node.number);
    case Kind::kString:
      return CelValue(node.text);
    case Kind::kBytes:
      return CelValue(CelBytes{node.text});
    case Kind::kIdent:
      return eval_ident(node);
    case Kind::kSelect:
    case Kind::kOptSelect:
      return eval_select(node);
    case Kind::kIndex:
    case Kind::kOptIndex:
      return eval_index(node);
    case Kind::kCall:
      return eval_call(node);
    case Kind::kList:
      return eval_list(node);
    case Kind::kMap:
      return eval_map(node);
    case Kind::kNot: {
      const CelValue v = eval(*node.args[0]);
      return v.is<bool>() ? CelValue(!v.get<bool>()) : (v.is_error() ? v : not_boolean());
    }
    case Kind::kNegate: {
      const CelValue v = eval(*node.args[0]);
      if (v.is<double>()) return CelValue(-v.get<double>());
      if (v.is<int64_t>()) {
        if (v.get<int64_t>() == std::numeric_limits<int64_t>::min()) return cel_error("integer overflow");
        return CelValue(-v.get<int64_t>());
      }
      return v.is_error() ? v : cel_error("only a number can be negated");
    }
    case Kind::kAnd:
    case Kind::kOr:
      return eval_and_or(node);
    case Kind::kConditional: {
      const CelValue v = eval(*node.args[0]);
      if (!v.is<bool>()) return v.is_error() ? v : not_boolean();
      return eval(*node.args[v.get<bool>() ? 1 : 2]);
    }
    case Kind::kBinary:
      return eval_binary(node);
  }
  return cel_error("unknown expression");
}

CelValue CelEvaluator::eval_ident(const CelNode& node) {
  for (size_t i = scope_.size(); i > 0; --i) {
    if (scope_[i - 1].first == node.text) return scope_[i - 1].second;
  }
  if (is_type_name(node.text)) return CelValue(CelType{node.text});
  return cel_error("undeclared reference to '" + node.text + "'");
}

// Either side may decide; only where none does, an error counts.
CelValue CelEvaluator::eval_and_or(const CelNode& node) {
  const bool decides = node.kind == Kind::kOr;
  std::optional<CelValue> error;
  for (const CelNodePtr& arg : node.args) {
    CelValue v = eval(*arg);
    if (v.is<bool>()) {
      if (v.get<bool>() == decides) return v;
    } else if (!error) {
      error = v.is_error() ? std::move(v) : not_boolean();
    }
  }
  return error ? *std::move(error) : CelValue(!decides);
}

CelValue CelEvaluator::in(const CelValue& item, const CelValue& container) {
  if (container.is_map()) return CelValue(!cel_lookup(container, item, schemas_).is_error());
  if (!container.is_list()) return cel_error("\"in\" needs a list or a map");
  charge(cel_size(container));
  for (const CelValue& element : cel_elements(container, schemas_)) {
    if (cel_equal(item, element, schemas_)) return CelValue(true);
  }
  return CelValue(false);
}

CelValue CelEvaluator::eval_binary(const CelNode& node) {
  const CelValue a = eval(*node.args[0]);
  if (a.is_error()) return a;
  const CelValue b = eval(*node.args[1]);
  if (b.is_error()) return b;
  const std::string& op = node.text;
  if (op == "==" || op == "!=") {
    charge(a.is<CelData>() || b.is<CelData>() ? cel_size(a) * 4 : 0);
    return CelValue(cel_equal(a, b, schemas_) == (op == "=="));
  }
  if (op == "in") return in(a, b);
  if (op[0] != '<' && op[0] != '>') return cel_arithmetic(*this, op, a, b);
  const std::optional<int> order = cel_compare(a, b);
  if (!order) {
    if (a.is<double>() || b.is<double>()) return CelValue(false);  // one is no number (NaN)
    return cel_error("no such overload: " + a.type_name() + " " + op + " " + b.type_name());
  }
  if (op == "<") return CelValue(*order < 0);
  if (op == "<=") return CelValue(*order <= 0);
  return CelValue(op == ">" ? *order > 0 : *order >= 0);
}

CelValue CelEvaluator::eval_select(const CelNode& node) {
  CelValue object = eval(*node.args[0]);
  if (object.is_error()) return object;
  bool optional = node.kind == Kind::kOptSelect;
  if (object.is<CelOptional>()) {
    const auto value = object.get<CelOptional>().value;
    if (value == nullptr) return object;
    object = *value;
    optional = true;
  }
  if (!optional) return cel_field(object, node.text, schemas_);
  if (!cel_has_field(object, node.text, schemas_)) return cel_none();
  return cel_optional(cel_field(object, node.text, schemas_));
}

CelValue CelEvaluator::eval_index(const CelNode& node) {
  CelValue object = eval(*node.args[0]);
  if (object.is_error()) return object;
  const CelValue key = eval(*node.args[1]);
  if (key.is_error()) return key;
  bool optional = node.kind == Kind::kOptIndex;
  if (object.is<CelOptional>()) {
    const auto value = object.get<CelOptional>().value;
    if (value == nullptr) return object;
    object = *value;
    optional = true;
  }
  CelValue found = cel_error("only lists and maps have an index");
  if (object.is_map()) {
    found = cel_lookup(object, key, schemas_);
  } else if (object.is_list()) {
    int64_t index = -1;
    if (key.is<int64_t>()) index = key.get<int64_t>();
    if (key.is<uint64_t>() && key.get<uint64_t>() < 1u << 30)
      index = static_cast<int64_t>(key.get<uint64_t>());
    if (key.is<double>() && key.get<double>() >= 0 && key.get<double>() < 1e9 &&
        key.get<double>() == static_cast<double>(static_cast<int64_t>(key.get<double>())))
      index = static_cast<int64_t>(key.get<double>());
    found =
        index < 0 ? cel_error("index out of bounds") : cel_at(object, static_cast<size_t>(index), schemas_);
  }
  if (!optional) return found;
  return found.is_error() ? cel_none() : cel_optional(std::move(found));
}

CelValue CelEvaluator::eval_list(const CelNode& node) {
  CelList items;
  for (size_t i = 0; i < node.args.size(); ++i) {
    CelValue v = eval(*node.args[i]);
    if (v.is_error()) return v;
    if (node.optional_args[i]) {
      if (!v.is<CelOptional>()) return cel_error("\"?\" needs an optional value");
      if (v.get<CelOptional>().value == nullptr) continue;
      v = CelValue(*v.get<CelOptional>().value);
    }
    items.push_back(std::move(v));
  }
  return cel_list(std::move(items));
}

CelValue CelEvaluator::eval_map(const CelNode& node) {
  CelMap entries;
  for (size_t i = 0; i + 1 < node.args.size(); i += 2) {
    CelValue key = eval(*node.args[i]);
    if (key.is_error()) return key;
    CelValue v = eval(*node.args[i + 1]);
    if (v.is_error()) return v;
    if (node.optional_args[i / 2]) {
      if (!v.is<CelOptional>()) return cel_error("\"?\" needs an optional value");
      if (v.get<CelOptional>().value == nullptr) continue;
      v = CelValue(*v.get<CelOptional>().value);
    }
    entries.emplace_back(std::move(key), std::move(v));
  }
  return cel_map(std::move(entries));
}

CelValue CelEvaluator::eval_call(const CelNode& node) {
  bool handled = false;
  CelValue out = eval_macro(node, handled);
  if (handled) return out;
  CelList args;
  std::string name = node.text;
  bool has_target = node.flag;
  size_t first = 0;
  if (has_target && is_namespace(*node.args[0])) {
    name = node.args[0]->text + "." + name;
    has_target = false;
    first = 1;
  }
  for (size_t i = first; i < node.args.size(); ++i) {
    args.push_back(eval(*node.args[i]));
    if (args.back().is_error()) return args.back();
  }
  return call_cel_function(*this, name, has_target, std::move(args));
}

}  // namespace hadal
