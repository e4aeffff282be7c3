// The rules of the spec's texts: what Kubernetes, and the shells and files behind it, take.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "deploy/char_class.h"
#include "deploy/image_ref.h"
#include "deploy/spec_table.h"

namespace hadal {
namespace {

bool is_letter(char c) {
  return is_lower(c) || (c >= 'A' && c <= 'Z');
}
bool is_alnum(char c) {
  return is_letter(c) || is_digit(c);
}
bool is_name_char(char c) {
  return is_alnum(c) || c == '-' || c == '_' || c == '.';
}

bool is_dns_label(std::string_view text) {
  return text.size() <= 63 && all_of(text, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; }) &&
         text.front() != '-' && text.back() != '-';
}
bool is_dns_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  for (;;) {
    const size_t dot = text.find('.');
    if (!is_dns_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}
// The name part of a label or annotation key, and what a label's value may be where it is not empty.
bool is_qualified_name(std::string_view text) {
  return text.size() <= 63 && all_of(text, is_name_char) && is_alnum(text.front()) && is_alnum(text.back());
}
bool is_label_key(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_qualified_name(text);
  return is_dns_name(text.substr(0, slash)) && is_qualified_name(text.substr(slash + 1));
}
bool is_version(std::string_view text) {
  if (text.starts_with("v")) text.remove_prefix(1);
  int parts = 0;
  for (;;) {
    const size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    if (part.size() > 4 || !all_of(part, is_digit)) return false;
    ++parts;
    if (dot == std::string_view::npos) return parts >= 2 && parts <= 3;
    text.remove_prefix(dot + 1);
  }
}
bool is_cidr(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view bits = text.substr(slash + 1);
  int width = 0;
  if (bits.size() > 3 ||
      std::from_chars(bits.data(), bits.data() + bits.size(), width).ptr != bits.data() + bits.size() ||
      bits.empty())
    return false;
  std::string_view address = text.substr(0, slash);
  if (address.find(':') != std::string_view::npos) {
    return width <= 128 && all_of(address, [](char c) {
             return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':';
           });
  }
  int parts = 0;
  for (;; ++parts) {
    const size_t dot = address.find('.');
    const std::string_view part = address.substr(0, dot);
    int value = 0;
    if (part.empty() || part.size() > 3 || !all_of(part, is_digit) || (part.size() > 1 && part[0] == '0'))
      return false;
    std::from_chars(part.data(), part.data() + part.size(), value);
    if (value > 255) return false;
    if (dot == std::string_view::npos) break;
    address.remove_prefix(dot + 1);
  }
  return parts == 3 && width <= 32;
}
// What stands before the images' own paths.
bool is_registry(std::string_view text) {
  if (text.ends_with("/")) text.remove_suffix(1);
  const auto ref = parse_image_ref(std::string(text) + "/x");
  return text.size() <= 200 && !text.empty() && ref.ok();
}
bool is_path(std::string_view text) {
  return text.size() <= 4096 && text.starts_with("/") && text.find(':') == std::string_view::npos &&
         ("/" + std::string(text) + "/").find("/../") == std::string::npos;
}
bool is_url(std::string_view text) {
  const size_t skip = text.starts_with("https://") ? 8 : text.starts_with("http://") ? 7 : 0;
  return skip > 0 && text.size() > skip && text.find_first_of(" \"\\<>{}|^`@") == std::string_view::npos;
}
bool is_printable(std::string_view text) {
  // U+E000 is the Helm emitter's own mark.
  return text.size() <= 8192 && utf8_is_valid(text) && text.find("\xEE\x80\x80") == std::string_view::npos &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}
bool is_taint(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) return is_label_key(text);
  const std::string_view value = text.substr(equals + 1);
  return is_label_key(text.substr(0, equals)) && (value.empty() || is_qualified_name(value));
}

struct RuleText {
  TextRule rule;
  std::string_view pattern;
  std::string_view must_be;
};
constexpr RuleText kRules[] = {
    {TextRule::kAny, "", "one line of text"},
    {TextRule::kName, "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$",
     "small letters, digits and dashes, beginning with a letter, at most 63"},
    {TextRule::kDeployment, "^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$",
     "small letters, digits and dashes, beginning with a letter, at most 52 (names of Jobs and Services "
     "begin with it)"},
    {TextRule::kObjectName, "^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$",
     "a name of an object: small letters, digits, dashes and dots"},
    {TextRule::kNamespace, "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
     "a name of a namespace: small letters, digits and dashes, at most 63"},
    {TextRule::kHost, "^(\\*\\.)?[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$", "a DNS name in small letters"},
    {TextRule::kImage,
     "^([A-Za-z0-9][-.A-Za-z0-9]*(:[0-9]+)?/|\\[[0-9A-Fa-f:]+\\](:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*"
     "(/"
     "[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][-._A-Za-z0-9]{0,127})?(@sha(256|384|512):[0-9a-f]{64,128})?"
     "$",
     "an image reference"},
    {TextRule::kTag, "^[A-Za-z0-9_][-._A-Za-z0-9]{0,127}$",
     "the tag of an image: letters, digits, _ . -, at most 128"},
    {TextRule::kRegistry, "^[A-Za-z0-9\\[]([-._:\\]A-Za-z0-9]|/[-._A-Za-z0-9]){0,199}/?$",
     "a registry as images name it, without https://: mirror.example.com/team"},
    {TextRule::kPath, "^/[^:]*$", "an absolute path without \"..\" and \":\""},
    {TextRule::kVersion, "^v?[0-9]{1,4}(\\.[0-9]{1,4}){1,2}$", "a version such as 1.32 or 0.9.0"},
    {TextRule::kLabelKey, "^([-.a-z0-9]+/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$",
     "the key of a label"},
    {TextRule::kClass, "^([-.a-z0-9]+/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$",
     "the name of a class, such as nginx or service.k8s.aws/nlb"},
    {TextRule::kSecretKey, "^[-._A-Za-z0-9]{1,253}$", "the key of a Secret: letters, digits, - _ ."},
    {TextRule::kResource, "^[-.a-z0-9]+/[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$",
     "a resource such as nvidia.com/gpu or rdma/ib"},
    {TextRule::kCidr, "^[0-9a-fA-F.:]+/[0-9]{1,3}$", "a network such as 10.0.0.0/8"},
    {TextRule::kUrl, "^https?://[^ ]+$", "a URL that begins with http:// or https://"},
    {TextRule::kModelName, "^[A-Za-z0-9]([-._/A-Za-z0-9]{0,126}[A-Za-z0-9])?$",
     "letters, digits, - _ . and /, at most 128"},
    {TextRule::kLabelValue, "^([A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?)?$",
     "the value of a label: letters, digits, - _ ., at most 63"},
    {TextRule::kArgument, "", "one line of text"},
    {TextRule::kInterface, "^[A-Za-z0-9][-._A-Za-z0-9]{0,14}$", "a network interface such as eth0"},
    {TextRule::kDevice, "^[A-Za-z0-9][-_A-Za-z0-9]{0,63}$", "an RDMA device such as mlx5_0"},
    {TextRule::kTaint, "^([-.a-z0-9]+/)?[A-Za-z0-9][-._A-Za-z0-9]*(=[-._A-Za-z0-9]*)?$",
     "a taint: KEY or KEY=VALUE"},
    {TextRule::kServedFile, "^[^/:][^:]*$",
     "a path inside the volume, without a leading slash, \"..\" and \":\""},
    {TextRule::kCores, "^[0-9]+(\\.[0-9]+)?m?$", "a number of CPU cores above zero, such as 64 or 500m"},
    {TextRule::kBytes, "^[0-9]+(\\.[0-9]+)?(k|[KMGTPE]i?)?$", "a quantity above zero, such as 700Gi or 1.5T"},
};

const RuleText& text_of(TextRule rule) {
  for (const RuleText& row : kRules) {
    if (row.rule == rule) return row;
  }
  return kRules[0];
}

// Both are one type to Kubernetes, which takes "64Gi" for a number of cores and "64" for a memory of 64
// bytes.
Status check_amount(TextRule rule, std::string_view text) {
  constexpr double kMostCores = 1e5, kFewestBytes = 1024 * 1024;
  double value = 0;
  const std::string_view must_be = text_of(rule).must_be;
  if (!parse_quantity(text, value) || value <= 0) return invalid_argument("must be ", must_be);
  const char last = text.back();
  const bool plain = last >= '0' && last <= '9';
  if (rule == TextRule::kCores) {
    if (!plain && last != 'm')
      return invalid_argument("is an amount of memory; CPU is given in cores, such as 64 or 500m");
    if (value > kMostCores) return invalid_argument("is more cores than any host has: such as 64 or 500m");
    return {};
  }
  if (last == 'm')
    return invalid_argument("is thousandths of a byte: for mebibytes write ", text.substr(0, text.size() - 1),
                            "Mi");
  if (value < kFewestBytes)
    return invalid_argument("is ", plain ? "so many bytes" : "less than a mebibyte",
                            ": write a unit, such as ", plain ? text : "64", "Gi");
  return {};
}

bool follows(TextRule rule, std::string_view text) {
  switch (rule) {
    case TextRule::kName:
      return is_dns_label(text) && is_lower(text.front());
    case TextRule::kDeployment:
      return text.size() <= kMaxDeploymentName && is_dns_label(text) && is_lower(text.front());
    case TextRule::kObjectName:
      return is_dns_name(text);
    case TextRule::kNamespace:
      return is_dns_label(text);
    case TextRule::kHost:
      return is_dns_name(text.starts_with("*.") ? text.substr(2) : text);
    case TextRule::kImage:
      return parse_image_ref(text).ok();
    case TextRule::kTag:
      return is_image_tag(text);
    case TextRule::kRegistry:
      return is_registry(text);
    case TextRule::kPath:
      return is_path(text);
    case TextRule::kVersion:
      return is_version(text);
    case TextRule::kLabelKey:
    case TextRule::kClass:
      return is_label_key(text);
    case TextRule::kSecretKey:
      return text.size() <= 253 && all_of(text, is_name_char);
    case TextRule::kResource:
      return text.find('/') != std::string_view::npos && is_label_key(text);
    case TextRule::kCidr:
      return is_cidr(text);
    case TextRule::kUrl:
      return is_url(text);
    case TextRule::kModelName:
      return text.size() <= 128 && all_of(text, [](char c) { return is_name_char(c) || c == '/'; }) &&
             is_alnum(text.front()) && is_alnum(text.back());
    case TextRule::kLabelValue:
      return text.empty() || is_qualified_name(text);
    case TextRule::kInterface:
      return text.size() <= 15 && all_of(text, is_name_char) && is_alnum(text.front());
    case TextRule::kDevice:
      return text.size() <= 64 && all_of(text, [](char c) { return is_alnum(c) || c == '_' || c == '-'; }) &&
             is_alnum(text.front());
    case TextRule::kTaint:
      return is_taint(text);
    case TextRule::kServedFile:
      return !text.empty() && !text.starts_with("/") && is_path("/" + std::string(text));
    case TextRule::kCores:
    case TextRule::kBytes:
      return check_amount(rule, text).ok();
    case TextRule::kAny:
    case TextRule::kArgument:
      return true;
  }
  return false;
}

}  // namespace

