// The Grafana dashboard (schema 39: Grafana 10 and newer).
#include <cstdint>
#include <cstdio>

#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"
#include "deploy/render/metric_text.h"
#include "deploy/render/parts.h"

namespace hadal {
namespace {

struct Query {
  std::string expression, legend;
};

// One Grafana may serve many namespaces; it takes 40 characters of uid.
std::string dashboard_uid(const RenderContext& c) {
  constexpr size_t kMost = 40;
  const std::string whole = "hadal-" + c.spec.ns + "-" + c.spec.name;
  if (whole.size() <= kMost) return whole;
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (const char letter : whole) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3u;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016lx", static_cast<unsigned long>(hash));
  return whole.substr(0, kMost - 17) + "-" + digits;
}

class Dashboard {
 public:
  void panel(std::string title, std::string unit, std::vector<Query> queries) {
    JsonArray targets;
    char ref = 'A';
    for (Query& query : queries) {
      targets.push_back(obj({{"refId", std::string(1, ref++)},
                             {"expr", std::move(query.expression)},
                             {"legendFormat", std::move(query.legend)},
                             {"datasource", datasource()}}));
    }
    const int index = static_cast<int>(panels_.size());
    panels_.push_back(
        obj({{"id", index + 1},
             {"type", "timeseries"},
             {"title", std::move(title)},
             {"datasource", datasource()},
             {"gridPos", obj({{"h", 8}, {"w", 12}, {"x", index % 2 * 12}, {"y", index / 2 * 8}})},
             {"fieldConfig", obj({{"defaults", obj({{"unit", std::move(unit)}})}, {"overrides", arr({})}})},
             {"targets", Json(std::move(targets))}}));
  }
  Json take_panels() { return Json(std::move(panels_)); }

 private:
  static Json datasource() { return obj({{"type", "prometheus"}, {"uid", "${datasource}"}}); }
  JsonArray panels_;
};

}  // namespace

std::string grafana_dashboard(const RenderContext& c) {
  const EngineTraits& traits = engine_traits(c.engine);
  const std::string labels = "{" + metric_labels(c) + "}";
  const auto percentiles = [&](std::string_view histogram) {
    return std::vector<Query>{{quantile_query(c, 0.5, histogram), "p50"},
                              {quantile_query(c, 0.9, histogram), "p90"},
                              {quantile_query(c, 0.99, histogram), "p99"}};
  };
  const auto rate = [&](std::string_view counter) {
    return "sum(rate(" + std::string(counter) + labels + "[1m]))";
  };
  Dashboard dashboard;
  dashboard.panel("Time to first token", "s", percentiles(traits.first_token));
  dashboard.panel("Time between tokens", "s", percentiles(traits.inter_token));
  dashboard.panel("Time of a request", "s", percentiles(traits.request_time));
  if (!traits.generated_tokens.empty())
    dashboard.panel("Tokens a second", "short",
                    {{rate(traits.generated_tokens), "generated"}, {rate(traits.prompt_tokens), "prompt"}});
  if (!traits.running.empty())
    dashboard.panel("Requests", "short",
                    {{"sum(" + std::string(traits.running) + labels + ")", "running"},
                     {"sum(" + std::string(traits.waiting) + labels + ")", "waiting"}});
  if (!traits.kv_usage.empty())
    dashboard.panel("KV cache in use", "percentunit", {{kv_usage_query(c), "{{pod}}"}});
  const Json source =
      obj({{"name", "datasource"}, {"type", "datasource"}, {"query", "prometheus"}, {"label", "Prometheus"}});
  const Json out = obj({{"title", c.spec.ns + "/" + c.spec.name + " (" + c.spec.engine.name + ")"},
                        {"uid", dashboard_uid(c)},
                        {"schemaVersion", 39},
                        {"tags", arr({"hadal", "llm"})},
                        {"refresh", "30s"},
                        {"time", obj({{"from", "now-1h"}, {"to", "now"}})},
                        {"templating", obj({{"list", arr({source})}})},
                        {"panels", dashboard.take_panels()}});
  return to_json(out, 2) + "\n";
}

}  // namespace hadal
