#include "text/pre_tokenizer.h"

#include <algorithm>

namespace hadal {
namespace {

// Groups a text's alternating gaps and matches into pieces, as Hugging Face's SplitDelimiterBehavior says.
template <typename Emit>
class Grouper {
 public:
  Grouper(SplitBehavior behavior, Emit emit) : behavior_(behavior), emit_(std::move(emit)) {}

  void add(size_t begin, size_t end, bool is_match) {
    switch (behavior_) {
      case SplitBehavior::kIsolated:
        emit_(begin, end);
        break;
      case SplitBehavior::kRemoved:
        if (!is_match) emit_(begin, end);
        break;
      case SplitBehavior::kContiguous:
        join(begin, end, is_match == previous_match_);
        break;
      case SplitBehavior::kMergedWithPrevious:
        join(begin, end, is_match && !previous_match_);
        break;
      // A match goes with what follows, unless that is a match too.
      case SplitBehavior::kMergedWithNext:
        join(begin, end, !is_match && previous_match_);
        break;
    }
    previous_match_ = is_match;
  }
  void finish() {
    if (pending_) emit_(begin_, end_);
    pending_ = false;
  }

 private:
  void join(size_t begin, size_t end, bool extend) {
    if (pending_ && extend) {
      end_ = end;
      return;
    }
    finish();
    begin_ = begin;
    end_ = end;
    pending_ = true;
  }

  SplitBehavior behavior_;
  Emit emit_;
  bool previous_match_ = false;
  bool pending_ = false;
  size_t begin_ = 0;
  size_t end_ = 0;
};

// Next match of \w+|[^\w\s]+.
Span find_word(const UnicodeTables& tables, std::string_view text, size_t from) {
  const auto kind = [&](size_t i, size_t& after) {
    const CodePoint c = decode_valid(text.data() + i);
    after = i + c.length;
    return (tables.classes(c.value) & kWhiteSpace) ? 0 : is_word(tables, c.value) ? 1 : 2;
  };
  size_t after = 0;
  for (size_t i = from; i < text.size(); i = after) {
    const int first = kind(i, after);
    if (first == 0) continue;
    size_t end = after;
    while (end < text.size() && kind(end, after) == first) end = after;
    return {i, end};
  }
  return {};
}

Span find_class(const UnicodeTables& tables, std::string_view text, size_t from, uint8_t classes) {
  uint32_t length = 0;
  for (size_t i = from; i < text.size(); i += length) {
    if (tables.classes_at(text.data() + i, length) & classes) return {i, i + length};
  }
  return {};
}

}  // namespace

bool PreTokenizer::needs_regex() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const PreTokenizerStep& step) {
    const auto* split = std::get_if<SplitStep>(&step);
    return split != nullptr && std::holds_alternative<std::shared_ptr<const Regex>>(split->pattern);
  });
}

void PreTokenizer::split(std::string_view text, bool at_start, Regex::Scratch& scratch,
                         PieceSink& sink) const {
  Walk walk{scratch, sink};
  run(0, text, at_start, walk);
}

void PreTokenizer::run(size_t step, std::string_view text, bool at_start, Walk& walk) const {
  if (text.empty()) return;
  if (step == steps_.size()) {
    walk.sink.on_piece(text);
    return;
  }
  std::visit([&](const auto& how) { run_step(how, step, text, at_start, walk); }, steps_[step]);
}

// `find(from)` gives the next match. Each piece is a text of its own to the steps that follow.
template <typename Find>
void PreTokenizer::split_by(Find&& find, const SplitStep& how, size_t step, std::string_view text,
                            bool at_start, Walk& walk) const {
  const auto emit = [&](size_t begin, size_t end) {
    run(step + 1, text.substr(begin, end - begin), at_start && begin == 0, walk);
  };
  size_t end = 0;
  if (how.behavior == SplitBehavior::kIsolated) {
    for (Span match = find(0); match.found(); match = find(end)) {
      if (match.begin > end) emit(end, match.begin);
      emit(match.begin, match.end);
      end = match.end;
    }
    emit(end, text.size());
    return;
  }
  Grouper grouper(how.behavior, emit);
  for (Span match = find(0); match.found(); match = find(end)) {
    if (match.begin > end) grouper.add(end, match.begin, how.invert);
    grouper.add(match.begin, match.end, !how.invert);
    end = match.end;
  }
  if (end < text.size()) grouper.add(end, text.size(), how.invert);
  grouper.finish();
}

