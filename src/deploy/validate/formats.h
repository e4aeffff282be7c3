// The text formats of Kubernetes' API: quantities, durations, dates, names and addresses. Facts of
// apimachinery (pkg/api/resource, pkg/util/validation) and of Go's time and net packages. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hadal {

// "1500m", "64Gi", "1e3": nullopt where it is none. Values saturate; `nano` is exact up to 2^63 / 10^9.
struct Quantity {
  long double value = 0;
  bool is_integer = true;  // no fraction
};
std::optional<Quantity> parse_quantity(std::string_view text);

// Go's time.ParseDuration: "1h30m", "300ms", "-1.5s", "0". Nanoseconds.
std::optional<int64_t> parse_go_duration(std::string_view text);
// Prometheus: "1d12h", "15s", "100ms", "0". Milliseconds.
std::optional<int64_t> parse_prometheus_duration(std::string_view text);

struct Timestamp {
  int64_t seconds = 0;  // of the Unix epoch
  int32_t nanos = 0;
};
// RFC 3339.
std::optional<Timestamp> parse_timestamp(std::string_view text);
bool is_date(std::string_view text);  // 2006-01-02
int64_t days_from_civil(int64_t year, int month, int day);
struct CivilDate {
  int64_t year = 1970;
  int month = 1;
  int day = 1;
};
CivilDate civil_from_days(int64_t days);

bool is_dns1123_label(std::string_view text);      // [a-z0-9]([-a-z0-9]*[a-z0-9])?, at most 63
bool is_dns1123_subdomain(std::string_view text);  // labels and dots, at most 253
bool is_dns1035_label(std::string_view text);      // begins with a letter, at most 63
bool is_qualified_name(std::string_view text);     // [prefix/]name, of labels' keys
bool is_label_value(std::string_view text);        // may be empty, at most 63
bool is_port_name(std::string_view text);          // IANA_SVC_NAME: at most 15, a letter in it
bool is_env_name(std::string_view text);           // printable ASCII without "="
bool is_c_identifier(std::string_view text);
bool is_config_key(std::string_view text);  // [-._a-zA-Z0-9]+, at most 253
bool is_base64(std::string_view text);
bool is_uuid(std::string_view text);

struct IpAddress {
  bool is_v6 = false;
  std::array<uint8_t, 16> bytes{};  // the first 4 of IPv4
  int size() const { return is_v6 ? 16 : 4; }
  std::string to_string() const;
};
std::optional<IpAddress> parse_ip(std::string_view text);
struct Cidr {
  IpAddress address;
  int prefix = 0;
};
std::optional<Cidr> parse_cidr(std::string_view text);

// A format of OpenAPI as the API server checks it; true for those that it does not know.
bool matches_format(std::string_view format, std::string_view text);

// "1.32", "v0.9.0-rc1": -1, 0 or 1; missing parts are 0, what follows digits does not count.
int compare_versions(std::string_view a, std::string_view b);

}  // namespace hadal
