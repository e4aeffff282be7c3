// CelEvaluator: runs a rule's tree. Its work is bounded, so that no rule hangs. One caller at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deploy/validate/cel/cel_ast.h"
#include "deploy/validate/cel/cel_value.h"

namespace hadal {

class CelEvaluator {
 public:
  // budget: steps, and bytes of text made, until evaluation gives up.
  CelEvaluator(const SchemaSet& schemas, int64_t budget) : schemas_(schemas), budget_(budget) {}

  void bind(std::string name, CelValue value) { scope_.emplace_back(std::move(name), std::move(value)); }
  CelValue eval(const CelNode& node);
  // Gave up: the answer says nothing.
  bool exhausted() const { return budget_ < 0; }
  int64_t budget_left() const { return budget_; }
  const SchemaSet& schemas() const { return schemas_; }
  // Takes work off the budget; false: there is none left.
  bool charge(size_t work) {
    budget_ -= static_cast<int64_t>(work) + 1;
    return budget_ >= 0;
  }

 private:
  CelValue eval_ident(const CelNode& node);
  CelValue eval_and_or(const CelNode& node);
  CelValue eval_binary(const CelNode& node);
  CelValue eval_select(const CelNode& node);
  CelValue eval_index(const CelNode& node);
  CelValue eval_list(const CelNode& node);
  CelValue eval_map(const CelNode& node);
  CelValue eval_call(const CelNode& node);
  // Macros. handled: whether the call is one.
  CelValue eval_macro(const CelNode& node, bool& handled);
  CelValue eval_has(const CelNode& node);
  CelValue eval_quantifier(const CelNode& node, size_t num_variables);
  CelValue eval_transform(const CelNode& node);
  CelValue eval_two_variable_transform(const CelNode& node);
  CelValue eval_optional_macro(const CelNode& node);
  CelValue eval_bind(const CelNode& node);
  // Binds the variables of a comprehension to element i.
  void enter(const CelNode& node, size_t num_variables, const CelValue& range, const CelList& elements,
             size_t i);
  void leave(size_t num_variables) { scope_.resize(scope_.size() - num_variables); }
  CelValue in(const CelValue& item, const CelValue& container);

  const SchemaSet& schemas_;
  int64_t budget_;
  std::vector<std::pair<std::string, CelValue>> scope_;
};

// The functions of CEL and of Kubernetes' libraries. has_target: args[0] stood before the dot.
CelValue call_cel_function(CelEvaluator& evaluator, const std::string& name, bool has_target, CelList args);
// Parts of it; handled false: none of theirs.
CelValue call_cel_text_function(CelEvaluator& evaluator, const std::string& name, CelList& args,
                                bool& handled);
CelValue call_cel_kube_function(CelEvaluator& evaluator, const std::string& name, bool has_target,
                                CelList& args, bool& handled);
CelValue call_cel_time_function(const std::string& name, CelList& args, bool& handled);
// "+", "-", "*", "/", "%".
CelValue cel_arithmetic(CelEvaluator& evaluator, std::string_view op, const CelValue& a, const CelValue& b);
// As string(x) makes it; an error where it has no text.
CelValue cel_to_text(const CelValue& value);

}  // namespace hadal
