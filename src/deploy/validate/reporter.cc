#include "deploy/validate/reporter.h"

#include "base/result.h"

namespace hadal {
namespace {

constexpr size_t kMaxFindings = 400;

// The nearest place that stands in the text.
const Value& placed(const Value& value) {
  const Value* v = &value;
  while (v->node == nullptr && v->parent != nullptr) v = v->parent;
  return *v;
}

bool is_disabled(std::string_view rule, const std::vector<std::string>& disabled) {
  for (const std::string& entry : disabled) {
    if (entry == rule || entry == "*") return true;
    if (entry.ends_with("/*") && rule.starts_with(std::string_view(entry).substr(0, entry.size() - 1)))
      return true;
  }
  return false;
}

}  // namespace

bool Reporter::is_full() const {
  return num_added_ >= kMaxFindings;
}

Finding& Reporter::add(std::string_view rule, const Value& at, std::string message, std::string fix) {
  const Value& value = placed(at);
  if (!value.is_scalar() && value.key_node != nullptr)
    return add_at_key(rule, at, std::move(message), std::move(fix));
  const YamlMark mark = value.node == nullptr ? YamlMark{} : value.node->begin;
  return put(rule, mark, value_path(at), std::move(message), std::move(fix));
}

Finding& Reporter::add_at_key(std::string_view rule, const Value& at, std::string message, std::string fix) {
  const Value& value = placed(at);
  YamlMark mark;
  if (value.key_node != nullptr) {
    mark = value.key_node->begin;
  } else if (value.node != nullptr) {
    mark = value.node->begin;
  }
  return put(rule, mark, value_path(at), std::move(message), std::move(fix));
}

Finding& Reporter::add_at_mark(std::string_view rule, const YamlMark& mark, std::string message,
                               std::string fix) {
  return put(rule, mark, "", std::move(message), std::move(fix));
}

void Reporter::fix_with(Finding& finding, std::optional<TextEdit> edit) {
  if (!edit) return;
  finding.safe_fix = true;
  finding.edits.push_back(*std::move(edit));
}

Finding& Reporter::put(std::string_view rule, const YamlMark& mark, std::string path, std::string message,
                       std::string fix) {
  const RuleInfo* info = find_rule(rule);
  HADAL_CHECK(info != nullptr) << "no rule is called " << std::string(rule);
  dropped_ = Finding();
  if (is_disabled(rule, disabled_) || num_added_ >= kMaxFindings) return dropped_;
  const std::string key = std::to_string(mark.line) + ":" + std::to_string(mark.column) + " " + message;
  const auto [seen, is_new] = seen_.try_emplace(key, out_.size());
  if (!is_new) {
    Finding& before = out_[seen->second];
    if (!before.rule.starts_with("schema/") || rule.starts_with("schema/")) return dropped_;
  }
  if (is_new) {
    ++num_added_;
    out_.emplace_back();
  }
  Finding& finding = out_[seen->second];
  finding = Finding();
  finding.rule = rule;
  finding.severity = info->severity;
  finding.file = file_.path;
  finding.line = mark.line;
  finding.column = mark.column;
  finding.object = object_;
  finding.path = std::move(path);
  finding.message = std::move(message);
  finding.why = info->why;
  finding.fix = fix.empty() ? std::string(info->fix) : std::move(fix);
  return finding;
}

}  // namespace hadal
