#include "base/yaml_tree.h"

#include <yaml.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/utf8.h"

namespace hadal {
namespace {

// libyaml counts characters; this finds their bytes.
class ByteOffsets {
 public:
  explicit ByteOffsets(std::string_view text) : text_(text) {
    for (const char c : text) ascii_ = ascii_ && static_cast<unsigned char>(c) < 0x80;
  }
  // Marks come nearly in order, so each search goes on from the last.
  size_t at(size_t character) {
    if (ascii_) return std::min(character, text_.size());
    if (character < character_) character_ = byte_ = 0;
    while (character_ < character && byte_ < text_.size()) {
      ++byte_;
      while (byte_ < text_.size() && (static_cast<unsigned char>(text_[byte_]) & 0xC0) == 0x80) ++byte_;
      ++character_;
    }
    return byte_;
  }

 private:
  std::string_view text_;
  bool ascii_ = true;
  size_t character_ = 0;
  size_t byte_ = 0;
};

// Owns libyaml's parser.
class Parser {
 public:
  explicit Parser(std::string_view text) {
    HADAL_CHECK(yaml_parser_initialize(&parser_) == 1) << "out of memory";
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~Parser() { yaml_parser_delete(&parser_); }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  yaml_parser_t* get() { return &parser_; }

 private:
  yaml_parser_t parser_{};
};

class Event {
 public:
  Event() = default;
  ~Event() { yaml_event_delete(&event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  yaml_event_t* get() { return &event_; }
  const yaml_event_t* operator->() const { return &event_; }

 private:
  yaml_event_t event_{};
};

std::string text_of(const yaml_char_t* text) {
  return text == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(text));
}

YamlNode::Style style_of(yaml_scalar_style_t style) {
  switch (style) {
    case YAML_SINGLE_QUOTED_SCALAR_STYLE:
      return YamlNode::Style::kSingleQuoted;
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
      return YamlNode::Style::kDoubleQuoted;
    case YAML_LITERAL_SCALAR_STYLE:
      return YamlNode::Style::kLiteral;
    case YAML_FOLDED_SCALAR_STYLE:
      return YamlNode::Style::kFolded;
    default:
      return YamlNode::Style::kPlain;
  }
}

std::string short_tag(std::string tag) {
  constexpr std::string_view kPrefix = "tag:yaml.org,2002:";
  return tag.starts_with(kPrefix) ? "!!" + tag.substr(kPrefix.size()) : tag;
}

class Builder {
 public:
  Builder(std::string_view text, const YamlLimits& limits) : parser_(text), offsets_(text), limits_(limits) {}

  YamlStream run() {
    for (;;) {
      Event event;
      if (yaml_parser_parse(parser_.get(), event.get()) == 0) {
        add_parser_error();
        return std::move(out_);
      }
      if (event->type == YAML_STREAM_END_EVENT || !take(event)) return std::move(out_);
    }
  }

 private:
  struct Open {
    std::shared_ptr<YamlNode> node;
    int64_t size = 1;  // nodes, aliases counted as what they stand for
    YamlNodePtr key;   // of a mapping: waits for its value
  };

  YamlMark mark(const yaml_mark_t& m) {
    return YamlMark{static_cast<int>(m.line) + 1, static_cast<int>(m.column) + 1, offsets_.at(m.index)};
  }

  bool fail(const yaml_mark_t& where, std::string message) {
    out_.errors.push_back({mark(where), std::move(message)});
    return false;
  }

  void add_parser_error() {
    const yaml_parser_t& p = *parser_.get();
    if (p.error == YAML_READER_ERROR) {
      // The reader knows a byte offset, not a line.
      out_.errors.push_back({YamlMark{static_cast<int>(p.mark.line) + 1, static_cast<int>(p.mark.column) + 1,
                                      offsets_.at(p.mark.index)},
                             std::string(p.problem == nullptr ? "cannot be read" : p.problem) + " (byte " +
                                 std::to_string(p.problem_offset) + ")"});
      return;
    }
    std::string message = p.problem == nullptr ? "not YAML" : p.problem;
    if (p.context != nullptr) {
      message += std::string(" ") + p.context;
      if (p.context_mark.line != p.problem_mark.line)
        message += " that begins in line " + std::to_string(p.context_mark.line + 1);
    }
    fail(p.problem_mark, std::move(message));
  }

  bool take(const Event& event) {
    switch (event->type) {
      case YAML_DOCUMENT_START_EVENT:
        out_.documents.push_back({nullptr, mark(event->start_mark)});
        anchors_.clear();
        return true;
      case YAML_ALIAS_EVENT:
        return alias(event);
      case YAML_SCALAR_EVENT:
        return scalar(event);
      case YAML_SEQUENCE_START_EVENT: {
        const auto& e = event->data.sequence_start;
        return open(event, YamlNode::Kind::kSequence, e.style == YAML_FLOW_SEQUENCE_STYLE, e.tag, e.anchor);
      }
      case YAML_MAPPING_START_EVENT: {
        const auto& e = event->data.mapping_start;
        return open(event, YamlNode::Kind::kMapping, e.style == YAML_FLOW_MAPPING_STYLE, e.tag, e.anchor);
      }
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        return close(event);
      default:
        return true;
    }
  }

