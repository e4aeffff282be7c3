// Metrics: counters, gauges and histograms over prometheus-cpp-core, printed in the Prometheus text format.
// The Registry is built by main and outlives every user. Handles are cheap pointers; updating is thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace hadal {

class Counter {
 public:
  explicit Counter(prometheus::Counter* impl) : impl_(impl) {}
  void add(double amount = 1);
  double value() const;

 private:
  prometheus::Counter* impl_;
};

class Gauge {
 public:
  explicit Gauge(prometheus::Gauge* impl) : impl_(impl) {}
  void set(double value);
  double value() const;

 private:
  prometheus::Gauge* impl_;
};

class Histogram {
 public:
  explicit Histogram(prometheus::Histogram* impl) : impl_(impl) {}
  void observe(double value);

 private:
  prometheus::Histogram* impl_;
};

using MetricLabels = std::map<std::string, std::string>;

class MetricsRegistry {
 public:
  MetricsRegistry();
  ~MetricsRegistry();
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;

  // Same name and labels give the same metric. Names: hadal_<what>_<unit>[_total], seconds and bytes.
  Counter counter(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  Gauge gauge(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  // buckets: upper bounds, ascending.
  Histogram histogram(std::string_view name, std::string_view help, const std::vector<double>& buckets,
                      const MetricLabels& labels = {});

  // Text exposition format 0.0.4.
  std::string to_text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Bounds in seconds from 0.25 ms to `max_seconds` that resolve 1 ms around the latencies of a decode step:
// every 1 ms up to 20 ms, then growing by a quarter.
std::vector<double> latency_buckets(double max_seconds);

}  // namespace hadal
