#include "text/jinja/parser.h"

#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/parser_impl.h"

namespace hadal::jinja {

bool Parser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  take();
  return true;
}

bool Parser::skip_sign(std::string_view sign) {
  if (!current().is_operator(sign)) return false;
  take();
  return true;
}

std::string Parser::describe(const Token& token) const {
  switch (token.type) {
    case TokenType::kData:
      return "template data / text";
    case TokenType::kBlockBegin:
      return "begin of statement block";
    case TokenType::kBlockEnd:
      return "end of statement block";
    case TokenType::kVariableBegin:
      return "begin of print statement";
    case TokenType::kVariableEnd:
      return "end of print statement";
    case TokenType::kEof:
      return "end of template";
    default:
      return token.text;
  }
}

void Parser::error(const std::string& message, int line) const {
  fail(ErrorKind::kSyntax, message, line > 0 ? line : current().line);
}

void Parser::expect_sign(std::string_view sign) {
  if (!skip_sign(sign))
    error("expected token '" + std::string(sign) + "', got '" + describe(current()) + "'");
}

void Parser::expect_name(std::string_view name) {
  if (!skip_name(name))
    error("expected token '" + std::string(name) + "', got '" + describe(current()) + "'");
}

void Parser::expect(TokenType type) {
  if (current().type != type) {
    error("expected token '" + describe({type, 0, ""}) + "', got '" + describe(current()) + "'");
  }
  take();
}

std::string Parser::identifier() {
  if (current().type != TokenType::kName) error("expected token 'name', got '" + describe(current()) + "'");
  return take().text;
}

bool Parser::at_any_name(Words words) const {
  return std::any_of(words.begin(), words.end(), [this](std::string_view w) { return current().is_name(w); });
}

Node* Parser::make(NodeKind kind, int line) {
  Node& node = out_.nodes.emplace_back();
  node.kind = kind;
  node.line = line;
  return &node;
}

Node* Parser::done(Node* node) {
  int height = 0;
  for_each_child(*node, [&](Node* child) { height = std::max(height, child->height); });
  switch (node->kind) {
    case NodeKind::kName:
    case NodeKind::kNamespaceRef:
    case NodeKind::kCall:
      node->constant = false;
      break;
    default:
      // Filters that look into the context are never evaluated early.
      node->constant = node->kind != NodeKind::kFilter ||
                       (node->n1 != nullptr && node->filter != nullptr && node->filter->call_raw == nullptr);
      for_each_child(*node, [&](Node* child) { node->constant = node->constant && child->constant; });
  }
  node->height = height + 1;
  if (node->height > kMaxHeight) error("the template is nested too deeply", node->line);
  return node;
}

void Parser::run() {
  body(out_.body, {});
}

void Parser::body(std::vector<Node*>& out, Words end_words) {
  Nest nest(*this);
  Node* output = nullptr;
  const auto add = [&](Node* node) {
    if (output == nullptr) {
      output = make(NodeKind::kOutput, node->line);
      out.push_back(output);
    }
    output->list.push_back(node);
    output->height = std::max(output->height, node->height + 1);
  };
  while (current().type != TokenType::kEof) {
    const Token& token = current();
    if (token.type == TokenType::kData) {
      add(constant(out_.literal(token.text), token.line));
      take();
    } else if (token.type == TokenType::kVariableBegin) {
      take();
      add(any_tuple());
      expect(TokenType::kVariableEnd);
    } else {
      output = nullptr;
      expect(TokenType::kBlockBegin);
      if (at_any_name(end_words)) return;
      if (Node* node = statement(); node != nullptr) out.push_back(node);
      expect(TokenType::kBlockEnd);
    }
  }
}

// After the words of an opening tag: ":" if present, the tag's end, then the body up to one of `end_words`.
void Parser::statements(std::vector<Node*>& out, Words end_words, bool drop_needle) {
  skip_sign(":");
  expect(TokenType::kBlockEnd);
  body(out, end_words);
  if (current().type == TokenType::kEof) {
    std::string looked_for;
    for (std::string_view w : end_words)
      looked_for += (looked_for.empty() ? "'" : " or '") + std::string(w) + "'";
    error("Unexpected end of template. Jinja was looking for the following tags: " + looked_for + ".");
  }
  if (drop_needle) take();
}

