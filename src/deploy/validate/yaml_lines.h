// Lines of a YAML text, for repairs that change one without moving the others. Pure; any thread.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

namespace hadal {

struct TextLine {
  size_t begin = 0;
  size_t end = 0;  // without the newline
  std::string_view of(std::string_view text) const { return text.substr(begin, end - begin); }
};

inline std::vector<TextLine> text_lines(std::string_view text) {
  std::vector<TextLine> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    out.push_back({begin, end});
    begin = end + 1;
  }
  return out;
}

inline size_t blanks_before(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

// Nothing, or a comment.
inline bool is_blank_line(std::string_view line) {
  const size_t first = line.find_first_not_of(" \t\r");
  return first == std::string_view::npos || line[first] == '#';
}

inline bool is_document_separator(std::string_view line) {
  return line.starts_with("---") &&
         (line.size() == 3 || line[3] == ' ' || line[3] == '\r' || line[3] == '\t');
}

}  // namespace hadal
