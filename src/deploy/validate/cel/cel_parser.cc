#include <limits>

#include "deploy/validate/cel/cel_ast.h"
#include "deploy/validate/cel/cel_lexer.h"

namespace hadal {
namespace {

using Kind = CelNode::Kind;
constexpr size_t kMaxText = 65'536;
constexpr int kMaxDepth = 200;
constexpr uint64_t kLowest = uint64_t{1} << 63;

constexpr std::string_view kReserved[] = {"as",        "break",  "const",  "continue", "else", "for",
                                          "function",  "if",     "import", "let",      "loop", "package",
                                          "namespace", "return", "var",    "void",     "while"};

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}

  Result<CelNodePtr> run() {
    HADAL_RETURN_IF_ERROR(advance());
    HADAL_ASSIGN(CelNodePtr root, expression());
    if (token_.kind != CelToken::Kind::kEnd) return fail("something follows the expression");
    return root;
  }

 private:
  using Node = std::unique_ptr<CelNode>;

  Error fail(std::string_view what) const {
    return invalid_argument(what, " at character ", token_.offset + 1, " of the rule");
  }
  Status advance() {
    HADAL_ASSIGN(token_, lexer_.next());
    return {};
  }
  bool at(std::string_view punct) const {
    return token_.kind == CelToken::Kind::kPunct && token_.text == punct;
  }
  bool at_word(std::string_view word) const {
    return token_.kind == CelToken::Kind::kIdent && token_.text == word;
  }
  Status expect(std::string_view punct) {
    if (!at(punct)) return fail("\"" + std::string(punct) + "\" is missing");
    return advance();
  }
  Node make(Kind kind) const {
    auto node = std::make_unique<CelNode>();
    node->kind = kind;
    node->offset = token_.offset;
    return node;
  }
  // Evaluation recurses as deep as the tree.
  Result<CelNodePtr> done(Node node) const {
    for (const CelNodePtr& arg : node->args) node->depth = std::max(node->depth, arg->depth + 1);
    if (node->depth > kMaxDepth) return fail("nested too deep");
    return CelNodePtr(std::move(node));
  }
  Result<CelNodePtr> make_binary(Kind kind, std::string_view text, CelNodePtr left, CelNodePtr right) const {
    Node node = make(kind);
    node->text = text;
    node->args.push_back(std::move(left));
    node->args.push_back(std::move(right));
    return done(std::move(node));
  }

  Result<CelNodePtr> expression() {
    if (++level_ > kMaxDepth) return fail("nested too deep");
    HADAL_ASSIGN(CelNodePtr condition, or_expression());
    if (at("?")) {
      HADAL_RETURN_IF_ERROR(advance());
      Node node = make(Kind::kConditional);
      node->args.push_back(std::move(condition));
      HADAL_ASSIGN(CelNodePtr yes, or_expression());
      node->args.push_back(std::move(yes));
      HADAL_RETURN_IF_ERROR(expect(":"));
      HADAL_ASSIGN(CelNodePtr no, expression());
      node->args.push_back(std::move(no));
      HADAL_ASSIGN(condition, done(std::move(node)));
    }
    --level_;
    return condition;
  }

  // "||" and "&&" take any number of arguments, so that long chains are not deep.
  Result<CelNodePtr> or_expression() {
    HADAL_ASSIGN(CelNodePtr first, and_expression());
    if (!at("||")) return first;
    Node node = make(Kind::kOr);
    node->args.push_back(std::move(first));
    while (at("||")) {
      HADAL_RETURN_IF_ERROR(advance());
      HADAL_ASSIGN(CelNodePtr next, and_expression());
      node->args.push_back(std::move(next));
    }
    return done(std::move(node));
  }

  Result<CelNodePtr> and_expression() {
    HADAL_ASSIGN(CelNodePtr first, relation());
    if (!at("&&")) return first;
    Node node = make(Kind::kAnd);
    node->args.push_back(std::move(first));
    while (at("&&")) {
      HADAL_RETURN_IF_ERROR(advance());
      HADAL_ASSIGN(CelNodePtr next, relation());
      node->args.push_back(std::move(next));
    }
    return done(std::move(node));
  }

