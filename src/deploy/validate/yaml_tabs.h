// repair_tabs: gives lines that are indented with tabs the depth that the lines around them leave open. Every
// depth is tried and read; a repair is sure only where all that can be read and that make sense are one and
// the same tree. Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

struct TabRepair {
  int first_line = 0;  // from 0; the lines that follow one another with tabs
  int last_line = 0;
  bool sure = false;                 // false: one of several depths, good for reading on
  std::vector<std::string> indents;  // of each line: what stands there instead
  std::string text;                  // the whole, repaired
};

// Whether a tab stands in the line's indentation.
bool has_tab_indent(std::string_view line);

// line: from 0, one with a tab. Nothing: no depth can be read. budget: bytes that may be parsed, shared by
// the calls for one text.
std::optional<TabRepair> repair_tabs(std::string_view text, int line, size_t& budget);

}  // namespace hadal
