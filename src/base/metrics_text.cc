#include "base/metrics_text.h"

#include <charconv>
#include <cmath>
#include <string_view>

namespace hadal {
namespace {

// The shortest text that reads back the same.
void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    const double size = std::fabs(value);
    const bool plain = size == 0 || (size >= 1e-6 && size < 1e15);
    char text[64];
    out.append(text, std::to_chars(text, text + sizeof text, value,
                                   plain ? std::chars_format::fixed : std::chars_format::scientific)
                         .ptr);
  }
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || (quotes && c == '"')) {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
}

// "name_suffix{label="value",extra="number"} "
void append_name(std::string& out, const std::string& name, std::string_view suffix,
                 const prometheus::ClientMetric& metric, std::string_view extra = {}, double number = 0) {
  out += name;
  out += suffix;
  if (!metric.label.empty() || !extra.empty()) {
    char separator = '{';
    for (const auto& label : metric.label) {
      out += separator;
      out += label.name;
      out += "=\"";
      append_escaped(out, label.value, true);
      out += '"';
      separator = ',';
    }
    if (!extra.empty()) {
      out += separator;
      out += extra;
      out += "=\"";
      append_number(out, number);
      out += '"';
    }
    out += '}';
  }
  out += ' ';
}

void append_histogram(std::string& out, const std::string& name, const prometheus::ClientMetric& metric) {
  for (const auto& bucket : metric.histogram.bucket) {
    append_name(out, name, "_bucket", metric, "le", bucket.upper_bound);
    out += std::to_string(bucket.cumulative_count) + '\n';
  }
  append_name(out, name, "_sum", metric);
  append_number(out, metric.histogram.sample_sum);
  out += '\n';
  append_name(out, name, "_count", metric);
  out += std::to_string(metric.histogram.sample_count) + '\n';
}

std::string_view type_name(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return "counter";
    case prometheus::MetricType::Histogram:
      return "histogram";
    default:
      return "gauge";
  }
}

}  // namespace

std::string metrics_to_text(const std::vector<prometheus::MetricFamily>& families) {
  std::string out;
  for (const auto& family : families) {
    out += "# HELP " + family.name + ' ';
    append_escaped(out, family.help, false);
    out += "\n# TYPE " + family.name + ' ';
    out += type_name(family.type);
    out += '\n';
    for (const auto& metric : family.metric) {
      if (family.type == prometheus::MetricType::Histogram) {
        append_histogram(out, family.name, metric);
        continue;
      }
      append_name(out, family.name, "", metric);
      append_number(
          out, family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value);
      out += '\n';
    }
  }
  return out;
}

}  // namespace hadal