  Result<CelNodePtr> relation() {
    HADAL_ASSIGN(CelNodePtr left, addition());
    while (at("<") || at("<=") || at(">") || at(">=") || at("==") || at("!=") || at_word("in")) {
      const std::string text = token_.text;
      HADAL_RETURN_IF_ERROR(advance());
      HADAL_ASSIGN(CelNodePtr right, addition());
      HADAL_ASSIGN(left, make_binary(Kind::kBinary, text, std::move(left), std::move(right)));
    }
    return left;
  }

  Result<CelNodePtr> addition() {
    HADAL_ASSIGN(CelNodePtr left, multiplication());
    while (at("+") || at("-")) {
      const std::string text = token_.text;
      HADAL_RETURN_IF_ERROR(advance());
      HADAL_ASSIGN(CelNodePtr right, multiplication());
      HADAL_ASSIGN(left, make_binary(Kind::kBinary, text, std::move(left), std::move(right)));
    }
    return left;
  }

  Result<CelNodePtr> multiplication() {
    HADAL_ASSIGN(CelNodePtr left, unary());
    while (at("*") || at("/") || at("%")) {
      const std::string text = token_.text;
      HADAL_RETURN_IF_ERROR(advance());
      HADAL_ASSIGN(CelNodePtr right, unary());
      HADAL_ASSIGN(left, make_binary(Kind::kBinary, text, std::move(left), std::move(right)));
    }
    return left;
  }

  Result<CelNodePtr> unary() {
    if (!at("!") && !at("-")) return member();
    const bool negate = at("-");
    if (++level_ > kMaxDepth) return fail("nested too deep");
    Node node = make(negate ? Kind::kNegate : Kind::kNot);
    HADAL_RETURN_IF_ERROR(advance());
    // -9223372036854775808 is one literal.
    if (negate && token_.kind == CelToken::Kind::kInt && token_.integer == kLowest) {
      node->kind = Kind::kInt;
      node->integer = std::numeric_limits<int64_t>::min();
      --level_;
      HADAL_RETURN_IF_ERROR(advance());
      return postfix(std::move(node));
    }
    HADAL_ASSIGN(CelNodePtr arg, unary());
    node->args.push_back(std::move(arg));
    --level_;
    return done(std::move(node));
  }

  Result<CelNodePtr> member() {
    HADAL_ASSIGN(CelNodePtr node, primary());
    return postfix(std::move(node));
  }

  Result<CelNodePtr> postfix(CelNodePtr node) {
    while (at(".") || at("[")) {
      const bool index = at("[");
      HADAL_RETURN_IF_ERROR(advance());
      bool optional = false;
      if (at("?")) {
        optional = true;
        HADAL_RETURN_IF_ERROR(advance());
      }
      if (index) {
        HADAL_ASSIGN(CelNodePtr key, expression());
        HADAL_RETURN_IF_ERROR(expect("]"));
        HADAL_ASSIGN(node, make_binary(optional ? Kind::kOptIndex : Kind::kIndex, "", std::move(node),
                                       std::move(key)));
        continue;
      }
      if (token_.kind != CelToken::Kind::kIdent) return fail("a field's name is missing");
      Node next = make(optional ? Kind::kOptSelect : Kind::kSelect);
      next->text = token_.text;
      next->args.push_back(std::move(node));
      HADAL_RETURN_IF_ERROR(advance());
      if (at("(") && !optional) {
        next->kind = Kind::kCall;
        next->flag = true;
        HADAL_RETURN_IF_ERROR(arguments(*next, ")"));
      }
      HADAL_ASSIGN(node, done(std::move(next)));
    }
    return node;
  }

