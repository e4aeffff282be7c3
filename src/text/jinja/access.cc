// Membership, subscripts, slices and attributes (declared in ops.h).
#include <algorithm>
#include <limits>

#include "text/jinja/interpreter.h"
#include "text/jinja/iterators.h"
#include "text/jinja/methods.h"
#include "text/jinja/ops.h"
#include "text/jinja/strings.h"

namespace hadal::jinja {

namespace {

bool in_sequence(Runtime& rt, const Value* begin, const Value* end, Value item) {
  for (const Value* at = begin; at != end; ++at) {
    rt.step();
    if (equals(rt, *at, item)) return true;
  }
  return false;
}

bool in_view(Runtime& rt, const DictView& view, Value item) {
  const Dict& d = *view.dict;
  if (view.kind == DictView::Kind::kKeys) return rt.find(d, item) != nullptr;
  if (view.kind == DictView::Kind::kValues) return in_sequence(rt, d.values, d.values + d.size, item);
  if (item.tag != Tag::kTuple || item.seq->size != 2) return false;
  const Value* found = rt.find(d, item.seq->items[0]);
  return found != nullptr && equals(rt, *found, item.seq->items[1]);
}

Value index_range(Runtime& rt, const Range& r, int64_t index) {
  (void)rt;
  if (index < 0) index += r.size;
  if (index < 0 || index >= r.size) return Value();
  return Value::from_int(r.start + index * r.step);
}

// The item, or missing where Python raises TypeError or LookupError (which getitem swallows).
Value own_item(Runtime& rt, Value object, Value key) {
  switch (object.tag) {
    case Tag::kDict: {
      if (!is_hashable(key)) return {};
      const Value* found = rt.find(*object.dict, key);
      return found == nullptr ? Value() : *found;
    }
    case Tag::kStr: {
      if (!key.is_int()) return {};
      if (key.tag == Tag::kBigInt) return {};
      int64_t index = to_index(rt, key);
      rt.step(object.length / 256);
      if (index < 0) index += static_cast<int64_t>(count_code_points(object.str()));
      if (index < 0) return {};
      const std::string_view one =
          substring(object.str(), static_cast<size_t>(index), static_cast<size_t>(index) + 1);
      return one.empty() ? Value() : Value::from_view(one, object.markup);
    }
    case Tag::kList:
    case Tag::kTuple: {
      if (!key.is_int() || key.tag == Tag::kBigInt) return {};
      int64_t index = to_index(rt, key);
      if (index < 0) index += object.seq->size;
      if (index < 0 || index >= object.seq->size) return {};
      return object.seq->items[index];
    }
    case Tag::kRange:
      if (!key.is_int() || key.tag == Tag::kBigInt) return {};
      return index_range(rt, *object.range, to_index(rt, key));
    case Tag::kSelf:
      return key.is_str() ? block_reference(rt, key.str()) : Value();
    default:
      return {};
  }
}

bool is_dunder(std::string_view name) {
  return name.size() > 4 && name.starts_with("__") && name.ends_with("__");
}

Value loop_attribute(Runtime& rt, Value object, std::string_view name) {
  Loop& loop = *object.loop;
  if (name == "index") return Value::from_int(loop.index0() + 1);
  if (name == "index0") return Value::from_int(loop.index0());
  if (name == "first") return Value::from_bool(loop.index0() == 0);
  if (name == "last") return Value::from_bool(loop.is_last(rt));
  if (name == "length") return Value::from_int(loop.length(rt));
  if (name == "revindex") return Value::from_int(loop.length(rt) - loop.index0());
  if (name == "revindex0") return Value::from_int(loop.length(rt) - loop.index0() - 1);
  if (name == "previtem") return loop.previous(rt);
  if (name == "nextitem") return loop.following(rt);
  if (name == "depth") return Value::from_int(loop.depth0() + 1);
  if (name == "depth0") return Value::from_int(loop.depth0());
  return {};
}

Value plain_attribute(Runtime& rt, Value object, std::string_view name) {
  switch (object.tag) {
    case Tag::kLoop:
      return loop_attribute(rt, object, name);
    case Tag::kMacro:
      return macro_attribute(rt, *object.macro, name);
    case Tag::kSelf:
      return {};
    case Tag::kBlockRef:
      return {};
    case Tag::kCycler:
      if (name == "current") return object.cycler->items->items[object.cycler->position];
      if (name == "items") return Value::from_pointer(Tag::kTuple, object.cycler->items);
      if (name == "pos") return Value::from_int(object.cycler->position);
      return {};
    case Tag::kJoiner:
      if (name == "sep") return object.joiner->separator;
      if (name == "used") return Value::from_bool(object.joiner->used);
      return {};
    case Tag::kTuple:
      if (object.seq->is_group && name == "grouper") return object.seq->items[0];
      if (object.seq->is_group && name == "list") return object.seq->items[1];
      return {};
    case Tag::kRange:
      if (name == "start") return Value::from_int(object.range->start);
      if (name == "stop") return Value::from_int(object.range->stop);
      if (name == "step") return Value::from_int(object.range->step);
      return {};
    case Tag::kInt:
    case Tag::kBool:
    case Tag::kBigInt:
      if (name == "real" || name == "numerator") return rt.integer(to_int128(object));
      if (name == "imag") return Value::from_int(0);
      if (name == "denominator") return Value::from_int(1);
      return {};
    case Tag::kFloat:
      if (name == "real") return object;
      if (name == "imag") return Value::from_float(0.0);
      return {};
    default:
      return {};
  }
}

}  // namespace

bool contains(Runtime& rt, Value container, Value item) {
  switch (container.tag) {
    case Tag::kStr:
      if (!item.is_str()) {
        type_error("'in <string>' requires string as left operand, not " + std::string(type_name(item)));
      }
      rt.step(container.length / 256);
      return container.str().find(item.str()) != std::string_view::npos;
    case Tag::kList:
    case Tag::kTuple:
      return in_sequence(rt, container.seq->begin(), container.seq->end(), item);
    case Tag::kDict:
      return rt.find(*container.dict, item) != nullptr;
    case Tag::kDictView:
      return in_view(rt, *container.view, item);
    case Tag::kUndefined:
      return false;
    case Tag::kRange:
    case Tag::kIter:
    case Tag::kLoop:
      break;
    default:
      type_error("argument of type '" + std::string(type_name(container)) + "' is not iterable");
  }
  Iter* it = rt.iterate(container);
  Value v;
  while (it->next(rt, v)) {
    rt.step();
    if (equals(rt, v, item)) return true;
  }
  return false;
}

SliceBounds slice_bounds(Runtime& rt, Value start, Value stop, Value step, int64_t length) {
  const auto bound = [&rt](Value v, int64_t otherwise) {
    if (v.missing() || v.is_none()) return otherwise;
    if (!v.is_int()) type_error("slice indices must be integers or None or have an __index__ method");
    if (v.tag == Tag::kBigInt) {
      return to_int128(v) < 0 ? std::numeric_limits<int64_t>::min() / 2
                              : std::numeric_limits<int64_t>::max() / 2;
    }
    return std::clamp(to_index(rt, v), std::numeric_limits<int64_t>::min() / 2,
                      std::numeric_limits<int64_t>::max() / 2);
  };
  const int64_t by = bound(step, 1);
  if (by == 0) value_error("slice step cannot be zero");
  const auto place = [&](Value v, int64_t otherwise) {
    if (v.missing() || v.is_none()) return otherwise;
    int64_t i = bound(v, 0);
    if (i < 0) i += length;
    return by > 0 ? std::clamp<int64_t>(i, 0, length) : std::clamp<int64_t>(i, -1, length - 1);
  };
  const int64_t from = place(start, by > 0 ? 0 : length - 1);
  const int64_t to = place(stop, by > 0 ? length : -1);
  int64_t count = 0;
  if (by > 0 && to > from) count = (to - from - 1) / by + 1;
  if (by < 0 && to < from) count = (from - to - 1) / -by + 1;
  return {from, by, count};
}

Value slice(Runtime& rt, Value object, Value start, Value stop, Value step) {
  if (object.is_undefined()) rt.raise_undefined(object);
  if (object.is_str()) {
    const std::string_view s = object.str();
    const SliceBounds b = slice_bounds(rt, start, stop, step, rt.length(object));
    rt.step(object.length / 64);
    if (b.step == 1) {
      return Value::from_view(
          substring(s, static_cast<size_t>(b.start), static_cast<size_t>(b.start + b.count)), object.markup);
    }
    const std::u32string in = decode(s);
    std::u32string out;
    for (int64_t i = 0; i < b.count; ++i) out += in[static_cast<size_t>(b.start + i * b.step)];
    return rt.text(encode(out), object.markup);
  }
  if (object.tag == Tag::kList || object.tag == Tag::kTuple) {
    const SliceBounds b = slice_bounds(rt, start, stop, step, object.seq->size);
    std::vector<Value> items;
    items.reserve(static_cast<size_t>(b.count));
    for (int64_t i = 0; i < b.count; ++i) items.push_back(object.seq->items[b.start + i * b.step]);
    return object.tag == Tag::kList ? rt.list(items) : rt.tuple(items);
  }
  if (object.tag == Tag::kRange) {
    const Range& r = *object.range;
    const SliceBounds b = slice_bounds(rt, start, stop, step, r.size);
    const int64_t first = r.start + b.start * r.step;
    return Value::from_pointer(
        Tag::kRange,
        rt.arena.make<Range>(Range{first, first + b.count * b.step * r.step, b.step * r.step, b.count}));
  }
  if (object.tag == Tag::kDict) type_error("unhashable type: 'slice'");
  type_error("'" + std::string(type_name(object)) + "' object is not subscriptable");
}

Value own_attribute(Runtime& rt, Value object, Value name) {
  const std::string_view n = name.str();
  if (object.tag == Tag::kNamespace) {
    const Value* found = rt.find(object.ns->attributes, name);
    return found == nullptr ? Value() : *found;
  }
  if (object.is_undefined()) {
    if (is_dunder(n)) return {};
    rt.raise_undefined(object);
  }
  if (n.starts_with("_")) {
    // Attributes of Python's own objects that every value has; hidden by the sandbox.
    if (n == "__class__" || n == "__doc__" || n == "__init__" || n == "__len__" || n == "__dict__" ||
        n == "__eq__" || n == "__getitem__" || n == "__iter__" || n == "__str__" || n == "__repr__" ||
        n == "__hash__") {
      return rt.undefined_member(object, name, true);
    }
    return {};
  }
  if (object.tag == Tag::kSelf) return {};
  const Value plain = plain_attribute(rt, object, n);
  if (!plain.missing()) return plain;
  if (is_mutating_method(object.tag, n)) return rt.undefined_member(object, name, true);
  const MethodInfo* info = object.is_str() ? find_str_method(n) : find_method(object.tag, n);
  if (info == nullptr) return {};
  return Value::from_pointer(Tag::kMethod, rt.arena.make<Method>(Method{object, info}));
}

Value get_attribute(Runtime& rt, Value object, Value name) {
  // The common case first: a dict that has no method of this name.
  if (object.tag == Tag::kDict && find_method(Tag::kDict, name.str()) == nullptr &&
      !is_mutating_method(Tag::kDict, name.str()) && !name.str().starts_with("_")) {
    const Value* found = rt.find(*object.dict, name);
    return found == nullptr ? rt.undefined_member(object, name) : *found;
  }
  const Value attribute = own_attribute(rt, object, name);
  if (!attribute.missing()) return attribute;
  if (object.is_undefined()) rt.raise_undefined(object);
  const Value item = own_item(rt, object, name);
  return item.missing() ? rt.undefined_member(object, name) : item;
}

Value get_item(Runtime& rt, Value object, Value key) {
  if (object.is_undefined()) rt.raise_undefined(object);
  const Value item = own_item(rt, object, key);
  if (!item.missing()) return item;
  if (key.is_str()) {
    const Value attribute = own_attribute(rt, object, key);
    if (!attribute.missing()) return attribute;
  }
  return rt.undefined_member(object, key);
}

}  // namespace hadal::jinja
