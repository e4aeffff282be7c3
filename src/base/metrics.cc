#include "base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cmath>

#include "base/metrics_text.h"

namespace hadal {

struct MetricsRegistry::Impl {
  prometheus::Registry registry;
};

void Counter::add(double amount) {
  impl_->Increment(amount);
}
double Counter::value() const {
  return impl_->Value();
}
void Gauge::set(double value) {
  impl_->Set(value);
}
double Gauge::value() const {
  return impl_->Value();
}
void Histogram::observe(double value) {
  impl_->Observe(value);
}

MetricsRegistry::MetricsRegistry() : impl_(std::make_unique<Impl>()) {}
MetricsRegistry::~MetricsRegistry() = default;

Counter MetricsRegistry::counter(std::string_view name, std::string_view help, const MetricLabels& labels) {
  auto& family =
      prometheus::BuildCounter().Name(std::string(name)).Help(std::string(help)).Register(impl_->registry);
  return Counter(&family.Add(labels));
}

Gauge MetricsRegistry::gauge(std::string_view name, std::string_view help, const MetricLabels& labels) {
  auto& family =
      prometheus::BuildGauge().Name(std::string(name)).Help(std::string(help)).Register(impl_->registry);
  return Gauge(&family.Add(labels));
}

Histogram MetricsRegistry::histogram(std::string_view name, std::string_view help,
                                     const std::vector<double>& buckets, const MetricLabels& labels) {
  auto& family =
      prometheus::BuildHistogram().Name(std::string(name)).Help(std::string(help)).Register(impl_->registry);
  return Histogram(&family.Add(labels, buckets));
}

std::string MetricsRegistry::to_text() const {
  return metrics_to_text(impl_->registry.Collect());
}

std::vector<double> latency_buckets(double max_seconds) {
  std::vector<double> bounds{0.00025, 0.0005};
  for (int ms = 1; ms <= 20; ++ms) bounds.push_back(ms / 1000.0);
  double bound = 0.025;
  while (bound < max_seconds) {
    // Three digits: a bucket is named by its bound.
    const double digits = std::pow(10.0, 2 - std::floor(std::log10(bound)));
    bounds.push_back(std::round(bound * digits) / digits);
    bound *= 1.25;
  }
  bounds.push_back(max_seconds);
  return bounds;
}

}  // namespace hadal
