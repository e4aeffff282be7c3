// AddedTokens: finds in a text the tokens that stand outside BPE (<|im_start|>, <think>, ...): the leftmost,
// of these the longest. Const after building: any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/unicode.h"

namespace hadal {

// One entry of tokenizer.json's `added_tokens`.
struct AddedToken {
  int32_t id = -1;
  std::string content;
  bool special = false;      // dropped by skip_special_tokens
  bool normalized = false;   // looked for in normalized text, by its normalized content
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and after it
};

// Finds a set of strings, byte by byte in a trie: O(text x longest string).
class AddedTokenFinder {
 public:
  static constexpr size_t kMaxContent = 1024;  // bytes

  AddedTokenFinder() { root_.fill(-1); }
  // `content`: what is looked for, 1..kMaxContent bytes; of equal contents the last counts. Flags are taken
  // from `token`.
  void add(std::string_view content, const AddedToken& token);
  bool empty() const { return nodes_.empty(); }

  // Calls on_text(begin, end) and on_token(id) in the text's order, for all of `text` (valid UTF-8).
  template <typename OnText, typename OnToken>
  void split(const UnicodeTables& tables, std::string_view text, OnText&& on_text, OnToken&& on_token) const {
    size_t begin = 0;  // of the text not yet given out
    size_t at = 0;
    for (Match match = next(text, at); match.found; match = next(text, at)) {
      at = match.end;
      if (!widen(tables, text, begin, match)) continue;
      if (match.begin > begin) on_text(begin, match.begin);
      on_token(match.id);
      begin = match.end;
    }
    if (begin < text.size()) on_text(begin, text.size());
  }

 private:
  struct Node {
    int32_t child = -1;
    int32_t sibling = -1;
    int32_t token = -1;  // index into tokens_
    char byte = 0;
  };
  struct Token {
    int32_t id;
    bool single_word;
    bool lstrip;
    bool rstrip;
  };
  struct Match {
    bool found = false;
    size_t begin = 0;
    size_t end = 0;
    int32_t id = -1;
    int32_t token = -1;
  };
  Match next(std::string_view text, size_t from) const;
  // Applies lstrip and rstrip; false when single_word forbids the match.
  bool widen(const UnicodeTables& tables, std::string_view text, size_t free_from, Match& match) const;

  std::array<int32_t, 256> root_;
  std::vector<Node> nodes_;
  std::vector<Token> tokens_;
};

}  // namespace hadal
