// ByteRange and RangeSet: which bytes of a file are there. Values; one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace hadal {

// [begin, end)
struct ByteRange {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const ByteRange&) const = default;
};

// Disjoint ranges, neighbours joined.
class RangeSet {
 public:
  void add(ByteRange range);  // empty ranges change nothing
  void remove(ByteRange range);
  void clear() { ranges_.clear(); }
  bool empty() const { return ranges_.empty(); }
  int64_t total() const;
  bool covers(ByteRange range) const;
  // The end of what is there from byte 0 on without a gap; 0: byte 0 is missing.
  int64_t prefix_end() const;
  // What `within` lacks, in order.
  std::vector<ByteRange> missing(ByteRange within) const;
  std::vector<ByteRange> ranges() const;
  size_t count() const { return ranges_.size(); }

 private:
  std::map<int64_t, int64_t> ranges_;  // begin to end
};

}  // namespace hadal
