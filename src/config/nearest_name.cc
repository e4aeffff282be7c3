#include "config/nearest_name.h"

#include <algorithm>
#include <vector>

namespace hadal {

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int up = row[j];
      row[j] = std::min({up + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = up;
    }
  }
  return row[b.size()];
}

namespace {

size_t common_begin(std::string_view a, std::string_view b) {
  size_t out = 0;
  while (out < std::min(a.size(), b.size()) && a[out] == b[out]) ++out;
  return out;
}

}  // namespace

std::string nearest_name(std::string_view name, std::span<const std::string_view> candidates) {
  constexpr size_t kMaxNameBytes = 128;  // a longer one is no misspelling
  constexpr size_t kLeastPrefix = 5;
  if (name.size() > kMaxNameBytes) return "";
  std::string best;
  int best_distance = static_cast<int>(std::max<size_t>(2, name.size() / 4)) + 1;
  for (std::string_view candidate : candidates) {
    const int distance = edit_distance(name, candidate);
    // Of two as near, the one that begins alike: "gpus" is meant as gpu and not as cpus.
    const bool nearer =
        distance < best_distance || (distance == best_distance && !best.empty() &&
                                     common_begin(name, candidate) > common_begin(name, best));
    // Two changed letters of three are another word.
    if (nearer && distance < static_cast<int>(std::max(name.size(), candidate.size())) - 1) {
      best_distance = distance;
      best = candidate;
    }
  }
  if (!best.empty() || name.size() < kLeastPrefix) return best;
  for (std::string_view candidate : candidates) {
    if (candidate.starts_with(name)) return std::string(candidate);
  }
  return "";
}

}  // namespace hadal
