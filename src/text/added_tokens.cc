#include "text/added_tokens.h"

#include <algorithm>

#include "base/check.h"

namespace hadal {
namespace {

// Start of the code point that ends at `end` > 0.
size_t code_point_before(std::string_view text, size_t end) {
  size_t i = end - 1;
  while (i > 0 && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) --i;
  return i;
}

}  // namespace

void AddedTokenFinder::add(std::string_view content, const AddedToken& token) {
  HADAL_CHECK(!content.empty() && content.size() <= kMaxContent);
  const auto make_node = [&](char byte) {
    nodes_.push_back({.byte = byte});
    return static_cast<int32_t>(nodes_.size() - 1);
  };
  int32_t& first = root_[static_cast<unsigned char>(content[0])];
  if (first < 0) first = make_node(content[0]);
  int32_t node = first;
  for (const char c : content.substr(1)) {
    int32_t child = nodes_[static_cast<size_t>(node)].child;
    while (child >= 0 && nodes_[static_cast<size_t>(child)].byte != c)
      child = nodes_[static_cast<size_t>(child)].sibling;
    if (child < 0) {
      child = make_node(c);
      Node& parent = nodes_[static_cast<size_t>(node)];
      nodes_[static_cast<size_t>(child)].sibling = parent.child;
      parent.child = child;
    }
    node = child;
  }
  nodes_[static_cast<size_t>(node)].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back({token.id, token.single_word, token.lstrip, token.rstrip});
}

AddedTokenFinder::Match AddedTokenFinder::next(std::string_view text, size_t from) const {
  Match match;
  if (nodes_.empty()) return match;
  for (size_t i = from; i < text.size(); ++i) {
    int32_t node = root_[static_cast<unsigned char>(text[i])];
    for (size_t k = i + 1; node >= 0; ++k) {
      const Node& n = nodes_[static_cast<size_t>(node)];
      if (n.token >= 0) match = {true, i, k, tokens_[static_cast<size_t>(n.token)].id, n.token};
      if (k == text.size()) break;
      node = n.child;
      while (node >= 0 && nodes_[static_cast<size_t>(node)].byte != text[k])
        node = nodes_[static_cast<size_t>(node)].sibling;
    }
    if (match.found) return match;
  }
  return match;
}

bool AddedTokenFinder::widen(const UnicodeTables& tables, std::string_view text, size_t free_from,
                             Match& match) const {
  const Token& token = tokens_[static_cast<size_t>(match.token)];
  const auto value_at = [&](size_t i) { return decode_valid(text.data() + i).value; };
  if (token.single_word) {
    if (match.begin > 0 && is_word(tables, value_at(code_point_before(text, match.begin)))) return false;
    if (match.end < text.size() && is_word(tables, value_at(match.end))) return false;
  }
  if (token.lstrip) {
    size_t begin = match.begin;
    while (begin > free_from) {
      const size_t before = code_point_before(text, begin);
      if (!(tables.classes(value_at(before)) & kWhiteSpace)) break;
      begin = before;
    }
    match.begin = std::max(begin, free_from);
  }
  if (token.rstrip) {
    while (match.end < text.size()) {
      const CodePoint c = decode_valid(text.data() + match.end);
      if (!(tables.classes(c.value) & kWhiteSpace)) break;
      match.end += c.length;
    }
  }
  return true;
}

}  // namespace hadal
