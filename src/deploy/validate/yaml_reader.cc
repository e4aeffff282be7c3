#include "deploy/validate/yaml_reader.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace hadal {
namespace {

constexpr YamlLimits kLimits{.max_depth = 100, .max_nodes = 500'000};
constexpr int kMaxRepairs = 30;
constexpr int kMaxErrors = 50;

struct Line {
  size_t begin = 0;
  size_t end = 0;  // without the newline
};

std::vector<Line> lines_of(std::string_view text) {
  std::vector<Line> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    out.push_back({begin, end});
    begin = end + 1;
  }
  return out;
}

size_t indent_of(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

bool is_blank(std::string_view line) {
  const size_t first = line.find_first_not_of(" \t\r");
  return first == std::string_view::npos || line[first] == '#';
}

bool is_separator(std::string_view line) {
  return line.starts_with("---") &&
         (line.size() == 3 || line[3] == ' ' || line[3] == '\r' || line[3] == '\t');
}

// "-name: x": the dash's place in the line.
std::optional<size_t> tight_dash(std::string_view line) {
  const size_t dash = line.find_first_not_of(" \t");
  if (dash == std::string_view::npos || line[dash] != '-' || dash + 1 >= line.size()) return std::nullopt;
  const char next = line[dash + 1];
  const bool word = (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z');
  if (!word) return std::nullopt;
  const size_t end =
      line.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.", dash + 1);
  if (end == std::string_view::npos || line[end] != ':') return std::nullopt;
  if (end + 1 < line.size() && line[end + 1] != ' ' && line[end + 1] != '\r') return std::nullopt;
  return dash;
}

bool has_tab_indent(std::string_view line) {
  const size_t first = line.find_first_not_of(" \t");
  return first != std::string_view::npos && line.substr(0, first).find('\t') != std::string_view::npos;
}

std::optional<YamlParseError> first_error(std::string_view text) {
  YamlStream stream = parse_yaml_stream(text, kLimits);
  return stream.errors.empty() ? std::nullopt : std::optional(stream.errors[0]);
}

// Everything before becomes blanks, so that places stay.
std::string blanked(std::string text, size_t end) {
  for (size_t i = 0; i < end && i < text.size(); ++i) {
    if (text[i] != '\n') text[i] = ' ';
  }
  return text;
}

class Reader {
 public:
  Reader(std::string_view text, Reporter& reporter) : original_(text), text_(text), reporter_(reporter) {}

  ReadFile run() {
    ReadFile out;
    for (int round = 0; round < kMaxErrors; ++round) {
      const YamlStream stream = parse_yaml_stream(text_, kLimits);
      take(stream, out);
      if (stream.errors.empty() || out.is_template) return out;
      const YamlParseError& error = stream.errors[0];
      if (round == 0 && text_.find("{{") != std::string::npos) {
        out.is_template = true;
        out.documents.clear();
        report_template(error.mark);
        return out;
      }
      if (repair(error)) {
        drop_taken(out, stream);
        continue;
      }
      report_error(error);
      if (!skip_to_next(error)) return out;
    }
    return out;
  }

 private:
  void take(const YamlStream& stream, ReadFile& out) {
    const size_t count =
        stream.documents.size() - (stream.errors.empty() || stream.documents.empty() ? 0 : 1);
    for (size_t i = 0; i < count; ++i) {
      const YamlDocument& document = stream.documents[i];
      if (document.root == nullptr) continue;
      if (is_template_node(*document.root)) {
        report_template(document.begin);
        out.is_template = true;
        out.documents.clear();
        return;
      }
      out.documents.push_back({document.root, document.begin, num_repairs_ > 0});
    }
  }

  // The same text will be read again from its beginning.
  static void drop_taken(ReadFile& out, const YamlStream& stream) {
    size_t count = 0;
    for (size_t i = 0; i + 1 < stream.documents.size(); ++i)
      count += stream.documents[i].root != nullptr ? 1 : 0;
    out.documents.resize(out.documents.size() - std::min(count, out.documents.size()));
  }

  // "{{ .Values.x }}" without quotes is read as a map inside a map's key.
  static bool is_template_node(const YamlNode& node) {
    for (const auto& [key, value] : node.entries) {
      if (key->is_mapping() || is_template_node(*value)) return true;
    }
    for (const YamlNodePtr& item : node.items) {
      if (is_template_node(*item)) return true;
    }
    return false;
  }

  void report_template(const YamlMark& mark) {
    reporter_.add_at_mark("yaml/helm-template", mark, "this is a template (\"{{\"), not yet a manifest");
  }

  void report_error(const YamlParseError& error) {
    reporter_.add_at_mark("yaml/syntax", error.mark, "the YAML cannot be read: " + error.message);
  }

  // Tries to put right what people get wrong most; reports it. False: it is something else.
  bool repair(const YamlParseError& error) {
    if (num_repairs_ >= kMaxRepairs) return false;
    const std::vector<Line> lines = lines_of(text_);
    const int at = error.mark.line - 1;
    for (const int number : {at, at - 1, at + 1, at - 2}) {
      if (number < 0 || number >= static_cast<int>(lines.size())) continue;
      const Line& line = lines[static_cast<size_t>(number)];
      const std::string_view content = std::string_view(text_).substr(line.begin, line.end - line.begin);
      if (const auto dash = tight_dash(content)) return repair_dash(line, number, *dash, error);
      if (has_tab_indent(content) && number <= at) return repair_tab(lines, number, error);
    }
    return false;
  }

  // Makes the change to the text that is read; the finding's edit is of the original, whose lines are the
  // same.
  void apply(std::string_view rule, const Line& line, int number, size_t column, std::string message,
             size_t begin, size_t end, const std::string& replacement) {
    YamlMark mark;
    mark.line = number + 1;
    mark.column = static_cast<int>(column) + 1;
    Finding& finding = reporter_.add_at_mark(rule, mark, std::move(message));
    const Line original = lines_of(original_)[static_cast<size_t>(number)];
    const std::string_view before = original_.substr(original.begin, original.end - original.begin);
    if (before == std::string_view(text_).substr(line.begin, line.end - line.begin))
      Reporter::fix_with(finding, TextEdit{original.begin + begin, original.begin + end, replacement});
    text_.replace(line.begin + begin, end - begin, replacement);
    ++num_repairs_;
  }

  bool repair_dash(const Line& line, int number, size_t dash, const YamlParseError& error) {
    std::string changed = text_;
    changed.insert(line.begin + dash + 1, " ");
    const auto next = first_error(changed);
    if (next && next->mark.line <= error.mark.line && next->mark.line <= number + 1) return false;
    apply("yaml/dash-without-space", line, number, dash,
          "a dash without a space begins no list item: YAML reads a key that is called \"" +
              text_.substr(line.begin + dash, text_.find(':', line.begin + dash) - line.begin - dash) + "\"",
          dash + 1, dash + 1, " ");
    return true;
  }

  // The indents that the line may be meant to have, the likeliest first.
  std::vector<size_t> likely_indents(const std::vector<Line>& lines, int number) const {
    const auto content = [&](int i) {
      const Line& l = lines[static_cast<size_t>(i)];
      return std::string_view(text_).substr(l.begin, l.end - l.begin);
    };
    std::vector<size_t> out;
    int next = number + 1;
    while (next < static_cast<int>(lines.size()) && is_blank(content(next))) ++next;
    std::string_view own = content(number);
    if (const size_t comment = own.find(" #"); comment != std::string_view::npos)
      own = own.substr(0, comment);
    own = own.substr(0, own.find_last_not_of(" \r\t") + 1);
    if (next < static_cast<int>(lines.size()) && !has_tab_indent(content(next))) {
      const size_t indent = indent_of(content(next));
      if (own.ends_with(":") && indent >= 2) out.push_back(indent - 2);
      out.push_back(indent);
    }
    for (int i = number - 1; i >= 0 && out.size() < 12; --i) {
      if (is_blank(content(i)) || has_tab_indent(content(i))) continue;
      const std::string_view line = content(i);
      const size_t indent = indent_of(line);
      // A list's item continues two further in.
      if (indent < line.size() && line[indent] == '-') out.push_back(indent + 2);
      out.push_back(indent);
      if (indent == 0) break;
    }
    return out;
  }

  bool repair_tab(const std::vector<Line>& lines, int number, const YamlParseError& error) {
    const Line& line = lines[static_cast<size_t>(number)];
    const std::string_view content = std::string_view(text_).substr(line.begin, line.end - line.begin);
    const size_t first = content.find_first_not_of(" \t");
    for (const size_t indent : likely_indents(lines, number)) {
      std::string changed = text_;
      changed.replace(line.begin, first, std::string(indent, ' '));
      const auto next = first_error(changed);
      if (next && next->mark.line <= error.mark.line) continue;
      apply("yaml/tab", line, number, content.find('\t'), "a tab stands in the indentation", 0, first,
            std::string(indent, ' '));
      return true;
    }
    return false;
  }

  // False: nothing follows.
  bool skip_to_next(const YamlParseError& error) {
    for (const Line& line : lines_of(text_)) {
      const std::string_view content = std::string_view(text_).substr(line.begin, line.end - line.begin);
      if (line.begin < error.mark.offset || line.begin <= resumed_ || !is_separator(content)) continue;
      resumed_ = line.begin;
      text_ = blanked(std::move(text_), line.begin);
      return true;
    }
    return false;
  }

  std::string_view original_;
  std::string text_;
  Reporter& reporter_;
  int num_repairs_ = 0;
  size_t resumed_ = 0;  // where reading began again, after an error
};

// Where keys are the user's own, one may begin with a dash.
bool has_free_keys(std::string_view map_name) {
  constexpr std::string_view kMaps[] = {"data", "stringData", "binaryData", "annotations", "labels"};
  return std::find(std::begin(kMaps), std::end(kMaps), map_name) != std::end(kMaps);
}

// map_name: the key that the node is the value of.
void check_keys(const YamlNode& node, std::string_view map_name, Reporter& reporter,
                std::unordered_set<const YamlNode*>& seen) {
  if (!seen.insert(&node).second) return;
  for (const YamlNodePtr& item : node.items) check_keys(*item, "", reporter, seen);
  std::unordered_map<std::string_view, int> lines;
  for (const auto& [key, value] : node.entries) {
    check_keys(*value, key->is_scalar() ? std::string_view(key->text) : "", reporter, seen);
    if (!key->is_scalar()) continue;
    if (!has_free_keys(map_name) && key->is_plain() && tight_dash(key->text + ":")) {
      Finding& finding = reporter.add_at_mark(
          "yaml/dash-without-space", key->begin,
          "a dash without a space begins no list item: this is a key that is called \"" + key->text + "\"");
      Reporter::fix_with(finding, TextEdit{key->begin.offset + 1, key->begin.offset + 1, " "});
    }
    const auto [place, fresh] = lines.try_emplace(key->text, key->begin.line);
    if (!fresh && key->text != "<<")
      reporter.add_at_mark(
          "yaml/duplicate-key", key->begin,
          "the key \"" + key->text + "\" stands in line " + std::to_string(place->second) + " already");
  }
}

// The first anchor, or null.
const YamlNode* first_anchor(const YamlNode& node, std::unordered_set<const YamlNode*>& seen) {
  if (!seen.insert(&node).second) return nullptr;
  if (!node.anchor.empty()) return &node;
  for (const YamlNodePtr& item : node.items) {
    if (const YamlNode* found = first_anchor(*item, seen)) return found;
  }
  for (const auto& [key, value] : node.entries) {
    if (const YamlNode* found = first_anchor(*value, seen)) return found;
  }
  return nullptr;
}

}  // namespace

ReadFile read_documents(std::string_view text, Reporter& reporter) {
  return Reader(text, reporter).run();
}

void check_yaml_nodes(const YamlNode& root, Reporter& reporter) {
  std::unordered_set<const YamlNode*> seen;
  check_keys(root, "", reporter, seen);
  seen.clear();
  if (const YamlNode* anchor = first_anchor(root, seen))
    reporter.add_at_mark("yaml/anchor", anchor->begin,
                         "\"&" + anchor->anchor + "\" is expanded before the API server sees the object");
}

}  // namespace hadal
