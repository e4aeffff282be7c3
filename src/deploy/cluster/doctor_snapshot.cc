#include "deploy/cluster/doctor_snapshot.h"

#include <time.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "deploy/cluster/cluster_reader.h"
#include "deploy/cluster/inventory_store.h"
#include "deploy/cluster/json_path.h"
#include "deploy/cluster/status_report.h"
#include "deploy/cluster/workload_view.h"

namespace hadal::cluster {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMaxSnapshotBytes = size_t{256} << 20;
constexpr size_t kMaxTextBytes = size_t{4} << 20;
constexpr size_t kMaxPods = 256;
constexpr int kLogLines = 400;
constexpr auto kBetweenScrapes = std::chrono::seconds(3);
constexpr int kSnapshotFormat = 1;

std::vector<std::string> doctor_kinds() {
  std::vector<std::string> out = status_kinds();
  for (const char* kind :
       {"ServiceMonitor", "PodMonitor", "PodGroup", "Queue", "ResourceQuota", "PodDisruptionBudget"})
    out.push_back(kind);
  return out;
}

bool looks_secret(std::string_view name) {
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  for (const char* word : {"KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL"}) {
    if (upper.find(word) != std::string::npos) return true;
  }
  return false;
}

// Every "env" list, wherever a template hides it.
void redact_env(Json& value, int depth) {
  if (depth > 64) return;
  if (value.is_array()) {
    for (Json& item : value.as_array()) redact_env(item, depth + 1);
    return;
  }
  if (!value.is_object()) return;
  const bool is_secret_variable = looks_secret(text_at(value, "name")) && value.find("value") != nullptr;
  if (is_secret_variable && value.find("value")->is_string()) value.set("value", "(taken out)");
  for (JsonMember& member : value.as_object()) redact_env(member.second, depth + 1);
}

std::string last_bytes(std::string text) {
  return text.size() <= kMaxTextBytes ? text : text.substr(text.size() - kMaxTextBytes);
}

void take_logs(KubeClient& client, const Json& pod, DoctorSnapshot& out) {
  constexpr std::string_view kUnseen = "logs of pods: ";
  const auto is_refused = [&](const std::string& line) { return line.starts_with(kUnseen); };
  if (std::any_of(out.unseen.begin(), out.unseen.end(), is_refused)) return;
  const std::string path = object_path(*well_known_resource("Pod"), namespace_of(pod), name_of(pod)) + "/log";
  const auto take = [&](const std::string& container, bool previous) {
    KubeQuery query = {{"container", container}, {"tailLines", std::to_string(kLogLines)}};
    if (previous) query.emplace_back("previous", "true");
    auto text = client.get_text(path, query);
    if (text.ok() && !text->empty())
      out.logs[std::string(name_of(pod)) + "/" + container + (previous ? " previous" : "")] =
          last_bytes(std::move(*text));
    if (!text.ok() && text.error().code == ErrorCode::kPermissionDenied)
      out.unseen.push_back(std::string(kUnseen) + text.error().message);
    return text.ok() || text.error().code != ErrorCode::kPermissionDenied;
  };
  for (const char* list : {"status.initContainerStatuses", "status.containerStatuses"}) {
    for (const Json& status : array_at(pod, list)) {
      const std::string container(text_at(status, "name"));
      const bool has_run = json_at(status, "state.waiting") == nullptr || int_at(status, "restartCount") > 0;
      if (has_run && !take(container, false)) return;
      if (int_at(status, "restartCount") > 0 && !take(container, true)) return;
    }
  }
}

void take_http(KubeClient& client, const Json& pod, DoctorSnapshot& out) {
  const int port = http_port_of(pod);
  if (port == 0 || text_at(pod, "status.phase") != "Running") return;
  const std::string name(name_of(pod));
  if (auto text = get_from_pod(client, pod, port, "/metrics"); text.ok())
    out.metrics[name] = last_bytes(std::move(*text));
  auto startup = get_from_pod(client, pod, port, "/startupz");
  if (startup.ok()) out.startups[name] = last_bytes(std::move(*startup));
}

// Pods that say they work are asked again: those that hang say the same.
void take_later(KubeClient& client, const std::vector<Json>& pods, DoctorSnapshot& out) {
  const bool busy = std::any_of(out.metrics.begin(), out.metrics.end(), [](const auto& entry) {
    return entry.second.find("hadal_steps_total") != std::string::npos;
  });
  if (!busy || !client.sleep(kBetweenScrapes)) return;
  for (const Json& pod : pods) {
    const auto first = out.metrics.find(std::string(name_of(pod)));
    if (first == out.metrics.end()) continue;
    auto text = get_from_pod(client, pod, http_port_of(pod), "/metrics");
    if (text.ok()) out.metrics_later[first->first] = last_bytes(std::move(*text));
  }
}

Status write_texts(const std::map<std::string, std::string>& texts, const fs::path& directory,
                   const char* suffix) {
  std::error_code error;
  fs::create_directories(directory, error);
  for (const auto& [key, text] : texts) {
    std::string name = key;
    std::replace(name.begin(), name.end(), '/', '.');
    HADAL_RETURN_IF_ERROR(write_file((directory / (name + suffix)).string(), text));
  }
  return {};
}

Json texts_index(const std::map<std::string, std::string>& texts, const std::string& folder,
                 const char* suffix) {
  Json out(JsonObject{});
  for (const auto& entry : texts) {
    std::string name = entry.first;
    std::replace(name.begin(), name.end(), '/', '.');
    out.set(entry.first, folder + "/" + name + suffix);
  }
  return out;
}

// A saved look may come from anybody: only files inside its directory are read.
bool is_inside(const std::string& path) {
  return !path.empty() && path[0] != '/' && path.find("..") == std::string::npos;
}

Status read_texts(const Json& index, const std::string& directory, std::map<std::string, std::string>& out) {
  if (!index.is_object()) return {};
  for (const auto& [key, value] : index.as_object()) {
    if (!value.is_string() || !is_inside(value.as_string()))
      return invalid_argument(directory, "/snapshot.json names a file outside of its directory for ", key);
    HADAL_ASSIGN(out[key], read_file(directory + "/" + value.as_string(), kMaxTextBytes * 2));
  }
  return {};
}

}  // namespace