  // From "(" or "[" to the closing one.
  Status arguments(CelNode& node, std::string_view close) {
    HADAL_RETURN_IF_ERROR(advance());
    while (!at(close)) {
      bool optional = false;
      if (at("?") && close == "]") {
        optional = true;
        HADAL_RETURN_IF_ERROR(advance());
      }
      HADAL_ASSIGN(CelNodePtr arg, expression());
      node.args.push_back(std::move(arg));
      node.optional_args.push_back(optional);
      if (!at(",")) break;
      HADAL_RETURN_IF_ERROR(advance());
    }
    return expect(close);
  }

  Result<CelNodePtr> map_literal() {
    Node node = make(Kind::kMap);
    HADAL_RETURN_IF_ERROR(advance());
    while (!at("}")) {
      bool optional = false;
      if (at("?")) {
        optional = true;
        HADAL_RETURN_IF_ERROR(advance());
      }
      HADAL_ASSIGN(CelNodePtr key, expression());
      HADAL_RETURN_IF_ERROR(expect(":"));
      HADAL_ASSIGN(CelNodePtr value, expression());
      node->args.push_back(std::move(key));
      node->args.push_back(std::move(value));
      node->optional_args.push_back(optional);
      if (!at(",")) break;
      HADAL_RETURN_IF_ERROR(advance());
    }
    HADAL_RETURN_IF_ERROR(expect("}"));
    return done(std::move(node));
  }

  Result<CelNodePtr> primary() {
    if (at("(")) {
      HADAL_RETURN_IF_ERROR(advance());
      HADAL_ASSIGN(CelNodePtr inner, expression());
      HADAL_RETURN_IF_ERROR(expect(")"));
      return inner;
    }
    if (at("[")) {
      Node node = make(Kind::kList);
      HADAL_RETURN_IF_ERROR(arguments(*node, "]"));
      return done(std::move(node));
    }
    if (at("{")) return map_literal();
    // ".name" is a name of the outermost scope.
    if (at(".")) HADAL_RETURN_IF_ERROR(advance());
    if (token_.kind == CelToken::Kind::kIdent) return identifier();
    return literal();
  }

  Result<CelNodePtr> identifier() {
    Node node = make(Kind::kIdent);
    node->text = token_.text;
    if (token_.text == "true" || token_.text == "false") {
      node->kind = Kind::kBool;
      node->flag = token_.text == "true";
    } else if (token_.text == "null") {
      node->kind = Kind::kNull;
    }
    for (const std::string_view word : kReserved) {
      if (token_.text == word) return fail("\"" + token_.text + "\" is a reserved word");
    }
    HADAL_RETURN_IF_ERROR(advance());
    if (node->kind == Kind::kIdent && at("(")) {
      node->kind = Kind::kCall;
      HADAL_RETURN_IF_ERROR(arguments(*node, ")"));
    }
    return done(std::move(node));
  }

  Result<CelNodePtr> literal() {
    Node node = make(Kind::kNull);
    switch (token_.kind) {
      case CelToken::Kind::kInt:
        if (token_.integer >= kLowest) return fail("a number out of range");
        node->kind = Kind::kInt;
        node->integer = static_cast<int64_t>(token_.integer);
        break;
      case CelToken::Kind::kUint:
        node->kind = Kind::kUint;
        node->uinteger = token_.integer;
        break;
      case CelToken::Kind::kDouble:
        node->kind = Kind::kDouble;
        node->number = token_.number;
        break;
      case CelToken::Kind::kString:
      case CelToken::Kind::kBytes:
        node->kind = token_.kind == CelToken::Kind::kString ? Kind::kString : Kind::kBytes;
        node->text = token_.text;
        break;
      default:
        return fail("a value is missing");
    }
    HADAL_RETURN_IF_ERROR(advance());
    return done(std::move(node));
  }

  CelLexer lexer_;
  CelToken token_;
  int level_ = 0;
};

}  // namespace

Result<CelNodePtr> parse_cel(std::string_view text) {
  if (text.size() > kMaxText) return invalid_argument("a rule of ", text.size(), " bytes is too long");
  return Parser(text).run();
}

}  // namespace hadal
