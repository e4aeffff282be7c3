// Filters that look at whole sequences and mappings.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/builtins.h"
#include "text/jinja/iterators.h"
#include "text/jinja/ops.h"
#include "text/jinja/repr.h"
#include "text/jinja/strings.h"
#include "text/jinja/unicode.h"

namespace hadal::jinja {

namespace {

Value or_missing(Value v) {
  return v.is_none() ? Value() : v;
}

// "a.b.0": numbers index.
Value look_up(Runtime& rt, Value item, std::string_view part) {
  const bool digits =
      !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos && part.size() < 19;
  const Value key = digits ? Value::from_int(std::stoll(std::string(part))) : rt.text(part);
  return get_item(rt, item, key);
}

// The sort key of a comma-separated list of paths: always a list, as Jinja2 makes it.
Value multi_key(Runtime& rt, Value item, Value attribute, bool case_sensitive) {
  std::vector<Value> keys;
  if (!attribute.missing() && attribute.is_str()) {
    for (std::string_view path : split(attribute.str(), ",", -1, false))
      keys.push_back(get_path(rt, item, rt.view(path)));
  } else {
    keys.push_back(get_path(rt, item, attribute));
  }
  if (!case_sensitive) {
    for (Value& key : keys) key = fold_case(rt, key);
  }
  return rt.list(keys);
}

struct Keyed {
  Value key, value;
};

// Python's sorted(): stable, also when reversed.
void sort_keyed(Runtime& rt, std::vector<Keyed>& items, bool reverse) {
  if (reverse) std::reverse(items.begin(), items.end());
  std::stable_sort(items.begin(), items.end(), [&rt](const Keyed& a, const Keyed& b) {
    rt.step();
    return compare(rt, CompareOp::kLt, a.key, b.key);
  });
  if (reverse) std::reverse(items.begin(), items.end());
}

Value filter_sort(Runtime& rt, Value self, const Value* args) {
  const bool case_sensitive = is_true(rt, args[1], false);
  std::vector<Keyed> items;
  for (Value v : rt.to_vector(self))
    items.push_back({multi_key(rt, v, or_missing(args[2]), case_sensitive), v});
  sort_keyed(rt, items, is_true(rt, args[0], false));
  std::vector<Value> out;
  for (const Keyed& item : items) out.push_back(item.value);
  return rt.list(out);
}

Value filter_dictsort(Runtime& rt, Value self, const Value* args) {
  const bool case_sensitive = is_true(rt, args[0], false);
  const std::string_view by = args[1].missing() ? "key" : args[1].is_str() ? args[1].str() : "";
  if (by != "key" && by != "value")
    fail(ErrorKind::kFilterArgument, "You can only sort by either \"key\" or \"value\"");
  if (self.is_undefined()) rt.raise_undefined(self);
  if (!self.is(Tag::kDict))
    fail(ErrorKind::kAttribute, "'" + std::string(type_name(self)) + "' object has no attribute 'items'");
  std::vector<Keyed> items;
  for (uint32_t i = 0; i < self.dict->size; ++i) {
    const Value key = self.dict->keys[i], value = self.dict->values[i];
    const Value sort_by = by == "key" ? key : value;
    items.push_back({case_sensitive ? sort_by : fold_case(rt, sort_by), rt.tuple({key, value})});
  }
  sort_keyed(rt, items, is_true(rt, args[2], false));
  std::vector<Value> out;
  for (const Keyed& item : items) out.push_back(item.value);
  return rt.list(out);
}

Value filter_groupby(Runtime& rt, Value self, const Value* args) {
  const Value attribute = or_missing(args[0]), fallback = or_missing(args[1]);
  const bool case_sensitive = is_true(rt, args[2], false);
  std::vector<Keyed> items;
  for (Value v : rt.to_vector(self)) {
    const Value key = get_path(rt, v, attribute, fallback);
    items.push_back({case_sensitive ? key : fold_case(rt, key), v});
  }
  sort_keyed(rt, items, false);
  std::vector<Value> out;
  for (size_t at = 0; at < items.size();) {
    std::vector<Value> group;
    const Value key = items[at].key;
    while (at < items.size() && equals(rt, items[at].key, key)) group.push_back(items[at++].value);
    const Value shown = case_sensitive ? key : get_path(rt, group[0], attribute, fallback);
    const Value pair = rt.tuple({shown, rt.list(group)});
    const_cast<Seq*>(pair.seq)->is_group = true;
    out.push_back(pair);
    if (group.empty()) ++at;  // a key that is not equal to itself (NaN)
  }
  return rt.list(out);
}

template <CompareOp op>
Value extreme(Runtime& rt, Value self, const Value* args) {
  const bool case_sensitive = is_true(rt, args[0], false);
  Iter* it = rt.iterate(self);
  Value best, best_key, item;
  while (it->next(rt, item)) {
    rt.step();
    Value key = get_path(rt, item, or_missing(args[1]));
    if (!case_sensitive) key = fold_case(rt, key);
    if (!best.missing() && !compare(rt, op, key, best_key)) continue;
    best = item;
    best_key = key;
  }
  return best.missing() ? rt.undefined_hint("No aggregated item, sequence was empty.") : best;
}

Value filter_sum(Runtime& rt, Value self, const Value* args) {
  const Value attribute = or_missing(args[0]);
  Value total = args[1].missing() ? Value::from_int(0) : args[1];
  if (total.is_str()) type_error("sum() can't sum strings [use ''.join(seq) instead]");
  Iter* it = rt.iterate(self);
  Value item;
  while (it->next(rt, item)) {
    rt.step();
    total = add(rt, total, attribute.missing() ? item : get_path(rt, item, attribute));
  }
  return total;
}

Value filter_join(Runtime& rt, Value self, const Value* args) {
  const std::string_view separator = args[0].missing() ? "" : str_view(rt, args[0]);
  const Value attribute = or_missing(args[1]);
  std::string out;
  Iter* it = rt.iterate(self);
  Value item;
  bool first = true;
  while (it->next(rt, item)) {
    rt.step();
    if (!first) out += separator;
    first = false;
    append_str(rt, out, attribute.missing() ? item : get_path(rt, item, attribute));
    if (out.size() > rt.limits().max_output) fail(ErrorKind::kLimit, "the result of join is too long");
  }
  return rt.text(out);
}

Value filter_first(Runtime& rt, Value self, const Value*) {
  Value item;
  return rt.iterate(self)->next(rt, item) ? item : rt.undefined_hint("No first item, sequence was empty.");
}

Value filter_last(Runtime& rt, Value self, const Value*) {
  Value item;
  return make_reversed(rt, self)->next(rt, item) ? item
                                                 : rt.undefined_hint("No last item, sequence was empty.");
}

Value filter_length(Runtime& rt, Value self, const Value*) {
  const int64_t n = rt.length(self);
  if (n < 0) type_error("object of type '" + std::string(type_name(self)) + "' has no len()");
  return Value::from_int(n);
}

Value filter_list(Runtime& rt, Value self, const Value*) {
  return rt.list(rt.to_vector(self));
}

Value filter_reverse(Runtime& rt, Value self, const Value*) {
  if (self.is_str()) {
    std::u32string s = decode(self.str());
    std::reverse(s.begin(), s.end());
    return rt.text(encode(s), self.markup);
  }
  if (self.is(Tag::kIter) || self.is(Tag::kLoop)) {
    std::vector<Value> items = rt.to_vector(self);
    std::reverse(items.begin(), items.end());
    return rt.list(items);
  }
  if (!rt.is_iterable(self)) fail(ErrorKind::kFilterArgument, "argument must be iterable");
  return Value::from_pointer(Tag::kIter, make_reversed(rt, self));
}

Value filter_default(Runtime& rt, Value self, const Value* args) {
  const Value otherwise = args[0].missing() ? rt.view("") : args[0];
  if (self.is_undefined()) return otherwise;
  return is_true(rt, args[1], false) && !truthy(rt, self) ? otherwise : self;
}

Value filter_attr(Runtime& rt, Value self, const Value* args) {
  if (!args[0].is_str())
    type_error("attribute name must be string, not '" + std::string(type_name(args[0])) + "'");
  const Value v = own_attribute(rt, self, args[0]);
  return v.missing() ? rt.undefined_member(self, args[0]) : v;
}

Value filter_random(Runtime&, Value, const Value*) {
  fail(ErrorKind::kLimit, "random is not supported in chat templates: prompts have to be reproducible");
}

constexpr FilterInfo kSequenceFilters[] = {
    {"attr", {"name", 1}, filter_attr},
    {"count", {"", 0, false}, filter_length},
    {"d", {"default_value boolean"}, filter_default},
    {"default", {"default_value boolean"}, filter_default},
    {"dictsort", {"case_sensitive by reverse"}, filter_dictsort},
    {"first", {""}, filter_first},
    {"groupby", {"attribute default case_sensitive", 1}, filter_groupby},
    {"join", {"d attribute"}, filter_join},
    {"last", {""}, filter_last},
    {"length", {"", 0, false}, filter_length},
    {"list", {""}, filter_list},
    {"max", {"case_sensitive attribute"}, extreme<CompareOp::kGt>},
    {"min", {"case_sensitive attribute"}, extreme<CompareOp::kLt>},
    {"random", {""}, filter_random},
    {"reverse", {""}, filter_reverse},
    {"sort", {"reverse case_sensitive attribute"}, filter_sort},
    {"sum", {"attribute start"}, filter_sum},
};

}  // namespace

Value get_path(Runtime& rt, Value item, Value attribute, Value fallback) {
  if (attribute.missing()) return item;
  const auto settle = [&](Value v) { return v.is_undefined() && !fallback.missing() ? fallback : v; };
  if (!attribute.is_str()) return settle(get_item(rt, item, attribute));
  for (std::string_view part : split(attribute.str(), ".", -1, false)) item = settle(look_up(rt, item, part));
  return item;
}

Value fold_case(Runtime& rt, Value v) {
  return v.is_str() ? rt.text(to_lower(v.str())) : v;
}

const FilterInfo* find_sequence_filter(std::string_view name) {
  const auto at = std::find_if(std::begin(kSequenceFilters), std::end(kSequenceFilters),
                               [name](const FilterInfo& f) { return f.name == name; });
  return at == std::end(kSequenceFilters) ? nullptr : at;
}

}  // namespace hadal::jinja
