#include "deploy/validate/yaml_template.h"

#include <cctype>

#include "base/utf8.h"
#include "deploy/validate/yaml_lines.h"

namespace hadal {
namespace {

// The next "}}" that stands in no string of the action; npos: there is none.
size_t find_close(std::string_view text, size_t at) {
  for (size_t i = at; i + 1 < text.size(); ++i) {
    if (text[i] == '}' && text[i + 1] == '}') return i;
    if (text[i] != '"' && text[i] != '`') continue;
    const char quote = text[i];
    size_t end = i + 1;
    while (end < text.size() && text[end] != quote && text[end] != '\n')
      end += quote == '"' && text[end] == '\\' ? 2 : 1;
    // A string that does not end in its line is none.
    if (end < text.size() && text[end] == quote) i = end;
  }
  return std::string_view::npos;
}

// The end of the action that begins at `begin`, after its "}}"; npos: it does not end, or begins as none
// does.
size_t action_end(std::string_view text, size_t begin) {
  size_t at = begin + 2;
  if (at < text.size() && text[at] == '-') ++at;
  at = text.find_first_not_of(" \t\r\n", at);
  if (at == std::string_view::npos) return at;
  const char c = text[at];
  const bool starts = std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '$' || c == '(' ||
                      c == '"' || c == '`' || c == '/' || c == '_' || c == '}';
  if (!starts) return std::string_view::npos;
  const size_t end = find_close(text, at);
  return end == std::string_view::npos ? end : end + 2;
}

bool is_control(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u < 0x20 && c != '\n' && c != '\r' && c != '\t') || u == 0x7F;
}

// "key:", "- item", a comment, a separator, or nothing.
bool is_yaml_line(std::string_view line) {
  const size_t first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos || line[first] == '#' || line[first] == '-') return true;
  const size_t colon = line.find(':', first);
  if (colon == std::string_view::npos) return false;
  return colon + 1 == line.size() || line[colon + 1] == ' ' || line[colon + 1] == '\r';
}

}  // namespace

std::string without_template_actions(std::string_view text) {
  std::string out(text);
  for (size_t at = text.find("{{"); at != std::string_view::npos; at = text.find("{{", at)) {
    const size_t end = action_end(text, at);
    if (end == std::string_view::npos) {
      at += 2;
      continue;
    }
    const size_t newline = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
    const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    const size_t after = std::min(text.find('\n', end), text.size());
    const bool alone = out.substr(line, at - line).find_first_not_of(" \t") == std::string::npos &&
                       text.substr(end, after - end).find_first_not_of(" \t\r") == std::string_view::npos;
    for (size_t i = at; i < end; ++i) {
      if (out[i] != '\n') out[i] = alone ? ' ' : 'x';
    }
    at = end;
  }
  return out;
}

bool looks_like_template(std::string_view text) {
  if (!utf8_is_valid(text)) return false;
  for (const char c : text) {
    if (is_control(c)) return false;
  }
  const std::string rest = without_template_actions(text);
  if (rest == text) return false;
  int num_lines = 0, num_yaml = 0;
  for (const TextLine& line : text_lines(rest)) {
    const std::string_view content = line.of(rest);
    if (content.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    ++num_lines;
    num_yaml += is_yaml_line(content) ? 1 : 0;
  }
  return num_yaml * 2 >= num_lines;
}

bool is_chart_template_path(std::string_view path) {
  return path.find("/templates/") != std::string_view::npos || path.starts_with("templates/");
}

}  // namespace hadal
