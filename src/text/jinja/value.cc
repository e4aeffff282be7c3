#include "text/jinja/value.h"

#include <algorithm>

namespace hadal::jinja {

std::string_view error_kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kSyntax:
      return "TemplateSyntaxError";
    case ErrorKind::kRaised:
      return "TemplateError";
    case ErrorKind::kUndefined:
      return "UndefinedError";
    case ErrorKind::kType:
      return "TypeError";
    case ErrorKind::kValue:
      return "ValueError";
    case ErrorKind::kOverflow:
      return "OverflowError";
    case ErrorKind::kZeroDivision:
      return "ZeroDivisionError";
    case ErrorKind::kKey:
      return "KeyError";
    case ErrorKind::kIndex:
      return "IndexError";
    case ErrorKind::kAttribute:
      return "AttributeError";
    case ErrorKind::kSecurity:
      return "SecurityError";
    case ErrorKind::kAssertion:
      return "AssertionError";
    case ErrorKind::kFilterArgument:
      return "FilterArgumentError";
    case ErrorKind::kRuntime:
      return "TemplateRuntimeError";
    case ErrorKind::kRecursion:
      return "RecursionError";
    case ErrorKind::kLimit:
      return "limit";
  }
  return "error";
}

void Arena::over_limit() const {
  fail(ErrorKind::kLimit,
       "the template needs more than " + std::to_string(max_bytes_ >> 20) + " MiB of memory");
}

void* Arena::allocate_chunk(size_t bytes) {
  size_t size = std::max(bytes, std::clamp(used_, size_t{32} << 10, size_t{4} << 20));
  if (used_ + size > max_bytes_) size = bytes;
  if (bytes > max_bytes_ || used_ + size > max_bytes_) over_limit();
  chunks_.push_back(std::make_unique_for_overwrite<char[]>(size));
  used_ += size;
  char* base = chunks_.back().get();
  next_ = base + bytes;
  end_ = base + size;
  return base;
}

const char* Arena::concat(std::string_view left, std::string_view right) {
  for (Growing& text : growing_) {
    if (left.empty() || left.data() + left.size() != text.end ||
        right.size() > static_cast<size_t>(text.limit - text.end))
      continue;
    std::memcpy(text.end, right.data(), right.size());
    text.end += right.size();
    return left.data();
  }
  const size_t total = left.size() + right.size();
  // A text that already is long will grow again: leave it room.
  const size_t room = left.size() >= kGrowingFrom && total < max_bytes_ / 8 ? total : 0;
  char* at = chars(total + room);
  if (!left.empty()) std::memcpy(at, left.data(), left.size());
  if (!right.empty()) std::memcpy(at + left.size(), right.data(), right.size());
  if (room > 0) {
    growing_[next_growing_] = {at + total, at + total + room};
    next_growing_ = (next_growing_ + 1) % growing_.size();
  }
  return at;
}

std::string_view type_name(Value v) {
  switch (v.tag) {
    case Tag::kMissing:
      return "missing";
    case Tag::kUndefined:
      return "Undefined";
    case Tag::kNone:
      return "NoneType";
    case Tag::kBool:
      return "bool";
    case Tag::kInt:
    case Tag::kBigInt:
      return "int";
    case Tag::kFloat:
      return "float";
    case Tag::kStr:
      return v.markup ? "Markup" : "str";
    case Tag::kList:
      return "list";
    case Tag::kTuple:
      return v.seq->is_group ? "_GroupTuple" : "tuple";
    case Tag::kDict:
      return "dict";
    case Tag::kRange:
      return "range";
    case Tag::kDictView:
      switch (v.view->kind) {
        case DictView::Kind::kKeys:
          return "dict_keys";
        case DictView::Kind::kValues:
          return "dict_values";
        case DictView::Kind::kItems:
          return "dict_items";
      }
      return "dict_keys";
    case Tag::kIter:
      return v.iter->type_name();
    case Tag::kNamespace:
      return "Namespace";
    case Tag::kMacro:
      return "Macro";
    case Tag::kMethod:
      return "builtin_function_or_method";
    case Tag::kGlobal:
      return v.global->type_name;
    case Tag::kCycler:
      return "Cycler";
    case Tag::kJoiner:
      return "Joiner";
    case Tag::kLoop:
      return "LoopContext";
    case Tag::kSelf:
      return "TemplateReference";
    case Tag::kBlockRef:
      return "BlockReference";
  }
  return "object";
}

int128 to_int128(Value v) {
  if (v.tag == Tag::kInt) return v.integer;
  if (v.tag == Tag::kBool) return v.boolean ? 1 : 0;
  return v.big->value();
}

bool is_hashable(Value v) {
  if (v.tag == Tag::kList || v.tag == Tag::kDict) return false;
  if (v.tag == Tag::kDictView) return v.view->kind == DictView::Kind::kValues;
  if (v.tag == Tag::kTuple) return std::all_of(v.seq->begin(), v.seq->end(), is_hashable);
  return true;
}

}  // namespace hadal::jinja