Node* Parser::statement() {
  const Token& token = current();
  if (token.type != TokenType::kName) error("tag name expected", token.line);
  const std::string& tag = token.text;
  if (tag == "for") return parse_for();
  if (tag == "if") return parse_if();
  if (tag == "set") return parse_set();
  if (tag == "macro") return parse_macro();
  if (tag == "call") return parse_call_block();
  if (tag == "filter") return parse_filter_block();
  if (tag == "with") return parse_with();
  if (tag == "block") return parse_block();
  if (tag == "print") return parse_print();
  if (tag == "generation") return parse_generation();
  if (tag == "autoescape") return parse_autoescape();
  if (tag == "extends" || tag == "include" || tag == "import" || tag == "from") return parse_loader();
  if (tag == "break" || tag == "continue") {
    const NodeKind kind = tag == "break" ? NodeKind::kBreak : NodeKind::kContinue;
    return done(make(kind, take().line));
  }
  error("Encountered unknown tag '" + tag + "'.", token.line);
}

Node* Parser::parse_for() {
  Node* node = make(NodeKind::kFor, take().line);
  node->n1 = assign_target(false);
  expect_name("in");
  node->n2 = tuple(false, false, false, false);
  if (skip_name("if")) node->n3 = expression();
  node->flag = skip_name("recursive");
  statements(node->list, {"endfor", "else"}, false);
  if (take().text != "endfor") statements(node->list2, {"endfor"}, true);
  return done(node);
}

Node* Parser::parse_if() {
  Node* result = make(NodeKind::kIf, take().line);
  Node* node = result;
  while (true) {
    node->n1 = tuple(false, false, false, false);
    statements(node->list, {"elif", "else", "endif"}, false);
    if (node != result) done(node);
    const Token& token = take();
    if (token.text == "elif") {
      node = make(NodeKind::kIf, current().line);
      result->list3.push_back(node);
      continue;
    }
    if (token.text == "else") statements(result->list2, {"endif"}, true);
    return done(result);
  }
}

Node* Parser::parse_set() {
  const int line = take().line;
  Node* target = assign_target(true);
  if (skip_sign("=")) {
    Node* node = make(NodeKind::kAssign, line);
    node->n1 = target;
    node->n2 = any_tuple();
    return done(node);
  }
  Node* node = make(NodeKind::kAssignBlock, line);
  node->n1 = target;
  node->n2 = parse_filter(nullptr, false);
  statements(node->list, {"endset"}, true);
  return done(node);
}

void Parser::parse_signature(Node* node) {
  expect_sign("(");
  while (!current().is_operator(")")) {
    if (!node->list.empty()) expect_sign(",");
    Node* parameter = name_target();
    parameter->store = false;
    parameter->param = true;
    for (const Node* other : node->list) {
      if (other->text == parameter->text) error("duplicate argument '" + parameter->text + "' in a macro");
    }
    if (skip_sign("=")) {
      node->list2.push_back(expression());
    } else if (!node->list2.empty()) {
      error("non-default argument follows default argument");
    }
    node->list.push_back(parameter);
  }
  expect_sign(")");
}

Node* Parser::parse_macro() {
  Node* node = make(NodeKind::kMacro, take().line);
  node->text = name_target()->text;
  parse_signature(node);
  statements(node->list3, {"endmacro"}, true);
  return done(node);
}

Node* Parser::parse_call_block() {
  Node* node = make(NodeKind::kCallBlock, take().line);
  if (current().is_operator("(")) parse_signature(node);
  node->n1 = expression();
  if (node->n1->kind != NodeKind::kCall) error("expected call", node->line);
  statements(node->list3, {"endcall"}, true);
  return done(node);
}

// {% generation %} marks assistant text for training masks; when rendering it is a call block that prints its
// body.
Node* Parser::parse_generation() {
  Node* node = make(NodeKind::kCallBlock, take().line);
  node->flag = true;
  statements(node->list3, {"endgeneration"}, true);
  return done(node);
}

Node* Parser::parse_filter_block() {
  Node* node = make(NodeKind::kFilterBlock, take().line);
  node->n1 = parse_filter(nullptr, true);
  statements(node->list, {"endfilter"}, true);
  return done(node);
}

