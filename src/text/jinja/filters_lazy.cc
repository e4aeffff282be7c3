// Filters that Jinja2 writes as generators: nothing runs before the result is walked, and it can be walked
// once.
#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/iterators.h"
#include "text/jinja/ops.h"
#include "text/jinja/repr.h"

namespace hadal::jinja {

namespace {

// Arguments that live as long as the render.
struct KeptArgs {
  const Value* positional;
  size_t num_positional;
  const std::pair<std::string_view, Value>* keyword;
  size_t num_keyword;

  static KeptArgs keep(Runtime& rt, const Args& args) {
    auto* positional = rt.arena.array<Value>(args.positional.size());
    std::copy(args.positional.begin(), args.positional.end(), positional);
    using Keyword = std::pair<std::string_view, Value>;
    auto* keyword = static_cast<Keyword*>(rt.arena.allocate(args.keyword.size() * sizeof(Keyword)));
    std::uninitialized_copy(args.keyword.begin(), args.keyword.end(), keyword);
    return {positional, args.positional.size(), keyword, args.keyword.size()};
  }
  Args rest(size_t from) const {
    Args args;
    args.positional.assign(positional + from, positional + num_positional);
    args.keyword.assign(keyword, keyword + num_keyword);
    return args;
  }
  Value find(std::string_view name) const {
    for (size_t i = 0; i < num_keyword; ++i) {
      if (keyword[i].first == name) return keyword[i].second;
    }
    return {};
  }
};

Value generator(Iter* it) {
  return Value::from_pointer(Tag::kIter, it);
}

class MapIter final : public Iter {
 public:
  MapIter(Value from, KeptArgs args) : from_(from), args_(args) {}
  bool next(Runtime& rt, Value& out) override {
    if (source_ == nullptr && !start(rt)) return false;
    Value item;
    if (!source_->next(rt, item)) return false;
    rt.step();
    if (by_attribute_) {
      out = get_path(rt, item, attribute_, fallback_);
      return true;
    }
    const Value name = args_.positional[0];
    const FilterInfo* info = name.is_str() ? find_filter(name.str()) : nullptr;
    if (info == nullptr) fail(ErrorKind::kRuntime, "No filter named " + repr(rt, name) + ".");
    Depth depth(rt);
    out = call_filter(rt, *info, item, args_.rest(1));
    return true;
  }

 private:
  bool start(Runtime& rt) {
    if (done_ || !truthy(rt, from_)) {
      done_ = true;
      return false;
    }
    const Value attribute = args_.find("attribute");
    if (args_.num_positional == 0 && !attribute.missing()) {
      by_attribute_ = true;
      attribute_ = attribute.is_none() ? Value() : attribute;
      fallback_ = args_.find("default");
      if (fallback_.is_none()) fallback_ = Value();
      for (size_t i = 0; i < args_.num_keyword; ++i) {
        const std::string_view name = args_.keyword[i].first;
        if (name != "attribute" && name != "default") {
          fail(ErrorKind::kFilterArgument, "Unexpected keyword argument '" + std::string(name) + "'");
        }
      }
    } else if (args_.num_positional == 0) {
      fail(ErrorKind::kFilterArgument, "map requires a filter argument");
    }
    source_ = rt.iterate(from_);
    return true;
  }

  Value from_;
  KeptArgs args_;
  Iter* source_ = nullptr;
  bool by_attribute_ = false, done_ = false;
  Value attribute_, fallback_;
};

// select, reject and their attr forms.
class SelectIter final : public Iter {
 public:
  SelectIter(Value from, KeptArgs args, bool wanted, bool by_attribute)
      : from_(from), args_(args), wanted_(wanted), by_attribute_(by_attribute) {}
  bool next(Runtime& rt, Value& out) override {
    if (source_ == nullptr && !start(rt)) return false;
    while (source_->next(rt, out)) {
      rt.step();
      if (holds(rt, out) == wanted_) return true;
    }
    return false;
  }

 private:
  bool start(Runtime& rt) {
    if (done_ || !truthy(rt, from_)) {
      done_ = true;
      return false;
    }
    if (by_attribute_ && args_.num_positional == 0) {
      fail(ErrorKind::kFilterArgument, "Missing parameter for attribute name");
    }
    source_ = rt.iterate(from_);
    return true;
  }
  bool holds(Runtime& rt, Value item) {
    const size_t skip = by_attribute_ ? 1 : 0;
    if (by_attribute_) {
      const Value attribute = args_.positional[0];
      item = get_path(rt, item, attribute.is_none() ? Value() : attribute);
    }
    if (args_.num_positional <= skip) return truthy(rt, item);
    const Value name = args_.positional[skip];
    const TestInfo* info = name.is_str() ? find_test(name.str()) : nullptr;
    if (info == nullptr) fail(ErrorKind::kRuntime, "No test named " + repr(rt, name) + ".");
    Depth depth(rt);
    return call_test(rt, *info, item, args_.rest(skip + 1));
  }

  Value from_;
  KeptArgs args_;
  bool wanted_, by_attribute_, done_ = false;
  Iter* source_ = nullptr;
};

template <bool wanted, bool by_attribute>
Value filter_select(Runtime& rt, Value self, const Args& args) {
  return generator(rt.arena.make<SelectIter>(self, KeptArgs::keep(rt, args), wanted, by_attribute));
}

Value filter_map(Runtime& rt, Value self, const Args& args) {
  return generator(rt.arena.make<MapIter>(self, KeptArgs::keep(rt, args)));
}

class UniqueIter final : public Iter {
 public:
  UniqueIter(Value from, bool case_sensitive, Value attribute, Dict* seen)
      : from_(from), case_sensitive_(case_sensitive), attribute_(attribute), seen_(seen) {}
  bool next(Runtime& rt, Value& out) override {
    if (source_ == nullptr) source_ = rt.iterate(from_);
    while (source_->next(rt, out)) {
      rt.step();
      Value key = get_path(rt, out, attribute_);
      if (!case_sensitive_) key = fold_case(rt, key);
      if (rt.find(*seen_, key) != nullptr) continue;
      rt.set(*seen_, key, Value::none());
      return true;
    }
    return false;
  }

