#include "base/json.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/utf8.h"

namespace hadal {
namespace {

Json convert(const simdjson::dom::element& element) {
  using simdjson::dom::element_type;
  switch (element.type()) {
    case element_type::NULL_VALUE:
      return Json();
    case element_type::BOOL:
      return Json(bool(element));
    case element_type::INT64:
      return Json(int64_t(element));
    case element_type::UINT64:
      return Json(uint64_t(element));
    case element_type::DOUBLE:
      return Json(double(element));
    case element_type::STRING:
      return Json(std::string_view(element));
    case element_type::ARRAY: {
      JsonArray array;
      simdjson::dom::array source = element;
      array.reserve(source.size());
      for (const auto& item : source) array.push_back(convert(item));
      return Json(std::move(array));
    }
    case element_type::OBJECT: {
      simdjson::dom::object source = element;
      JsonObject object;
      object.reserve(source.size());
      for (const auto& field : source) object.emplace_back(std::string(field.key), convert(field.value));
      return Json(std::move(object));
    }
  }
  return Json();
}

// Later duplicates overwrite the first, in the first one's place. Sorting an index keeps this O(n log n):
// a hostile object with 100k keys must not cost 10^10 compares.
void drop_duplicate_keys(JsonObject& object) {
  if (object.size() < 2) return;
  std::vector<uint32_t> order(object.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return object[a].first < object[b].first; });
  bool any = false;
  std::vector<bool> dead(object.size(), false);
  for (size_t i = 0; i < order.size();) {
    size_t j = i + 1;
    while (j < order.size() && object[order[j]].first == object[order[i]].first) ++j;
    if (j - i > 1) {
      object[order[i]].second = std::move(object[order[j - 1]].second);
      for (size_t k = i + 1; k < j; ++k) dead[order[k]] = true;
      any = true;
    }
    i = j;
  }
  if (!any) return;
  size_t out = 0;
  for (size_t i = 0; i < object.size(); ++i) {
    if (dead[i]) continue;
    if (out != i) object[out] = std::move(object[i]);
    ++out;
  }
  object.resize(out);
}

void drop_duplicates_deep(Json& value) {
  if (value.is_array()) {
    for (Json& item : value.as_array()) drop_duplicates_deep(item);
  } else if (value.is_object()) {
    for (auto& [key, item] : value.as_object()) drop_duplicates_deep(item);
    drop_duplicate_keys(value.as_object());
  }
}

void write_indented(std::string& out, const Json& value, int indent, int depth) {
  const auto newline = [&](int level) {
    out += '\n';
    out.append(static_cast<size_t>(level) * indent, ' ');
  };
  if (value.is_array() && !value.as_array().empty()) {
    out += '[';
    bool first = true;
    for (const Json& item : value.as_array()) {
      if (!first) out += ',';
      first = false;
      newline(depth + 1);
      write_indented(out, item, indent, depth + 1);
    }
    newline(depth);
    out += ']';
  } else if (value.is_object() && !value.as_object().empty()) {
    out += '{';
    bool first = true;
    for (const auto& [key, item] : value.as_object()) {
      if (!first) out += ',';
      first = false;
      newline(depth + 1);
      out += '"';
      append_json_escaped(out, key);
      out += "\": ";
      write_indented(out, item, indent, depth + 1);
    }
    newline(depth);
    out += '}';
  } else {
    JsonWriter(out).value(value);
  }
}

}  // namespace

Json::Json(const char* value) : value_(std::string(value)) {}

Json::Json(uint64_t value) {
  if (value <= static_cast<uint64_t>(INT64_MAX)) {
    value_ = static_cast<int64_t>(value);
  } else {
    value_ = value;
  }
}

uint64_t Json::as_uint() const {
  if (kind() == Kind::kUint) return std::get<uint64_t>(value_);
  const int64_t v = as_int();
  HADAL_CHECK(v >= 0);
  return static_cast<uint64_t>(v);
}

double Json::as_double() const {
  if (kind() == Kind::kInt) return static_cast<double>(std::get<int64_t>(value_));
  if (kind() == Kind::kUint) return static_cast<double>(std::get<uint64_t>(value_));
  return std::get<double>(value_);
}

const Json* Json::find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const auto& [name, item] : as_object()) {
    if (name == key) return &item;
  }
  return nullptr;
}

void Json::set(std::string_view key, Json value) {
  if (is_null()) value_ = JsonObject{};
  for (auto& [name, item] : as_object()) {
    if (name == key) {
      item = std::move(value);
      return;
    }
  }
  as_object().emplace_back(std::string(key), std::move(value));
}

std::string_view Json::kind_name() const {
  switch (kind()) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "boolean";
    case Kind::kInt:
    case Kind::kUint:
      return "integer";
    case Kind::kDouble:
      return "number";
    case Kind::kString:
      return "string";
    case Kind::kArray:
      return "array";
    case Kind::kObject:
      return "object";
  }
  return "null";
}

