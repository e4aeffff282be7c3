#include "deploy/cluster/object_diff.h"

#include <algorithm>
#include <vector>

#include "base/yaml_tree.h"
#include "deploy/cluster/inventory.h"
#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

using Lines = std::vector<std::string_view>;
constexpr size_t kMaxDiffCells = 16'000'000;
constexpr size_t kContext = 3;

Lines split_lines(std::string_view text) {
  Lines out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return out;
}

struct Edit {
  char mark;  // ' ', '-', '+'
  std::string_view line;
};

// By the longest common subsequence; equal ends are taken off first.
std::vector<Edit> edit_script(const Lines& a, const Lines& b) {
  size_t head = 0, tail = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  while (tail < a.size() - head && tail < b.size() - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail])
    ++tail;
  const size_t n = a.size() - head - tail, m = b.size() - head - tail;
  std::vector<Edit> out;
  for (size_t i = 0; i < head; ++i) out.push_back({' ', a[i]});
  const bool small = (n + 1) * (m + 1) <= kMaxDiffCells;
  std::vector<uint32_t> length(small ? (n + 1) * (m + 1) : 0);
  const auto at = [&](size_t i, size_t j) -> uint32_t& { return length[i * (m + 1) + j]; };
  for (size_t i = small ? n : 0; i-- > 0;) {
    for (size_t j = m; j-- > 0;)
      at(i, j) = a[head + i] == b[head + j] ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
  }
  size_t i = 0, j = 0;
  while (i < n || j < m) {
    if (small && i < n && j < m && a[head + i] == b[head + j]) {
      out.push_back({' ', a[head + i]});
      ++i, ++j;
    } else if (i < n && (j == m || !small || at(i + 1, j) >= at(i, j + 1))) {
      out.push_back({'-', a[head + i++]});
    } else {
      out.push_back({'+', b[head + j++]});
    }
  }
  for (size_t k = a.size() - tail; k < a.size(); ++k) out.push_back({' ', a[k]});
  return out;
}

std::string range_text(size_t first, size_t count) {
  return std::to_string(count == 0 ? first : first + 1) + (count == 1 ? "" : "," + std::to_string(count));
}

// Whether a plain scalar of this text would be read back as the same string.
bool is_plain_safe(const std::string& text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ') return false;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) >= 0x7f) return false;
  }
  if (std::string_view("-?:,[]{}#&*!|>'\"%@`=~").find(text.front()) != std::string_view::npos) return false;
  if (text.find(": ") != std::string::npos || text.find(" #") != std::string::npos || text.back() == ':')
    return false;
  YamlNode node;
  node.text = text;
  return yaml_scalar(node, YamlSchema::kKubernetes).is_string() &&
         yaml_scalar(node, YamlSchema::kCore).is_string();
}

void append_scalar(const Json& value, const std::string& indent, std::string& out) {
  if (!value.is_string()) {
    out += " " + to_json(value) + "\n";
    return;
  }
  const std::string& text = value.as_string();
  const bool block = text.find('\n') != std::string::npos && text.find('\r') == std::string::npos &&
                     text.front() != ' ' && text.front() != '\n' && text.find('\t') == std::string::npos;
  if (!block) {
    out += " " + (is_plain_safe(text) ? text : to_json(value)) + "\n";
    return;
  }
  out += text.ends_with('\n') ? " |\n" : " |-\n";
  for (std::string_view line : split_lines(text))
    out += (line.empty() ? "" : indent) + std::string(line) + "\n";
}

