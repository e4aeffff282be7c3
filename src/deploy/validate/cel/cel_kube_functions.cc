// Kubernetes' CEL libraries: quantities, addresses, URLs and named formats
// (k8s.io/apiserver/pkg/cel/library), and CEL's functions of time.
#include <algorithm>
#include <cmath>

#include "deploy/validate/cel/cel_eval.h"

namespace hadal {
namespace {

CelValue quantity_function(const std::string& name, CelList& args, bool& handled) {
  handled = true;
  const Quantity& q = args[0].get<Quantity>();
  if (args.size() == 1) {
    if (name == "sign") return CelValue(int64_t{q.value > 0 ? 1 : (q.value < 0 ? -1 : 0)});
    if (name == "isInteger") return CelValue(q.is_integer && std::fabs(q.value) < 9.2e18L);
    if (name == "asInteger")
      return q.is_integer && std::fabs(q.value) < 9.2e18L ? CelValue(static_cast<int64_t>(q.value))
                                                          : cel_error("the quantity is no integer");
    if (name == "asApproximateFloat") return CelValue(static_cast<double>(q.value));
  }
  if (args.size() == 2) {
    long double other = 0;
    if (args[1].is<Quantity>()) {
      other = args[1].get<Quantity>().value;
    } else if (args[1].is<int64_t>() && (name == "add" || name == "sub")) {
      other = static_cast<long double>(args[1].get<int64_t>());
    } else {
      handled = false;
      return CelValue();
    }
    if (name == "isGreaterThan") return CelValue(q.value > other);
    if (name == "isLessThan") return CelValue(q.value < other);
    if (name == "compareTo") return CelValue(int64_t{q.value > other ? 1 : (q.value < other ? -1 : 0)});
    if (name == "add" || name == "sub") {
      Quantity out;
      out.value = name == "add" ? q.value + other : q.value - other;
      out.is_integer = out.value == std::floor(out.value);
      return CelValue(out);
    }
  }
  handled = false;
  return CelValue();
}

bool in_network(const IpAddress& ip, const Cidr& network) {
  if (ip.is_v6 != network.address.is_v6) return false;
  for (int bit = 0; bit < network.prefix; ++bit) {
    const auto byte = static_cast<size_t>(bit / 8);
    const int mask = 0x80 >> (bit % 8);
    if ((ip.bytes[byte] & mask) != (network.address.bytes[byte] & mask)) return false;
  }
  return true;
}

bool in_network(const IpAddress& ip, std::string_view network) {
  return in_network(ip, *parse_cidr(network));
}

CelValue ip_function(const std::string& name, const CelList& args, bool& handled) {
  handled = args.size() == 1;
  const IpAddress& ip = args[0].get<IpAddress>();
  if (name == "family") return CelValue(int64_t{ip.is_v6 ? 6 : 4});
  const bool unspecified = std::all_of(ip.bytes.begin(), ip.bytes.end(), [](uint8_t b) { return b == 0; });
  const bool loopback = in_network(ip, ip.is_v6 ? "::1/128" : "127.0.0.0/8");
  const bool link_multicast = in_network(ip, ip.is_v6 ? "ff02::/16" : "224.0.0.0/24");
  const bool link_unicast = in_network(ip, ip.is_v6 ? "fe80::/10" : "169.254.0.0/16");
  if (name == "isUnspecified") return CelValue(unspecified);
  if (name == "isLoopback") return CelValue(loopback);
  if (name == "isLinkLocalMulticast") return CelValue(link_multicast);
  if (name == "isLinkLocalUnicast") return CelValue(link_unicast);
  if (name == "isGlobalUnicast") {
    const bool multicast = in_network(ip, ip.is_v6 ? "ff00::/8" : "224.0.0.0/4");
    const bool broadcast = !ip.is_v6 && in_network(ip, "255.255.255.255/32");
    return CelValue(!unspecified && !loopback && !multicast && !link_unicast && !broadcast);
  }
  handled = false;
  return CelValue();
}

CelValue cidr_function(const std::string& name, CelList& args, bool& handled) {
  handled = true;
  const Cidr& network = args[0].get<Cidr>();
  if (args.size() == 1) {
    if (name == "ip") return CelValue(network.address);
    if (name == "prefixLength") return CelValue(int64_t{network.prefix});
    if (name == "masked") {
      Cidr out = network;
      for (int bit = network.prefix; bit < out.address.size() * 8; ++bit)
        out.address.bytes[static_cast<size_t>(bit / 8)] &= static_cast<uint8_t>(~(0x80 >> (bit % 8)));
      return CelValue(out);
    }
  }
  if (args.size() == 2 && name == "containsIP") {
    if (args[1].is<IpAddress>()) return CelValue(in_network(args[1].get<IpAddress>(), network));
    const auto ip = args[1].is_string() ? parse_ip(args[1].text()) : std::nullopt;
    return ip ? CelValue(in_network(*ip, network)) : cel_error("containsIP() needs an IP address");
  }
  if (args.size() == 2 && name == "containsCIDR") {
    std::optional<Cidr> other;
    if (args[1].is<Cidr>()) other = args[1].get<Cidr>();
    if (args[1].is_string()) other = parse_cidr(args[1].text());
    if (!other) return cel_error("containsCIDR() needs a CIDR");
    return CelValue(other->prefix >= network.prefix && in_network(other->address, network));
  }
  handled = false;
  return CelValue();
}

struct UrlParts {
  std::string scheme, host, hostname, port, path, query;
};

std::optional<UrlParts> parse_url(std::string_view text) {
  UrlParts out;
  if (text.empty() || text.find_first_of(" \t\n\r") != std::string_view::npos) return std::nullopt;
  const size_t colon = text.find(':');
  const size_t slash = text.find('/');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon < slash)) {
    out.scheme = text.substr(0, colon);
    if (out.scheme.empty() ||
        out.scheme.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.") !=
            std::string::npos)
      return std::nullopt;
    text.remove_prefix(colon + 1);
  } else if (text[0] != '/') {
    return std::nullopt;  // neither absolute nor a path
  }
  if (text.starts_with("//")) {
    text.remove_prefix(2);
    const size_t end = std::min(text.find_first_of("/?#"), text.size());
    std::string_view host = text.substr(0, end);
    if (const size_t at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
    out.host = host;
    const size_t port = host.rfind(':');
    const bool bracketed = !host.empty() && host.front() == '[';
    const bool has_port = port != std::string_view::npos && (!bracketed || port > host.find(']'));
    out.hostname = has_port ? host.substr(0, port) : host;
    if (has_port) out.port = host.substr(port + 1);
    if (out.port.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
    if (bracketed && out.hostname.size() > 1) out.hostname = out.hostname.substr(1, out.hostname.size() - 2);
    text.remove_prefix(end);
  }
  text = text.substr(0, text.find('#'));
  const size_t question = text.find('?');
  out.path = text.substr(0, question);
  if (question != std::string_view::npos) out.query = text.substr(question + 1);
  return out;
}

CelValue url_query(const std::string& query) {
  CelMap out;
  std::vector<std::pair<std::string, CelList>> values;
  for (size_t begin = 0; begin <= query.size() && !query.empty();) {
    const size_t end = std::min(query.find('&', begin), query.size());
    const std::string pair = query.substr(begin, end - begin);
    const size_t equals = std::min(pair.find('='), pair.size());
    const std::string key = pair.substr(0, equals);
    CelValue value(equals < pair.size() ? pair.substr(equals + 1) : std::string());
    auto found = std::find_if(values.begin(), values.end(), [&](const auto& v) { return v.first == key; });
    if (found == values.end()) found = values.insert(values.end(), {key, {}});
    found->second.push_back(std::move(value));
    begin = end + 1;
  }
  for (auto& [key, list] : values) out.emplace_back(CelValue(key), cel_list(std::move(list)));
  return cel_map(std::move(out));
}

CelValue url_function(const std::string& name, const CelList& args, bool& handled) {
  handled = true;
  const std::optional<UrlParts> url = parse_url(args[0].get<CelUrl>().text);
  if (!url) return cel_error("no URL");
  if (name == "getScheme") return CelValue(url->scheme);
  if (name == "getHost") return CelValue(url->host);
  if (name == "getHostname") return CelValue(url->hostname);
  if (name == "getPort") return CelValue(url->port);
  if (name == "getEscapedPath") return CelValue(url->path);
  if (name == "getQuery") return url_query(url->query);
  handled = false;
  return CelValue();
}

// Whether a text has a named format; nullopt: unknown name.
std::optional<bool> has_named_format(std::string_view name, const std::string& text) {
  if (name == "dns1123Label" || name == "dns1123LabelPrefix") return is_dns1123_label(text);
  if (name == "dns1123Subdomain" || name == "dns1123SubdomainPrefix") return is_dns1123_subdomain(text);
  if (name == "dns1035Label" || name == "dns1035LabelPrefix") return is_dns1035_label(text);
  if (name == "qualifiedName") return is_qualified_name(text);
  if (name == "labelValue") return is_label_value(text);
  if (name == "uri") return parse_url(text).has_value();
  if (name == "uuid") return is_uuid(text);
  if (name == "byte") return is_base64(text);
  if (name == "date") return is_date(text);
  if (name == "datetime") return parse_timestamp(text).has_value();
  return std::nullopt;
}

CelValue format_function(const std::string& name, bool has_target, CelList& args, bool& handled) {
  handled = true;
  if (name == "format.named" && args.size() == 1 && args[0].is_string()) {
    if (!has_named_format(args[0].text(), "").has_value()) return cel_none();
    return cel_optional(CelValue(CelFormat{args[0].text()}));
  }
  if (!has_target && name.starts_with("format.") && args.empty() &&
      has_named_format(std::string_view(name).substr(7), "").has_value())
    return CelValue(CelFormat{name.substr(7)});
  if (name == "validate" && args.size() == 2 && args[0].is<CelFormat>() && args[1].is_string()) {
    const std::string& format = args[0].get<CelFormat>().name;
    if (*has_named_format(format, args[1].text())) return cel_none();
    return cel_optional(cel_list({CelValue("does not have the format " + format)}));
  }
  handled = false;
  return CelValue();
}

CelValue constructor(const std::string& name, const CelValue& arg, bool& handled) {
  handled = arg.is_string();
  if (!handled) return CelValue();
  const std::string& text = arg.text();
  if (name == "quantity" || name == "isQuantity") {
    const auto q = parse_quantity(text);
    if (name == "isQuantity") return CelValue(q.has_value());
    return q ? CelValue(*q) : cel_error("\"" + text + "\" is no quantity");
  }
  if (name == "ip" || name == "isIP" || name == "ip.isCanonical") {
    const auto ip = parse_ip(text);
    if (name == "isIP") return CelValue(ip.has_value());
    if (!ip) return cel_error("\"" + text + "\" is no IP address");
    return name == "ip" ? CelValue(*ip) : CelValue(ip->to_string() == text);
  }
  if (name == "cidr" || name == "isCIDR") {
    const auto cidr = parse_cidr(text);
    if (name == "isCIDR") return CelValue(cidr.has_value());
    return cidr ? CelValue(*cidr) : cel_error("\"" + text + "\" is no CIDR");
  }
  if (name == "url" || name == "isURL") {
    const bool ok = parse_url(text).has_value();
    if (name == "isURL") return CelValue(ok);
    return ok ? CelValue(CelUrl{text}) : cel_error("\"" + text + "\" is no URL");
  }
  handled = false;
  return CelValue();
}

CelValue duration_part(const std::string& name, int64_t nanos, bool& handled) {
  handled = true;
  if (name == "getHours") return CelValue(nanos / 3'600'000'000'000);
  if (name == "getMinutes") return CelValue(nanos / 60'000'000'000);
  if (name == "getSeconds") return CelValue(nanos / 1'000'000'000);
  if (name == "getMilliseconds") return CelValue(nanos / 1'000'000 % 1000);
  handled = false;
  return CelValue();
}

}  // namespace

CelValue call_cel_kube_function(CelEvaluator& evaluator, const std::string& name, bool has_target,
                                CelList& args, bool& handled) {
  handled = false;
  CelValue out;
  if (!has_target && args.size() == 1) {
    if (args[0].is_string() && !evaluator.charge(args[0].text().size() / 8)) {
      handled = true;
      return cel_error("the rule takes too long");
    }
    out = constructor(name, args[0], handled);
    if (handled) return out;
  }
  out = format_function(name, has_target, args, handled);
  if (handled || args.empty()) return out;
  if (args[0].is<Quantity>()) return quantity_function(name, args, handled);
  if (args[0].is<IpAddress>()) return ip_function(name, args, handled);
  if (args[0].is<Cidr>()) return cidr_function(name, args, handled);
  if (args[0].is<CelUrl>()) return url_function(name, args, handled);
  return out;
}

// In UTC; a time zone given as a second argument is not looked at.
CelValue call_cel_time_function(const std::string& name, CelList& args, bool& handled) {
  handled = false;
  if (args.empty()) return CelValue();
  if (args[0].is<CelDuration>()) return duration_part(name, args[0].get<CelDuration>().nanos, handled);
  if (!args[0].is<Timestamp>()) return CelValue();
  const Timestamp& time = args[0].get<Timestamp>();
  const int64_t days = time.seconds >= 0 ? time.seconds / 86400 : (time.seconds - 86399) / 86400;
  const int64_t rest = time.seconds - days * 86400;
  const CivilDate date = civil_from_days(days);
  handled = true;
  if (name == "getFullYear") return CelValue(date.year);
  if (name == "getMonth") return CelValue(int64_t{date.month - 1});
  if (name == "getDate") return CelValue(int64_t{date.day});
  if (name == "getDayOfMonth") return CelValue(int64_t{date.day - 1});
  if (name == "getDayOfYear") return CelValue(days - days_from_civil(date.year, 1, 1));
  if (name == "getDayOfWeek") return CelValue(((days + 4) % 7 + 7) % 7);
  if (name == "getHours") return CelValue(rest / 3600);
  if (name == "getMinutes") return CelValue(rest / 60 % 60);
  if (name == "getSeconds") return CelValue(rest % 60);
  if (name == "getMilliseconds") return CelValue(int64_t{time.nanos / 1'000'000});
  handled = false;
  return CelValue();
}

}  // namespace hadal
