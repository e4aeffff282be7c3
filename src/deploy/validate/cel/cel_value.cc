#include "deploy/validate/cel/cel_value.h"

#include <cmath>

#include "base/utf8.h"

namespace hadal {
namespace {

constexpr int kMaxEqualDepth = 64;

// Kubernetes' escapes of names that are no CEL identifiers (x-kubernetes-validations: property names).
std::string unescaped(std::string_view name) {
  std::string out;
  constexpr std::pair<std::string_view, std::string_view> kEscapes[] = {
      {"__underscores__", "__"}, {"__dot__", "."}, {"__dash__", "-"}, {"__slash__", "/"}};
  if (name.size() > 4 && name.starts_with("__") && name.ends_with("__")) {
    const std::string_view inner = name.substr(2, name.size() - 4);
    // A keyword in underscores.
    if (inner.find('_') == std::string_view::npos && inner != "dot" && inner != "dash" && inner != "slash" &&
        inner != "underscores")
      return std::string(inner);
  }
  while (!name.empty()) {
    bool found = false;
    for (const auto& [escape, text] : kEscapes) {
      if (!name.starts_with(escape)) continue;
      out += text;
      name.remove_prefix(escape.size());
      found = true;
      break;
    }
    if (found) continue;
    out += name[0];
    name.remove_prefix(1);
  }
  return out;
}

Schema::Id member_schema(const CelData& data, std::string_view name, const SchemaSet& schemas) {
  if (data.schema == Schema::kNone) return Schema::kNone;
  const Schema& s = schemas.at(data.schema);
  const Schema::Id id = s.property(name);
  return id != Schema::kNone ? id : s.additional;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (!is_base64(text)) return std::nullopt;
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (const char c : text) {
    const size_t value = kLetters.find(c);
    if (value == std::string_view::npos) continue;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 0xFF);
    }
  }
  return out;
}

CelValue from_text(const std::string& text, const Schema* s) {
  if (s == nullptr || s->type != Schema::Type::kString) return CelValue(text);
  if (s->format == "duration") {
    if (const auto nanos = parse_go_duration(text)) return CelValue(CelDuration{*nanos});
  } else if (s->format == "date-time") {
    if (const auto time = parse_timestamp(text)) return CelValue(*time);
  } else if (s->format == "date") {
    if (const auto time = parse_timestamp(text + "T00:00:00Z")) return CelValue(*time);
  } else if (s->format == "byte") {
    if (const auto bytes = decode_base64(text)) return CelValue(CelBytes{*bytes});
  }
  return CelValue(text);
}

std::optional<double> number_of(const CelValue& v) {
  if (v.is<int64_t>()) return static_cast<double>(v.get<int64_t>());
  if (v.is<uint64_t>()) return static_cast<double>(v.get<uint64_t>());
  if (v.is<double>()) return v.get<double>();
  return std::nullopt;
}

template <typename T>
int sign_of(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

std::optional<int> compare_numbers(const CelValue& a, const CelValue& b) {
  if (a.is<int64_t>() && b.is<int64_t>()) return sign_of(a.get<int64_t>(), b.get<int64_t>());
  if (a.is<uint64_t>() && b.is<uint64_t>()) return sign_of(a.get<uint64_t>(), b.get<uint64_t>());
  if (a.is<int64_t>() && b.is<uint64_t>()) {
    if (a.get<int64_t>() < 0) return -1;
    return sign_of(static_cast<uint64_t>(a.get<int64_t>()), b.get<uint64_t>());
  }
  if (a.is<uint64_t>() && b.is<int64_t>()) {
    const auto swapped = compare_numbers(b, a);
    return swapped ? std::optional<int>(-*swapped) : std::nullopt;
  }
  const auto x = number_of(a);
  const auto y = number_of(b);
  if (!x || !y || std::isnan(*x) || std::isnan(*y)) return std::nullopt;
  return sign_of(*x, *y);
}

}  // namespace

bool CelValue::is_list() const {
  return is<std::shared_ptr<const CelList>>() || (is<CelData>() && get<CelData>().value->is_list());
}

bool CelValue::is_map() const {
  return is<std::shared_ptr<const CelMap>>() || (is<CelData>() && get<CelData>().value->is_map());
}