Node* Parser::parse_with() {
  Node* node = make(NodeKind::kWith, take().line);
  while (current().type != TokenType::kBlockEnd) {
    if (!node->list.empty()) expect_sign(",");
    Node* target = assign_target(false);
    const auto to_param = [](Node* n, auto&& self) -> void {
      n->store = false;
      n->param = true;
      for (Node* item : n->list) self(item, self);
    };
    to_param(target, to_param);
    node->list.push_back(target);
    expect_sign("=");
    node->list2.push_back(expression());
  }
  statements(node->list3, {"endwith"}, true);
  return done(node);
}

Node* Parser::parse_block() {
  Node* node = make(NodeKind::kBlock, take().line);
  node->text = identifier();
  node->flag = skip_name("scoped");
  node->flag2 = skip_name("required");
  if (current().is_operator("-"))
    error("Block names in Jinja have to be valid Python identifiers and may not contain hyphens");
  statements(node->list, {"endblock"}, true);
  if (node->flag2) {
    for (const Node* child : node->list) {
      const bool blank = child->kind == NodeKind::kOutput &&
                         std::all_of(child->list.begin(), child->list.end(), [](const Node* n) {
                           return n->kind == NodeKind::kConst && n->value.is_str() &&
                                  n->value.str().find_first_not_of(" \t\r\n") == std::string_view::npos;
                         });
      if (!blank) error("Required blocks can only contain comments or whitespace");
    }
  }
  skip_name(node->text);
  for (const Node* other : out_.blocks) {
    if (other->text == node->text) error("block '" + node->text + "' defined twice", node->line);
  }
  out_.blocks.push_back(node);
  return done(node);
}

Node* Parser::parse_print() {
  Node* node = make(NodeKind::kOutput, take().line);
  while (current().type != TokenType::kBlockEnd) {
    if (!node->list.empty()) expect_sign(",");
    node->list.push_back(expression());
  }
  return done(node);
}

// Templates of models stand alone: there is nothing to load, and Jinja2 raises when such a tag runs.
Node* Parser::parse_loader() {
  const Token tag = take();
  Node* node = make(NodeKind::kLoader, tag.line);
  node->text = tag.text;
  node->n1 = expression();
  if (tag.text == "import") {
    expect_name("as");
    node->names.push_back(name_target()->text);
  } else if (tag.text == "from") {
    expect_name("import");
    while (current().type == TokenType::kName && !current().is_name("with") &&
           !current().is_name("without")) {
      const std::string name = name_target()->text;
      if (name.starts_with("_")) error("names starting with an underline can not be imported");
      node->names.push_back(skip_name("as") ? name_target()->text : name);
      if (!skip_sign(",")) break;
    }
    if (node->names.empty()) error("expected token 'name', got '" + describe(current()) + "'");
  } else if (tag.text == "include" && current().is_name("ignore") && look().is_name("missing")) {
    take();
    take();
  }
  if ((current().is_name("with") || current().is_name("without")) && look().is_name("context")) {
    take();
    take();
  }
  return done(node);
}

Node* Parser::parse_autoescape() {
  Node* node = make(NodeKind::kAutoescape, take().line);
  node->n1 = expression();
  statements(node->list, {"endautoescape"}, true);
  return done(node);
}

void Parser::set_store(Node* target) {
  if (target->kind == NodeKind::kName) {
    target->store = true;
  } else if (target->kind == NodeKind::kTuple) {
    for (Node* item : target->list) set_store(item);
  } else if (target->kind != NodeKind::kNamespaceRef) {
    error("can't assign to this", target->line);
  }
}

Node* Parser::assign_target(bool with_namespace) {
  Node* target = tuple(true, true, false, with_namespace);
  set_store(target);
  return target;
}

Node* Parser::name_target() {
  const Token& token = current();
  Node* node = make(NodeKind::kName, token.line);
  node->text = identifier();
  for (std::string_view reserved : {"true", "false", "none", "True", "False", "None"}) {
    if (node->text == reserved) error("can't assign to 'name'", node->line);
  }
  node->value = out_.literal(node->text);
  node->store = true;
  return done(node);
}

void resolve(Template& t);

std::unique_ptr<Template> parse_template(std::string_view source) {
  auto result = std::make_unique<Template>();
  Parser(*result, tokenize(source)).run();
  resolve(*result);
  return result;
}

}  // namespace hadal::jinja
