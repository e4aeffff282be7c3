#include "hub/xml_reader.h"

#include <charconv>

namespace hadal {
namespace {

constexpr size_t kMaxXml = size_t{64} << 20;
constexpr int kMaxXmlDepth = 16;
constexpr size_t kMaxNodes = 2'000'000;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.' || c == ':' || static_cast<unsigned char>(c) >= 0x80;
}

void add_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

class XmlReader {
 public:
  explicit XmlReader(std::string_view text) : text_(text) {}

  Result<XmlNode> read() {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;
    HADAL_RETURN_IF_ERROR(skip_prologue());
    XmlNode root;
    HADAL_RETURN_IF_ERROR(read_element(root, 0));
    HADAL_RETURN_IF_ERROR(skip_prologue());
    if (at_ != text_.size()) return bad("more than one element at the top");
    return root;
  }

 private:
  Error bad(const char* what) const { return invalid_argument("bad XML at byte ", at_, ": ", what); }
  bool looking_at(std::string_view what) const { return text_.substr(at_).starts_with(what); }

  // Spaces, <?...?> and comments.
  Status skip_prologue() {
    for (;;) {
      while (at_ < text_.size() && is_space(text_[at_])) ++at_;
      if (!looking_at("<?") && !looking_at("<!--")) return {};
      HADAL_RETURN_IF_ERROR(skip_past(looking_at("<?") ? "?>" : "-->"));
    }
  }

  Status skip_past(std::string_view end) {
    const size_t found = text_.find(end, at_);
    if (found == std::string_view::npos) return bad("it is cut off");
    at_ = found + end.size();
    return {};
  }

  std::string_view read_name() {
    const size_t begin = at_;
    while (at_ < text_.size() && is_name_char(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  // Up to the ">"; `empty`: the element ended with "/>".
  Status skip_attributes(bool& empty) {
    for (;;) {
      while (at_ < text_.size() && is_space(text_[at_])) ++at_;
      if (at_ >= text_.size()) return bad("it is cut off");
      if (text_[at_] == '>') return ++at_, Status();
      if (looking_at("/>")) {
        at_ += 2;
        empty = true;
        return {};
      }
      if (read_name().empty()) return bad("an attribute has no name");
      if (at_ + 1 >= text_.size() || text_[at_] != '=') return bad("an attribute has no value");
      const char quote = text_[at_ + 1];
      if (quote != '"' && quote != '\'') return bad("an attribute's value has no quotes");
      at_ += 2;
      HADAL_RETURN_IF_ERROR(skip_past(std::string_view(&quote, 1)));
    }
  }

  Status read_entity(std::string& out) {
    const size_t end = text_.find(';', at_);
    if (end == std::string_view::npos || end - at_ > 12) return bad("an & begins nothing");
    const std::string_view name = text_.substr(at_ + 1, end - at_ - 1);
    uint32_t code = 0;
    if (name == "amp") code = '&';
    if (name == "lt") code = '<';
    if (name == "gt") code = '>';
    if (name == "quot") code = '"';
    if (name == "apos") code = '\'';
    if (name.starts_with('#')) {
      const bool hex = name.starts_with("#x");
      const std::string_view digits = name.substr(hex ? 2 : 1);
      const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
      if (read.ec != std::errc() || read.ptr != digits.data() + digits.size())
        return bad("a bad character number");
    }
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return bad("an unknown entity");
    add_utf8(out, code);
    at_ = end + 1;
    return {};
  }

  Status read_element(XmlNode& node, int depth) {
    if (depth > kMaxXmlDepth) return bad("too deeply nested");
    if (++num_nodes_ > kMaxNodes) return bad("too many elements");
    if (!looking_at("<")) return bad("no element");
    ++at_;
    const std::string_view name = read_name();
    if (name.empty()) return bad("an element has no name (document types are not read)");
    const size_t colon = name.rfind(':');
    node.name = colon == std::string_view::npos ? name : name.substr(colon + 1);
    bool empty = false;
    HADAL_RETURN_IF_ERROR(skip_attributes(empty));
    return empty ? Status() : read_content(node, name, depth);
  }

  Status read_content(XmlNode& node, std::string_view name, int depth) {
    while (at_ < text_.size()) {
      if (text_[at_] == '&') {
        HADAL_RETURN_IF_ERROR(read_entity(node.text));
      } else if (text_[at_] != '<') {
        const size_t end = std::min(text_.find_first_of("<&", at_), text_.size());
        node.text += text_.substr(at_, end - at_);
        at_ = end;
      } else if (looking_at("<!--")) {
        HADAL_RETURN_IF_ERROR(skip_past("-->"));
      } else if (looking_at("</")) {
        at_ += 2;
        if (read_name() != name) return bad("an element ends under another name");
        while (at_ < text_.size() && is_space(text_[at_])) ++at_;
        if (!looking_at(">")) return bad("an element does not end");
        ++at_;
        return {};
      } else {
        HADAL_RETURN_IF_ERROR(read_element(node.children.emplace_back(), depth + 1));
      }
    }
    return bad("it is cut off");
  }

  const std::string_view text_;
  size_t at_ = 0;
  size_t num_nodes_ = 0;
};

}  // namespace

const XmlNode* XmlNode::find(std::string_view child) const {
  for (const XmlNode& node : children) {
    if (node.name == child) return &node;
  }
  return nullptr;
}

std::string XmlNode::value(std::string_view child) const {
  const XmlNode* node = find(child);
  return node == nullptr ? "" : node->text;
}

Result<XmlNode> parse_xml(std::string_view text) {
  if (text.size() > kMaxXml) return make_error(ErrorCode::kTooLarge, "the XML has ", text.size(), " bytes");
  return XmlReader(text).read();
}

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace hadal
