#include "base/yaml.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <set>

namespace hadal {
namespace {

constexpr int kMaxDepth = 64;
// Aliases are copied out, so a few lines of them can name more values than memory holds.
constexpr int kMaxValues = 100000;

Json scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  // yaml-cpp tags quoted scalars "!" and plain ones "?".
  if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str") return Json(text);
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return Json();
  if (text == "true" || text == "True" || text == "TRUE") return Json(true);
  if (text == "false" || text == "False" || text == "FALSE") return Json(false);
  const char* begin = text.data();
  const char* end = begin + text.size();
  int64_t integer = 0;
  const char* digits = *begin == '+' ? begin + 1 : begin;
  if (auto r = std::from_chars(digits, end, integer); r.ec == std::errc() && r.ptr == end)
    return Json(integer);
  // "inf" and "nan" are words in YAML; only ".inf" is a number, and no flag takes one.
  if (text.find_first_not_of("+-.0123456789eE") == std::string::npos) {
    double number = 0;
    if (auto r = std::from_chars(digits, end, number); r.ec == std::errc() && r.ptr == end)
      return Json(number);
  }
  return Json(text);
}

// values_left: of kMaxValues, for the whole text.
Result<Json> convert(const YAML::Node& node, int depth, int& values_left) {
  if (depth > kMaxDepth) return invalid_argument("YAML is nested deeper than ", kMaxDepth, " levels");
  if (--values_left < 0)
    return invalid_argument("YAML holds more than ", kMaxValues, " values, aliases expanded");
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      return Json();
    case YAML::NodeType::Scalar:
      return scalar(node);
    case YAML::NodeType::Sequence: {
      JsonArray array;
      for (const auto& item : node) {
        HADAL_ASSIGN(Json value, convert(item, depth + 1, values_left));
        array.push_back(std::move(value));
      }
      return Json(std::move(array));
    }
    case YAML::NodeType::Map: {
      JsonObject object;
      std::set<std::string> seen;
      for (const auto& item : node) {
        if (!item.first.IsScalar()) {
          return invalid_argument("YAML line ", item.first.Mark().line + 1, ": a key must be a plain word");
        }
        const std::string& key = item.first.Scalar();
        if (!seen.insert(key).second) {
          return invalid_argument("YAML line ", item.first.Mark().line + 1, ": key \"", key,
                                  "\" appears twice");
        }
        HADAL_ASSIGN(Json value, convert(item.second, depth + 1, values_left));
        object.emplace_back(key, std::move(value));
      }
      return Json(std::move(object));
    }
  }
  return Json();
}

}  // namespace

Result<Json> parse_yaml(std::string_view text) {
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    int values_left = kMaxValues;
    return convert(root, 0, values_left);
  } catch (const YAML::Exception& error) {
    return invalid_argument("YAML line ", error.mark.line + 1, ", column ", error.mark.column + 1, ": ",
                            error.msg);
  }
}

}  // namespace hadal
