#include "deploy/validate/edits.h"

#include <algorithm>

#include "base/json.h"

namespace hadal {
namespace {

size_t line_begin(std::string_view source, size_t offset) {
  const size_t newline = offset == 0 ? std::string_view::npos : source.rfind('\n', offset - 1);
  return newline == std::string_view::npos ? 0 : newline + 1;
}

// One past the line's newline.
size_t line_end(std::string_view source, size_t offset) {
  const size_t newline = source.find('\n', offset);
  return newline == std::string_view::npos ? source.size() : newline + 1;
}

// The value's text without the blanks and lines that libyaml counts to it.
size_t text_end(std::string_view source, const YamlNode& node) {
  size_t end = std::min(node.end.offset, source.size());
  while (end > node.begin.offset &&
         (source[end - 1] == '\n' || source[end - 1] == ' ' || source[end - 1] == '\r'))
    --end;
  return end;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// Where the member or item begins: its key, or its "- ".
std::optional<size_t> own_begin(std::string_view source, const Value& value) {
  if (value.key_node != nullptr) return value.key_node->begin.offset;
  const size_t begin = value.node->begin.offset;
  const size_t line = line_begin(source, begin);
  const size_t dash = source.substr(0, begin).rfind('-');
  if (dash == std::string_view::npos || dash < line || !is_blank(source.substr(line, dash - line)))
    return std::nullopt;
  return dash;
}

std::optional<TextEdit> remove_block(std::string_view source, const Value& value) {
  const std::optional<size_t> begin = own_begin(source, value);
  if (!begin || value.parent->members.size() + value.parent->items.size() < 2) return std::nullopt;
  const size_t line = line_begin(source, *begin);
  size_t end = text_end(source, *value.node);
  // An empty value ("key:") has no text of its own.
  if (value.key_node != nullptr) end = std::max(end, value.key_node->end.offset);
  const size_t after = line_end(source, end);
  const std::string_view rest = source.substr(end, after - end);
  const size_t rest_text = rest.find_first_not_of(" \t\r\n:");
  if (rest_text != std::string_view::npos && rest[rest_text] != '#') return std::nullopt;
  if (is_blank(source.substr(line, *begin - line))) return TextEdit{line, after, ""};
  // "- key: value": the next member takes the dash's line.
  const size_t next_line = source.find_first_not_of(" \t\r\n", after);
  if (value.key_node == nullptr || &value != &value.parent->members.front().value) return std::nullopt;
  const Value& next = value.parent->members[1].value;
  if (next.key_node == nullptr || next_line != next.key_node->begin.offset) return std::nullopt;
  return TextEdit{*begin, next_line, ""};
}

std::optional<TextEdit> remove_flow(std::string_view source, const Value& value) {
  const size_t begin = value.key_node != nullptr ? value.key_node->begin.offset : value.node->begin.offset;
  size_t end = std::max(begin, text_end(source, *value.node));
  if (value.key_node != nullptr) end = std::max(end, value.key_node->end.offset);
  size_t next = source.find_first_not_of(" \t\r\n", end);
  if (next == std::string_view::npos) return std::nullopt;
  if (source[next] == ',') {
    next = source.find_first_not_of(" \t", next + 1);
    return next == std::string_view::npos ? std::nullopt : std::optional(TextEdit{begin, next, ""});
  }
  if (source[next] != '}' && source[next] != ']') return std::nullopt;
  const size_t before = source.substr(0, begin).find_last_not_of(" \t\r\n");
  if (before == std::string_view::npos || source[before] != ',') return std::nullopt;
  return TextEdit{before, end, ""};
}

}  // namespace

std::string yaml_quoted(std::string_view text) {
  return to_json(Json(text));
}

std::optional<TextEdit> replace_scalar(const Value& scalar, std::string_view text, bool quote) {
  if (scalar.node == nullptr || !scalar.node->is_scalar()) return std::nullopt;
  using Style = YamlNode::Style;
  const YamlNode& node = *scalar.node;
  if (node.style == Style::kLiteral || node.style == Style::kFolded || node.begin.line != node.end.line)
    return std::nullopt;
  if (node.begin.offset == node.end.offset || !node.tag.empty()) return std::nullopt;
  return TextEdit{node.begin.offset, node.end.offset, quote ? yaml_quoted(text) : std::string(text)};
}

std::optional<TextEdit> rename_key(const Value& value, std::string_view name) {
  if (value.key_node == nullptr || !value.key_node->is_plain()) return std::nullopt;
  if (value.parent == nullptr || value.parent->find(name) != nullptr) return std::nullopt;
  return TextEdit{value.key_node->begin.offset, value.key_node->end.offset, std::string(name)};
}

std::optional<TextEdit> remove_value(std::string_view source, const Value& value) {
  if (value.node == nullptr || value.parent == nullptr || value.parent->node == nullptr) return std::nullopt;
  // Through an alias or a merge the text stands elsewhere, and serves others.
  const YamlNode& parent = *value.parent->node;
  if (value.node->begin.offset < parent.begin.offset || value.node->begin.offset > parent.end.offset)
    return std::nullopt;
  return parent.style == YamlNode::Style::kFlow ? remove_flow(source, value) : remove_block(source, value);
}

std::optional<TextEdit> insert_member(std::string_view source, const Value& map, std::string_view key,
                                      std::string_view text) {
  if (!map.is_map() || map.node == nullptr || map.members.empty() || map.find(key) != nullptr)
    return std::nullopt;
  const Value& last = map.members.back().value;
  if (last.node == nullptr || last.key_node == nullptr || last.node->begin.offset < map.node->begin.offset ||
      last.node->begin.offset > map.node->end.offset)
    return std::nullopt;
  std::string line(key);
  line.append(": ").append(text);
  if (map.node->style == YamlNode::Style::kFlow) {
    const size_t end = std::max(text_end(source, *last.node), last.key_node->end.offset);
    return TextEdit{end, end, ", " + line};
  }
  const size_t begin = last.key_node->begin.offset;
  const size_t indent = begin - line_begin(source, begin);
  const size_t end = std::max(text_end(source, *last.node), last.key_node->end.offset);
  const size_t after = line_end(source, end);
  const bool has_newline = after > 0 && after <= source.size() && source[after - 1] == '\n';
  return TextEdit{after, after,
                  (has_newline ? "" : "\n") + std::string(indent, ' ') + line + (has_newline ? "\n" : "")};
}

std::optional<TextEdit> insert_before(std::string_view source, const Value& member, std::string_view line) {
  if (member.key_node == nullptr || member.parent == nullptr || member.parent->node == nullptr)
    return std::nullopt;
  const size_t begin = member.key_node->begin.offset;
  const size_t start = line_begin(source, begin);
  if (member.parent->node->style == YamlNode::Style::kFlow)
    return TextEdit{begin, begin, std::string(line) + ", "};
  return TextEdit{begin, begin, std::string(line) + "\n" + std::string(begin - start, ' ')};
}

std::string apply_edits(std::string_view text, std::vector<TextEdit> edits, int* num_applied) {
  std::stable_sort(edits.begin(), edits.end(), [](const TextEdit& a, const TextEdit& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::string out;
  size_t place = 0;
  int count = 0;
  const TextEdit* last = nullptr;
  for (const TextEdit& edit : edits) {
    if (edit.begin < place || edit.end < edit.begin || edit.end > text.size()) continue;
    if (last != nullptr && last->begin == edit.begin && last->end == edit.end && last->text == edit.text)
      continue;
    out.append(text.substr(place, edit.begin - place)).append(edit.text);
    place = edit.end;
    last = &edit;
    ++count;
  }
  out.append(text.substr(place));
  if (num_applied != nullptr) *num_applied = count;
  return out;
}

}  // namespace hadal
