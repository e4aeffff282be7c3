#include "deploy/cluster/text_table.h"

#include <algorithm>

namespace hadal::cluster {

std::string TextTable::text(const std::string& indent) const {
  std::vector<size_t> widths;
  for (size_t r = has_titles_ ? 1 : 0; r < rows_.size(); ++r) {
    widths.resize(std::max(widths.size(), rows_[r].size()));
    for (size_t i = 0; i < rows_[r].size(); ++i) widths[i] = std::max(widths[i], rows_[r][i].size());
  }
  for (size_t i = 0; has_titles_ && i < widths.size(); ++i) {
    if (widths[i] > 0) widths[i] = std::max(widths[i], rows_[0][i].size());
  }
  std::string out;
  for (const auto& cells : rows_) {
    std::string line = indent;
    for (size_t i = 0; i < cells.size() && i < widths.size(); ++i) {
      if (widths[i] > 0) line += cells[i] + std::string(widths[i] - cells[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace hadal::cluster