 private:
  Value from_;
  bool case_sensitive_;
  Value attribute_;
  Dict* seen_;
  Iter* source_ = nullptr;
};

Value filter_unique(Runtime& rt, Value self, const Value* args) {
  const bool case_sensitive = !args[0].missing() && truthy(rt, args[0]);
  const Value attribute = args[1].is_none() ? Value() : args[1];
  return generator(rt.arena.make<UniqueIter>(self, case_sensitive, attribute, rt.new_dict()));
}

class DictItemsIter final : public Iter {
 public:
  explicit DictItemsIter(Value from) : from_(from) {}
  bool next(Runtime& rt, Value& out) override {
    if (from_.is_undefined()) return false;
    if (!from_.is(Tag::kDict)) type_error("Can only get item pairs from a mapping.");
    if (at_ == from_.dict->size) return false;
    out = rt.tuple({from_.dict->keys[at_], from_.dict->values[at_]});
    ++at_;
    return true;
  }

 private:
  Value from_;
  uint32_t at_ = 0;
};

Value filter_items(Runtime& rt, Value self, const Value*) {
  return generator(rt.arena.make<DictItemsIter>(self));
}

class BatchIter final : public Iter {
 public:
  BatchIter(Value from, Value count, Value fill) : from_(from), count_(count), fill_(fill) {}
  bool next(Runtime& rt, Value& out) override {
    if (source_ == nullptr) source_ = rt.iterate(from_);
    std::vector<Value> row;
    if (!pending_.missing()) row.push_back(pending_);
    pending_ = Value();
    Value item;
    while (source_->next(rt, item)) {
      rt.step();
      if (equals(rt, Value::from_int(static_cast<int64_t>(row.size())), count_) &&
          (started_ || !row.empty())) {
        pending_ = item;
        out = rt.list(row);
        return true;
      }
      // Python yields an empty row first for batch(0).
      if (!started_ && equals(rt, Value::from_int(0), count_)) {
        started_ = true;
        pending_ = item;
        out = rt.list(row);
        return true;
      }
      started_ = true;
      row.push_back(item);
    }
    if (row.empty()) return false;
    if (!fill_.is_none() && !fill_.missing() &&
        compare(rt, CompareOp::kLt, Value::from_int(static_cast<int64_t>(row.size())), count_)) {
      const int64_t wanted = to_index(rt, count_);
      if (wanted > static_cast<int64_t>(rt.limits().max_output) / 16)
        fail(ErrorKind::kLimit, "a row of batch is too long");
      row.resize(static_cast<size_t>(wanted), fill_);
    }
    out = rt.list(row);
    return true;
  }

 private:
  Value from_, count_, fill_, pending_;
  Iter* source_ = nullptr;
  bool started_ = false;
};

Value filter_batch(Runtime& rt, Value self, const Value* args) {
  return generator(rt.arena.make<BatchIter>(self, args[0], args[1]));
}

class SliceIter final : public Iter {
 public:
  SliceIter(Value from, Value slices, Value fill) : from_(from), slices_(slices), fill_(fill) {}
  bool next(Runtime& rt, Value& out) override {
    if (!started_) start(rt);
    if (number_ >= count_) return false;
    const int64_t each = length_ / count_, extra = length_ % count_;
    const int64_t begin = offset_ + number_ * each;
    if (number_ < extra) ++offset_;
    const int64_t end = offset_ + (number_ + 1) * each;
    std::vector<Value> row(items_ + begin, items_ + end);
    if (!fill_.is_none() && !fill_.missing() && number_ >= extra) row.push_back(fill_);
    ++number_;
    rt.step();
    out = rt.list(row);
    return true;
  }

 private:
  void start(Runtime& rt) {
    started_ = true;
    const Value all = rt.list(rt.to_vector(from_));
    items_ = all.seq->items;
    length_ = all.seq->size;
    floor_divide(rt, Value::from_int(length_), slices_);  // raises what Python raises
    count_ = to_index(rt, slices_);
  }

  Value from_, slices_, fill_;
  const Value* items_ = nullptr;
  int64_t length_ = 0, count_ = 0, number_ = 0, offset_ = 0;
  bool started_ = false;
};

Value filter_slice(Runtime& rt, Value self, const Value* args) {
  return generator(rt.arena.make<SliceIter>(self, args[0], args[1]));
}

constexpr FilterInfo kLazyFilters[] = {
    {"batch", {"linecount fill_with", 1}, filter_batch},
    {"items", {""}, filter_items},
    {"map", {""}, nullptr, filter_map},
    {"reject", {""}, nullptr, filter_select<false, false>},
    {"rejectattr", {""}, nullptr, filter_select<false, true>},
    {"select", {""}, nullptr, filter_select<true, false>},
    {"selectattr", {""}, nullptr, filter_select<true, true>},
    {"slice", {"slices fill_with", 1}, filter_slice},
    {"unique", {"case_sensitive attribute"}, filter_unique},
};

}  // namespace

const FilterInfo* find_lazy_filter(std::string_view name) {
  const auto at = std::find_if(std::begin(kLazyFilters), std::end(kLazyFilters),
                               [name](const FilterInfo& f) { return f.name == name; });
  return at == std::end(kLazyFilters) ? nullptr : at;
}

}  // namespace hadal::jinja
