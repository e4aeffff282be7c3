// Expressions of the parser, loosest binding first.
#include <cstdlib>

#include "text/jinja/builtins.h"
#include "text/jinja/parser_impl.h"

namespace hadal::jinja {

namespace {

// The digits of an integer token: 0x, 0o, 0b or decimal.
int128 parse_integer(const std::string& text, int line) {
  int base = 10;
  size_t at = 0;
  if (text.size() > 2 && text[0] == '0') {
    const char kind = static_cast<char>(text[1] | 0x20);
    base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
    if (base != 10) at = 2;
  }
  int128 value = 0;
  for (; at < text.size(); ++at) {
    const char c = static_cast<char>(text[at] | 0x20);
    const int digit = c >= 'a' ? c - 'a' + 10 : text[at] - '0';
    if (__builtin_mul_overflow(value, int128{base}, &value) ||
        __builtin_add_overflow(value, int128{digit}, &value)) {
      fail(ErrorKind::kSyntax, "integers of more than 127 bits are not supported", line);
    }
  }
  return value;
}

}  // namespace

Node* Parser::constant(Value v, int line) {
  Node* node = make(NodeKind::kConst, line);
  node->value = v;
  return done(node);
}

Node* Parser::binary(NodeKind kind, Node* left, Node* right, int line) {
  Node* node = make(kind, line);
  node->n1 = left;
  node->n2 = right;
  return done(node);
}

Node* Parser::expression(bool with_condition) {
  Nest nest(*this);
  return with_condition ? condition() : parse_or();
}

Node* Parser::condition() {
  const int line = current().line;
  Node* node = parse_or();
  while (skip_name("if")) {
    Node* result = make(NodeKind::kCondition, line);
    result->n2 = node;
    result->n1 = parse_or();
    if (skip_name("else")) {
      Nest nest(*this);
      result->n3 = condition();
    }
    node = done(result);
  }
  return node;
}

Node* Parser::parse_or() {
  const int line = current().line;
  Node* left = parse_and();
  while (skip_name("or")) left = binary(NodeKind::kOr, left, parse_and(), line);
  return left;
}

Node* Parser::parse_and() {
  const int line = current().line;
  Node* left = parse_not();
  while (skip_name("and")) left = binary(NodeKind::kAnd, left, parse_not(), line);
  return left;
}

Node* Parser::parse_not() {
  if (current().is_name("not")) {
    const int line = take().line;
    Nest nest(*this);
    return binary(NodeKind::kNot, parse_not(), nullptr, line);
  }
  return parse_compare();
}

Node* Parser::parse_compare() {
  const int line = current().line;
  Node* first = parse_math1();
  Node* node = nullptr;
  static constexpr std::pair<std::string_view, CompareOp> kSigns[] = {
      {"==", CompareOp::kEq}, {"!=", CompareOp::kNe}, {"<", CompareOp::kLt},
      {"<=", CompareOp::kLe}, {">", CompareOp::kGt},  {">=", CompareOp::kGe}};
  while (true) {
    CompareOp op{};
    bool found = false;
    for (const auto& [sign, sign_op] : kSigns) {
      if (!found && skip_sign(sign)) {
        op = sign_op;
        found = true;
      }
    }
    if (!found && skip_name("in")) {
      op = CompareOp::kIn;
      found = true;
    }
    if (!found && current().is_name("not") && look().is_name("in")) {
      take();
      take();
      op = CompareOp::kNotIn;
      found = true;
    }
    if (!found) return node == nullptr ? first : done(node);
    if (node == nullptr) {
      node = make(NodeKind::kCompare, line);
      node->n1 = first;
    }
    node->ops.push_back(op);
    node->list.push_back(parse_math1());
  }
}

Node* Parser::parse_math1() {
  const int line = current().line;
  Node* left = parse_concat();
  while (current().is_operator("+") || current().is_operator("-")) {
    const NodeKind kind = take().text == "+" ? NodeKind::kAdd : NodeKind::kSub;
    left = binary(kind, left, parse_concat(), line);
  }
  return left;
}

Node* Parser::parse_concat() {
  const int line = current().line;
  Node* first = parse_math2();
  if (!current().is_operator("~")) return first;
  Node* node = make(NodeKind::kConcat, line);
  node->list.push_back(first);
  while (skip_sign("~")) node->list.push_back(parse_math2());
  return done(node);
}

Node* Parser::parse_math2() {
  const int line = current().line;
  Node* left = parse_pow();
  while (true) {
    NodeKind kind{};
    if (current().is_operator("*")) {
      kind = NodeKind::kMul;
    } else if (current().is_operator("/")) {
      kind = NodeKind::kDiv;
    } else if (current().is_operator("//")) {
      kind = NodeKind::kFloorDiv;
    } else if (current().is_operator("%")) {
      kind = NodeKind::kMod;
    } else {
      return left;
    }
    take();
    left = binary(kind, left, parse_pow(), line);
  }
}

Node* Parser::parse_pow() {
  const int line = current().line;
  Node* left = parse_unary();
  while (skip_sign("**")) left = binary(NodeKind::kPow, left, parse_unary(), line);
  return left;
}

Node* Parser::parse_unary(bool with_filter) {
  const int line = current().line;
  Node* node = nullptr;
  if (current().is_operator("-") || current().is_operator("+")) {
    const NodeKind kind = take().text == "-" ? NodeKind::kNeg : NodeKind::kPos;
    Nest nest(*this);
    node = binary(kind, parse_unary(false), nullptr, line);
  } else {
    node = primary();
  }
  node = postfix(node);
  return with_filter ? filter_expression(node) : node;
}

Node* Parser::primary(bool with_namespace) {
  const Token& token = current();
  switch (token.type) {
    case TokenType::kName: {
      take();
      if (token.text == "true" || token.text == "True") return constant(Value::from_bool(true), token.line);
      if (token.text == "false" || token.text == "False")
        return constant(Value::from_bool(false), token.line);
      if (token.text == "none" || token.text == "None") return constant(Value::none(), token.line);
      const bool ref = with_namespace && skip_sign(".");
      Node* node = make(ref ? NodeKind::kNamespaceRef : NodeKind::kName, token.line);
      node->text = token.text;
      if (ref) node->attr = identifier();
      node->value = out_.literal(ref ? node->attr : node->text);
      return done(node);
    }
    case TokenType::kString: {
      std::string text;
      const int line = token.line;
      while (current().type == TokenType::kString) text += take().text;
      return constant(out_.literal(text), line);
    }
    case TokenType::kInteger: {
      take();
      const int128 v = parse_integer(token.text, token.line);
      if (v >= INT64_MIN && v <= INT64_MAX)
        return constant(Value::from_int(static_cast<int64_t>(v)), token.line);
      auto* big = out_.arena.make<BigInt>();
      big->low = static_cast<uint64_t>(v);
      big->high = static_cast<int64_t>(v >> 64);
      return constant(Value::from_pointer(Tag::kBigInt, big), token.line);
    }
    case TokenType::kFloat:
      take();
      return constant(Value::from_float(std::strtod(token.text.c_str(), nullptr)), token.line);
    default:
      break;
  }
  if (skip_sign("(")) {
    Node* node = tuple(false, true, true, false);
    expect_sign(")");
    return node;
  }
  if (token.is_operator("[")) return parse_list();
  if (token.is_operator("{")) return parse_dict();
  error("unexpected '" + describe(token) + "'", token.line);
}

Node* Parser::tuple(bool simplified, bool with_condition, bool parentheses, bool with_namespace) {
  const int line = current().line;
  std::vector<Node*> items;
  bool is_tuple = false;
  while (true) {
    if (!items.empty()) expect_sign(",");
    const TokenType type = current().type;
    if (type == TokenType::kVariableEnd || type == TokenType::kBlockEnd || current().is_operator(")")) break;
    if (simplified) {
      Nest nest(*this);
      items.push_back(primary(with_namespace));
    } else {
      items.push_back(expression(with_condition));
    }
    if (!current().is_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!items.empty()) return items[0];
    if (!parentheses) error("Expected an expression, got '" + describe(current()) + "'");
  }
  Node* node = make(NodeKind::kTuple, line);
  node->list = std::move(items);
  return done(node);
}

Node* Parser::parse_list() {
  Node* node = make(NodeKind::kList, take().line);
  while (!current().is_operator("]")) {
    if (!node->list.empty()) expect_sign(",");
    if (current().is_operator("]")) break;
    node->list.push_back(expression());
  }
  expect_sign("]");
  return done(node);
}

Node* Parser::parse_dict() {
  Node* node = make(NodeKind::kDict, take().line);
  while (!current().is_operator("}")) {
    if (!node->list.empty()) expect_sign(",");
    if (current().is_operator("}")) break;
    node->list.push_back(expression());
    expect_sign(":");
    node->list2.push_back(expression());
  }
  expect_sign("}");
  return done(node);
}

Node* Parser::postfix(Node* node) {
  while (true) {
    if (current().is_operator(".") || current().is_operator("[")) {
      node = subscript(node);
    } else if (current().is_operator("(")) {
      node = parse_call(node);
    } else {
      return node;
    }
  }
}

Node* Parser::filter_expression(Node* node) {
  while (true) {
    if (current().is_operator("|")) {
      node = parse_filter(node, false);
    } else if (current().is_name("is")) {
      node = parse_test(node);
    } else if (current().is_operator("(")) {
      node = parse_call(node);
    } else {
      return node;
    }
  }
}

Node* Parser::subscript(Node* node) {
  const int line = current().line;
  if (skip_sign(".")) {
    const Token& token = take();
    if (token.type == TokenType::kName) {
      Node* result = make(NodeKind::kGetattr, line);
      result->n1 = node;
      result->text = token.text;
      result->value = out_.literal(token.text);
      return done(result);
    }
    if (token.type != TokenType::kInteger) error("expected name or number", token.line);
    const int128 index = parse_integer(token.text, token.line);
    if (index > INT64_MAX) error("an index is too large", token.line);
    return binary(NodeKind::kGetitem, node, constant(Value::from_int(static_cast<int64_t>(index)), line),
                  line);
  }
  expect_sign("[");
  std::vector<Node*> args;
  while (!current().is_operator("]")) {
    if (!args.empty()) expect_sign(",");
    args.push_back(subscribed());
  }
  expect_sign("]");
  if (args.size() == 1) return binary(NodeKind::kGetitem, node, args[0], line);
  for (const Node* arg : args) {
    if (arg->kind == NodeKind::kSlice) error("invalid syntax: a slice among several subscripts", line);
  }
  Node* key = make(NodeKind::kTuple, line);
  key->list = std::move(args);
  return binary(NodeKind::kGetitem, node, done(key), line);
}

Node* Parser::subscribed() {
  const int line = current().line;
  Node* start = nullptr;
  if (!current().is_operator(":")) {
    start = expression();
    if (!current().is_operator(":")) return start;
  }
  expect_sign(":");
  const auto bound_follows = [this]() {
    return !current().is_operator("]") && !current().is_operator(",") && !current().is_operator(":");
  };
  Node* node = make(NodeKind::kSlice, line);
  node->n1 = start;
  if (bound_follows()) node->n2 = expression();
  if (skip_sign(":") && !current().is_operator("]") && !current().is_operator(",")) node->n3 = expression();
  return done(node);
}

void Parser::call_arguments(Node* node) {
  const int line = current().line;
  expect_sign("(");
  bool comma = false;
  const auto ensure = [&](bool ok) {
    if (!ok) error("invalid syntax for function call expression", line);
  };
  while (!current().is_operator(")")) {
    if (comma) {
      expect_sign(",");
      if (current().is_operator(")")) break;
    }
    if (skip_sign("*")) {
      ensure(node->n2 == nullptr && node->n3 == nullptr);
      node->n2 = expression();
    } else if (skip_sign("**")) {
      ensure(node->n3 == nullptr);
      node->n3 = expression();
    } else if (current().type == TokenType::kName && look().is_operator("=")) {
      ensure(node->n3 == nullptr);
      const std::string key = take().text;
      for (const std::string& other : node->names) {
        if (other == key) error("keyword argument repeated: " + key, line);
      }
      take();
      node->names.push_back(key);
      node->list2.push_back(expression());
    } else {
      ensure(node->n2 == nullptr && node->n3 == nullptr && node->names.empty());
      node->list.push_back(expression());
    }
    comma = true;
  }
  expect_sign(")");
}

Node* Parser::parse_call(Node* node) {
  Node* call = make(NodeKind::kCall, current().line);
  call->n1 = node;
  call_arguments(call);
  return done(call);
}

Node* Parser::parse_filter(Node* node, bool start_inline) {
  while (current().is_operator("|") || start_inline) {
    if (!start_inline) take();
    Node* filter = make(NodeKind::kFilter, current().line);
    filter->text = identifier();
    while (skip_sign(".")) filter->text += "." + identifier();
    filter->n1 = node;
    if (current().is_operator("(")) call_arguments(filter);
    filter->filter = find_filter(filter->text);
    node = done(filter);
    start_inline = false;
  }
  return node;
}

Node* Parser::parse_test(Node* node) {
  const int line = take().line;
  const bool negated = skip_name("not");
  Node* test = make(NodeKind::kTest, line);
  test->n1 = node;
  test->text = identifier();
  while (skip_sign(".")) test->text += "." + identifier();
  const Token& token = current();
  const bool argument_follows = token.type == TokenType::kName || token.type == TokenType::kString ||
                                token.type == TokenType::kInteger || token.type == TokenType::kFloat ||
                                token.is_operator("[") || token.is_operator("{");
  if (token.is_operator("(")) {
    call_arguments(test);
  } else if (argument_follows && !at_any_name({"else", "or", "and"})) {
    if (token.is_name("is")) error("You cannot chain multiple tests with is");
    Nest nest(*this);
    test->list.push_back(postfix(primary()));
  }
  test->test = find_test(test->text);
  done(test);
  return negated ? binary(NodeKind::kNot, test, nullptr, line) : test;
}

}  // namespace hadal::jinja
