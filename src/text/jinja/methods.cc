// Methods of dict, list, tuple, range, numbers, and of Jinja2's own objects.
#include "text/jinja/methods.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/iterators.h"
#include "text/jinja/ops.h"

namespace hadal::jinja {

namespace {

template <DictView::Kind kind>
Value view_method(Runtime& rt, Value self, const Value*) {
  return Value::from_pointer(Tag::kDictView, rt.arena.make<DictView>(DictView{kind, self.dict}));
}

Value get_method(Runtime& rt, Value self, const Value* args) {
  if (const Value* found = rt.find(*self.dict, args[0])) return *found;
  return args[1].missing() ? Value::none() : args[1];
}

Value copy_method(Runtime&, Value self, const Value*) {
  return self;
}  // nothing can change it

Value fromkeys_method(Runtime& rt, Value, const Value* args) {
  Dict* dict = rt.new_dict();
  for (Value key : rt.to_vector(args[0])) rt.set(*dict, key, args[1].missing() ? Value::none() : args[1]);
  return rt.dict_value(dict);
}

Value count_method(Runtime& rt, Value self, const Value* args) {
  int64_t count = 0;
  for (Value item : rt.to_vector(self)) {
    rt.step();
    count += equals(rt, item, args[0]);
  }
  return Value::from_int(count);
}

Value index_method(Runtime& rt, Value self, const Value* args) {
  const std::vector<Value> items = rt.to_vector(self);
  const auto size = static_cast<int64_t>(items.size());
  const auto place = [&](Value v, int64_t otherwise) {
    if (v.missing()) return otherwise;
    int64_t i = to_index(rt, v);
    if (i < 0) i = std::max<int64_t>(0, i + size);
    return std::min(i, size);
  };
  const int64_t stop = place(args[2], size);
  for (int64_t i = place(args[1], 0); i < stop; ++i) {
    rt.step();
    if (equals(rt, items[static_cast<size_t>(i)], args[0])) return Value::from_int(i);
  }
  value_error("the value is not in the " + std::string(type_name(self)));
}

Value bit_length_method(Runtime&, Value self, const Value*) {
  int128 v = to_int128(self);
  int64_t bits = 0;
  for (auto rest = v < 0 ? -static_cast<unsigned __int128>(v) : static_cast<unsigned __int128>(v); rest > 0;
       rest >>= 1)
    ++bits;
  return Value::from_int(bits);
}

Value conjugate_method(Runtime& rt, Value self, const Value*) {
  return self.is_int() ? rt.integer(to_int128(self)) : self;
}

Value is_integer_method(Runtime&, Value self, const Value*) {
  return Value::from_bool(std::isfinite(self.number) && std::floor(self.number) == self.number);
}

Value cycle_method(Runtime& rt, Value self, const Args& args) {
  (void)rt;
  if (!args.keyword.empty()) type_error("cycle() takes no keyword arguments");
  if (args.positional.empty()) type_error("no items for cycling given");
  return args.positional[static_cast<size_t>(self.loop->index0()) % args.positional.size()];
}

Value changed_method(Runtime& rt, Value self, const Args& args) {
  if (!args.keyword.empty()) type_error("changed() takes no keyword arguments");
  return Value::from_bool(self.loop->changed(rt, rt.tuple(args.positional)));
}

Value cycler_next(Runtime&, Value self, const Value*) {
  Cycler& cycler = *self.cycler;
  const Value v = cycler.items->items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items->size;
  return v;
}

Value cycler_reset(Runtime&, Value self, const Value*) {
  self.cycler->position = 0;
  return Value::none();
}

constexpr MethodInfo kDictMethods[] = {
    {"copy", kNone, copy_method},
    {"fromkeys", {"iterable value", 1, false}, fromkeys_method},
    {"get", {"key default", 1, false}, get_method},
    {"items", kNone, view_method<DictView::Kind::kItems>},
    {"keys", kNone, view_method<DictView::Kind::kKeys>},
    {"values", kNone, view_method<DictView::Kind::kValues>},
};
constexpr MethodInfo kListMethods[] = {
    {"copy", kNone, copy_method},
    {"count", {"value", 1, false}, count_method},
    {"index", {"value start stop", 1, false}, index_method},
};
constexpr MethodInfo kTupleMethods[] = {
    {"count", {"value", 1, false}, count_method},
    {"index", {"value start stop", 1, false}, index_method},
};
constexpr MethodInfo kIntMethods[] = {
    {"bit_length", kNone, bit_length_method},
    {"conjugate", kNone, conjugate_method},
};
constexpr MethodInfo kFloatMethods[] = {
    {"conjugate", kNone, conjugate_method},
    {"is_integer", kNone, is_integer_method},
};
constexpr MethodInfo kLoopMethods[] = {
    {"changed", {""}, nullptr, changed_method},
    {"cycle", {""}, nullptr, cycle_method},
};
constexpr MethodInfo kCyclerMethods[] = {
    {"next", kNone, cycler_next},
    {"reset", kNone, cycler_reset},
};
constexpr MethodInfo kDictClassMethods[] = {
    {"fromkeys", {"iterable value", 1}, fromkeys_method},
};

template <size_t n>
const MethodInfo* in(const MethodInfo (&methods)[n], std::string_view name) {
  const auto at = std::find_if(methods, methods + n, [name](const MethodInfo& m) { return m.name == name; });
  return at == methods + n ? nullptr : at;
}

}  // namespace

const MethodInfo* find_method(Tag tag, std::string_view name) {
  switch (tag) {
    case Tag::kDict:
      return in(kDictMethods, name);
    case Tag::kList:
      return in(kListMethods, name);
    case Tag::kTuple:
    case Tag::kRange:
      return in(kTupleMethods, name);
    case Tag::kInt:
    case Tag::kBigInt:
    case Tag::kBool:
      return in(kIntMethods, name);
    case Tag::kFloat:
      return in(kFloatMethods, name);
    case Tag::kLoop:
      return in(kLoopMethods, name);
    case Tag::kCycler:
      return in(kCyclerMethods, name);
    case Tag::kGlobal:
      return in(kDictClassMethods, name);
    default:
      return nullptr;
  }
}

bool is_mutating_method(Tag tag, std::string_view name) {
  static constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  static constexpr std::string_view kList[] = {"append", "clear", "pop",    "reverse",
                                               "insert", "sort",  "extend", "remove"};
  if (tag == Tag::kDict) return std::find(std::begin(kDict), std::end(kDict), name) != std::end(kDict);
  if (tag == Tag::kList) return std::find(std::begin(kList), std::end(kList), name) != std::end(kList);
  return false;
}

}  // namespace hadal::jinja
