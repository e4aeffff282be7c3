// Value: one Python value as a template sees it, and the arena that holds what values point to.
//
// A Value is 16 bytes and trivially copyable. Everything it points to lives in an Arena that is freed as a
// whole when the render ends, so no value is ever released one by one and cycles (a namespace that holds
// itself) cannot leak. Lists and dicts cannot change once made: the sandbox that Hugging Face uses forbids
// it. One render, one thread.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/json.h"
#include "text/jinja/error.h"

namespace hadal::jinja {

// Bump allocator with a byte limit (kLimit error above it).
class Arena {
 public:
  explicit Arena(size_t max_bytes) : max_bytes_(max_bytes) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // 8-byte aligned, uninitialised.
  void* allocate(size_t bytes) {
    bytes = (bytes + 7) & ~size_t{7};
    if (bytes > static_cast<size_t>(end_ - next_)) return allocate_chunk(bytes);
    char* at = next_;
    next_ += bytes;
    return at;
  }
  template <typename T, typename... Args>
  T* make(Args&&... args) {
    static_assert(alignof(T) <= 8);
    return new (allocate(sizeof(T))) T(std::forward<Args>(args)...);
  }
  template <typename T>
  T* array(size_t count) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 8);
    if (count > max_bytes_ / sizeof(T)) over_limit();
    return static_cast<T*>(allocate(count * sizeof(T)));
  }
  char* chars(size_t count) { return static_cast<char*>(allocate(count)); }
  // left + right. Long texts are given room to grow, and then only right is copied: building a text piece by
  // piece in a loop costs linear time and memory. (Texts that share a beginning are safe: only one of them
  // gets the room.)
  const char* concat(std::string_view left, std::string_view right);
  size_t used() const { return used_; }

 private:
  void* allocate_chunk(size_t bytes);
  [[noreturn]] void over_limit() const;

  std::vector<std::unique_ptr<char[]>> chunks_;
  char* next_ = nullptr;
  char* end_ = nullptr;
  struct Growing {
    char* end;
    char* limit;
  };
  static constexpr size_t kGrowingFrom = 1024;
  std::array<Growing, 4> growing_{};
  size_t next_growing_ = 0;
  size_t used_ = 0;
  size_t max_bytes_;
};

enum class Tag : uint8_t {
  kMissing,  // no value at all: an unset variable or argument; templates never see it
  kUndefined,
  kNone,
  kBool,
  kInt,
  kBigInt,  // an integer outside int64, up to 128 bits
  kFloat,
  kStr,
  kList,
  kTuple,
  kDict,
  kRange,
  kDictView,
  kIter,  // a generator or reversed(): can be walked once
  kNamespace,
  kMacro,
  kMethod,  // a method bound to its object
  kGlobal,  // range, dict, namespace, ...
  kCycler,
  kJoiner,
  kLoop,
  kSelf,      // `self`: the template's blocks
  kBlockRef,  // self.name, super
};

struct Undefined;
struct Seq;
struct Dict;
struct Range;
struct DictView;
class Iter;
struct Namespace;
struct Macro;
struct Method;
struct GlobalFunction;
struct Cycler;
struct Joiner;
class Loop;
struct BlockRef;
// 8-byte aligned, as the arena is.
using int128 = __int128;
struct BigInt {
  uint64_t low;
  int64_t high;
  int128 value() const { return (static_cast<int128>(high) << 64) | low; }
};

struct Value {
  Tag tag = Tag::kMissing;
  bool markup = false;  // strings only: a markupsafe.Markup
  uint32_t length = 0;  // strings only: bytes
  union {
    bool boolean;
    int64_t integer;
    double number;
    const char* chars;
    const BigInt* big;
    const Undefined* undefined;
    const Seq* seq;
    const Dict* dict;
    const Range* range;
    const DictView* view;
    Iter* iter;
    Namespace* ns;
    const Macro* macro;
    const Method* method;
    const GlobalFunction* global;
    Cycler* cycler;
    Joiner* joiner;
    Loop* loop;
    const BlockRef* block;
    const void* pointer;
  };