namespace {

// Integers of 19 digits and more get a fraction, so that simdjson reads those beyond 64 bits as doubles; in a
// text whose strings are closed.
std::string widen_integers(std::string_view text) {
  constexpr size_t kSurelyFits = 18;
  std::string out;
  out.reserve(text.size() + 64);
  bool in_string = false;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (in_string && c == '\\' && i + 1 < text.size()) {
      out.append(text, i, 2);
      i += 2;
      continue;
    }
    if (c == '"') in_string = !in_string;
    if (in_string || c < '0' || c > '9') {
      out += c;
      ++i;
      continue;
    }
    const size_t end = std::min(text.find_first_not_of("0123456789+-.eE", i), text.size());
    const std::string_view number = text.substr(i, end - i);
    out += number;
    if (number.size() > kSurelyFits && number.find_first_of(".eE") == std::string_view::npos) out += ".0";
    i = end;
  }
  return out;
}

}  // namespace

Result<Json> parse_json(std::string_view text, int max_depth) {
  if (text.size() > 0xFFFFFFFFull - 64) {
    return make_error(ErrorCode::kTooLarge, "JSON text of ", text.size(), " bytes is over the 4 GiB limit");
  }
  simdjson::dom::parser parser;
  const auto alloc = parser.allocate(text.size() + 1, static_cast<size_t>(max_depth));
  if (alloc)
    return make_error(ErrorCode::kResourceExhausted, "JSON parser: ", simdjson::error_message(alloc));
  simdjson::dom::element root;
  auto error = parser.parse(text.data(), text.size()).get(root);
  if (error == simdjson::NUMBER_ERROR) {
    const std::string wide = widen_integers(text);
    error = parser.parse(wide).get(root);
  }
  if (error == simdjson::DEPTH_ERROR)
    return invalid_argument("JSON is nested deeper than ", max_depth, " levels");
  if (error) return invalid_argument("invalid JSON: ", simdjson::error_message(error));
  Json value = convert(root);
  drop_duplicates_deep(value);
  return value;
}

std::string to_json(const Json& value, int indent) {
  std::string out;
  if (indent > 0) {
    write_indented(out, value, indent, 0);
  } else {
    JsonWriter(out).value(value);
  }
  return out;
}

void append_json_escaped(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  size_t run = 0;
  size_t i = 0;
  const auto flush = [&] { out.append(text.data() + run, i - run); };
  while (i < text.size()) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      const int len = utf8_valid_length(text.substr(i));
      if (len > 0) {
        i += static_cast<size_t>(len);
        continue;
      }
      flush();
      out += "\xEF\xBF\xBD";
      run = ++i;
      continue;
    }
    if (c >= 0x20 && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    flush();
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        out += "\\u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
    }
    run = ++i;
  }
  flush();
}

void JsonWriter::separate() {
  if (need_comma_) out_ += ',';
  need_comma_ = true;
}
JsonWriter& JsonWriter::begin_object() {
  separate();
  out_ += '{';
  need_comma_ = false;
  return *this;
}
JsonWriter& JsonWriter::end_object() {
  out_ += '}';
  need_comma_ = true;
  return *this;
}
JsonWriter& JsonWriter::begin_array() {
  separate();
  out_ += '[';
  need_comma_ = false;
  return *this;
}
JsonWriter& JsonWriter::end_array() {
  out_ += ']';
  need_comma_ = true;
  return *this;
}
JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  out_ += '"';
  append_json_escaped(out_, name);
  out_ += "\":";
  need_comma_ = false;
  return *this;
}
JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  out_ += '"';
  append_json_escaped(out_, text);
  out_ += '"';
  return *this;
}
JsonWriter& JsonWriter::value(bool flag) {
  separate();
  out_ += flag ? "true" : "false";
  return *this;
}
JsonWriter& JsonWriter::value(int64_t number) {
  separate();
  char buffer[24];
  out_.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
  return *this;
}
JsonWriter& JsonWriter::value(uint64_t number) {
  separate();
  char buffer[24];
  out_.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
  return *this;
}
JsonWriter& JsonWriter::value(double number) {
  separate();
  if (!std::isfinite(number)) {
    out_ += "null";
    return *this;
  }
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  out_ += text;
  // Keeps a double a double for typed readers.
  if (text.find_first_of(".e") == std::string_view::npos) out_ += ".0";
  return *this;
}
JsonWriter& JsonWriter::null() {
  separate();
  out_ += "null";
  return *this;
}
JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}
JsonWriter& JsonWriter::value(const Json& json) {
  switch (json.kind()) {
    case Json::Kind::kNull:
      return null();
    case Json::Kind::kBool:
      return value(json.as_bool());
    case Json::Kind::kInt:
      return value(json.as_int());
    case Json::Kind::kUint:
      return value(json.as_uint());
    case Json::Kind::kDouble:
      return value(json.as_double());
    case Json::Kind::kString:
      return value(std::string_view(json.as_string()));
    case Json::Kind::kArray:
      begin_array();
      for (const Json& item : json.as_array()) value(item);
      return end_array();
    case Json::Kind::kObject:
      begin_object();
      for (const auto& [name, item] : json.as_object()) {
        key(name);
        value(item);
      }
      return end_object();
  }
  return *this;
}

}  // namespace hadal