// first: what stands before the first line of a mapping or sequence ("- " has been written).
void append_yaml(const Json& value, const std::string& indent, bool after_dash, int depth, std::string& out) {
  if (depth > kMaxObjectDepth) {
    out += indent + to_json(value) + "\n";
    return;
  }
  bool first = after_dash;
  const auto start = [&] {
    if (!first) out += indent;
    first = false;
  };
  const auto append_value = [&](const Json& child, const std::string& deeper) {
    const bool filled_object = child.is_object() && !child.as_object().empty();
    const bool filled_array = child.is_array() && !child.as_array().empty();
    if (filled_object || filled_array) {
      out += "\n";
      append_yaml(child, filled_array ? indent : deeper, false, depth + 1, out);
    } else if (child.is_object() || child.is_array()) {
      out += child.is_object() ? " {}\n" : " []\n";
    } else {
      append_scalar(child, deeper, out);
    }
  };
  if (value.is_object()) {
    for (const auto& [key, child] : value.as_object()) {
      start();
      out += (is_plain_safe(key) ? key : to_json(Json(key))) + ":";
      append_value(child, indent + "  ");
    }
    return;
  }
  for (const Json& child : value.as_array()) {
    start();
    out += "-";
    if ((child.is_object() && !child.as_object().empty()) ||
        (child.is_array() && !child.as_array().empty())) {
      out += " ";
      append_yaml(child, indent + "  ", true, depth + 1, out);
    } else if (child.is_object() || child.is_array()) {
      out += child.is_object() ? " {}\n" : " []\n";
    } else {
      append_scalar(child, indent + "  ", out);
    }
  }
}

}  // namespace

Json comparable(Json object) {
  if (!object.is_object()) return object;
  remove_member(object, "status");
  Json& metadata = member_of(object, "metadata");
  for (const char* key :
       {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"})
    remove_member(metadata, key);
  if (Json* annotations = const_cast<Json*>(metadata.find("annotations")); annotations != nullptr) {
    remove_member(*annotations, kOwnerAnnotation);
    if (annotations->is_object() && annotations->as_object().empty()) remove_member(metadata, "annotations");
  }
  if (kind_of(object) != "Secret") return object;
  for (const char* part : {"data", "stringData"}) {
    if (object.find(part) == nullptr) continue;
    Json& values = member_of(object, part);
    for (JsonMember& value : values.as_object()) {
      const Json list[] = {value.second};
      value.second = "(secret, digest " + objects_digest(list).substr(0, 8) + ")";
    }
  }
  return object;
}

std::string to_yaml(const Json& value) {
  std::string out;
  if ((value.is_object() && !value.as_object().empty()) || (value.is_array() && !value.as_array().empty())) {
    append_yaml(value, "", false, 0, out);
  } else {
    out = to_json(value) + "\n";
  }
  return out;
}

std::string unified_diff(std::string_view before, std::string_view after, const std::string& before_name,
                         const std::string& after_name) {
  if (before == after) return "";
  const std::vector<Edit> edits = edit_script(split_lines(before), split_lines(after));
  std::string out = "--- " + before_name + "\n+++ " + after_name + "\n";
  size_t line_a = 0, line_b = 0;  // of edits[i]
  size_t i = 0;
  while (i < edits.size()) {
    if (edits[i].mark == ' ') {
      ++i, ++line_a, ++line_b;
      continue;
    }
    const size_t lead = std::min(i, kContext);
    size_t end = i, equal = 0;
    for (size_t k = i; k < edits.size() && equal <= 2 * kContext; ++k) {
      equal = edits[k].mark == ' ' ? equal + 1 : 0;
      if (equal == 0) end = k + 1;
    }
    end = std::min(edits.size(), end + kContext);
    std::string body;
    size_t num_a = 0, num_b = 0;
    for (size_t k = i - lead; k < end; ++k) {
      body += edits[k].mark + std::string(edits[k].line) + "\n";
      num_a += edits[k].mark != '+';
      num_b += edits[k].mark != '-';
    }
    out +=
        "@@ -" + range_text(line_a - lead, num_a) + " +" + range_text(line_b - lead, num_b) + " @@\n" + body;
    line_a += num_a - lead;
    line_b += num_b - lead;
    i = end;
  }
  return out;
}

}  // namespace hadal::cluster
