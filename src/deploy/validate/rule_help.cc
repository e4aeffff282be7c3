#include "deploy/validate/rule_help.h"

#include <algorithm>
#include <charconv>

#include "base/join_text.h"
#include "config/nearest_name.h"
#include "deploy/validate/formats.h"

namespace hadal {

std::string shown_text(View value) {
  if (value.get() == nullptr) return "nothing";
  return value.get()->is_scalar() ? to_json(value.get()->scalar) : std::string(value.get()->kind_name());
}

bool check_choice(Reporter& reporter, View value, std::initializer_list<std::string_view> choices) {
  // An empty one is defaulted.
  if (!value.is_string() || value.text().empty() || value.text().find("{{") != std::string_view::npos)
    return true;
  const std::string_view text = value.text();
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return true;
  const std::string list = join_text(choices, ", ");
  const std::vector<std::string_view> names(choices);
  const std::string nearest = nearest_name(text, names);
  reporter.add("object/enum", *value, "\"" + std::string(text) + "\" is none of: " + list,
               nearest.empty() ? "write one of: " + list : "write " + nearest);
  return false;
}

bool check_filled_choice(Reporter& reporter, View value, std::initializer_list<std::string_view> choices) {
  if (!value.is_string() || !value.text().empty()) return check_choice(reporter, value, choices);
  const std::string list = join_text(choices, ", ");
  reporter.add("object/enum", *value, "an empty text is none of: " + list, "write one of: " + list);
  return false;
}

bool check_range(Reporter& reporter, View value, int64_t low, int64_t high) {
  const std::optional<int64_t> number = value.integer();
  if (!number || (*number >= low && *number <= high)) return true;
  std::string range = "at least " + std::to_string(low);
  if (high != INT64_MAX) range = "between " + std::to_string(low) + " and " + std::to_string(high);
  reporter.add("object/range", *value, std::to_string(*number) + " must be " + range);
  return false;
}

std::string missing_field(std::string_view name) {
  return "the field \"" + std::string(name) + "\" is missing";
}

bool check_present(Reporter& reporter, View map, std::string_view key, std::string_view rule) {
  const View member = map[key];
  if (map.get() == nullptr) return true;
  const bool empty_text = member.is_string() && member.text().empty();
  if (member.exists() && !empty_text) return true;
  reporter.add(rule, member.get() != nullptr ? *member : *map,
               member.exists() ? "the field \"" + std::string(key) + "\" is empty" : missing_field(key),
               "add \"" + std::string(key) + ":\"");
  return false;
}

std::string_view check_one_of(Reporter& reporter, View map, std::initializer_list<std::string_view> keys,
                              std::string_view rule, bool needed) {
  std::string_view first;
  for (const std::string_view key : keys) {
    if (!map[key].exists()) continue;
    if (first.empty()) {
      first = key;
      continue;
    }
    reporter.add_at_key(
        rule, *map[key],
        "both \"" + std::string(first) + "\" and \"" + std::string(key) + "\" are given: one is wanted",
        "keep one of them");
  }
  if (first.empty() && needed && map.get() != nullptr) {
    const std::string list = join_text(keys, ", ");
    reporter.add(rule, *map, "one of these is missing: " + list, "add one of: " + list);
  }
  return first;
}

int64_t scaled_value(View value, int64_t total, bool up) {
  if (const auto number = value.integer()) return *number;
  std::string_view text = value.text();
  if (text.empty() || text.back() != '%') return -1;
  text.remove_suffix(1);
  int64_t percent = -1;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), percent);
  if (r.ec != std::errc() || r.ptr != text.data() + text.size() || percent < 0 || percent > 1'000'000)
    return -1;
  total = std::clamp<int64_t>(total, 0, 1'000'000'000);
  return (total * percent + (up ? 99 : 0)) / 100;
}

void check_int_or_percent(Reporter& reporter, View value, bool at_most_hundred) {
  if (!value.exists()) return;
  if (const auto number = value.integer()) {
    if (*number < 0) reporter.add("object/range", *value, "this must not be negative");
    return;
  }
  if (!value.is_string()) return;
  const int64_t percent = scaled_value(value, 100, false);
  if (percent < 0) {
    reporter.add("object/format", *value, shown_text(value) + " is neither a number nor a percentage",
                 "write a number, or a percentage such as \"25%\"");
  } else if (at_most_hundred && percent > 100) {
    reporter.add("object/range", *value, "this must not be over 100%");
  }
}

void check_label_selector(Reporter& reporter, View selector) {
  for (const ValueMember& label : selector["matchLabels"].members()) {
    if (!is_qualified_name(label.key))
      reporter.add_at_key("object/label", label.value, "\"" + label.key + "\" is no label's key");
    const View value(label.value);
    if (value.is_string() && !is_label_value(value.text()))
      reporter.add("object/label", *value, shown_text(value) + " is no label's value");
  }
  for (const Value& item : selector["matchExpressions"].items()) {
    const View e(item);
    check_present(reporter, e, "key");
    check_present(reporter, e, "operator");
    check_choice(reporter, e["operator"], {"In", "NotIn", "Exists", "DoesNotExist"});
    const bool wants_values = e["operator"].text().find("In") != std::string_view::npos;
    const bool has_values = !e["values"].items().empty();
    if (!e["operator"].text().empty() && wants_values != has_values)
      reporter.add("object/combination", item,
                   std::string(e["operator"].text()) + (wants_values ? " needs values" : " takes no values"));
  }
}

bool is_empty_selector(View selector) {
  return selector["matchLabels"].members().empty() && selector["matchExpressions"].items().empty();
}

bool selector_matches(View selector, View labels) {
  for (const ValueMember& wanted : selector["matchLabels"].members()) {
    const View label = labels[wanted.key];
    if (label.get() == nullptr || label.any_text() != View(wanted.value).any_text()) return false;
  }
  for (const Value& item : selector["matchExpressions"].items()) {
    const View e(item);
    const View label = labels[e["key"].text()];
    const bool there = label.get() != nullptr;
    bool listed = false;
    for (const Value& value : e["values"].items())
      listed = listed || View(value).any_text() == label.any_text();
    const std::string_view op = e["operator"].text();
    if (op == "In" && !(there && listed)) return false;
    if (op == "NotIn" && there && listed) return false;
    if (op == "Exists" && !there) return false;
    if (op == "DoesNotExist" && there) return false;
  }
  return true;
}

}  // namespace hadal
