#include "text/stop_matcher.h"

namespace hadal {

StopMatcher::StopMatcher(std::vector<std::string> stops, bool include_stop)
    : stops_(std::move(stops)), include_stop_(include_stop) {
  nodes_.emplace_back();
  for (size_t i = 0; i < stops_.size(); ++i) {
    if (!stops_[i].empty()) insert(i);
  }
  link();
}

int32_t StopMatcher::child_of(int32_t node, char byte) const {
  int32_t child = nodes_[static_cast<size_t>(node)].child;
  while (child >= 0 && nodes_[static_cast<size_t>(child)].byte != byte) {
    child = nodes_[static_cast<size_t>(child)].sibling;
  }
  return child;
}

void StopMatcher::insert(size_t stop) {
  int32_t node = 0;
  for (const char byte : stops_[stop]) {
    int32_t child = child_of(node, byte);
    if (child < 0) {
      child = static_cast<int32_t>(nodes_.size());
      Node& parent = nodes_[static_cast<size_t>(node)];
      nodes_.push_back({.sibling = parent.child, .depth = parent.depth + 1, .byte = byte});
      nodes_[static_cast<size_t>(node)].child = child;
    }
    node = child;
  }
  Node& end = nodes_[static_cast<size_t>(node)];
  if (end.stop < 0) end.stop = static_cast<int32_t>(stop);  // of equal strings the first
}

// Breadth first, so that a node's suffix is complete before the node.
void StopMatcher::link() {
  std::vector<int32_t> queue{0};
  for (size_t i = 0; i < queue.size(); ++i) {
    const int32_t id = queue[i];
    Node& node = nodes_[static_cast<size_t>(id)];
    const Node& suffix = nodes_[static_cast<size_t>(node.suffix)];
    if (node.stop < 0) node.stop = suffix.stop;
    node.open_depth = node.child >= 0 ? node.depth : suffix.open_depth;
    for (int32_t child = node.child; child >= 0; child = nodes_[static_cast<size_t>(child)].sibling) {
      queue.push_back(child);
      if (id == 0) continue;
      const char byte = nodes_[static_cast<size_t>(child)].byte;
      int32_t at = node.suffix;
      while (at != 0 && child_of(at, byte) < 0) at = nodes_[static_cast<size_t>(at)].suffix;
      const int32_t target = child_of(at, byte);
      nodes_[static_cast<size_t>(child)].suffix = target < 0 ? 0 : target;
    }
  }
}

bool StopMatcher::push(std::string_view text, std::string& out) {
  if (matched_) return true;
  if (nodes_.size() == 1) {
    out += text;
    return false;
  }
  for (const char byte : text) {
    held_ += byte;
    while (state_ != 0 && child_of(state_, byte) < 0) state_ = nodes_[static_cast<size_t>(state_)].suffix;
    const int32_t child = child_of(state_, byte);
    state_ = child < 0 ? 0 : child;
    take_match();
    if (candidate_ && settle(out)) return true;
  }
  // What no stop string that is still possible reaches back to is safe.
  size_t safe = held_.size() - nodes_[static_cast<size_t>(state_)].open_depth;
  if (candidate_) safe = std::min(safe, candidate_begin_);
  out.append(held_, 0, safe);
  held_.erase(0, safe);
  if (candidate_) candidate_begin_ -= safe;
  return false;
}

// The earliest start wins, then the longest; the longest stop string that ends here starts first of those
// that do.
void StopMatcher::take_match() {
  const int32_t stop = nodes_[static_cast<size_t>(state_)].stop;
  if (stop < 0) return;
  const size_t begin = held_.size() - stops_[static_cast<size_t>(stop)].size();
  if (candidate_ && begin > candidate_begin_) return;
  candidate_ = static_cast<size_t>(stop);
  candidate_begin_ = begin;
}

// Ends the output at the candidate once nothing that starts there or before it can still grow.
bool StopMatcher::settle(std::string& out) {
  const size_t open_begin = held_.size() - nodes_[static_cast<size_t>(state_)].open_depth;
  if (open_begin <= candidate_begin_) return false;
  matched_ = candidate_;
  out.append(held_, 0, candidate_begin_);
  if (include_stop_) out += stops_[*matched_];
  held_.clear();
  return true;
}

void StopMatcher::finish(std::string& out) {
  if (matched_) return;
  if (candidate_) {
    matched_ = candidate_;
    held_.resize(candidate_begin_);
    if (include_stop_) held_ += stops_[*matched_];
  }
  out += held_;
  held_.clear();
}

}  // namespace hadal
