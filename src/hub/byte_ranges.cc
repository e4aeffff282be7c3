#include "hub/byte_ranges.h"

#include <algorithm>

namespace hadal {

void RangeSet::add(ByteRange range) {
  if (range.begin >= range.end) return;
  auto at = ranges_.upper_bound(range.begin);
  if (at != ranges_.begin() && std::prev(at)->second >= range.begin) --at;
  while (at != ranges_.end() && at->first <= range.end) {
    range.begin = std::min(range.begin, at->first);
    range.end = std::max(range.end, at->second);
    at = ranges_.erase(at);
  }
  ranges_[range.begin] = range.end;
}

void RangeSet::remove(ByteRange range) {
  if (range.begin >= range.end) return;
  auto at = ranges_.upper_bound(range.begin);
  if (at != ranges_.begin() && std::prev(at)->second > range.begin) --at;
  while (at != ranges_.end() && at->first < range.end) {
    const ByteRange old{at->first, at->second};
    at = ranges_.erase(at);
    if (old.begin < range.begin) ranges_[old.begin] = range.begin;
    if (old.end > range.end) ranges_[range.end] = old.end;
  }
}

int64_t RangeSet::total() const {
  int64_t sum = 0;
  for (const auto& [begin, end] : ranges_) sum += end - begin;
  return sum;
}

bool RangeSet::covers(ByteRange range) const {
  if (range.begin >= range.end) return true;
  auto at = ranges_.upper_bound(range.begin);
  return at != ranges_.begin() && std::prev(at)->second >= range.end;
}

int64_t RangeSet::prefix_end() const {
  return !ranges_.empty() && ranges_.begin()->first == 0 ? ranges_.begin()->second : 0;
}

std::vector<ByteRange> RangeSet::missing(ByteRange within) const {
  std::vector<ByteRange> out;
  int64_t from = within.begin;
  for (const auto& [begin, end] : ranges_) {
    if (end <= from) continue;
    if (begin >= within.end) break;
    if (begin > from) out.push_back({from, begin});
    from = end;
  }
  if (from < within.end) out.push_back({from, within.end});
  return out;
}

std::vector<ByteRange> RangeSet::ranges() const {
  std::vector<ByteRange> out;
  for (const auto& [begin, end] : ranges_) out.push_back({begin, end});
  return out;
}

}  // namespace hadal
