#include "deploy/validate/cel/cel_rules.h"

#include <algorithm>
#include <map>

#include "base/join_text.h"
#include "deploy/validate/cel/cel_eval.h"

namespace hadal {
namespace {

// Steps for one object: a rule of the known CRDs takes a few hundred.
constexpr int64_t kBudget = 4'000'000;

bool mentions(const CelNode& node, std::string_view name) {
  if (node.kind == CelNode::Kind::kIdent && node.text == name) return true;
  for (const CelNodePtr& arg : node.args) {
    if (mentions(*arg, name)) return true;
  }
  return false;
}

// "a.b" of self.a.b; "" where the node is no such chain.
std::string field_of_self(const CelNode& node) {
  if (node.kind != CelNode::Kind::kSelect && node.kind != CelNode::Kind::kOptSelect) return "";
  const CelNode& base = *node.args[0];
  if (base.kind == CelNode::Kind::kIdent) return base.text == "self" ? node.text : "";
  const std::string before = field_of_self(base);
  return before.empty() ? "" : before + "." + node.text;
}

// The fields that a rule speaks of, each once, as they come.
void collect_fields(const CelNode& node, std::vector<std::string>& out) {
  const std::string field = field_of_self(node);
  if (!field.empty()) {
    if (std::find(out.begin(), out.end(), field) == out.end()) out.push_back(field);
    return;
  }
  for (const CelNodePtr& arg : node.args) collect_fields(*arg, out);
}

std::string fix_of(const CelRule& rule, const CelNode& tree) {
  constexpr size_t kMaxShownRule = 240;
  std::vector<std::string> fields;
  collect_fields(tree, fields);
  std::string out = "change " + (fields.empty() ? "the value" : join_text(fields, " or "));
  if (rule.expression.size() <= kMaxShownRule) out += "; what must hold, in CEL: " + rule.expression;
  return out;
}

class RuleChecker {
 public:
  RuleChecker(const SchemaSet& schemas, Reporter& reporter, const std::set<std::string>& broken)
      : schemas_(schemas), reporter_(reporter), broken_(broken) {}

  void check(const Value& value, Schema::Id id) {
    if (value.is_null() || budget_ <= 0) return;
    const Schema& s = schemas_.at(id);
    for (const CelRule& rule : s.rules) run(rule, value, id);
    if (value.is_list() && s.items != Schema::kNone) {
      for (const Value& item : value.items) check(item, s.items);
    }
    for (const ValueMember& member : value.members) {
      Schema::Id part = s.property(member.key);
      if (part == Schema::kNone) part = s.additional;
      if (part != Schema::kNone) check(member.value, part);
    }
  }

 private:
  const Result<CelNodePtr>& parsed(const std::string& expression) {
    const auto found = trees_.find(expression);
    if (found != trees_.end()) return found->second;
    return trees_.emplace(expression, parse_cel(expression)).first->second;
  }

  CelValue eval(const CelNode& tree, const Value& value, Schema::Id id, bool optional_old_self) {
    CelEvaluator evaluator(schemas_, budget_);
    evaluator.bind("self", cel_from_value(value, id, schemas_));
    if (optional_old_self) evaluator.bind("oldSelf", cel_none());
    CelValue out = evaluator.eval(tree);
    budget_ = evaluator.budget_left();
    return out;
  }

  bool is_about_broken(const std::string& expression) const {
    return std::any_of(broken_.begin(), broken_.end(),
                       [&](const std::string& name) { return expression.find(name) != std::string::npos; });
  }

  void run(const CelRule& rule, const Value& value, Schema::Id id) {
    if (is_about_broken(rule.expression)) return;
    const Result<CelNodePtr>& tree = parsed(rule.expression);
    if (!tree.ok()) {
      reporter_.add("schema/cel-unreadable", value,
                    "the schema's rule cannot be read: " + tree.error().message);
      return;
    }
    if (!rule.optional_old_self && mentions(**tree, "oldSelf")) return;
    const CelValue verdict = eval(**tree, value, id, rule.optional_old_self);
    if (budget_ <= 0) {
      reporter_.add("schema/cel-unreadable", value, "the schema's rules take too long: not all were asked");
      return;
    }
    if (verdict.is<bool>() && verdict.get<bool>()) return;
    if (verdict.is_error() && !broken_.empty()) return;
    std::string message = message_of(rule, value, id);
    if (verdict.is_error())
      message = "the rule " + rule.expression + " cannot be answered: " + verdict.get<CelError>().message;
    reporter_.add("schema/cel", culprit(rule, value), message, fix_of(rule, **tree));
  }

  std::string message_of(const CelRule& rule, const Value& value, Schema::Id id) {
    if (!rule.message_expression.empty()) {
      const Result<CelNodePtr>& tree = parsed(rule.message_expression);
      if (tree.ok()) {
        const CelValue text = eval(**tree, value, id, rule.optional_old_self);
        if (text.is_string() && !text.text().empty()) return text.text();
      }
    }
    return rule.message.empty() ? "the fields here break a rule of this kind" : rule.message;
  }

  // fieldPath names a part: ".spec.name".
  static const Value& culprit(const CelRule& rule, const Value& value) {
    const std::string_view path = rule.field_path;
    if (path.size() < 2 || path[0] != '.') return value;
    const View part = View(value).at(path.substr(1));
    return part.get() == nullptr ? value : *part;
  }

  const SchemaSet& schemas_;
  Reporter& reporter_;
  const std::set<std::string>& broken_;
  int64_t budget_ = kBudget;
  std::map<std::string, Result<CelNodePtr>> trees_;
};

}  // namespace

void check_cel_rules(const Value& object, Schema::Id schema, const SchemaSet& schemas, Reporter& reporter,
                     const std::set<std::string>& broken) {
  RuleChecker(schemas, reporter, broken).check(object, schema);
}

}  // namespace hadal