  bool alias(const Event& event) {
    const std::string name = text_of(event->data.alias.anchor);
    const auto found = anchors_.find(name);
    if (found == anchors_.end())
      return fail(event->start_mark, "there is no anchor \"&" + name + "\" before this");
    return add(found->second.node, found->second.size, event->start_mark);
  }

  bool scalar(const Event& event) {
    const auto& e = event->data.scalar;
    auto node = std::make_shared<YamlNode>();
    node->kind = YamlNode::Kind::kScalar;
    node->style = style_of(e.style);
    // An explicit "!" makes a plain scalar a string.
    node->tag = short_tag(text_of(e.tag));
    node->anchor = text_of(e.anchor);
    node->text.assign(reinterpret_cast<const char*>(e.value), e.length);
    node->begin = mark(event->start_mark);
    node->end = mark(event->end_mark);
    if (!node->anchor.empty()) anchors_[node->anchor] = {node, 1};
    return add(node, 1, event->start_mark);
  }

  bool open(const Event& event, YamlNode::Kind kind, bool flow, const yaml_char_t* tag,
            const yaml_char_t* anchor) {
    if (static_cast<int>(stack_.size()) >= limits_.max_depth) {
      return fail(event->start_mark, "nested deeper than " + std::to_string(limits_.max_depth) + " levels");
    }
    Open level;
    level.node = std::make_shared<YamlNode>();
    level.node->kind = kind;
    level.node->style = flow ? YamlNode::Style::kFlow : YamlNode::Style::kBlock;
    level.node->tag = short_tag(text_of(tag));
    level.node->anchor = text_of(anchor);
    level.node->begin = mark(event->start_mark);
    stack_.push_back(std::move(level));
    return true;
  }

  bool close(const Event& event) {
    Open done = std::move(stack_.back());
    stack_.pop_back();
    YamlNode& node = *done.node;
    node.end = mark(event->end_mark);
    // libyaml ends a block where the next thing begins.
    if (node.style == YamlNode::Style::kBlock) {
      const YamlNode* last = nullptr;
      if (!node.items.empty()) last = node.items.back().get();
      if (!node.entries.empty()) last = node.entries.back().second.get();
      if (last != nullptr && last->end.offset > node.begin.offset) node.end = last->end;
    }
    if (!node.anchor.empty()) anchors_[node.anchor] = {done.node, done.size};
    return add(done.node, done.size, event->start_mark);
  }

  bool add(YamlNodePtr node, int64_t size, const yaml_mark_t& where) {
    num_nodes_ += 1;
    int64_t total = size;
    if (!stack_.empty()) total = stack_.back().size += size;
    if (total > limits_.max_nodes || num_nodes_ > limits_.max_nodes) {
      return fail(where, "more than " + std::to_string(limits_.max_nodes) + " values, aliases expanded");
    }
    if (stack_.empty()) {
      out_.documents.back().root = std::move(node);
      return true;
    }
    Open& parent = stack_.back();
    if (parent.node->is_sequence()) {
      parent.node->items.push_back(std::move(node));
    } else if (parent.key == nullptr) {
      parent.key = std::move(node);
    } else {
      parent.node->entries.emplace_back(std::exchange(parent.key, nullptr), std::move(node));
    }
    return true;
  }

  struct Anchor {
    YamlNodePtr node;
    int64_t size = 1;
  };