Status check_spec_text(TextRule rule, std::string_view text) {
  const bool printable = is_printable(text);
  if (printable && follows(rule, text)) return {};
  if (printable && (rule == TextRule::kCores || rule == TextRule::kBytes)) return check_amount(rule, text);
  if (const auto ref = parse_image_ref(text); printable && rule == TextRule::kImage && !ref.ok())
    return invalid_argument("must be an image reference: ", ref.error().message);
  return invalid_argument("must be ", text_of(rule).must_be);
}

std::string_view spec_pattern(TextRule rule) {
  return text_of(rule).pattern;
}

bool parse_quantity(std::string_view text, double& value) {
  // apimachinery's resource.Quantity: decimal digits, then m, nothing, k M G T P E or Ki Mi Gi Ti Pi Ei.
  const size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  if (end == 0 || end > 18 || text[0] == '.' || text[end - 1] == '.') return false;
  const auto result = std::from_chars(text.data(), text.data() + end, value);
  if (result.ec != std::errc() || result.ptr != text.data() + end) return false;
  const std::string_view suffix = text.substr(end);
  if (suffix.empty()) return true;
  if (suffix == "m") return value /= 1000, true;
  constexpr std::string_view kDecimal = "kMGTPE";
  constexpr std::string_view kBinary = "KMGTPE";
  const bool binary = suffix.size() == 2 && suffix[1] == 'i';
  const size_t power = (binary ? kBinary : kDecimal).find(suffix[0]);
  if (power == std::string_view::npos || (!binary && suffix.size() != 1)) return false;
  value *= std::pow(binary ? 1024.0 : 1000.0, static_cast<double>(power + 1));
  return true;
}

}  // namespace hadal
