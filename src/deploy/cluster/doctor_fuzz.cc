// A saved look at a cluster, as anybody may send one: everything that reads objects, events, logs, metrics.
#include <string_view>

#include "deploy/cluster/doctor.h"
#include "deploy/cluster/json_path.h"
#include "deploy/cluster/object_cache.h"
#include "deploy/cluster/object_diff.h"
#include "deploy/cluster/readiness.h"
#include "deploy/cluster/scheduler_message.h"
#include "deploy/cluster/status_report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hadal::cluster;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)parse_scheduler_message(text);
  WatchReader reader;
  (void)reader.feed(text);
  const auto snapshot = parse_snapshot(text, "snapshot.json");
  if (!snapshot.ok()) return 0;
  const DoctorReport report = examine(*snapshot);
  (void)report.text();
  (void)hadal::to_json(report.json());
  const ClusterView view = make_cluster_view(snapshot->objects, snapshot->time);
  (void)make_status_report(view, nullptr, hadal::Json());
  for (const hadal::Json& object : snapshot->objects) {
    (void)check_readiness(object, view);
    (void)unified_diff(to_yaml(object), to_yaml(comparable(object)), "a", "b");
  }
  return 0;
}