void redact(Json& object) {
  Json& metadata = member_of(object, "metadata");
  remove_member(metadata, "managedFields");
  if (metadata.find("annotations") != nullptr)
    remove_member(member_of(metadata, "annotations"), "kubectl.kubernetes.io/last-applied-configuration");
  if (kind_of(object) == "Secret") {
    remove_member(object, "data");
    remove_member(object, "stringData");
  }
  redact_env(object, 0);
}

Result<DoctorSnapshot> take_snapshot(KubeClient& client, const std::string& name) {
  DoctorSnapshot out;
  out.time = ::time(nullptr);
  out.namespace_name = client.target().namespace_name;
  out.name = name;
  HADAL_ASSIGN(ClusterObjects found, read_cluster_objects(client, out.namespace_name, doctor_kinds()));
  out.unseen = std::move(found.unseen);
  std::vector<Json> workloads, pods;
  if (!name.empty()) {
    HADAL_ASSIGN(const Inventory inventory, InventoryStore(client).load(out.namespace_name, name));
    workloads = find_workloads(found.objects, &inventory, name);
    if (workloads.empty())
      return make_error(ErrorCode::kNotFound, "there is no deployment or workload ", name, " in namespace ",
                        out.namespace_name);
  }
  for (const Json& object : found.objects) {
    if (kind_of(object) != "Pod") continue;
    const bool ours = name.empty() || std::any_of(workloads.begin(), workloads.end(),
                                                  [&](const Json& w) { return is_pod_of(w, object); });
    if (ours && pods.size() < kMaxPods) pods.push_back(object);
  }
  for (const Json& pod : pods) {
    take_logs(client, pod, out);
    take_http(client, pod, out);
    if (client.stop_token().stop_requested()) return make_error(ErrorCode::kCancelled, "it was told to stop");
  }
  take_later(client, pods, out);
  for (Json& object : found.objects) redact(object);
  out.objects = std::move(found.objects);
  return out;
}

