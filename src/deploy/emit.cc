#include "deploy/emit.h"

#include <algorithm>
#include <map>

#include "base/utf8.h"

namespace hadal {
namespace {

constexpr size_t kCommentWidth = 100;

bool is_plain_key(std::string_view key) {
  if (key.empty() || key.size() > 120) return false;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (!letter(key[0])) return false;
  for (char c : key) {
    if (!letter(c) && !(c >= '0' && c <= '9') && c != '_' && c != '-' && c != '.' && c != '/') return false;
  }
  // Words that YAML 1.1 reads as something else.
  constexpr std::string_view kWords[] = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"};
  std::string lower(key);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return std::find(std::begin(kWords), std::end(kWords), lower) == std::end(kWords);
}

void append_code_point(std::string& out, uint32_t code) {
  char buffer[16];
  if (code <= 0xff) {
    std::snprintf(buffer, sizeof buffer, "\\x%02X", code);
  } else if (code <= 0xffff) {
    std::snprintf(buffer, sizeof buffer, "\\u%04X", code);
  } else {
    std::snprintf(buffer, sizeof buffer, "\\U%08X", code);
  }
  out += buffer;
}

class YamlEmitter {
 public:
  explicit YamlEmitter(const std::vector<FieldComment>& comments) {
    for (const FieldComment& comment : comments) comments_[comment.path] = comment.text;
  }

  std::string run(const Json& value) {
    if (is_inline(value)) {
      append_inline(value, 0);
      out_ += '\n';
    } else {
      append_block(value, 0, "");
    }
    return std::move(out_);
  }

 private:
  static bool is_inline(const Json& value) {
    if (value.is_array()) return value.as_array().empty();
    if (value.is_object()) return value.as_object().empty();
    return true;
  }

  void append_inline(const Json& value, int indent) {
    if (value.is_array()) {
      out_ += "[]";
    } else if (value.is_object()) {
      out_ += "{}";
    } else if (value.is_string()) {
      out_ += yaml_quoted(value.as_string(), indent);
    } else if (value.kind() == Json::Kind::kDouble) {
      std::string text = to_json(value);
      if (text.find_first_of(".eEn") == std::string::npos) text += ".0";  // stays a float
      out_ += text;
    } else {
      out_ += to_json(value);
    }
  }

  void append_comment(const std::string& path, int indent) {
    const auto found = comments_.find(path);
    if (found == comments_.end()) return;
    std::string_view rest = found->second;
    const size_t width = std::max<size_t>(30, kCommentWidth - static_cast<size_t>(indent));
    while (!rest.empty()) {
      size_t end = std::min(rest.find('\n'), rest.size());
      if (end > width) {
        const size_t space = rest.rfind(' ', width);
        end = space == std::string_view::npos || space == 0 ? end : space;
      }
      out_.append(static_cast<size_t>(indent), ' ');
      out_ += "# ";
      out_ += rest.substr(0, end);
      out_ += '\n';
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }

  static std::string join(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + "." + key;
  }

  // `begun`: the first line's indentation is written already (after "- ").
  void append_block(const Json& value, int indent, const std::string& path, bool begun = false) {
    if (value.is_object()) {
      for (const auto& [key, member] : value.as_object()) {
        const std::string here = join(path, key);
        if (!begun) append_comment(here, indent);
        if (!begun) out_.append(static_cast<size_t>(indent), ' ');
        begun = false;
        out_ += is_plain_key(key) ? key : yaml_quoted(key);
        out_ += ':';
        append_after_key(member, indent, here);
      }
      return;
    }
    size_t index = 0;
    for (const Json& item : value.as_array()) {
      const std::string here = join(path, std::to_string(index++));
      if (!begun) append_comment(here, indent);
      if (item.is_object() && !item.as_object().empty() && !begun)
        append_comment(join(here, item.as_object().front().first), indent);
      if (!begun) out_.append(static_cast<size_t>(indent), ' ');
      begun = false;
      out_ += "- ";
      if (is_inline(item)) {
        append_inline(item, indent + 2);
        out_ += '\n';
      } else {
        append_block(item, indent + 2, here, true);
      }
    }
  }

  void append_after_key(const Json& value, int indent, const std::string& path) {
    if (is_inline(value)) {
      out_ += ' ';
      append_inline(value, indent + 2);
      out_ += '\n';
      return;
    }
    out_ += '\n';
    append_block(value, indent + 2, path);
  }

  std::map<std::string, std::string> comments_;
  std::string out_;
};

void take_comments_of(Json& value, const std::string& path, std::vector<FieldComment>& out) {
  const auto join = [&](const std::string& key) { return path.empty() ? key : path + "." + key; };
  if (value.is_array()) {
    for (size_t i = 0; i < value.as_array().size(); ++i)
      take_comments_of(value.as_array()[i], join(std::to_string(i)), out);
    return;
  }
  if (!value.is_object()) return;
  JsonObject& members = value.as_object();
  for (auto it = members.begin(); it != members.end();) {
    if (it->first.starts_with("#")) {
      out.push_back({join(it->first.substr(1)), it->second.as_string()});
      it = members.erase(it);
    } else {
      take_comments_of(it->second, join(it->first), out);
      ++it;
    }
  }
}

}  // namespace

std::string yaml_quoted(std::string_view raw, int indent) {
  const std::string text = utf8_sanitize(raw);
  std::string out = "\"";
  bool line_begins = false;
  const bool folded = text.find('\n') != std::string::npos && indent > 0;
  for (size_t i = 0; i < text.size();) {
    const Utf8Decoded c = utf8_decode(std::string_view(text).substr(i));
    const std::string_view bytes = std::string_view(text).substr(i, static_cast<size_t>(c.length));
    i += static_cast<size_t>(c.length);
    const uint32_t code = c.code_point;
    // Spaces that begin a continued line would be folded away.
    if (line_begins && code == ' ') out += '\\';
    line_begins = false;
    if (code == '"' || code == '\\') {
      out += '\\';
      out += bytes;
    } else if (code == '\n') {
      out += "\\n";
      if (!folded || i >= text.size()) continue;
      out += "\\\n";
      out.append(static_cast<size_t>(indent), ' ');
      line_begins = true;
    } else if (code == '\t') {
      out += "\\t";
    } else if (code < 0x20 || (code >= 0x7f && code <= 0xa0) || code == 0x2028 || code == 0x2029 ||
               code == 0xfeff || code == 0xfffe || code == 0xffff) {
      append_code_point(out, code);
    } else {
      out += bytes;
    }
  }
  return out + "\"";
}

std::string to_yaml(const Json& value, const std::vector<FieldComment>& comments) {
  return YamlEmitter(comments).run(value);
}

std::vector<FieldComment> take_comments(Json& value) {
  std::vector<FieldComment> out;
  take_comments_of(value, "", out);
  return out;
}

std::string to_manifest_yaml(const std::vector<RenderedObject>& objects) {
  std::string out;
  for (const RenderedObject& object : objects) {
    out += "---\n";
    out += to_yaml(object.object, object.comments);
  }
  return out;
}

}  // namespace hadal
