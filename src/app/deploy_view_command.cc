#include <time.h>
#include <unistd.h>

#include <cstdio>

#include "app/commands.h"
#include "app/deploy_cluster.h"
#include "deploy/cluster/cluster_reader.h"
#include "deploy/cluster/doctor.h"
#include "deploy/cluster/history_report.h"
#include "deploy/cluster/inventory_store.h"
#include "deploy/cluster/json_path.h"
#include "deploy/cluster/object_cache.h"
#include "deploy/cluster/pod_logs.h"
#include "deploy/cluster/status_report.h"
#include "deploy/cluster/workload_view.h"

namespace hadal {

using namespace cluster;

namespace {

constexpr auto kWatchInterval = std::chrono::seconds(2);

// The deployment's inventory, where a name was given and hadal applied it.
Result<std::optional<Inventory>> find_inventory(KubeClient& client, const Settings& settings) {
  std::optional<Inventory> out;
  if (settings.deploy.arguments.empty()) return out;
  HADAL_ASSIGN(Inventory inventory,
               InventoryStore(client).load(client.target().namespace_name, settings.deploy.arguments[0]));
  if (!inventory.resource_version.empty()) out = std::move(inventory);
  return out;
}

// What pods that are starting say of themselves.
Json read_progress(KubeClient& client, const std::vector<Json>& pods) {
  Json out(JsonObject{});
  for (const Json& pod : pods) {
    if (text_at(pod, "status.phase") != "Running" || condition_is(pod, "Ready", "True")) continue;
    const int port = http_port_of(pod);
    if (port == 0) continue;
    const auto answer = get_from_pod(client, pod, port, "/startupz");
    if (!answer.ok()) continue;
    const auto parsed = parse_json(*answer);
    if (parsed.ok() && !startup_text(*parsed).empty()) out.set(name_of(pod), startup_text(*parsed));
  }
  return out;
}

Result<StatusReport> make_report(KubeClient& client, const Settings& settings) {
  HADAL_ASSIGN(const std::optional<Inventory> inventory, find_inventory(client, settings));
  HADAL_ASSIGN(ClusterObjects found,
               read_cluster_objects(client, client.target().namespace_name, status_kinds()));
  if (!inventory.has_value() && !settings.deploy.arguments.empty()) {
    const std::string& name = settings.deploy.arguments[0];
    const bool blind = may_hide_workloads(found.unseen_kinds);
    if (find_workloads(found.objects, nullptr, name).empty() && !blind)
      return make_error(ErrorCode::kNotFound, "there is no deployment or workload ", name, " in namespace ",
                        client.target().namespace_name);
    std::erase_if(found.objects, [&](const Json& o) {
      return is_workload_kind(kind_of(o)) && kind_of(o) != "Pod" && name_of(o) != name;
    });
  }
  const ClusterView view = make_cluster_view(std::move(found.objects), ::time(nullptr));
  StatusReport out = make_status_report(view, inventory.has_value() ? &*inventory : nullptr,
                                        read_progress(client, view.pods), found.unseen_kinds);
  for (const std::string& unseen : found.unseen) out.text += "cannot see " + unseen + "\n";
  return out;
}

void print_report(const StatusReport& report, bool json) {
  std::fputs(json ? (to_json(report.json, 2) + "\n").c_str() : report.text.c_str(), stdout);
  std::fflush(stdout);
}

// What is different from before, and only that.
int watch_status(KubeClient& client, const Settings& settings) {
  const bool json = settings.cluster.format == "json";
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  std::string before;
  do {
    auto report = make_report(client, settings);
    if (client.stop_token().stop_requested()) break;
    if (!report.ok()) return deploy_failed(report.error());
    const std::string now = json ? to_json(report->json) + "\n" : report->text;
    if (now == before) continue;
    if (terminal && !json) std::fputs("\x1b[H\x1b[2J", stdout);
    std::fputs(now.c_str(), stdout);
    if (!terminal && !json) std::fputs("\n", stdout);
    std::fflush(stdout);
    before = now;
  } while (client.sleep(kWatchInterval));
  return 1;  // told to stop
}

LogOptions log_options(const DeployClusterConfig& c) {
  LogOptions out;
  out.follow = c.follow;
  out.previous = c.previous;
  out.timestamps = c.timestamps;
  out.since_seconds = (c.since.count() + 999) / 1000;
  out.tail = c.tail;
  out.containers = c.containers;
  return out;
}

int show_status(Settings& settings, std::stop_token stop) {
  if (const Status named = name_from_spec(settings); !named.ok()) return input_failed(named.error());
  auto client = make_kube_client(settings, stop);
  if (!client.ok()) return deploy_failed(client.error());
  if (settings.cluster.watch) return watch_status(*client, settings);
  const auto report = make_report(*client, settings);
  if (!report.ok()) return deploy_failed(report.error());
  print_report(*report, settings.cluster.format == "json");
  return report->all_ready ? 0 : 1;
}

int show_logs(Settings& settings, std::stop_token stop) {
  if (const Status named = name_from_spec(settings); !named.ok()) return input_failed(named.error());
  auto client = make_kube_client(settings, stop);
  if (!client.ok()) return deploy_failed(client.error());
  const LogOptions options = log_options(settings.cluster);
  const std::string name = settings.deploy.arguments[0];
  const auto find = [&]() -> Result<std::vector<LogTarget>> {
    HADAL_ASSIGN(const std::optional<Inventory> inventory, find_inventory(*client, settings));
    HADAL_ASSIGN(const ClusterObjects found,
                 read_cluster_objects(*client, client->target().namespace_name,
                                      {"Pod", "Event", "Node", "LeaderWorkerSet", "DisaggregatedSet",
                                       "Deployment", "StatefulSet", "DaemonSet", "Job", "InferenceService",
                                       "LLMInferenceService", "DynamoGraphDeployment"}));
    const std::vector<Json> workloads =
        find_workloads(found.objects, inventory.has_value() ? &*inventory : nullptr, name);
    if (workloads.empty())
      return make_error(ErrorCode::kNotFound, "there is no deployment or workload ", name, " in namespace ",
                        client->target().namespace_name);
    const ClusterView view = make_cluster_view(found.objects, ::time(nullptr));
    return select_log_targets(workloads, view, settings.cluster.ranks, options);
  };
  const PrintLog print = [](const std::string& prefix, std::string_view line) {
    std::fprintf(stdout, "%s%.*s\n", prefix.c_str(), static_cast<int>(line.size()), line.data());
    std::fflush(stdout);
  };
  if (options.follow) {
    const Status status = follow_logs(*client, find, options, print);
    if (stop.stop_requested()) return 1;
    return status.ok() ? 0 : deploy_failed(status.error());
  }
  const auto targets = find();
  if (!targets.ok()) return deploy_failed(targets.error());
  const Result<bool> any = read_logs(*client, *targets, options, print);
  if (!any.ok()) return deploy_failed(any.error());
  return *any ? 0 : 1;
}

int show_history(Settings& settings, std::stop_token stop) {
  if (const Status named = name_from_spec(settings); !named.ok()) return input_failed(named.error());
  auto client = make_kube_client(settings, stop);
  if (!client.ok()) return deploy_failed(client.error());
  const auto inventory = find_inventory(*client, settings);
  if (!inventory.ok()) return deploy_failed(inventory.error());
  if (!inventory->has_value())
    return deploy_failed(make_error(ErrorCode::kNotFound, "hadal has applied nothing under the name ",
                                    settings.deploy.arguments[0], " in namespace ",
                                    client->target().namespace_name));
  const std::string text = settings.cluster.format == "json" ? to_json(history_json(**inventory), 2) + "\n"
                                                             : history_text(**inventory);
  std::fputs(text.c_str(), stdout);
  return 0;
}

int find_causes(Settings& settings, std::stop_token stop) {
  if (const Status named = name_from_spec(settings); !named.ok()) return input_failed(named.error());
  const DeployClusterConfig& c = settings.cluster;
  const std::string name = settings.deploy.arguments.empty() ? "" : settings.deploy.arguments[0];
  Result<DoctorSnapshot> snapshot = make_error(ErrorCode::kInternal, "not taken");
  if (!c.from_dir.empty()) {
    snapshot = load_snapshot(c.from_dir);
    if (snapshot.ok() && !name.empty()) snapshot->name = name;
  } else {
    auto client = make_kube_client(settings, stop);
    if (!client.ok()) return deploy_failed(client.error());
    snapshot = take_snapshot(*client, name);
  }
  if (!snapshot.ok()) return deploy_failed(snapshot.error());
  if (!c.save_dir.empty()) {
    const Status saved = save_snapshot(*snapshot, c.save_dir);
    if (!saved.ok()) return deploy_failed(saved.error());
    std::fprintf(stderr, "saved to %s\n", c.save_dir.c_str());
  }
  const DoctorReport report = examine(*snapshot);
  std::fputs(c.format == "json" ? (to_json(report.json(), 2) + "\n").c_str() : report.text().c_str(), stdout);
  return report.is_wrong() ? 1 : 0;
}

}  // namespace

int run_deploy_status(Settings settings) {
  return run_stoppable([&](std::stop_token stop) { return show_status(settings, std::move(stop)); });
}

int run_deploy_logs(Settings settings) {
  return run_stoppable([&](std::stop_token stop) { return show_logs(settings, std::move(stop)); });
}

int run_deploy_history(Settings settings) {
  return run_stoppable([&](std::stop_token stop) { return show_history(settings, std::move(stop)); });
}

int run_deploy_doctor(Settings settings) {
  return run_stoppable([&](std::stop_token stop) { return find_causes(settings, std::move(stop)); });
}

}  // namespace hadal
