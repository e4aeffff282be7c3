#include "text/jinja/iterators.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/ops.h"

namespace hadal::jinja {

namespace {

class ArrayIter final : public Iter {
 public:
  ArrayIter(const Value* items, size_t count) : at_(items), end_(items + count) {}
  bool next(Runtime&, Value& out) override {
    if (at_ == end_) return false;
    out = *at_++;
    return true;
  }
  std::string_view type_name() const override { return "list_iterator"; }

 private:
  const Value* at_;
  const Value* end_;
};

class ReverseArrayIter final : public Iter {
 public:
  ReverseArrayIter(const Value* items, size_t count, std::string_view name)
      : begin_(items), at_(items + count), name_(name) {}
  bool next(Runtime&, Value& out) override {
    if (at_ == begin_) return false;
    out = *--at_;
    return true;
  }
  std::string_view type_name() const override { return name_; }

 private:
  const Value* begin_;
  const Value* at_;
  std::string_view name_;
};

class StrIter final : public Iter {
 public:
  StrIter(std::string_view s) : rest_(s) {}
  bool next(Runtime&, Value& out) override {
    if (rest_.empty()) return false;
    const auto n = static_cast<size_t>(utf8_decode(rest_).length);
    out = Value::from_view(rest_.substr(0, n));
    rest_.remove_prefix(n);
    return true;
  }
  std::string_view type_name() const override { return "str_iterator"; }

 private:
  std::string_view rest_;
};

class RangeIter final : public Iter {
 public:
  RangeIter(int64_t start, int64_t step, int64_t count) : at_(start), step_(step), left_(count) {}
  bool next(Runtime&, Value& out) override {
    if (left_ == 0) return false;
    out = Value::from_int(at_);
    if (--left_ > 0) at_ += step_;
    return true;
  }
  std::string_view type_name() const override { return "range_iterator"; }

 private:
  int64_t at_, step_, left_;
};

class ItemsIter final : public Iter {
 public:
  ItemsIter(const Dict* dict, bool reversed) : dict_(dict), reversed_(reversed) {}
  bool next(Runtime& rt, Value& out) override {
    if (at_ == dict_->size) return false;
    const uint32_t i = reversed_ ? dict_->size - 1 - at_ : at_;
    ++at_;
    out = rt.tuple({dict_->keys[i], dict_->values[i]});
    return true;
  }
  std::string_view type_name() const override {
    return reversed_ ? "dict_reverseitemiterator" : "dict_itemiterator";
  }

 private:
  const Dict* dict_;
  bool reversed_;
  uint32_t at_ = 0;
};

class LoopIter final : public Iter {
 public:
  LoopIter(Value loop) : loop_(loop) {}
  bool next(Runtime& rt, Value& out) override {
    Value item;
    if (!loop_.loop->advance(rt, item)) return false;
    out = rt.tuple({item, loop_});
    return true;
  }

