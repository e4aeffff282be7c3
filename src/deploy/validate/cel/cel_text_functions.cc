// Functions of text: CEL's own, the strings extension (cel-go ext/strings) and Kubernetes' find and findAll.
// Places count code points.
#include <algorithm>

#include "base/json.h"
#include "deploy/validate/cel/cel_eval.h"
#include "deploy/validate/regex.h"

namespace hadal {
namespace {

constexpr int64_t kEnd = -1;

std::string slice(const std::vector<std::string_view>& points, size_t begin, size_t end) {
  std::string out;
  for (size_t i = begin; i < end && i < points.size(); ++i) out += points[i];
  return out;
}

int64_t int_arg(const CelList& args, size_t i, int64_t otherwise) {
  return i < args.size() && args[i].is<int64_t>() ? args[i].get<int64_t>() : otherwise;
}

// The code points before a byte.
int64_t points_before(std::string_view text, size_t byte) {
  return static_cast<int64_t>(cel_code_points(text.substr(0, byte)).size());
}

CelValue index_of(const std::string& name, const std::string& text, const CelList& args) {
  if (!args[1].is_string()) return cel_error("no such overload: " + name);
  const auto points = cel_code_points(text);
  const auto length = static_cast<int64_t>(points.size());
  const bool last = name == "lastIndexOf";
  const int64_t from = int_arg(args, 2, last ? length : 0);
  if (from < 0 || from > length) return cel_error(name + "(): index out of range: " + std::to_string(from));
  const auto byte = slice(points, 0, static_cast<size_t>(from)).size();
  const size_t found = last ? text.rfind(args[1].text(), byte) : text.find(args[1].text(), byte);
  return CelValue(found == std::string::npos ? kEnd : points_before(text, found));
}

CelValue substring(const std::string& text, const CelList& args) {
  const auto points = cel_code_points(text);
  const auto length = static_cast<int64_t>(points.size());
  const int64_t begin = int_arg(args, 1, kEnd);
  const int64_t end = int_arg(args, 2, length);
  if (begin < 0 || begin > length || end < begin || end > length)
    return cel_error("substring(): index out of range");
  return CelValue(slice(points, static_cast<size_t>(begin), static_cast<size_t>(end)));
}

CelValue split(CelEvaluator& evaluator, const std::string& text, const CelList& args) {
  if (!args[1].is_string()) return cel_error("no such overload: split");
  const std::string& separator = args[1].text();
  int64_t limit = int_arg(args, 2, -1);
  CelList out;
  if (limit == 0) return cel_list({});
  if (!evaluator.charge(text.size())) return cel_error("the rule takes too long");
  if (separator.empty()) {
    const auto points = cel_code_points(text);
    for (size_t i = 0; i < points.size(); ++i) {
      const bool last = limit > 0 && static_cast<int64_t>(i) + 1 == limit;
      out.push_back(CelValue(last ? slice(points, i, points.size()) : std::string(points[i])));
      if (last) break;
    }
    return cel_list(std::move(out));
  }
  size_t begin = 0;
  for (;;) {
    const size_t end = limit > 0 && static_cast<int64_t>(out.size()) + 1 == limit
                           ? std::string::npos
                           : text.find(separator, begin);
    out.push_back(CelValue(text.substr(begin, end == std::string::npos ? end : end - begin)));
    if (end == std::string::npos) return cel_list(std::move(out));
    begin = end + separator.size();
  }
}

CelValue replace(CelEvaluator& evaluator, const std::string& text, const CelList& args) {
  if (!args[1].is_string() || !args[2].is_string()) return cel_error("no such overload: replace");
  const std::string& from = args[1].text();
  const std::string& to = args[2].text();
  int64_t limit = int_arg(args, 3, -1);
  std::string out;
  size_t begin = 0;
  while (limit != 0) {
    const size_t end = from.empty() ? begin : text.find(from, begin);
    if (end == std::string::npos || end > text.size()) break;
    out.append(text, begin, end - begin).append(to);
    if (!evaluator.charge(to.size())) return cel_error("the rule takes too long");
    --limit;
    begin = end + from.size();
    if (from.empty()) {
      if (begin >= text.size()) return CelValue(out);
      const size_t length = cel_code_points(std::string_view(text).substr(begin)).front().size();
      out.append(text, begin, length);
      begin += length;
    }
  }
  return CelValue(out + text.substr(std::min(begin, text.size())));
}

CelValue join(CelEvaluator& evaluator, const CelList& args) {
  std::string out;
  bool first = true;
  for (const CelValue& item : cel_elements(args[0], evaluator.schemas())) {
    if (!item.is_string()) return cel_error("join() needs a list of strings");
    if (!first && args.size() > 1 && args[1].is_string()) out += args[1].text();
    first = false;
    out += item.text();
    if (!evaluator.charge(item.text().size())) return cel_error("the rule takes too long");
  }
  return CelValue(out);
}

CelValue matches(CelEvaluator& evaluator, const std::string& name, const std::string& text,
                 const CelList& args) {
  if (!args[1].is_string()) return cel_error("no such overload: " + name);
  const Result<GoRegex> pattern = GoRegex::compile(args[1].text());
  if (!pattern.ok()) return cel_error(pattern.error().message);
  if (!evaluator.charge(text.size() * 4)) return cel_error("the rule takes too long");
  if (name == "matches") {
    const auto found = pattern->search(text);
    return found ? CelValue(*found) : cel_error("the pattern takes too long");
  }
  CelList all;
  const int64_t limit = name == "find" ? 1 : int_arg(args, 2, -1);
  for (size_t start = 0; start <= text.size() && static_cast<int64_t>(all.size()) != limit;) {
    const auto span = pattern->find(text, start);
    if (!span) break;
    all.push_back(CelValue(text.substr(span->begin, span->end - span->begin)));
    start = span->end > span->begin ? span->end : span->end + 1;
    while (start < text.size() && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) ++start;
    if (!evaluator.charge(text.size() / 4)) return cel_error("the rule takes too long");
  }
  if (name == "findAll") return cel_list(std::move(all));
  return all.empty() ? CelValue(std::string()) : all[0];
}

std::string changed_case(std::string text, char first, char last, int step) {
  for (char& c : text) {
    if (c >= first && c <= last) c = static_cast<char>(c + step);
  }
  return text;
}

std::string trimmed(const std::string& text) {
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

// "%s: %d": text.format([...]).
CelValue format(CelEvaluator& evaluator, const std::string& text, const CelValue& list) {
  if (!list.is_list()) return cel_error("format() needs a list");
  const CelList args = cel_elements(list, evaluator.schemas());
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (++i < text.size() && text[i] == '%') {
      out += '%';
      continue;
    }
    while (i < text.size() && (text[i] == '.' || (text[i] >= '0' && text[i] <= '9'))) ++i;
    if (i >= text.size() || next >= args.size()) return cel_error("format(): too few values");
    const CelValue shown = cel_to_text(args[next++]);
    out += shown.is_string() ? shown.text() : args[next - 1].type_name();
    if (!evaluator.charge(out.size() / 16)) return cel_error("the rule takes too long");
  }
  return CelValue(out);
}

CelValue one_argument(const std::string& name, const std::string& text, bool& handled) {
  handled = true;
  if (name == "lowerAscii") return CelValue(changed_case(text, 'A', 'Z', 32));
  if (name == "upperAscii") return CelValue(changed_case(text, 'a', 'z', -32));
  if (name == "trim") return CelValue(trimmed(text));
  if (name == "reverse") {
    auto points = cel_code_points(text);
    std::reverse(points.begin(), points.end());
    return CelValue(slice(points, 0, points.size()));
  }
  if (name == "strings.quote") return CelValue(to_json(Json(text)));
  handled = false;
  return CelValue();
}

CelValue two_texts(const std::string& name, const std::string& text, const CelValue& other, bool& handled) {
  handled = other.is_string();
  if (!handled) return CelValue();
  if (name == "contains") return CelValue(text.find(other.text()) != std::string::npos);
  if (name == "startsWith") return CelValue(text.starts_with(other.text()));
  if (name == "endsWith") return CelValue(text.ends_with(other.text()));
  handled = false;
  return CelValue();
}

}  // namespace

CelValue call_cel_text_function(CelEvaluator& evaluator, const std::string& name, CelList& args,
                                bool& handled) {
  handled = true;
  if (name == "join" && !args.empty() && args[0].is_list()) return join(evaluator, args);
  handled = false;
  if (args.empty() || !args[0].is_string()) return CelValue();
  const std::string& text = args[0].text();
  if (!evaluator.charge(text.size() / 8)) {
    handled = true;
    return cel_error("the rule takes too long");
  }
  if (args.size() == 1) return one_argument(name, text, handled);
  CelValue out = args.size() == 2 ? two_texts(name, text, args[1], handled) : CelValue();
  if (handled) return out;
  handled = true;
  if (name == "matches" || name == "find" || name == "findAll") return matches(evaluator, name, text, args);
  if (name == "indexOf" || name == "lastIndexOf") return index_of(name, text, args);
  if (name == "substring") return substring(text, args);
  if (name == "split") return split(evaluator, text, args);
  if (name == "replace" && args.size() >= 3) return replace(evaluator, text, args);
  if (name == "format" && args.size() == 2) return format(evaluator, text, args[1]);
  if (name == "charAt" && args[1].is<int64_t>()) {
    const auto points = cel_code_points(text);
    const int64_t place = args[1].get<int64_t>();
    if (place < 0 || place > static_cast<int64_t>(points.size()))
      return cel_error("charAt(): index out of range");
    return CelValue(slice(points, static_cast<size_t>(place), static_cast<size_t>(place) + 1));
  }
  handled = false;
  return CelValue();
}

}  // namespace hadal