std::string CelValue::type_name() const {
  if (is_list()) return "list";
  if (is_map()) return "map";
  constexpr std::string_view kNames[] = {"null_type",
                                         "bool",
                                         "int",
                                         "uint",
                                         "double",
                                         "string",
                                         "bytes",
                                         "list",
                                         "map",
                                         "map",
                                         "google.protobuf.Duration",
                                         "google.protobuf.Timestamp",
                                         "type",
                                         "kubernetes.Quantity",
                                         "net.IP",
                                         "net.CIDR",
                                         "kubernetes.URL",
                                         "optional_type",
                                         "kubernetes.NamedFormat",
                                         "error"};
  return std::string(kNames[storage_.index()]);
}

CelValue cel_list(CelList items) {
  return CelValue(std::make_shared<const CelList>(std::move(items)));
}

CelValue cel_map(CelMap entries) {
  return CelValue(std::make_shared<const CelMap>(std::move(entries)));
}

CelValue cel_optional(CelValue value) {
  return CelValue(CelOptional{std::make_shared<const CelValue>(std::move(value))});
}

CelValue cel_none() {
  return CelValue(CelOptional{});
}

CelValue cel_from_value(const Value& value, Schema::Id schema, const SchemaSet& schemas) {
  if (!value.is_scalar()) return CelValue(CelData{&value, schema});
  const Schema* s = schema == Schema::kNone ? nullptr : &schemas.at(schema);
  const Json& scalar = value.scalar;
  switch (scalar.kind()) {
    case Json::Kind::kBool:
      return CelValue(scalar.as_bool());
    case Json::Kind::kInt:
      if (s != nullptr && s->type == Schema::Type::kNumber) return CelValue(scalar.as_double());
      return CelValue(scalar.as_int());
    case Json::Kind::kUint:
      return CelValue(scalar.as_double());
    case Json::Kind::kDouble:
      if (s != nullptr && s->type == Schema::Type::kInteger && std::fabs(scalar.as_double()) < 9e18)
        return CelValue(static_cast<int64_t>(scalar.as_double()));
      return CelValue(scalar.as_double());
    case Json::Kind::kString:
      return from_text(scalar.as_string(), s);
    default:
      return CelValue();
  }
}

size_t cel_size(const CelValue& v) {
  if (v.is<CelData>()) {
    const Value& value = *v.get<CelData>().value;
    return value.items.size() + value.members.size();
  }
  if (v.is<std::shared_ptr<const CelList>>()) return v.get<std::shared_ptr<const CelList>>()->size();
  if (v.is<std::shared_ptr<const CelMap>>()) return v.get<std::shared_ptr<const CelMap>>()->size();
  return 0;
}

CelValue cel_at(const CelValue& list, size_t index, const SchemaSet& schemas) {
  if (index >= cel_size(list)) return cel_error("index out of bounds: " + std::to_string(index));
  if (!list.is<CelData>()) return (*list.get<std::shared_ptr<const CelList>>())[index];
  const CelData& data = list.get<CelData>();
  const Schema::Id items = data.schema == Schema::kNone ? Schema::kNone : schemas.at(data.schema).items;
  return cel_from_value(data.value->items[index], items, schemas);
}

CelList cel_elements(const CelValue& v, const SchemaSet& schemas) {
  CelList out;
  if (v.is<std::shared_ptr<const CelList>>()) return *v.get<std::shared_ptr<const CelList>>();
  if (v.is<std::shared_ptr<const CelMap>>()) {
    for (const auto& [key, value] : *v.get<std::shared_ptr<const CelMap>>()) out.push_back(key);
    return out;
  }
  if (!v.is<CelData>()) return out;
  const Value& value = *v.get<CelData>().value;
  for (size_t i = 0; i < value.items.size(); ++i) out.push_back(cel_at(v, i, schemas));
  for (const ValueMember& member : value.members) out.push_back(CelValue(member.key));
  return out;
}

CelValue cel_lookup(const CelValue& map, const CelValue& key, const SchemaSet& schemas) {
  const std::string shown = key.is_string() ? key.text() : key.type_name();
  if (map.is<CelData>()) {
    if (!key.is_string()) return cel_error("no such key: " + shown);
    const CelData& data = map.get<CelData>();
    const Value* member = data.value->find(key.text());
    if (member == nullptr) return cel_error("no such key: " + shown);
    return cel_from_value(*member, member_schema(data, key.text(), schemas), schemas);
  }
  for (const auto& [k, v] : *map.get<std::shared_ptr<const CelMap>>()) {
    if (cel_equal(k, key, schemas)) return v;
  }
  return cel_error("no such key: " + shown);
}

