#include "text/jinja/runtime.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "text/jinja/iterators.h"
#include "text/jinja/ops.h"
#include "text/jinja/repr.h"
#include "text/jinja/strings.h"

namespace hadal::jinja {

namespace {
constexpr uint32_t kIndexFrom = 8;  // dicts up to this size are searched in order
constexpr int kMaxJsonDepth = 200;

bool same_str(Value a, Value b) {
  return a.length == b.length && std::memcmp(a.chars, b.chars, a.length) == 0;
}
}  // namespace

void Runtime::out_of_steps() {
  fail(ErrorKind::kLimit, "the template takes more than " + std::to_string(limits_.max_steps) + " steps");
}

void Runtime::too_deep() {
  depth_ = limits_.max_depth;
  fail(ErrorKind::kRecursion, "maximum recursion depth exceeded");
}

Value Runtime::text(std::string_view s, bool markup) {
  if (s.size() > limits_.max_output) {
    fail(ErrorKind::kLimit,
         "a string of the template is longer than " + std::to_string(limits_.max_output) + " bytes");
  }
  char* at = arena.chars(s.size());
  if (!s.empty()) std::memcpy(at, s.data(), s.size());
  step(static_cast<int64_t>(s.size() / 256));
  return Value::from_view({at, s.size()}, markup);
}

Value Runtime::integer(int128 v) {
  if (v >= std::numeric_limits<int64_t>::min() && v <= std::numeric_limits<int64_t>::max()) {
    return Value::from_int(static_cast<int64_t>(v));
  }
  auto* big = arena.make<BigInt>();
  big->low = static_cast<uint64_t>(v);
  big->high = static_cast<int64_t>(v >> 64);
  return Value::from_pointer(Tag::kBigInt, big);
}

Seq* Runtime::sequence(std::span<const Value> items) {
  step(static_cast<int64_t>(items.size() / 8));
  auto* seq = arena.make<Seq>();
  auto* at = arena.array<Value>(items.size());
  std::copy(items.begin(), items.end(), at);
  seq->size = static_cast<uint32_t>(items.size());
  seq->items = at;
  return seq;
}

Value Runtime::list(std::span<const Value> items) {
  return Value::from_pointer(Tag::kList, sequence(items));
}
Value Runtime::tuple(std::span<const Value> items) {
  return Value::from_pointer(Tag::kTuple, sequence(items));
}

Value Runtime::undefined_name(std::string_view name) {
  auto* u = arena.make<Undefined>();
  u->name = Value::from_view(name);
  return Value::from_pointer(Tag::kUndefined, u);
}

Value Runtime::undefined_hint(std::string_view hint) {
  auto* u = arena.make<Undefined>();
  u->hint = hint;
  return Value::from_pointer(Tag::kUndefined, u);
}

Value Runtime::undefined_member(Value object, Value name, bool unsafe) {
  auto* u = arena.make<Undefined>();
  u->object = object;
  u->name = name;
  u->unsafe = unsafe;
  return Value::from_pointer(Tag::kUndefined, u);
}

void Runtime::raise_undefined(Value v) {
  const Undefined& u = *v.undefined;
  if (u.unsafe) {
    fail(ErrorKind::kSecurity, "access to attribute " + repr(*this, u.name) + " of '" +
                                   std::string(type_name(u.object)) + "' object is unsafe.");
  }
  if (!u.hint.empty()) fail(ErrorKind::kUndefined, std::string(u.hint));
  if (u.object.missing()) fail(ErrorKind::kUndefined, repr(*this, u.name) + " is undefined");
  const std::string object = u.object.is_none() ? "None" : std::string(type_name(u.object)) + " object";
  if (u.name.is_str()) {
    fail(ErrorKind::kUndefined, "'" + object + "' has no attribute " + repr(*this, u.name));
  }
  fail(ErrorKind::kUndefined, object + " has no element " + repr(*this, u.name));
}

Value Runtime::from_json(const Json& json, int depth) {
  if (depth > kMaxJsonDepth) fail(ErrorKind::kLimit, "the variables are nested too deeply");
  step();
  switch (json.kind()) {
    case Json::Kind::kNull:
      return Value::none();
    case Json::Kind::kBool:
      return Value::from_bool(json.as_bool());
    case Json::Kind::kInt:
      return Value::from_int(json.as_int());
    case Json::Kind::kUint:
      return integer(static_cast<int128>(json.as_uint()));
    case Json::Kind::kDouble:
      return Value::from_float(json.as_double());
    case Json::Kind::kString: {
      const std::string& s = json.as_string();
      if (s.size() > limits_.max_output) fail(ErrorKind::kLimit, "a string of the variables is too long");
      return Value::from_view(s);
    }
    case Json::Kind::kArray: {
      const JsonArray& array = json.as_array();
      auto* items = arena.array<Value>(array.size());
      for (size_t i = 0; i < array.size(); ++i) new (&items[i]) Value(from_json(array[i], depth + 1));
      auto* seq = arena.make<Seq>();
      seq->size = static_cast<uint32_t>(array.size());
      seq->items = items;
      return Value::from_pointer(Tag::kList, seq);
    }
    case Json::Kind::kObject:
      break;
  }
  const JsonObject& object = json.as_object();
  Dict* dict = new_dict(object.size());
  for (const auto& [key, member] : object) set(*dict, Value::from_view(key), from_json(member, depth + 1));
  return dict_value(dict);
}

Dict* Runtime::new_dict(size_t expected) {
  auto* dict = arena.make<Dict>();
  if (expected > 0) grow(*dict, static_cast<uint32_t>(expected));
  return dict;
}

void Runtime::grow(Dict& dict, uint32_t capacity) {
  auto* keys = arena.array<Value>(capacity);
  auto* values = arena.array<Value>(capacity);
  std::copy(dict.keys, dict.keys + dict.size, keys);
  std::copy(dict.values, dict.values + dict.size, values);
  dict.keys = keys;
  dict.values = values;
  dict.capacity = capacity;
  if (capacity > kIndexFrom) reindex(dict);
}

void Runtime::reindex(Dict& dict) {
  uint32_t places = 16;
  while (places < dict.capacity * 2) places *= 2;
  dict.index = arena.array<uint32_t>(places);
  dict.mask = places - 1;
  std::memset(dict.index, 0, places * sizeof(uint32_t));
  for (uint32_t i = 0; i < dict.size; ++i) {
    uint64_t at = hash(dict.keys[i]) & dict.mask;
    while (dict.index[at] != 0) at = (at + 1) & dict.mask;
    dict.index[at] = i + 1;
  }
}

const Value* Runtime::find(const Dict& dict, Value key) {
  if (!is_hashable(key)) type_error("unhashable type: '" + std::string(type_name(key)) + "'");
  if (dict.index == nullptr) {
    for (uint32_t i = 0; i < dict.size; ++i) {
      if (key.is_str() && dict.keys[i].is_str()) {
        if (same_str(key, dict.keys[i])) return &dict.values[i];
      } else if (equals(*this, dict.keys[i], key)) {
        return &dict.values[i];
      }
    }
    return nullptr;
  }
  for (uint64_t at = hash(key) & dict.mask; dict.index[at] != 0; at = (at + 1) & dict.mask) {
    const uint32_t entry = dict.index[at] - 1;
    if (equals(*this, dict.keys[entry], key)) return &dict.values[entry];
    step();
  }
  return nullptr;
}

const Value* Runtime::find(const Dict& dict, std::string_view key) {
  return find(dict, Value::from_view(key));
}

void Runtime::set(Dict& dict, Value key, Value value) {
  if (const Value* found = find(dict, key)) {
    *const_cast<Value*>(found) = value;
    return;
  }
  if (dict.size == dict.capacity) grow(dict, std::max<uint32_t>(4, dict.capacity * 2));
  dict.keys[dict.size] = key;
  dict.values[dict.size] = value;
  ++dict.size;
  if (dict.index != nullptr) {
    uint64_t at = hash(key) & dict.mask;
    while (dict.index[at] != 0) at = (at + 1) & dict.mask;
    dict.index[at] = dict.size;
  }
}

uint64_t Runtime::hash(Value v) {
  // Seeded with an address, so that colliding keys cannot be prepared.
  const uint64_t seed = reinterpret_cast<uintptr_t>(this) * 0x9E3779B97F4A7C15ull;
  uint64_t h = 0;
  switch (v.tag) {
    case Tag::kStr:
      h = std::hash<std::string_view>()(v.str());
      break;
    case Tag::kBool:
      h = v.boolean ? 1 : 0;
      break;
    case Tag::kInt:
      h = static_cast<uint64_t>(v.integer);
      break;
    case Tag::kFloat:
      h = std::floor(v.number) == v.number && std::abs(v.number) < 9e18
              ? static_cast<uint64_t>(static_cast<int64_t>(v.number))
              : std::hash<double>()(v.number);
      break;
    case Tag::kTuple: {
      Depth depth(*this);
      for (Value item : *v.seq) h = h * 1000003 + hash(item);
      break;
    }
    case Tag::kBigInt:  // a float of the same value has the same hash
      h = std::hash<double>()(static_cast<double>(v.big->value()));
      break;
    case Tag::kUndefined:
    case Tag::kNone:
      h = 7;
      break;
    default:
      h = reinterpret_cast<uintptr_t>(v.pointer);
      break;
  }
  h = (h ^ seed) * 0xD6E8FEB86659FD93ull;
  return h ^ (h >> 32);
}

bool Runtime::is_iterable(Value v) const {
  switch (v.tag) {
    case Tag::kUndefined:
    case Tag::kStr:
    case Tag::kList:
    case Tag::kTuple:
    case Tag::kDict:
    case Tag::kRange:
    case Tag::kDictView:
    case Tag::kIter:
    case Tag::kLoop:
    case Tag::kSelf:
      return true;
    default:
      return false;
  }
}

int64_t Runtime::length(Value v) {
  switch (v.tag) {
    case Tag::kUndefined:
      return 0;
    case Tag::kStr:
      step(v.length / 256);
      return static_cast<int64_t>(count_code_points(v.str()));
    case Tag::kList:
    case Tag::kTuple:
      return v.seq->size;
    case Tag::kDict:
      return v.dict->size;
    case Tag::kRange:
      return v.range->size;
    case Tag::kDictView:
      return v.view->dict->size;
    case Tag::kLoop:
      return loop_length(*this, *v.loop);
    default:
      return -1;
  }
}

Iter* Runtime::iterate(Value v) {
  return make_iterator(*this, v);
}

std::vector<Value> Runtime::to_vector(Value v) {
  std::vector<Value> out;
  if (v.tag == Tag::kList || v.tag == Tag::kTuple) {
    out.assign(v.seq->begin(), v.seq->end());
    step(static_cast<int64_t>(out.size() / 8));
    return out;
  }
  Iter* it = iterate(v);
  Value item;
  while (it->next(*this, item)) {
    step();
    out.push_back(item);
  }
  return out;
}

void bind(const Signature& signature, const Args& args, std::string_view what, std::vector<Value>& out) {
  std::vector<std::string_view> names;
  for (std::string_view rest = signature.names; !rest.empty();) {
    const size_t space = std::min(rest.find(' '), rest.size());
    names.push_back(rest.substr(0, space));
    rest.remove_prefix(std::min(space + 1, rest.size()));
  }
  if (args.positional.size() > names.size()) {
    type_error(std::string(what) + "() takes at most " + std::to_string(names.size()) + " arguments (" +
               std::to_string(args.positional.size()) + " given)");
  }
  out.assign(names.size(), Value());
  std::copy(args.positional.begin(), args.positional.end(), out.begin());
  for (const auto& [key, value] : args.keyword) {
    if (!signature.keywords) type_error(std::string(what) + "() takes no keyword arguments");
    const auto at = std::find(names.begin(), names.end(), key);
    if (at == names.end()) {
      type_error(std::string(what) + "() got an unexpected keyword argument '" + std::string(key) + "'");
    }
    Value& slot = out[static_cast<size_t>(at - names.begin())];
    if (!slot.missing()) {
      type_error(std::string(what) + "() got multiple values for argument '" + std::string(key) + "'");
    }
    slot = value;
  }
  for (int i = 0; i < signature.required; ++i) {
    if (out[static_cast<size_t>(i)].missing()) {
      type_error(std::string(what) + "() missing required argument '" +
                 std::string(names[static_cast<size_t>(i)]) + "'");
    }
  }
}

}  // namespace hadal::jinja
