// The parser's class, shared by parser.cc (statements) and parser_expressions.cc. Private to this folder.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace hadal::jinja {

constexpr int kMaxNesting = 200;  // of the source: brackets, statements
constexpr int kMaxHeight = 400;   // of the tree: also long chains like a + b + c

class Parser {
 public:
  Parser(Template& out, std::vector<Token> tokens) : out_(out), tokens_(std::move(tokens)) {}
  void run();

 private:
  using Words = std::initializer_list<std::string_view>;

  // tokens
  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& take() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }
  bool skip_name(std::string_view name);
  bool skip_sign(std::string_view sign);
  void expect_sign(std::string_view sign);
  void expect_name(std::string_view name);
  void expect(TokenType type);
  std::string identifier();
  bool at_any_name(Words words) const;
  [[noreturn]] void error(const std::string& message, int line = 0) const;
  std::string describe(const Token& token) const;

  // nodes
  Node* make(NodeKind kind, int line);
  Node* done(Node* node);  // checks the height once the children are in place
  Node* binary(NodeKind kind, Node* left, Node* right, int line);
  Node* constant(Value v, int line);

  // statements (parser.cc)
  void body(std::vector<Node*>& out, Words end_words);
  void statements(std::vector<Node*>& out, Words end_words, bool drop_needle);
  Node* statement();
  Node* parse_for();
  Node* parse_if();
  Node* parse_set();
  Node* parse_macro();
  Node* parse_call_block();
  Node* parse_filter_block();
  Node* parse_with();
  Node* parse_block();
  Node* parse_print();
  Node* parse_generation();
  Node* parse_loader();
  Node* parse_autoescape();
  void parse_signature(Node* node);
  Node* assign_target(bool with_namespace);
  Node* name_target();
  void set_store(Node* target);

  // expressions (parser_expressions.cc)
  Node* expression(bool with_condition = true);
  Node* condition();
  Node* parse_or();
  Node* parse_and();
  Node* parse_not();
  Node* parse_compare();
  Node* parse_math1();
  Node* parse_concat();
  Node* parse_math2();
  Node* parse_pow();
  Node* parse_unary(bool with_filter = true);
  Node* primary(bool with_namespace = false);
  Node* tuple(bool simplified, bool with_condition, bool parentheses, bool with_namespace);
  Node* any_tuple() { return tuple(false, true, false, false); }
  Node* parse_list();
  Node* parse_dict();
  Node* postfix(Node* node);
  Node* filter_expression(Node* node);
  Node* subscript(Node* node);
  Node* subscribed();
  Node* parse_filter(Node* node, bool start_inline);
  Node* parse_test(Node* node);
  Node* parse_call(Node* node);
  void call_arguments(Node* node);

  // One level of nesting of the source.
  class Nest {
   public:
    explicit Nest(Parser& p) : p_(p) {
      if (++p_.nesting_ > kMaxNesting) p_.error("the template is nested too deeply");
    }
    ~Nest() { --p_.nesting_; }

   private:
    Parser& p_;
  };

  Template& out_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
};

// Calls f on each child, in the order in which Jinja2 visits them.
template <typename F>
void for_each_child(const Node& node, F f) {
  const auto one = [&](Node* n) {
    if (n != nullptr) f(n);
  };
  const auto all = [&](const std::vector<Node*>& nodes) {
    for (Node* n : nodes) one(n);
  };
  switch (node.kind) {
    case NodeKind::kDict:
      for (size_t i = 0; i < node.list.size(); ++i) {
        one(node.list[i]);
        one(node.list2[i]);
      }
      return;
    case NodeKind::kFilter:
    case NodeKind::kTest:
    case NodeKind::kCall:
      one(node.n1);
      all(node.list);
      all(node.list2);
      one(node.n2);
      one(node.n3);
      return;
    case NodeKind::kFor:
      one(node.n1);
      one(node.n2);
      all(node.list);
      all(node.list2);
      one(node.n3);
      return;
    case NodeKind::kIf:
      one(node.n1);
      all(node.list);
      all(node.list3);
      all(node.list2);
      return;
    case NodeKind::kFilterBlock:
      all(node.list);
      one(node.n1);
      return;
    default:
      one(node.n1);
      one(node.n2);
      one(node.n3);
      all(node.list);
      all(node.list2);
      all(node.list3);
  }
}

}  // namespace hadal::jinja