  Value() : pointer(nullptr) {}
  static Value none() { return of(Tag::kNone); }
  static Value from_bool(bool v) {
    Value r = of(Tag::kBool);
    r.boolean = v;
    return r;
  }
  static Value from_int(int64_t v) {
    Value r = of(Tag::kInt);
    r.integer = v;
    return r;
  }
  static Value from_float(double v) {
    Value r = of(Tag::kFloat);
    r.number = v;
    return r;
  }
  // Does not copy: the bytes must outlive the render (arena, template or context).
  static Value from_view(std::string_view v, bool is_markup = false) {
    Value r = of(Tag::kStr);
    r.markup = is_markup;
    r.length = static_cast<uint32_t>(v.size());
    r.chars = v.data();
    return r;
  }
  static Value from_pointer(Tag tag, const void* p) {
    Value r = of(tag);
    r.pointer = p;
    return r;
  }

  bool is(Tag t) const { return tag == t; }
  bool missing() const { return tag == Tag::kMissing; }
  bool is_undefined() const { return tag == Tag::kUndefined; }
  bool is_none() const { return tag == Tag::kNone; }
  bool is_str() const { return tag == Tag::kStr; }
  bool is_int() const {
    return tag == Tag::kInt || tag == Tag::kBigInt || tag == Tag::kBool;
  }  // as isinstance(x, int)
  bool is_number() const { return is_int() || tag == Tag::kFloat; }
  std::string_view str() const { return {chars, length}; }

 private:
  static Value of(Tag t) {
    Value r;
    r.tag = t;
    return r;
  }
};
static_assert(sizeof(Value) == 16);

// Why a value is undefined, for the message when it is used.
struct Undefined {
  std::string_view hint;  // replaces the rest where not empty
  Value object;           // missing: a variable
  Value name;
  bool unsafe = false;  // using it is a SecurityError
};

struct Seq {  // list and tuple
  uint32_t size = 0;
  bool is_group = false;  // groupby's named tuple (grouper, list)
  const Value* items = nullptr;
  const Value* begin() const { return items; }
  const Value* end() const { return items + size; }
};

struct Range {
  int64_t start, stop, step, size;
};

struct Dict {
  uint32_t size = 0;
  uint32_t capacity = 0;
  Value* keys = nullptr;
  Value* values = nullptr;
  uint32_t* index =
      nullptr;  // open addressing over (mask + 1) places, entry + 1, 0 = free; only above 8 keys
  uint32_t mask = 0;
};

struct DictView {
  enum class Kind { kKeys, kValues, kItems } kind;
  const Dict* dict;
};

struct Namespace {
  Dict attributes;
};

struct Cycler {
  const Seq* items;
  uint32_t position = 0;
};

struct Joiner {
  Value separator;
  bool used = false;
};

class Runtime;

// Walks values once. Owned by the arena: never destroyed, so it holds arena data only.
class Iter {
 public:
  virtual bool next(Runtime& rt, Value& out) = 0;
  virtual std::string_view type_name() const { return "generator"; }

 protected:
  ~Iter() = default;
};

// Positional and keyword arguments of a call.
struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> keyword;
};

// How many parameters a built-in takes; see bind().
struct Signature {
  const char* names;  // "sep maxsplit": space separated
  int required = 0;
  bool keywords = true;  // false: positional only, as most methods of str are
};

struct MethodInfo {
  std::string_view name;
  Signature signature;
  Value (*call)(Runtime&, Value self, const Value* args);
  Value (*call_raw)(Runtime&, Value self, const Args& args) = nullptr;  // instead of call: takes what comes
};
struct Method {
  Value self;
  const MethodInfo* info;
};

struct GlobalFunction {
  std::string_view name;
  std::string_view type_name;
  Value (*call)(Runtime&, const Args& args);
};

// Python's type(value).__name__.
std::string_view type_name(Value v);

int128 to_int128(Value v);  // kBool, kInt, kBigInt
bool is_hashable(Value v);

}  // namespace hadal::jinja
