#include "deploy/cluster/json_path.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace hadal::cluster {
namespace {

const Json* step_into(const Json& value, std::string_view key) {
  if (value.is_object()) return value.find(key);
  if (!value.is_array()) return nullptr;
  size_t index = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
  if (error != std::errc() || end != key.data() + key.size() || index >= value.as_array().size())
    return nullptr;
  return &value.as_array()[index];
}

bool expression_matches(const Json& expression, const JsonObject& labels) {
  const std::string_view key = text_at(expression, "key");
  const std::string_view op = text_at(expression, "operator");
  const auto label =
      std::find_if(labels.begin(), labels.end(), [&](const auto& l) { return l.first == key; });
  const bool present = label != labels.end();
  if (op == "Exists") return present;
  if (op == "DoesNotExist") return !present;
  bool listed = false;
  for (const Json& value : array_at(expression, "values")) listed |= present && value == label->second;
  return op == "In" ? listed : op == "NotIn" && !listed;
}

bool is_label(const JsonObject& labels, const JsonMember& wanted) {
  return std::find(labels.begin(), labels.end(), wanted) != labels.end();
}

// The digits of text from `at` on, `count` of them; -1: others.
int digits_at(std::string_view text, size_t at, size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

const Json* json_at(const Json& root, std::string_view path) {
  const Json* at = &root;
  while (at != nullptr && !path.empty()) {
    const size_t dot = std::min(path.find('.'), path.size());
    at = step_into(*at, path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return at;
}

std::string_view text_at(const Json& root, std::string_view path) {
  const Json* value = json_at(root, path);
  return value != nullptr && value->is_string() ? std::string_view(value->as_string()) : std::string_view();
}

int64_t int_at(const Json& root, std::string_view path, int64_t otherwise) {
  const Json* value = json_at(root, path);
  return value != nullptr && value->is_int() ? value->as_int() : otherwise;
}

bool bool_at(const Json& root, std::string_view path, bool otherwise) {
  const Json* value = json_at(root, path);
  return value != nullptr && value->is_bool() ? value->as_bool() : otherwise;
}

const JsonArray& array_at(const Json& root, std::string_view path) {
  static const JsonArray kNone;
  const Json* value = json_at(root, path);
  return value != nullptr && value->is_array() ? value->as_array() : kNone;
}

const JsonObject& object_at(const Json& root, std::string_view path) {
  static const JsonObject kNone;
  const Json* value = json_at(root, path);
  return value != nullptr && value->is_object() ? value->as_object() : kNone;
}

std::string scalar_text(const Json* value) {
  if (value == nullptr || value->is_null() || value->is_array() || value->is_object()) return "";
  return value->is_string() ? value->as_string() : to_json(*value);
}

std::string_view label_of(const Json& object, std::string_view key) {
  const Json* labels = json_at(object, "metadata.labels");
  const Json* value = labels == nullptr ? nullptr : labels->find(key);
  return value != nullptr && value->is_string() ? std::string_view(value->as_string()) : std::string_view();
}

std::string_view annotation_of(const Json& object, std::string_view key) {
  const Json* annotations = json_at(object, "metadata.annotations");
  const Json* value = annotations == nullptr ? nullptr : annotations->find(key);
  return value != nullptr && value->is_string() ? std::string_view(value->as_string()) : std::string_view();
}

std::string title_of(const Json& object) {
  std::string out(kind_of(object));
  out += " ";
  if (!namespace_of(object).empty()) out += std::string(namespace_of(object)) + "/";
  return out + std::string(name_of(object));
}

bool remove_member(Json& object, std::string_view key) {
  if (!object.is_object()) return false;
  return std::erase_if(object.as_object(), [&](const JsonMember& m) { return m.first == key; }) > 0;
}

Json& member_of(Json& object, std::string_view key) {
  const Json* found = object.find(key);
  if (found == nullptr || !found->is_object()) object.set(key, JsonObject{});
  for (JsonMember& member : object.as_object()) {
    if (member.first == key) return member.second;
  }
  HADAL_CHECK(false) << "a member just set is missing";
  return object;
}

const Json* condition_of(const Json& object, std::string_view type) {
  for (const Json& condition : array_at(object, "status.conditions")) {
    if (text_at(condition, "type") == type) return &condition;
  }
  return nullptr;
}

bool condition_is(const Json& object, std::string_view type, std::string_view status) {
  const Json* condition = condition_of(object, type);
  return condition != nullptr && text_at(*condition, "status") == status;
}

bool selector_matches(const Json& selector, const JsonObject& labels) {
  for (const JsonMember& wanted : object_at(selector, "matchLabels")) {
    if (!is_label(labels, wanted)) return false;
  }
  for (const Json& expression : array_at(selector, "matchExpressions")) {
    if (!expression_matches(expression, labels)) return false;
  }
  return true;
}

bool map_selector_matches(const JsonObject& selector, const JsonObject& labels) {
  for (const JsonMember& wanted : selector) {
    if (!is_label(labels, wanted)) return false;
  }
  return !selector.empty();
}

int64_t parse_rfc3339(std::string_view text) {
  tm parts{};
  parts.tm_year = digits_at(text, 0, 4) - 1900;
  parts.tm_mon = digits_at(text, 5, 2) - 1;
  parts.tm_mday = digits_at(text, 8, 2);
  parts.tm_hour = digits_at(text, 11, 2);
  parts.tm_min = digits_at(text, 14, 2);
  parts.tm_sec = digits_at(text, 17, 2);
  if (parts.tm_year < 70 || parts.tm_mon < 0 || parts.tm_mday < 1 || parts.tm_hour < 0 || parts.tm_min < 0 ||
      parts.tm_sec < 0) {
    return 0;
  }
  int64_t offset = 0;
  const size_t zone = text.find_first_of("+-", 19);
  if (zone != std::string_view::npos) {
    const int hours = digits_at(text, zone + 1, 2), minutes = digits_at(text, zone + 4, 2);
    if (hours < 0 || minutes < 0) return 0;
    offset = (text[zone] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
  }
  return static_cast<int64_t>(::timegm(&parts)) - offset;
}

std::string format_rfc3339(int64_t seconds) {
  const time_t time = seconds;
  tm parts{};
  char out[32];
  ::gmtime_r(&time, &parts);
  return {out, ::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string age_text(int64_t seconds) {
  if (seconds < 0) seconds = 0;
  if (seconds < 120) return std::to_string(seconds) + "s";
  const int64_t minutes = seconds / 60;
  if (minutes < 120) return std::to_string(minutes) + "m";
  const int64_t hours = minutes / 60;
  if (hours < 48) {
    const std::string rest = minutes % 60 == 0 ? "" : std::to_string(minutes % 60) + "m";
    return std::to_string(hours) + "h" + rest;
  }
  return std::to_string(hours / 24) + "d";
}

std::string base64_encode(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    unsigned group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : kDigits[group >> (18 - 6 * k) & 63];
  }
  return out;
}

Result<std::string> base64_decode(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  int count = 0;
  size_t digits = 0, padding = 0;
  for (char c : text) {
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t') continue;
    ++digits;
    if (c == '=') {
      ++padding;
      continue;
    }
    const int value = base64_value(c);
    if (value < 0 || padding > 0) return invalid_argument("it is not base64");
    bits = bits << 6 | static_cast<unsigned>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xff);
  }
  if (digits % 4 != 0 || padding > 2) return invalid_argument("it is not base64: it was cut");
  return out;
}

}  // namespace hadal::cluster
