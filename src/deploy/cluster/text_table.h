// TextTable: rows of cells as lines of text. A value; any thread.
#pragma once

#include <string>
#include <vector>

namespace hadal::cluster {

// Columns padded to the widest, two spaces between; without the columns that only have a title.
class TextTable {
 public:
  // has_titles: the first row is one of titles.
  explicit TextTable(bool has_titles) : has_titles_(has_titles) {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string text(const std::string& indent) const;

 private:
  const bool has_titles_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace hadal::cluster