void PreTokenizer::run_step(const SplitStep& how, size_t step, std::string_view text, bool at_start,
                            Walk& walk) const {
  if (const auto* known = std::get_if<KnownPattern>(&how.pattern)) {
    split_by([&](size_t from) { return find_known(*known, *tables_, text, from); }, how, step, text, at_start,
             walk);
  } else if (const auto* literal = std::get_if<std::string>(&how.pattern)) {
    const auto find = [&](size_t from) {
      const size_t at = literal->empty() ? std::string_view::npos : text.find(*literal, from);
      return at == std::string_view::npos ? Span{} : Span{at, at + literal->size()};
    };
    split_by(find, how, step, text, at_start, walk);
  } else {
    const Regex& regex = *std::get<std::shared_ptr<const Regex>>(how.pattern);
    // An empty match just behind the last match does not count; the search goes on one character later.
    size_t search = 0;
    bool any = false;
    const auto find = [&](size_t from) {
      search = std::max(search, from);
      while (search <= text.size()) {
        const Span match = regex.find(text, search, walk.scratch);
        if (!match.found()) break;
        if (match.begin == match.end && any && match.end == from) {
          search += search < text.size() ? decode_valid(text.data() + search).length : 1;
          continue;
        }
        any = true;
        search = match.end;
        return match;
      }
      return Span{};
    };
    split_by(find, how, step, text, at_start, walk);
  }
}

void PreTokenizer::run_step(const DigitsStep& how, size_t step, std::string_view text, bool at_start,
                            Walk& walk) const {
  const SplitStep split{.behavior = how.individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous};
  split_by([&](size_t from) { return find_class(*tables_, text, from, kDecimalLike); }, split, step, text,
           at_start, walk);
}

void PreTokenizer::run_step(const WhitespaceStep& how, size_t step, std::string_view text, bool at_start,
                            Walk& walk) const {
  if (how.words) {
    const SplitStep split{.behavior = SplitBehavior::kRemoved, .invert = true};
    split_by([&](size_t from) { return find_word(*tables_, text, from); }, split, step, text, at_start, walk);
    return;
  }
  const SplitStep split{.behavior = SplitBehavior::kRemoved};
  split_by([&](size_t from) { return find_class(*tables_, text, from, kWhiteSpace); }, split, step, text,
           at_start, walk);
}

void PreTokenizer::run_step(const ByteLevelStep& how, size_t step, std::string_view text, bool at_start,
                            Walk& walk) const {
  if (how.add_prefix_space && text[0] != ' ') {
    const std::string prefixed = " " + std::string(text);
    run_step(ByteLevelStep{.add_prefix_space = false, .use_regex = how.use_regex}, step, prefixed, at_start,
             walk);
    return;
  }
  if (!how.use_regex) {
    run(step + 1, text, at_start, walk);
    return;
  }
  split_by([&](size_t from) { return find_known(KnownPattern::kGpt2, *tables_, text, from); }, SplitStep{},
           step, text, at_start, walk);
}

void PreTokenizer::run_step(const MetaspaceStep& how, size_t step, std::string_view text, bool at_start,
                            Walk& walk) const {
  std::string replaced;
  replaced.reserve(text.size() + text.size() / 2);
  for (const char c : text) {
    if (c == ' ') {
      replaced += how.replacement;
    } else {
      replaced += c;
    }
  }
  const bool prepend = how.prepend == MetaspaceStep::Prepend::kAlways ||
                       (how.prepend == MetaspaceStep::Prepend::kFirst && at_start);
  if (prepend && !replaced.starts_with(how.replacement)) replaced.insert(0, how.replacement);
  if (!how.split) {
    run(step + 1, replaced, at_start, walk);
    return;
  }
  const std::string_view all = replaced;
  const auto find = [&](size_t from) {
    const size_t at = all.find(how.replacement, from);
    return at == std::string_view::npos ? Span{} : Span{at, at + how.replacement.size()};
  };
  split_by(find, SplitStep{.behavior = SplitBehavior::kMergedWithNext}, step, all, at_start, walk);
}

}  // namespace hadal