Status save_snapshot(const DoctorSnapshot& snapshot, const std::string& directory) {
  const fs::path root(directory);
  std::error_code error;
  fs::create_directories(root, error);
  if (error) return make_error(ErrorCode::kIo, "cannot make ", directory, ": ", error.message());
  JsonArray unseen;
  for (const std::string& text : snapshot.unseen) unseen.push_back(text);
  const Json index(
      JsonObject{{"format", kSnapshotFormat},
                 {"time", format_rfc3339(snapshot.time)},
                 {"namespace", snapshot.namespace_name},
                 {"name", snapshot.name},
                 {"unseen", std::move(unseen)},
                 {"logFiles", texts_index(snapshot.logs, "logs", ".log")},
                 {"metricsFiles", texts_index(snapshot.metrics, "metrics", ".txt")},
                 {"metricsLaterFiles", texts_index(snapshot.metrics_later, "metrics-later", ".txt")},
                 {"startupFiles", texts_index(snapshot.startups, "startupz", ".json")},
                 {"objects", JsonArray(snapshot.objects)}});
  HADAL_RETURN_IF_ERROR(write_texts(snapshot.logs, root / "logs", ".log"));
  HADAL_RETURN_IF_ERROR(write_texts(snapshot.metrics, root / "metrics", ".txt"));
  HADAL_RETURN_IF_ERROR(write_texts(snapshot.metrics_later, root / "metrics-later", ".txt"));
  HADAL_RETURN_IF_ERROR(write_texts(snapshot.startups, root / "startupz", ".json"));
  return write_file((root / "snapshot.json").string(), to_json(index, 1) + "\n");
}

Result<DoctorSnapshot> parse_snapshot(std::string_view text, const std::string& path) {
  auto parsed = parse_json(text);
  if (!parsed.ok()) return invalid_argument(path, ": ", parsed.error().message);
  if (int_at(*parsed, "format") != kSnapshotFormat || !parsed->is_object())
    return invalid_argument(path, " was not written by hadal deploy doctor --save");
  DoctorSnapshot out;
  out.time = parse_rfc3339(text_at(*parsed, "time"));
  out.namespace_name = text_at(*parsed, "namespace");
  out.name = text_at(*parsed, "name");
  for (const Json& line : array_at(*parsed, "unseen")) out.unseen.push_back(scalar_text(&line));
  for (const Json& object : array_at(*parsed, "objects")) {
    if (object.is_object()) out.objects.push_back(object);
  }
  const auto inline_texts = [&](const char* key, std::map<std::string, std::string>& texts) {
    for (const auto& [name, value] : object_at(*parsed, key)) texts[name] = scalar_text(&value);
  };
  inline_texts("logs", out.logs);
  inline_texts("metrics", out.metrics);
  inline_texts("metricsLater", out.metrics_later);
  inline_texts("startups", out.startups);
  return out;
}

Result<DoctorSnapshot> load_snapshot(const std::string& directory) {
  const std::string path = directory + "/snapshot.json";
  HADAL_ASSIGN(const std::string text, read_file(path, kMaxSnapshotBytes));
  HADAL_ASSIGN(DoctorSnapshot out, parse_snapshot(text, path));
  const auto parsed = parse_json(text);
  const auto file_texts = [&](const char* key, std::map<std::string, std::string>& texts) -> Status {
    const Json* index = parsed->find(key);
    return index == nullptr ? Status() : read_texts(*index, directory, texts);
  };
  HADAL_RETURN_IF_ERROR(file_texts("logFiles", out.logs));
  HADAL_RETURN_IF_ERROR(file_texts("metricsFiles", out.metrics));
  HADAL_RETURN_IF_ERROR(file_texts("metricsLaterFiles", out.metrics_later));
  HADAL_RETURN_IF_ERROR(file_texts("startupFiles", out.startups));
  return out;
}

}  // namespace hadal::cluster
