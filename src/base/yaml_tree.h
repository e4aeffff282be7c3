// YamlTree: YAML with the place of every key and value, and how it was written: for messages that say
// file:line:column, and for tools that change a document's text. libyaml reads it, whose rules are those of
// Kubernetes' own reader (sigs.k8s.io/yaml, a port of it). Values; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hadal {

// A place in the text: line and column from 1, column in characters; offset in bytes from 0.
struct YamlMark {
  int line = 1;
  int column = 1;
  size_t offset = 0;
};

class YamlNode;
using YamlNodePtr = std::shared_ptr<const YamlNode>;

// One node. Aliases are resolved: two parents may share a child.
class YamlNode {
 public:
  enum class Kind { kScalar, kSequence, kMapping };
  enum class Style { kPlain, kSingleQuoted, kDoubleQuoted, kLiteral, kFolded, kBlock, kFlow };
  using Entry = std::pair<YamlNodePtr, YamlNodePtr>;  // key, value

  Kind kind = Kind::kScalar;
  Style style = Style::kPlain;
  std::string tag;                 // explicit only: "!!str", "!custom"; else empty
  std::string anchor;              // "&a" without "&"; else empty
  std::string text;                // of a scalar, escapes and folds undone
  std::vector<YamlNodePtr> items;  // of a sequence
  std::vector<Entry> entries;      // of a mapping, in order; keys may be of any kind and appear twice
  YamlMark begin;                  // of the node's first character (after its anchor and tag)
  YamlMark end;                    // one past its last character

  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_sequence() const { return kind == Kind::kSequence; }
  bool is_mapping() const { return kind == Kind::kMapping; }
  bool is_plain() const { return is_scalar() && style == Style::kPlain; }
  // The value of a mapping's first such key, or null.
  const YamlNode* find(std::string_view key) const;
  // That key itself, for its place.
  const YamlNode* find_key(std::string_view key) const;
};

struct YamlDocument {
  YamlNodePtr root;  // null: nothing stands between two "---"
  YamlMark begin;
};

struct YamlParseError {
  YamlMark mark;
  std::string message;  // lower case, no full stop
};

struct YamlStream {
  std::vector<YamlDocument> documents;  // those before the error too
  std::vector<YamlParseError> errors;   // at most one: libyaml stops at the first
};

struct YamlLimits {
  int max_depth = 64;
  int max_nodes = 1'000'000;  // of the whole stream; an alias counts as all that it stands for
};

// Reads every document. Never fails as a whole: what could not be read is in `errors`.
YamlStream parse_yaml_stream(std::string_view text, const YamlLimits& limits = {});

// How plain scalars get their types.
enum class YamlSchema {
  kCore,        // YAML 1.2 core: true and false, null, integers, floats
  kKubernetes,  // what sigs.k8s.io/yaml makes of them (YAML 1.1): yes, no, on, off, y, n are booleans too;
                // 0o17 and 017 octal, 0x1f, 1_000, .inf, base 60 is text
};

// The value of a scalar: null, bool, integer, double or string. Quoted scalars and "!!str" are strings.
Json yaml_scalar(const YamlNode& scalar, YamlSchema schema);

// The whole node. Mappings become objects; a key that appears twice keeps its last value; non-string keys
// become their text. "<<" merges as YAML 1.1 has it under kKubernetes.
Json yaml_to_json(const YamlNode& node, YamlSchema schema);

}  // namespace hadal
