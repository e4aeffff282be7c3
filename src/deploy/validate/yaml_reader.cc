#include "deploy/validate/yaml_reader.h"

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/utf8.h"
#include "deploy/validate/yaml_dashes.h"
#include "deploy/validate/yaml_lines.h"
#include "deploy/validate/yaml_tabs.h"
#include "deploy/validate/yaml_template.h"

namespace hadal {
namespace {

constexpr YamlLimits kLimits{.max_depth = 100, .max_nodes = 500'000};
constexpr int kMaxRepairs = 30;
constexpr int kMaxErrors = 50;
// Parsed while depths are tried, of one file.
constexpr size_t kMaxTabBytes = size_t{4} << 20;
constexpr std::string_view kTabMessage = "a tab stands in the indentation";

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
  Reader(std::string_view text, std::string_view path, Reporter& reporter)
      : original_(text), path_(path), text_(text), reporter_(reporter) {}

  ReadFile run() {
    ReadFile out;
    for (int round = 0; round < kMaxErrors; ++round) {
      const YamlStream stream = parse_yaml_stream(text_, kLimits);
      take(stream, out);
      if (stream.errors.empty() || out.is_template) return out;
      const YamlParseError& error = stream.errors[0];
      if (is_of_template(error)) {
        report_template(error.mark, out);
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
    const std::vector<YamlDocument>& all = stream.documents;
    const size_t count = all.size() - (stream.errors.empty() || all.empty() ? 0 : 1);
    for (size_t i = 0; i < count; ++i) {
      const YamlDocument& document = all[i];
      if (document.root == nullptr) continue;
      if (const YamlNode* odd = template_node(*document.root)) {
        if (is_template()) return report_template(document.begin, out);
        if (reported_keys_.insert(odd->begin.line).second)
          reporter_.add_at_mark("yaml/syntax", odd->begin,
                                "a map stands where a key is: \"{{\" without quotes begins a map in a map");
        continue;
      }
      ReadDocument& taken = out.documents.emplace_back();
      taken.root = document.root;
      taken.begin = document.begin;
      taken.repaired = num_repairs_ > 0;
      const int end = i + 1 < all.size() ? all[i + 1].begin.line : INT32_MAX;
      taken.guessed = is_guessed(document.begin.line, end);
    }
  }

  bool is_guessed(int begin, int end) const {
    return std::any_of(guessed_.begin(), guessed_.end(),
                       [&](int line) { return line >= begin && line < end; });
  }

  // The same text will be read again from its beginning.
  static void drop_taken(ReadFile& out, const YamlStream& stream) {
    size_t count = 0;
    for (size_t i = 0; i + 1 < stream.documents.size(); ++i) {
      const YamlNodePtr& root = stream.documents[i].root;
      count += root != nullptr && template_node(*root) == nullptr ? 1 : 0;
    }
    out.documents.resize(out.documents.size() - std::min(count, out.documents.size()));
  }

  // "{{ .Values.x }}" without quotes is read as a map inside a map's key. Null: there is none.
  static const YamlNode* template_node(const YamlNode& node) {
    std::unordered_set<const YamlNode*> seen;
    return template_node(node, seen);
  }

  static const YamlNode* template_node(const YamlNode& node, std::unordered_set<const YamlNode*>& seen) {
    if (!seen.insert(&node).second) return nullptr;
    for (const auto& [key, value] : node.entries) {
      if (key->is_mapping()) return key.get();
      if (const YamlNode* found = template_node(*value, seen)) return found;
    }
    for (const YamlNodePtr& item : node.items) {
      if (const YamlNode* found = template_node(*item, seen)) return found;
    }
    return nullptr;
  }

  // Asked once: the text is looked through.
  bool is_template() {
    if (!is_template_) {
      is_template_ = original_.find("{{") != std::string_view::npos &&
                     (looks_like_template(original_) ||
                      (is_chart_template_path(path_) && without_template_actions(original_) != original_ &&
                       utf8_is_valid(original_)));
    }
    return *is_template_;
  }

  // Without the actions the error would not be there.
  bool is_of_template(const YamlParseError& error) {
    if (!is_template()) return false;
    const std::vector<TextLine> lines = text_lines(text_);
    for (const int line : {error.mark.line - 1, error.mark.line - 2}) {
      const std::string_view content = line_text(lines, line);
      const size_t first = std::min(content.find_first_not_of(" \t-"), content.size());
      if (content.substr(first).starts_with("{{")) return true;
    }
    const auto rest = first_error(without_template_actions(text_));
    return !rest || rest->mark.offset != error.mark.offset;
  }

  void report_template(const YamlMark& mark, ReadFile& out) {
    Finding& finding = reporter_.add_at_mark(
        "yaml/helm-template", mark, "this is a template (\"{{\"), not yet a manifest: it was not checked");
    // There it is no surprise.
    if (is_chart_template_path(path_)) finding.severity = Severity::kInfo;
    out.is_template = true;
    out.documents.clear();
  }

  void report_error(const YamlParseError& error) {
    // After a tab or a dash that is reported, what follows from it is not told again.
    if (is_told_document(error.mark.line)) return;
    if (error.mark.offset < text_.size() && text_[error.mark.offset] == '\t') {
      reporter_.add_at_mark("yaml/tab", error.mark, std::string(kTabMessage));
      return;
    }
    reporter_.add_at_mark("yaml/syntax", error.mark, "the YAML cannot be read: " + error.message);
  }

  // The error's document has a line whose depth was guessed.
  bool is_told_document(int line) const {
    const std::vector<TextLine> lines = text_lines(text_);
    int begin = line;
    while (begin > 1 && !is_document_separator(line_text(lines, begin - 1))) --begin;
    return is_guessed(begin, line + 1);
  }

  std::string_view line_text(const std::vector<TextLine>& lines, int number) const {
    return number >= 0 && number < static_cast<int>(lines.size())
               ? lines[static_cast<size_t>(number)].of(text_)
               : std::string_view();
  }

  // Tries to put right what people get wrong most; reports it. False: it is something else.
  bool repair(const YamlParseError& error) {
    if (num_repairs_ >= kMaxRepairs) return false;
    const std::vector<TextLine> lines = text_lines(text_);
    const int at = error.mark.line - 1;
    for (const int number : {at, at - 1, at + 1, at - 2}) {
      if (number < 0 || number >= static_cast<int>(lines.size())) continue;
      const std::string_view content = line_text(lines, number);
      if (const auto dash = tight_dash(content); dash && repair_dash(lines, number, *dash, error))
        return true;
      if (has_tab_indent(content) && number <= at && repair_tab(number, error)) return true;
    }
    return false;
  }

  // The finding, with the edits where they are sure. They are of the text that is read; the original's lines
  // are the same, those of them that are changed must be so literally.
  void report_repair(std::string_view rule, int line, size_t column, std::string message,
                     const std::vector<TextEdit>& edits, bool sure) {
    YamlMark mark;
    mark.line = line + 1;
    mark.column = static_cast<int>(column) + 1;
    Finding& finding = reporter_.add_at_mark(rule, mark, std::move(message));
    const std::vector<TextLine> now = text_lines(text_);
    const std::vector<TextLine> before = text_lines(original_);
    std::vector<TextEdit> moved;
    for (const TextEdit& edit : edits) {
      const auto place = std::upper_bound(now.begin(), now.end(), edit.begin,
                                          [](size_t offset, const TextLine& l) { return offset < l.begin; });
      const auto i = static_cast<size_t>(place - now.begin()) - 1;
      sure = sure && i < before.size() && before[i].of(original_) == now[i].of(text_);
      if (!sure) break;
      const size_t offset = before[i].begin - now[i].begin;
      moved.push_back({edit.begin + offset, edit.end + offset, edit.text});
    }
    ++num_repairs_;
    if (!sure) return;
    for (TextEdit& edit : moved) Reporter::fix_with(finding, std::move(edit));
  }

  bool repair_dash(const std::vector<TextLine>& lines, int number, size_t dash, const YamlParseError& error) {
    const TextLine& line = lines[static_cast<size_t>(number)];
    std::vector<TextEdit> edits = dash_edits(text_, lines, number, dash);
    const int last = last_line_of_item(text_, lines, number, dash);
    std::string changed;
    bool reads = false;
    // With the lines below it moved, and as they are.
    for (const bool moved : {true, false}) {
      if (!moved && edits.size() == 1) break;
      if (!moved) edits.resize(1);
      changed = apply_edits(text_, edits);
      const auto next = first_error(changed);
      reads = !next || next->mark.line > std::max(last + 1, error.mark.line);
      if (reads) break;
      // Another item of the same kind follows at once.
      reads = next->mark.line > last + 1 && next->mark.line >= error.mark.line &&
              tight_dash(line_text(lines, next->mark.line - 1)).has_value() && next->mark.line - 1 != number;
      if (reads) break;
    }
    if (!reads) return false;
    const bool sure = !is_told_document(number + 1);
    report_repair(
        "yaml/dash-without-space", number, dash,
        "a dash without a space begins no list item: YAML reads a key that is called \"" +
            text_.substr(line.begin + dash, text_.find(':', line.begin + dash) - line.begin - dash) + "\"",
        edits, sure);
    text_ = std::move(changed);
    return true;
  }

  bool repair_tab(int number, const YamlParseError& error) {
    auto repaired = repair_tabs(text_, number, tab_budget_);
    if (!repaired) return false;
    const auto next = first_error(repaired->text);
    if (next && next->mark.line <= error.mark.line) return false;
    const std::vector<TextLine> lines = text_lines(text_);
    const bool told = is_told_document(repaired->first_line + 1);
    std::vector<TextEdit> edits;
    for (int i = repaired->first_line; i <= repaired->last_line; ++i) {
      const TextLine& line = lines[static_cast<size_t>(i)];
      const size_t old = std::min(line.of(text_).find_first_not_of(" \t"), line.end - line.begin);
      edits.push_back({line.begin, line.begin + old,
                       std::move(repaired->indents[static_cast<size_t>(i - repaired->first_line)])});
    }
    std::string message(kTabMessage);
    if (repaired->last_line > repaired->first_line)
      message = "tabs stand in the indentation of lines " + std::to_string(repaired->first_line + 1) +
                " to " + std::to_string(repaired->last_line + 1);
    if (!repaired->sure && !told) message += ", and the lines around leave more than one depth open";
    const size_t column = line_text(lines, repaired->first_line).find('\t');
    report_repair("yaml/tab", repaired->first_line, column, std::move(message), edits,
                  repaired->sure && !told);
    if (!repaired->sure) guessed_.push_back(repaired->first_line + 1);
    text_ = std::move(repaired->text);
    return true;
  }

  // False: nothing follows.
  bool skip_to_next(const YamlParseError& error) {
    for (const TextLine& line : text_lines(text_)) {
      if (line.begin < error.mark.offset || line.begin <= resumed_ || !is_document_separator(line.of(text_)))
        continue;
      resumed_ = line.begin;
      text_ = blanked(std::move(text_), line.begin);
      return true;
    }
    return false;
  }

  std::string_view original_;
  std::string_view path_;
  std::string text_;
  Reporter& reporter_;
  int num_repairs_ = 0;
  size_t tab_budget_ = kMaxTabBytes;
  std::vector<int> guessed_;     // lines, from 1
  std::set<int> reported_keys_;  // lines, from 1
  std::optional<bool> is_template_;
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
      // All items at once: a list with one of them would not be read.
      for (TextEdit& edit : dash_edits_of_map(reporter.source(), node))
        Reporter::fix_with(finding, std::move(edit));
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

ReadFile read_documents(const ManifestFile& file, Reporter& reporter) {
  return Reader(file.text, file.path, reporter).run();
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
