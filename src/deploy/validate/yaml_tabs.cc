#include "deploy/validate/yaml_tabs.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/yaml_tree.h"
#include "deploy/validate/yaml_lines.h"

namespace hadal {
namespace {

constexpr YamlLimits kTabLimits{.max_depth = 100, .max_nodes = 100'000};
constexpr size_t kMaxBases = 24;
constexpr int kMaxLines = 400;  // of one run
constexpr int kSteps[] = {2, 4, 1, 3, 8};
// How wide editors show a tab.
constexpr size_t kTabWidths[] = {2, 4, 8};

// The line's text without a comment and the blanks at its end.
std::string_view content_of(std::string_view line) {
  if (const size_t comment = line.find(" #"); comment != std::string_view::npos)
    line = line.substr(0, comment);
  return line.substr(0, line.find_last_not_of(" \r\t") + 1);
}

std::string_view indent_text(std::string_view line) {
  return line.substr(0, std::min(line.find_first_not_of(" \t"), line.size()));
}

// "key: |", "- >-": what follows is text, whose own blanks count.
bool begins_block_scalar(std::string_view line) {
  const std::string_view content = content_of(line);
  const size_t mark = content.find_last_of("|>");
  return mark != std::string_view::npos && mark > 0 && content[mark - 1] == ' ' &&
         content.find_first_not_of("+-0123456789", mark + 1) == std::string_view::npos;
}

size_t shown_width(std::string_view indent, size_t tab) {
  size_t out = 0;
  for (const char c : indent) out = c == '\t' ? (out / tab + 1) * tab : out + 1;
  return out;
}

// What a candidate reads as, and what tells whether it makes sense.
struct Reading {
  std::string tree;  // keys and values with their lines, without columns
  std::set<int> begun;
  bool duplicate_key = false;
  bool is_child = false;           // the key before the run has its value in the run
  std::set<int> steps, own_steps;  // from keys to their maps: elsewhere, and at the run's edges
  int num_steps = 0;
  bool empty_key = false;  // one of the run's has no value
};

class TreeReader {
 public:
  // Lines from 1. parent_line: the key before the run, 0: none.
  TreeReader(int first, int last, int parent_line, Reading& out)
      : first_(first), last_(last), parent_line_(parent_line), out_(out) {}

  void read(const YamlNode& node) {
    if (!seen_.insert(&node).second) {
      out_.tree += "*";
      return;
    }
    if (node.is_scalar()) {
      out_.begun.insert(node.begin.line);
      out_.tree += std::to_string(node.begin.line) + "=" + std::to_string(node.text.size()) + ":" + node.text;
      return;
    }
    out_.tree += node.is_mapping() ? "{" : "[";
    for (const YamlNodePtr& item : node.items) {
      read(*item);
      out_.tree += ",";
    }
    std::set<std::string_view> keys, own_keys;
    for (const auto& [key, value] : node.entries) {
      note_entry(*key, *value);
      if (key->is_scalar()) {
        const bool own = is_own(key->begin.line);
        if (own_keys.count(key->text) > 0 || (own && keys.count(key->text) > 0)) out_.duplicate_key = true;
        keys.insert(key->text);
        if (own) own_keys.insert(key->text);
      }
      read(*key);
      out_.tree += ">";
      read(*value);
      out_.tree += ",";
    }
    out_.tree += node.is_mapping() ? "}" : "]";
  }

 private:
  bool is_own(int line) const { return line >= first_ && line <= last_; }

  void note_entry(const YamlNode& key, const YamlNode& value) {
    const bool filled = !value.is_scalar() || !value.text.empty();
    if (key.begin.line == parent_line_ && filled && is_own(value.begin.line)) out_.is_child = true;
    if (!filled && value.is_plain() && is_own(key.begin.line)) out_.empty_key = true;
    if (!value.is_mapping() || value.style != YamlNode::Style::kBlock || value.begin.line == key.begin.line)
      return;
    const int step = value.begin.column - key.begin.column;
    const int owned = (is_own(key.begin.line) ? 1 : 0) + (is_own(value.begin.line) ? 1 : 0);
    if (owned == 0) {
      out_.steps.insert(step);
      ++out_.num_steps;
    } else if (owned == 1) {
      out_.own_steps.insert(step);
    }
  }

  const int first_, last_, parent_line_;
  Reading& out_;
  std::unordered_set<const YamlNode*> seen_;
};

struct Candidate {
  size_t base = 0;
  std::vector<size_t> indents;
  Reading reading;
};

class TabRun {
 public:
  TabRun(std::string_view text, int line, size_t& budget)
      : text_(text), lines_(text_lines(text)), budget_(budget), first_(line), last_(line) {
    while (first_ > 0 && has_tab_indent(at(first_ - 1))) --first_;
    while (last_ + 1 < num_lines() && has_tab_indent(at(last_ + 1))) ++last_;
    begin_ = first_;
    while (begin_ > 0 && !is_document_separator(at(begin_))) --begin_;
    end_ = last_ + 1;
    while (end_ < num_lines() && !is_document_separator(at(end_))) ++end_;
    next_ = last_ + 1;
    while (next_ < end_ && is_blank_line(at(next_))) ++next_;
    before_ = first_ - 1;
    while (before_ >= begin_ && is_blank_line(at(before_))) --before_;
    if (before_ < begin_ || is_document_separator(at(before_))) before_ = -1;
  }

  std::optional<TabRepair> run() {
    if (last_ - first_ >= kMaxLines) return std::nullopt;
    std::vector<Candidate> all = candidates(end_);
    // Another run further down may be what cannot be read.
    int next = last_ + 1;
    while (next < end_ && !has_tab_indent(at(next))) ++next;
    if (all.empty() && next < end_) all = candidates(next);
    if (all.empty()) return std::nullopt;
    narrow(all);
    TabRepair out;
    out.first_line = first_;
    out.last_line = last_;
    // A key before the run that would be left without a value was hardly meant so.
    out.sure = !spent_ && !has_text() && (!follows_key() || all[0].reading.is_child) &&
               std::all_of(all.begin(), all.end(),
                           [&](const Candidate& c) { return c.reading.tree == all[0].reading.tree; });
    for (const size_t indent : all[0].indents) out.indents.emplace_back(indent, ' ');
    out.text = repaired(all[0].indents, 0, num_lines());
    return out;
  }

 private:
  int num_lines() const { return static_cast<int>(lines_.size()); }
  std::string_view at(int i) const { return lines_[static_cast<size_t>(i)].of(text_); }

  bool follows_key() const { return before_ >= 0 && content_of(at(before_)).ends_with(":"); }

  // A block scalar's text inside the run: its own indentation is not known.
  bool has_text() const {
    for (int i = first_; i < last_; ++i) {
      if (begins_block_scalar(at(i))) return true;
    }
    return false;
  }

  std::string repaired(const std::vector<size_t>& indents, int from, int to) const {
    std::string out;
    for (int i = from; i < to; ++i) {
      const std::string_view line = at(i);
      if (i < first_ || i > last_) {
        out += line;
      } else {
        out.append(indents[static_cast<size_t>(i - first_)], ' ')
            .append(line.substr(indent_text(line).size()));
      }
      if (i + 1 < num_lines()) out += '\n';
    }
    return out;
  }

  // Columns at which something is open before the run, or goes on after it; the likeliest first.
  std::vector<size_t> bases() const {
    std::vector<size_t> out;
    const auto add = [&](size_t column) {
      if (out.size() < kMaxBases && std::find(out.begin(), out.end(), column) == out.end())
        out.push_back(column);
    };
    if (next_ < end_) add(blanks_before(at(next_)));
    size_t least = std::string_view::npos;
    for (int i = before_; i >= begin_ && i >= 0; --i) {
      if (is_blank_line(at(i)) || is_document_separator(at(i))) continue;
      const std::string_view line = at(i);
      size_t column = blanks_before(line);
      if (i == before_ && content_of(line).ends_with(":")) {
        for (const size_t step : {size_t{2}, size_t{4}, size_t{1}, size_t{3}, size_t{8}}) add(column + step);
      }
      if (column >= least && i != before_) continue;
      least = std::min(least, column);
      // What follows "- " stands further in.
      std::vector<size_t> columns{column};
      while (column + 1 < line.size() && line[column] == '-' && line[column + 1] == ' ') {
        column = std::min(line.find_first_not_of(' ', column + 1), line.size());
        columns.push_back(column);
        if (i == before_ && content_of(line).ends_with(":")) add(column + 2);
      }
      for (auto c = columns.rbegin(); c != columns.rend(); ++c) add(*c);
    }
    add(0);
    if (next_ < end_ && blanks_before(at(next_)) >= 2) add(blanks_before(at(next_)) - 2);
    return out;
  }

  // The run's lines at this depth; nothing where one would stand before the first column.
  std::optional<std::vector<size_t>> indents_at(size_t base, int step) const {
    int least_tabs = INT32_MAX, least_blanks = INT32_MAX;
    const auto counts = [&](int i) {
      const std::string_view indent = indent_text(at(i));
      const auto tabs = static_cast<int>(std::count(indent.begin(), indent.end(), '\t'));
      return std::pair(tabs, static_cast<int>(indent.size()) - tabs);
    };
    for (int i = first_; i <= last_; ++i) {
      if (indent_text(at(i)).size() == at(i).size()) continue;
      const auto [tabs, blanks] = counts(i);
      least_tabs = std::min(least_tabs, tabs);
      least_blanks = std::min(least_blanks, blanks);
    }
    std::vector<size_t> out;
    for (int i = first_; i <= last_; ++i) {
      const auto [tabs, blanks] = counts(i);
      const bool empty = content_of(at(i)).empty() && at(i).find('#') == std::string_view::npos;
      const int more = (tabs - least_tabs) * step + blanks - least_blanks;
      if (!empty && more < 0) return std::nullopt;
      out.push_back(empty ? 0 : base + static_cast<size_t>(more));
    }
    return out;
  }

  // All depths that can be read up to the line `end`.
  std::vector<Candidate> candidates(int end) {
    std::vector<Candidate> out;
    std::set<std::vector<size_t>> tried;
    for (const size_t base : bases()) {
      for (const int step : kSteps) {
        auto indents = indents_at(base, step);
        if (!indents || !tried.insert(*indents).second) continue;
        const std::string text = repaired(*indents, begin_, end);
        if (text.size() > budget_) {
          spent_ = true;
          return out;
        }
        budget_ -= text.size();
        const YamlStream stream = parse_yaml_stream(text, kTabLimits);
        if (!stream.errors.empty()) continue;
        Candidate candidate{base, *std::move(indents), {}};
        const int parent = follows_key() ? before_ - begin_ + 1 : 0;
        TreeReader reader(first_ - begin_ + 1, last_ - begin_ + 1, parent, candidate.reading);
        for (const YamlDocument& document : stream.documents) {
          if (document.root != nullptr) reader.read(*document.root);
        }
        if (makes_nodes(candidate.reading)) out.push_back(std::move(candidate));
      }
    }
    return out;
  }

  // No line has become a part of a text that began above it, nor repeats a key.
  bool makes_nodes(const Reading& reading) const {
    if (reading.duplicate_key) return false;
    if (has_text()) return true;
    for (int i = first_; i <= last_; ++i) {
      if (!is_blank_line(at(i)) && reading.begun.count(i - begin_ + 1) == 0) return false;
    }
    return true;
  }

  template <class Keep>
  static void keep_if_any(std::vector<Candidate>& all, Keep keep) {
    if (std::none_of(all.begin(), all.end(), keep)) return;
    std::erase_if(all, [&](const Candidate& c) { return !keep(c); });
  }

  void narrow(std::vector<Candidate>& all) const {
    keep_if_any(all, [](const Candidate& c) { return c.base > 0; });
    if (follows_key()) {
      // However wide a tab is shown, the line stands further in than the key before it.
      const size_t key = at(before_).find_first_not_of(" -");
      const bool deeper = std::all_of(std::begin(kTabWidths), std::end(kTabWidths), [&](size_t width) {
        return shown_width(indent_text(at(first_)), width) > key;
      });
      if (deeper) keep_if_any(all, [](const Candidate& c) { return c.reading.is_child; });
    }
    // The document's own step, where it has one.
    keep_if_any(all, [](const Candidate& c) {
      return c.reading.num_steps < 2 || c.reading.steps.size() != 1 || c.reading.own_steps.empty() ||
             c.reading.own_steps == c.reading.steps;
    });
    // A key before another is rather the one that it belongs to than one without a value; a list's item may
    // stand at the column of either.
    if (next_ < end_ && !at(next_).substr(blanks_before(at(next_))).starts_with("-"))
      keep_if_any(all, [](const Candidate& c) { return !c.reading.empty_key; });
  }

  std::string_view text_;
  std::vector<TextLine> lines_;
  size_t& budget_;
  int first_, last_;            // the run
  int begin_ = 0, end_ = 0;     // its document
  int before_ = -1, next_ = 0;  // the lines around the run that say something; -1, end_: none
  bool spent_ = false;
};

}  // namespace

bool has_tab_indent(std::string_view line) {
  return indent_text(line).find('\t') != std::string_view::npos;
}

std::optional<TabRepair> repair_tabs(std::string_view text, int line, size_t& budget) {
  return TabRun(text, line, budget).run();
}

}  // namespace hadal
