#include "deploy/validate/yaml_dashes.h"

#include <string>

namespace hadal {
namespace {

// Blanks put before each line that is not empty, or taken from it.
void shift_lines(std::string_view text, const std::vector<TextLine>& lines, int first, int last, int by,
                 std::vector<TextEdit>& out) {
  for (int i = first; i <= last; ++i) {
    const TextLine& line = lines[static_cast<size_t>(i)];
    const std::string_view content = line.of(text);
    if (content.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (by > 0) {
      out.push_back({line.begin, line.begin, std::string(static_cast<size_t>(by), ' ')});
    } else if (blanks_before(content) >= static_cast<size_t>(-by)) {
      out.push_back({line.begin, line.begin + static_cast<size_t>(-by), ""});
    }
  }
}

}  // namespace

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

int last_line_of_item(std::string_view text, const std::vector<TextLine>& lines, int line, size_t column) {
  int last = line;
  for (int i = line + 1; i < static_cast<int>(lines.size()); ++i) {
    const std::string_view content = lines[static_cast<size_t>(i)].of(text);
    if (content.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (blanks_before(content) <= column) break;
    last = i;
  }
  return last;
}

std::vector<TextEdit> dash_edits(std::string_view text, const std::vector<TextLine>& lines, int line,
                                 size_t dash) {
  const size_t begin = lines[static_cast<size_t>(line)].begin + dash + 1;
  std::vector<TextEdit> out{{begin, begin, " "}};
  const int last = last_line_of_item(text, lines, line, dash);
  int next = line + 1;
  while (next <= last && is_blank_line(lines[static_cast<size_t>(next)].of(text))) ++next;
  if (next > last) return out;
  const auto have = static_cast<int>(blanks_before(lines[static_cast<size_t>(next)].of(text)));
  const int by = static_cast<int>(dash) + 2 - have;
  if (by == 1 || by == -1) shift_lines(text, lines, line + 1, last, by, out);
  return out;
}

std::vector<TextEdit> dash_edits_of_map(std::string_view text, const YamlNode& map) {
  std::vector<TextEdit> out;
  if (map.style == YamlNode::Style::kFlow || map.entries.empty()) return out;
  const std::vector<TextLine> lines = text_lines(text);
  const auto column = static_cast<size_t>(map.entries[0].first->begin.column - 1);
  bool first = true;
  for (const auto& [key, value] : map.entries) {
    const int line = key->begin.line - 1;
    if (line < 0 || line >= static_cast<int>(lines.size())) return {};
    const std::string_view content = lines[static_cast<size_t>(line)].of(text);
    const bool is_item = key->is_plain() && tight_dash(key->text + ":").has_value();
    // "- -name: x", or a key that an alias brought: the line is not its alone.
    if (blanks_before(content) != column || content.substr(column, key->text.size()) != key->text) return {};
    if (first && !is_item) return {};
    first = false;
    const int last = last_line_of_item(text, lines, line, column);
    if (is_item) {
      out.push_back({key->begin.offset + 1, key->begin.offset + 1, " "});
      // What stands under the key must stay further in than it.
      const bool beside = !value->is_scalar() && value->begin.line > key->begin.line &&
                          value->begin.column - 1 <= static_cast<int>(column) + 2;
      if (beside) shift_lines(text, lines, line + 1, last, 2, out);
    } else {
      shift_lines(text, lines, line, last, 2, out);
    }
  }
  return out;
}

}  // namespace hadal
