#include "deploy/cluster/pod_state.h"

#include <algorithm>

#include "deploy/cluster/json_path.h"
#include "deploy/cluster/scheduler_message.h"

namespace hadal::cluster {
namespace {

constexpr size_t kMaxReason = 400;
// A container that has crashed this often is not waited for any longer.
constexpr int kHopelessRestarts = 6;

using Kind = PodState::Kind;

std::string bounded(std::string text) {
  if (text.size() > kMaxReason) text = text.substr(0, kMaxReason) + "...";
  return text;
}

void set(PodState& out, Kind kind, std::string phase, std::string reason) {
  out.kind = kind;
  out.phase = std::move(phase);
  out.reason = bounded(std::move(reason));
}

std::string exit_text(const Json& terminated) {
  const std::string_view reason = text_at(terminated, "reason");
  const int64_t code = int_at(terminated, "exitCode");
  std::string out = "exit code " + std::to_string(code);
  if (reason == "OOMKilled") {
    out = "killed for memory (OOMKilled, exit code " + std::to_string(code) + "): raise the memory limit";
  } else if (code == 137) {
    out += " (SIGKILL)";
  } else if (code == 139) {
    out += " (SIGSEGV)";
  } else if (code == 143) {
    out += " (SIGTERM)";
  }
  const std::string words = last_line(text_at(terminated, "message"));
  return words.empty() ? out : out + ", last words: " + words;
}

// Waiting reasons of the kubelet.
bool explain_waiting(const Json& pod, const Json& status, const ClusterView& view, PodState& out) {
  const std::string_view reason = text_at(status, "state.waiting.reason");
  const std::string message = last_line(text_at(status, "state.waiting.message"));
  const std::string container = "container " + std::string(text_at(status, "name"));
  if (reason == "ErrImagePull" || reason == "ImagePullBackOff" || reason == "ErrImageNeverPull" ||
      reason == "RegistryUnavailable") {
    // The back-off hides what went wrong; the event before it says.
    const Json* event = newest_event(view, pod, {"Failed"});
    const std::string words =
        event != nullptr && text_at(*event, "message").find("pull") != std::string_view::npos
            ? last_line(text_at(*event, "message"))
            : message;
    set(out, Kind::kFailing, "image pull",
        container + " cannot pull " + std::string(text_at(status, "image")) + ": " + words);
    return true;
  }
  if (reason == "InvalidImageName") {
    set(out, Kind::kFailed, "bad image",
        container + ": " + std::string(text_at(status, "image")) + " is no image name");
    return true;
  }
  if (reason == "CreateContainerConfigError" || reason == "CreateContainerError" ||
      reason == "RunContainerError" || reason == "PreCreateHookError" || reason == "PostStartHookError") {
    set(out, Kind::kFailing, "cannot start", container + ": " + message);
    return true;
  }
  if (reason == "CrashLoopBackOff") {
    const Json* last = json_at(status, "lastState.terminated");
    const int restarts = static_cast<int>(int_at(status, "restartCount"));
    set(out, restarts >= kHopelessRestarts ? Kind::kFailed : Kind::kFailing, "crash loop",
        container + " crashed " + std::to_string(restarts) + (restarts == 1 ? " time: " : " times: ") +
            (last == nullptr ? message : exit_text(*last)));
    return true;
  }
  return false;
}

bool explain_init(const Json& pod, const ClusterView& view, PodState& out) {
  for (const Json& status : array_at(pod, "status.initContainerStatuses")) {
    if (explain_waiting(pod, status, view, out)) {
      if (out.phase == "crash loop") out.phase = "init failed";
      return true;
    }
    const std::string name(text_at(status, "name"));
    const Json* ended = json_at(status, "state.terminated");
    if (ended != nullptr && int_at(*ended, "exitCode") != 0) {
      set(out, Kind::kFailing, "init failed", "init container " + name + " failed: " + exit_text(*ended));
      return true;
    }
    if (json_at(status, "state.running") != nullptr && !bool_at(status, "started")) {
      const Json* before = json_at(status, "lastState.terminated");
      set(out, Kind::kStarting, "init",
          "init container " + name + " is running" +
              (before == nullptr ? "" : "; before: " + exit_text(*before)));
      return true;
    }
  }
  return false;
}

// What the probe's last answer was.
std::string probe_words(const Json& pod, const ClusterView& view) {
  const Json* event = newest_event(view, pod, {"Unhealthy"});
  if (event == nullptr || view.now - event_time(*event) > 300) return "";
  return last_line(text_at(*event, "message"));
}

void explain_running(const Json& pod, const ClusterView& view, PodState& out) {
  for (const Json& status : array_at(pod, "status.containerStatuses")) {
    if (explain_waiting(pod, status, view, out)) return;
    const std::string name(text_at(status, "name"));
    if (const Json* ended = json_at(status, "state.terminated"); ended != nullptr) {
      set(out, Kind::kFailing, "ended", "container " + name + " ended: " + exit_text(*ended));
      return;
    }
    if (json_at(status, "state.running") == nullptr || bool_at(status, "ready")) continue;
    const Json* before = json_at(status, "lastState.terminated");
    std::string reason =
        "container " + name + (bool_at(status, "started", true) ? " is not ready" : " is starting");
    if (const std::string words = probe_words(pod, view); !words.empty()) reason += ": " + words;
    if (before != nullptr) reason += "; it was restarted: " + exit_text(*before);
    set(out, Kind::kStarting, bool_at(status, "started", true) ? "not ready" : "starting", reason);
    return;
  }
  if (condition_is(pod, "Ready", "True")) return set(out, Kind::kReady, "ready", "");
  const Json* ready = condition_of(pod, "Ready");
  set(out, Kind::kStarting, "not ready",
      ready == nullptr || text_at(*ready, "message").empty() ? "its readiness gates are not met"
                                                             : std::string(text_at(*ready, "message")));
}

void explain_pending(const Json& pod, const ClusterView& view, PodState& out) {
  const Json* scheduled = condition_of(pod, "PodScheduled");
  if (out.node.empty()) {
    std::string_view message;
    if (scheduled != nullptr && text_at(*scheduled, "status") == "False")
      message = text_at(*scheduled, "message");
    if (scheduled != nullptr && text_at(*scheduled, "reason") == "SchedulingGated")
      return set(out, Kind::kPending, "gated", "its scheduling gates are closed (a queue holds it)");
    const Json* event = newest_event(view, pod, {"FailedScheduling", "Unschedulable"});
    if (message.empty() && event != nullptr) message = text_at(*event, "message");
    if (message.empty()) {
      const std::string_view scheduler = text_at(pod, "spec.schedulerName");
      return set(
          out, Kind::kPending, "pending",
          "no scheduler has looked at it" + (scheduler.empty() || scheduler == "default-scheduler"
                                                 ? std::string()
                                                 : " (schedulerName: " + std::string(scheduler) + ")"));
    }
    return set(out, Kind::kPending, "unschedulable", unschedulable_text(pod, message, view.nodes, view.pods));
  }
  if (explain_init(pod, view, out)) return;
  for (const Json& status : array_at(pod, "status.containerStatuses")) {
    if (explain_waiting(pod, status, view, out)) return;
  }
  if (const Json* event =
          newest_event(view, pod, {"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"});
      event != nullptr) {
    return set(out, Kind::kFailing, "volume or network", last_line(text_at(*event, "message")));
  }
  const Json* pulling = newest_event(view, pod, {"Pulling"});
  const Json* pulled = newest_event(view, pod, {"Pulled"});
  if (pulling != nullptr && (pulled == nullptr || event_time(*pulled) < event_time(*pulling))) {
    return set(
        out, Kind::kPending, "pulling",
        last_line(text_at(*pulling, "message")) + " (for " + age_text(view.now - event_time(*pulling)) + ")");
  }
  set(out, Kind::kPending, "creating", "its containers are being made");
}

bool explain_node(const Json& pod, const ClusterView& view, PodState& out) {
  for (const Json& node : view.nodes) {
    if (name_of(node) != out.node) continue;
    const Json* ready = condition_of(node, "Ready");
    if (ready == nullptr || text_at(*ready, "status") == "True") return false;
    const int64_t since = parse_rfc3339(text_at(*ready, "lastTransitionTime"));
    set(out, Kind::kFailing, "node lost",
        "node " + out.node + " is not ready" + (since == 0 ? "" : " for " + age_text(view.now - since)) +
            ": " + last_line(text_at(*ready, "message")));
    return true;
  }
  if (text_at(pod, "status.reason") == "NodeLost") {
    set(out, Kind::kFailing, "node lost", "node " + out.node + " does not answer");
    return true;
  }
  return false;
}

int restarts_of(const Json& pod) {
  int64_t sum = 0;
  for (const char* list : {"status.containerStatuses", "status.initContainerStatuses"}) {
    for (const Json& status : array_at(pod, list)) sum += int_at(status, "restartCount");
  }
  return static_cast<int>(sum);
}

void explain_failed(const Json& pod, PodState& out) {
  const std::string_view reason = text_at(pod, "status.reason");
  if (!reason.empty()) {
    const std::string phase = reason == "Evicted" ? "evicted" : std::string(reason);
    return set(out, Kind::kFailing, phase, last_line(text_at(pod, "status.message")));
  }
  for (const char* list : {"status.initContainerStatuses", "status.containerStatuses"}) {
    for (const Json& status : array_at(pod, list)) {
      const Json* ended = json_at(status, "state.terminated");
      if (ended == nullptr || int_at(*ended, "exitCode") == 0) continue;
      return set(out, Kind::kFailing, "failed",
                 "container " + std::string(text_at(status, "name")) + ": " + exit_text(*ended));
    }
  }
  set(out, Kind::kFailing, "failed", last_line(text_at(pod, "status.message")));
}

}  // namespace

ClusterView make_cluster_view(std::vector<Json> objects, int64_t now) {
  ClusterView out;
  out.now = now;
  for (Json& object : objects) {
    const std::string_view kind = kind_of(object);
    auto& list = kind == "Pod"                     ? out.pods
                 : kind == "Event"                 ? out.events
                 : kind == "Node"                  ? out.nodes
                 : kind == "PersistentVolumeClaim" ? out.claims
                                                   : out.others;
    list.push_back(std::move(object));
  }
  return out;
}

PodState explain_pod(const Json& pod, const ClusterView& view) {
  PodState out;
  out.node = text_at(pod, "spec.nodeName");
  out.restarts = restarts_of(pod);
  const int64_t created = parse_rfc3339(text_at(pod, "metadata.creationTimestamp"));
  out.age = created == 0 ? 0 : std::max<int64_t>(0, view.now - created);
  const std::string_view phase = text_at(pod, "status.phase");
  const int64_t deleted = parse_rfc3339(text_at(pod, "metadata.deletionTimestamp"));
  if (phase == "Succeeded") {
    set(out, Kind::kDone, "done", "");
  } else if (phase == "Failed") {
    explain_failed(pod, out);
  } else if (explain_node(pod, view, out)) {
    if (deleted != 0) out.phase = "stuck terminating";
  } else if (deleted != 0) {
    set(out, Kind::kPending, "terminating",
        view.now > deleted + 60 ? "it should have been gone " + age_text(view.now - deleted) + " ago"
                                : "it is being deleted");
  } else if (phase == "Running") {
    if (!explain_init(pod, view, out)) explain_running(pod, view, out);
  } else {
    explain_pending(pod, view, out);
  }
  const std::string& r = out.reason;
  out.leader_missing = r.find("waits for the leader") != std::string::npos ||
                       r.find("waiting for leader") != std::string::npos ||
                       r.find("waiting for rank 0") != std::string::npos;
  if (out.leader_missing && out.kind == Kind::kStarting) out.phase = "waits for leader";
  return out;
}

int64_t event_time(const Json& event) {
  for (const char* field : {"series.lastObservedTime", "lastTimestamp", "eventTime", "firstTimestamp",
                            "metadata.creationTimestamp"}) {
    const int64_t time = parse_rfc3339(text_at(event, field));
    if (time != 0) return time;
  }
  return 0;
}

const Json* newest_event(const ClusterView& view, const Json& object,
                         std::initializer_list<std::string_view> reasons) {
  const Json* out = nullptr;
  const std::string_view uid = text_at(object, "metadata.uid");
  for (const Json& event : view.events) {
    if (text_at(event, "involvedObject.name") != name_of(object) ||
        text_at(event, "involvedObject.namespace") != namespace_of(object) ||
        text_at(event, "involvedObject.kind") != kind_of(object))
      continue;
    const std::string_view about = text_at(event, "involvedObject.uid");
    if (!about.empty() && !uid.empty() && about != uid) continue;
    const std::string_view reason = text_at(event, "reason");
    if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) continue;
    if (out == nullptr || event_time(event) >= event_time(*out)) out = &event;
  }
  return out;
}

std::string last_line(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  const size_t line = text.rfind('\n');
  if (line != std::string_view::npos) text.remove_prefix(line + 1);
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  return std::string(text.substr(0, kMaxReason));
}

}  // namespace hadal::cluster