  Parser parser_;
  ByteOffsets offsets_;
  const YamlLimits limits_;
  YamlStream out_;
  std::vector<Open> stack_;
  std::map<std::string, Anchor> anchors_;
  int64_t num_nodes_ = 0;
};

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

std::optional<double> special_float(std::string_view text) {
  const double infinity = std::numeric_limits<double>::infinity();
  if (is_one_of(text, {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"})) return infinity;
  if (is_one_of(text, {"-.inf", "-.Inf", "-.INF"})) return -infinity;
  if (is_one_of(text, {".nan", ".NaN", ".NAN"})) return std::numeric_limits<double>::quiet_NaN();
  return std::nullopt;
}

// [+-]digits of the base its prefix says; nullopt: no integer, or out of range of 64 bits.
std::optional<Json> parse_integer(std::string_view text, bool yaml11) {
  bool negative = false;
  std::string_view digits = text;
  if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) {
    negative = digits[0] == '-';
    digits.remove_prefix(1);
  }
  int base = 10;
  const auto prefixed = [&](std::string_view a, std::string_view b) {
    return digits.starts_with(a) || digits.starts_with(b);
  };
  if (prefixed("0x", "0X")) {
    base = 16;
  } else if (prefixed("0o", "0O")) {
    base = 8;
  } else if (yaml11 && prefixed("0b", "0B")) {
    base = 2;
  }
  if (base != 10) {
    digits.remove_prefix(2);
  } else if (yaml11 && digits.size() > 1 && digits[0] == '0') {
    base = 8;
    digits.remove_prefix(1);
  }
  uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto r = std::from_chars(digits.data(), end, value, base);
  if (r.ec != std::errc() || r.ptr != end || digits.empty()) return std::nullopt;
  if (!negative) return Json(value);
  constexpr uint64_t kLowest = uint64_t{1} << 63;
  if (value > kLowest) return std::nullopt;
  return Json(value == kLowest ? std::numeric_limits<int64_t>::min() : -static_cast<int64_t>(value));
}

// Digits with one point or an exponent: what both YAML 1.2 and 1.1 take as a float.
std::optional<double> parse_float(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (text[0] == '+') text.remove_prefix(1);
  if (text.find_first_not_of("+-.0123456789eE") != std::string_view::npos ||
      text.find_first_of("0123456789") == std::string_view::npos)
    return std::nullopt;
  double value = 0;
  const char* end = text.data() + text.size();
  const auto r = std::from_chars(text.data(), end, value);
  if (r.ptr != end) return std::nullopt;
  if (r.ec == std::errc::result_out_of_range)
    return text[0] == '-' ? -std::numeric_limits<double>::infinity()
                          : std::numeric_limits<double>::infinity();
  return r.ec == std::errc() ? std::optional<double>(value) : std::nullopt;
}

Json plain_value(const std::string& text, YamlSchema schema) {
  const bool yaml11 = schema == YamlSchema::kKubernetes;
  if (text.empty() || is_one_of(text, {"~", "null", "Null", "NULL"})) return Json();
  if (is_one_of(text, {"true", "True", "TRUE"})) return Json(true);
  if (is_one_of(text, {"false", "False", "FALSE"})) return Json(false);
  if (yaml11) {
    if (is_one_of(text, {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})) return Json(true);
    if (is_one_of(text, {"n", "N", "no", "No", "NO", "off", "Off", "OFF"})) return Json(false);
  }
  const char first = text[0];
  if (first != '.' && first != '-' && first != '+' && (first < '0' || first > '9')) return Json(text);
  if (const auto special = special_float(text)) return Json(*special);
  std::string digits = text;
  if (yaml11) std::erase(digits, '_');
  if (auto integer = parse_integer(digits, yaml11)) return *std::move(integer);
  if (const auto number = parse_float(digits)) return Json(*number);
  return Json(text);
}

// An object under construction: keys are found without a walk.
class ObjectBuilder {
 public:
  void set(std::string key, Json value, bool replace) {
    const auto [place, fresh] = index_.try_emplace(key, object_.size());
    if (fresh) {
      object_.emplace_back(std::move(key), std::move(value));
    } else if (replace) {
      object_[place->second].second = std::move(value);
    }
  }
  JsonObject take() { return std::move(object_); }

 private:
  JsonObject object_;
  std::unordered_map<std::string, size_t> index_;
};

// A key's text as it stands in JSON: 1 and true become "1" and "true".
std::string key_text(const YamlNode& key, YamlSchema schema) {
  if (!key.is_scalar()) return to_json(yaml_to_json(key, schema));
  const Json value = yaml_scalar(key, schema);
  return value.is_string() || value.is_null() ? key.text : to_json(value);
}

// "<<": entries that the mapping itself does not have.
void merge_into(ObjectBuilder& object, const YamlNode& from, YamlSchema schema) {
  for (const YamlNodePtr& item : from.items) merge_into(object, *item, schema);
  if (!from.is_mapping()) return;
  Json value = yaml_to_json(from, schema);
  for (JsonMember& member : value.as_object()) object.set(member.first, std::move(member.second), false);
}

bool is_merge_key(const YamlNode& key, YamlSchema schema) {
  return schema == YamlSchema::kKubernetes && key.is_plain() && key.text == "<<";
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.first->is_scalar() && entry.first->text == key) return entry.second.get();
  }
  return nullptr;
}

const YamlNode* YamlNode::find_key(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.first->is_scalar() && entry.first->text == key) return entry.first.get();
  }
  return nullptr;
}

YamlStream parse_yaml_stream(std::string_view text, const YamlLimits& limits) {
  return Builder(text, limits).run();
}

Json yaml_scalar(const YamlNode& scalar, YamlSchema schema) {
  if (!scalar.is_plain() || scalar.tag == "!!str" || scalar.tag == "!") return Json(scalar.text);
  return plain_value(scalar.text, schema);
}

Json yaml_to_json(const YamlNode& node, YamlSchema schema) {
  if (node.is_scalar()) return yaml_scalar(node, schema);
  if (node.is_sequence()) {
    JsonArray array;
    for (const YamlNodePtr& item : node.items) array.push_back(yaml_to_json(*item, schema));
    return Json(std::move(array));
  }
  ObjectBuilder object;
  for (const auto& [key, value] : node.entries) {
    if (!is_merge_key(*key, schema)) object.set(key_text(*key, schema), yaml_to_json(*value, schema), true);
  }
  for (const auto& [key, value] : node.entries) {
    if (is_merge_key(*key, schema)) merge_into(object, *value, schema);
  }
  return Json(object.take());
}

}  // namespace hadal