 private:
  Value loop_;
};

class SelfIter final : public Iter {  // `self` has only __getitem__: self[0] is a KeyError
 public:
  bool next(Runtime&, Value&) override { fail(ErrorKind::kKey, "0"); }
};

}  // namespace

Iter* iterate_values(Runtime& rt, const Value* items, size_t count) {
  return rt.arena.make<ArrayIter>(items, count);
}

Iter* make_iterator(Runtime& rt, Value v) {
  switch (v.tag) {
    case Tag::kUndefined:
      return rt.arena.make<ArrayIter>(nullptr, 0);
    case Tag::kStr:
      return rt.arena.make<StrIter>(v.str());
    case Tag::kList:
    case Tag::kTuple:
      return rt.arena.make<ArrayIter>(v.seq->items, v.seq->size);
    case Tag::kDict:
      return rt.arena.make<ArrayIter>(v.dict->keys, v.dict->size);
    case Tag::kRange:
      return rt.arena.make<RangeIter>(v.range->start, v.range->step, v.range->size);
    case Tag::kDictView: {
      const Dict* d = v.view->dict;
      if (v.view->kind == DictView::Kind::kItems) return rt.arena.make<ItemsIter>(d, false);
      return rt.arena.make<ArrayIter>(v.view->kind == DictView::Kind::kKeys ? d->keys : d->values, d->size);
    }
    case Tag::kIter:
      return v.iter;
    case Tag::kLoop:
      return rt.arena.make<LoopIter>(v);
    case Tag::kSelf:
      return rt.arena.make<SelfIter>();
    default:
      type_error("'" + std::string(type_name(v)) + "' object is not iterable");
  }
}

Iter* make_reversed(Runtime& rt, Value v) {
  switch (v.tag) {
    case Tag::kUndefined:
      return rt.arena.make<ReverseArrayIter>(nullptr, 0, "reversed");
    case Tag::kList:
      return rt.arena.make<ReverseArrayIter>(v.seq->items, v.seq->size, "list_reverseiterator");
    case Tag::kTuple:
      return rt.arena.make<ReverseArrayIter>(v.seq->items, v.seq->size, "reversed");
    case Tag::kDict:
      return rt.arena.make<ReverseArrayIter>(v.dict->keys, v.dict->size, "dict_reversekeyiterator");
    case Tag::kRange: {
      const Range& r = *v.range;
      return rt.arena.make<RangeIter>(r.size > 0 ? r.start + (r.size - 1) * r.step : r.start, -r.step,
                                      r.size);
    }
    case Tag::kDictView: {
      const Dict* d = v.view->dict;
      if (v.view->kind == DictView::Kind::kItems) return rt.arena.make<ItemsIter>(d, true);
      const bool keys = v.view->kind == DictView::Kind::kKeys;
      return rt.arena.make<ReverseArrayIter>(keys ? d->keys : d->values, d->size, "dict_reversekeyiterator");
    }
    case Tag::kStr: {
      const std::vector<Value> chars = rt.to_vector(v);
      const Value copy = rt.list(chars);
      return rt.arena.make<ReverseArrayIter>(copy.seq->items, copy.seq->size, "reversed");
    }
    default:
      type_error("'" + std::string(type_name(v)) + "' object is not reversible");
  }
}

bool Loop::peek(Runtime& rt) {
  if (!after_.missing()) return true;
  if (exhausted_) return false;
  if (iterator_->next(rt, after_)) return true;
  after_ = Value();
  exhausted_ = true;
  return false;
}

bool Loop::advance(Runtime& rt, Value& out) {
  if (!peek(rt)) return false;
  out = after_;
  after_ = Value();
  ++index0_;
  before_ = current_;
  current_ = out;
  return true;
}

int64_t Loop::length(Runtime& rt) {
  if (length_ >= 0) return length_;
  if (iterable_.tag != Tag::kIter && iterable_.tag != Tag::kLoop) {
    length_ = rt.length(iterable_);
    if (length_ >= 0) return length_;
  }
  // A generator: take what is left to count it, and go on from the copy.
  const Value rest = rt.list(rt.to_vector(Value::from_pointer(Tag::kIter, iterator_)));
  iterator_ = iterate_values(rt, rest.seq->items, rest.seq->size);
  length_ = rest.seq->size + index0_ + 1 + (after_.missing() ? 0 : 1);
  return length_;
}

int64_t loop_length(Runtime& rt, Loop& loop) {
  return loop.length(rt);
}

Value Loop::previous(Runtime& rt) {
  return index0_ == 0 ? rt.undefined_hint("there is no previous item") : before_;
}

Value Loop::following(Runtime& rt) {
  return peek(rt) ? after_ : rt.undefined_hint("there is no next item");
}

bool Loop::changed(Runtime& rt, Value now) {
  if (!last_changed_.missing() && equals(rt, last_changed_, now)) return false;
  last_changed_ = now;
  return true;
}

}  // namespace hadal::jinja