CelValue cel_field(const CelValue& object, std::string_view name, const SchemaSet& schemas) {
  if (!object.is_map())
    return cel_error("type '" + object.type_name() + "' has no field " + std::string(name));
  return cel_lookup(object, CelValue(object.is<CelData>() ? unescaped(name) : std::string(name)), schemas);
}

bool cel_has_field(const CelValue& object, std::string_view name, const SchemaSet& schemas) {
  return object.is_map() && !cel_field(object, name, schemas).is_error();
}

namespace {

bool lists_equal(const CelValue& a, const CelValue& b, const SchemaSet& schemas, int depth) {
  const CelList x = cel_elements(a, schemas);
  const CelList y = cel_elements(b, schemas);
  if (x.size() != y.size()) return false;
  // Lists that are sets or maps have no order.
  const bool ordered = !a.is<CelData>() || a.get<CelData>().schema == Schema::kNone ||
                       schemas.at(a.get<CelData>().schema).list_type == Schema::ListType::kAtomic;
  for (size_t i = 0; i < x.size(); ++i) {
    bool found = cel_equal(x[i], y[i], schemas, depth + 1);
    for (size_t j = 0; !found && !ordered && j < y.size(); ++j)
      found = cel_equal(x[i], y[j], schemas, depth + 1);
    if (!found) return false;
  }
  return true;
}

bool maps_equal(const CelValue& a, const CelValue& b, const SchemaSet& schemas, int depth) {
  if (cel_size(a) != cel_size(b)) return false;
  for (const CelValue& key : cel_elements(a, schemas)) {
    const CelValue other = cel_lookup(b, key, schemas);
    if (other.is_error() || !cel_equal(cel_lookup(a, key, schemas), other, schemas, depth + 1)) return false;
  }
  return true;
}

}  // namespace

bool cel_equal(const CelValue& a, const CelValue& b, const SchemaSet& schemas, int depth) {
  if (depth > kMaxEqualDepth) return false;
  if (number_of(a) && number_of(b)) return compare_numbers(a, b) == 0;
  if (a.is_list() && b.is_list()) return lists_equal(a, b, schemas, depth);
  if (a.is_map() && b.is_map()) return maps_equal(a, b, schemas, depth);
  if (a.type_name() != b.type_name()) return false;
  if (a.is<bool>()) return a.get<bool>() == b.get<bool>();
  if (a.is<CelNull>()) return true;
  if (a.is<CelType>()) return a.get<CelType>().name == b.get<CelType>().name;
  if (a.is<CelUrl>()) return a.get<CelUrl>().text == b.get<CelUrl>().text;
  if (a.is<IpAddress>()) return a.get<IpAddress>().to_string() == b.get<IpAddress>().to_string();
  if (a.is<Cidr>())
    return a.get<Cidr>().prefix == b.get<Cidr>().prefix &&
           a.get<Cidr>().address.to_string() == b.get<Cidr>().address.to_string();
  if (a.is<CelOptional>()) {
    const auto& x = a.get<CelOptional>().value;
    const auto& y = b.get<CelOptional>().value;
    return x == nullptr || y == nullptr ? x == y : cel_equal(*x, *y, schemas, depth + 1);
  }
  return cel_compare(a, b) == 0;
}

std::optional<int> cel_compare(const CelValue& a, const CelValue& b) {
  if (number_of(a) && number_of(b)) return compare_numbers(a, b);
  if (a.is_string() && b.is_string()) return sign_of(a.text(), b.text());
  if (a.is<bool>() && b.is<bool>()) return sign_of(a.get<bool>(), b.get<bool>());
  if (a.is<CelBytes>() && b.is<CelBytes>()) return sign_of(a.get<CelBytes>().data, b.get<CelBytes>().data);
  if (a.is<CelDuration>() && b.is<CelDuration>())
    return sign_of(a.get<CelDuration>().nanos, b.get<CelDuration>().nanos);
  if (a.is<Quantity>() && b.is<Quantity>()) return sign_of(a.get<Quantity>().value, b.get<Quantity>().value);
  if (a.is<Timestamp>() && b.is<Timestamp>()) {
    const Timestamp& x = a.get<Timestamp>();
    const Timestamp& y = b.get<Timestamp>();
    return x.seconds != y.seconds ? sign_of(x.seconds, y.seconds) : sign_of(x.nanos, y.nanos);
  }
  return std::nullopt;
}

std::vector<std::string_view> cel_code_points(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
    out.push_back(text.substr(i, end - i));
    i = end;
  }
  return out;
}

}  // namespace hadal
