// What pods, their events and their nodes say.
#include <algorithm>
#include <charconv>
#include <map>

#include "deploy/cluster/doctor.h"
#include "deploy/cluster/json_path.h"
#include "deploy/cluster/quantity.h"
#include "deploy/cluster/readiness.h"
#include "deploy/cluster/scheduler_message.h"

namespace hadal::cluster {
namespace {

using Evidence = std::vector<std::string>;
using Kind = PodState::Kind;
using Member = DoctorInput::Member;

// The groups with more than one rank.
using Groups = std::map<std::pair<const Json*, std::pair<std::string, int>>, std::vector<const Member*>>;
Groups groups_of(const DoctorInput& input) {
  Groups out;
  for (const Member& member : input.members) {
    const bool grouped = group_size(*member.workload) > 1 || kind_of(*member.workload) == "DisaggregatedSet";
    if (grouped) out[{member.workload, {member.rank.role, member.rank.group}}].push_back(&member);
  }
  std::erase_if(out, [](const auto& group) { return group.second.size() < 2; });
  return out;
}

std::string where(const Member& member) {
  return title_of(*member.workload) + " " + rank_title(*member.workload, member.rank);
}

std::string describe(const Member& member) {
  const PodState& s = member.rank.state;
  return where(member) + ": " + s.phase + (s.reason.empty() ? "" : ": " + s.reason);
}

void for_events(const DoctorInput& input, const Json& object, std::initializer_list<std::string_view> reasons,
                std::string_view words, Evidence& out) {
  for (const Json& event : input.view.events) {
    if (text_at(event, "involvedObject.name") != name_of(object) ||
        text_at(event, "involvedObject.kind") != kind_of(object))
      continue;
    const std::string_view reason = text_at(event, "reason"), message = text_at(event, "message");
    if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end() || !line_matches(message, words))
      continue;
    const int64_t count = std::max(int_at(event, "count", 1), int_at(event, "series.count", 1));
    out.push_back("event on " + title_of(object) + ", " + std::string(reason) +
                  (count > 1 ? " x" + std::to_string(count) : "") + ": " + last_line(message));
  }
}

// --- 1: a dead rank behind a leader that looks well
void look_dead_rank(const DoctorInput& input, Evidence& out) {
  for (const auto& [key, members] : groups_of(input)) {
    const auto leader =
        std::find_if(members.begin(), members.end(), [](const Member* m) { return m->rank.rank == 0; });
    if (leader == members.end() || (*leader)->rank.state.kind != Kind::kReady) continue;
    for (const Member* member : members) {
      if (member->rank.state.kind == Kind::kReady || member == *leader) continue;
      out.push_back(describe(*member) + " (the leader " + (*leader)->rank.pod +
                    " is ready and takes requests)");
    }
  }
}

// Workers whose readiness nobody asks for.
void look_unprobed_ranks(const DoctorInput& input, Evidence& out) {
  for (const Json& workload : input.workloads) {
    if (group_size(workload) < 2) continue;
    for (const Json& container :
         array_at(workload, "spec.leaderWorkerTemplate.workerTemplate.spec.containers")) {
      if (container.find("readinessProbe") == nullptr && container.find("livenessProbe") == nullptr)
        out.push_back(title_of(workload) + ": container " + std::string(text_at(container, "name")) +
                      " of the worker template has no probes");
    }
  }
}

double metric_sum(const std::string& text, std::string_view name) {
  double sum = 0;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line(text.data() + begin, end - begin);
    begin = end + 1;
    if (!line.starts_with(name) || line.size() <= name.size() ||
        (line[name.size()] != ' ' && line[name.size()] != '{'))
      continue;
    const size_t close = line.rfind('}');
    const std::string_view rest = line.substr(close == std::string_view::npos ? name.size() : close + 1);
    const size_t at = rest.find_first_not_of(' ');
    double value = 0;
    if (at != std::string_view::npos) std::from_chars(rest.data() + at, rest.data() + rest.size(), value);
    sum += value;
  }
  return sum;
}

void look_hang(const DoctorInput& input, Evidence& out) {
  for (const auto& [pod, later] : input.snapshot.metrics_later) {
    const auto first = input.snapshot.metrics.find(pod);
    if (first == input.snapshot.metrics.end()) continue;
    const double running = metric_sum(later, "hadal_running_requests");
    const double steps = metric_sum(first->second, "hadal_steps_total");
    if (running > 0 && steps == metric_sum(later, "hadal_steps_total"))
      out.push_back("metrics of " + pod + ": " + quantity_text(running) +
                    " requests run, and hadal_steps_total stays at " + quantity_text(steps));
  }
}

// --- 2: liveness that kills what works
void look_liveness_kills(const DoctorInput& input, Evidence& out) {
  for (const Json* pod : input.pods) {
    for_events(input, *pod, {"Unhealthy"}, "liveness probe failed", out);
    for_events(input, *pod, {"Killing"}, "failed liveness probe", out);
  }
}

void look_liveness_design(const DoctorInput& input, Evidence& out) {
  std::vector<std::string> seen;
  for (const Json* pod : input.pods) {
    for (const Json& container : array_at(*pod, "spec.containers")) {
      const Json* probe = container.find("livenessProbe");
      if (probe == nullptr) continue;
      const std::string_view path = text_at(*probe, "httpGet.path");
      std::string wrong;
      if (path == "/health_generate" || path == "/v1/completions" || path == "/v1/chat/completions")
        wrong = "asks " + std::string(path) + ", which generates tokens";
      else if (int_at(*probe, "failureThreshold", 3) == 1)
        wrong = "has failureThreshold 1: one slow answer kills the rank";
      else if (int_at(*probe, "timeoutSeconds", 1) > int_at(*probe, "periodSeconds", 10))
        wrong = "has a timeoutSeconds larger than its periodSeconds";
      if (!wrong.empty())
        out.push_back("liveness probe of " + std::string(name_of(*pod)) + "/" +
                      std::string(text_at(container, "name")) + " " + wrong);
    }
  }
}

// --- 4: groups that are made again and again
void look_recreate_loop(const DoctorInput& input, Evidence& out) {
  for (const Json& workload : input.workloads) {
    if (kind_of(workload) != "LeaderWorkerSet") continue;
    Evidence events;
    for_events(input, workload,
               {"RecreateGroup", "RecreateGroupOnPodRestart", "GroupRecreated", "RecreatingGroup"}, "group",
               events);
    int64_t times = 0;
    for (const Json& event : input.view.events) {
      if (text_at(event, "involvedObject.name") == name_of(workload) &&
          line_matches(text_at(event, "reason"), "recreat"))
        times += std::max<int64_t>(1, int_at(event, "count", 1));
    }
    if (times >= 2) out.insert(out.end(), events.begin(), events.end());
  }
}

// A container restarted in its pod where the whole group should have been made again.
void look_recreate_skipped(const DoctorInput& input, Evidence& out) {
  for (const Member& member : input.members) {
    const std::string_view policy = text_at(*member.workload, "spec.leaderWorkerTemplate.restartPolicy");
    if (kind_of(*member.workload) != "LeaderWorkerSet" || member.pod == nullptr ||
        member.rank.state.restarts == 0)
      continue;
    if (policy == "None" || policy == "Default")
      out.push_back(where(member) + " restarted " + std::to_string(member.rank.state.restarts) +
                    " times alone (restartPolicy: " + std::string(policy) + ")");
  }
}

// --- 5: one rank pulls its image while another gives up
void look_pull_skew(const DoctorInput& input, Evidence& out) {
  for (const auto& [key, members] : groups_of(input)) {
    const Member *slow = nullptr, *restarted = nullptr;
    for (const Member* member : members) {
      const PodState& s = member->rank.state;
      if (s.phase == "pulling" || s.phase == "creating") slow = member;
      if (s.restarts > 0 || s.phase == "crash loop") restarted = member;
    }
    if (slow == nullptr || restarted == nullptr) continue;
    out.push_back(describe(*slow));
    out.push_back(where(*restarted) + " restarted " + std::to_string(restarted->rank.state.restarts) +
                  " times meanwhile");
  }
}

// --- 7: killed while loading
void look_startup_kills(const DoctorInput& input, Evidence& out) {
  for (const Json* pod : input.pods) {
    const size_t before = out.size();
    for_events(input, *pod, {"Killing"}, "failed startup probe", out);
    for_events(input, *pod, {"Unhealthy"}, "startup probe failed", out);
    if (out.size() == before) continue;
    const auto startup = input.snapshot.startups.find(std::string(name_of(*pod)));
    if (startup != input.snapshot.startups.end())
      out.push_back("/startupz of " + startup->first + ": " + last_line(startup->second));
    for (const Json& container : array_at(*pod, "spec.containers")) {
      const Json* probe = container.find("startupProbe");
      if (probe == nullptr) continue;
      const int64_t budget = int_at(*probe, "initialDelaySeconds") +
                             int_at(*probe, "periodSeconds", 10) * int_at(*probe, "failureThreshold", 3);
      out.push_back("its start-up probe gives " + age_text(budget) + " in all");
    }
  }
  // Only slow answers, no kill: not this.
  if (std::none_of(out.begin(), out.end(),
                   [](const std::string& line) { return line.find("Killing") != std::string::npos; }))
    out.clear();
}

// --- 8: no gang
void look_half_scheduled(const DoctorInput& input, Evidence& out) {
  for (const auto& [key, members] : groups_of(input)) {
    const bool one_runs = std::any_of(members.begin(), members.end(),
                                      [](const Member* m) { return !m->rank.state.node.empty(); });
    if (!one_runs) continue;
    for (const Member* member : members) {
      if (member->rank.state.phase == "unschedulable") out.push_back(describe(*member));
    }
  }
}

void look_pod_group(const DoctorInput& input, Evidence& out) {
  bool volcano = false;
  for (const Json* pod : input.pods) volcano |= text_at(*pod, "spec.schedulerName") == "volcano";
  int num_groups = 0;
  for (const Json& object : input.view.others) {
    if (kind_of(object) != "PodGroup") continue;
    ++num_groups;
    const std::string_view phase = text_at(object, "status.phase");
    if (phase != "Pending" && phase != "Inqueue") continue;
    std::string line = title_of(object) + " is " + std::string(phase) + ", wants " +
                       std::to_string(int_at(object, "spec.minMember")) + " pods at once";
    if (const Json* condition = condition_of(object, "Unschedulable"); condition != nullptr)
      line += ": " + std::string(text_at(*condition, "message"));
    out.push_back(line);
  }
  if (volcano && num_groups == 0)
    out.push_back(
        "pods have schedulerName: volcano, and there is no PodGroup: nothing makes them start together");
}

// --- 9: a rollout that waits for GPUs that the old pods hold
void look_stuck_rollout(const DoctorInput& input, Evidence& out) {
  for (const Json& workload : input.workloads) {
    const std::string_view kind = kind_of(workload);
    if (kind != "LeaderWorkerSet" && kind != "Deployment" && kind != "StatefulSet") continue;
    const int64_t want = int_at(workload, "spec.replicas", 1);
    const bool updating =
        int_at(workload, "status.updatedReplicas") < want || int_at(workload, "status.replicas") > want;
    const Member *waits = nullptr, *runs = nullptr;
    for (const Member& member : input.members) {
      if (member.workload != &workload) continue;
      if (member.rank.state.phase == "unschedulable") waits = &member;
      if (member.rank.state.kind == Kind::kReady) runs = &member;
    }
    if (!updating || waits == nullptr || runs == nullptr) continue;
    out.push_back(title_of(workload) + ": " + std::to_string(int_at(workload, "status.updatedReplicas")) +
                  " of " + std::to_string(want) + " updated");
    out.push_back(describe(*waits));
    out.push_back(where(*runs) + " of before still runs and holds its GPUs");
    const Json* surge = json_at(workload, kind == "LeaderWorkerSet"
                                              ? "spec.rolloutStrategy.rollingUpdateConfiguration.maxSurge"
                                              : "spec.strategy.rollingUpdate.maxSurge");
    if (surge != nullptr) out.push_back("maxSurge is " + scalar_text(surge));
  }
}

// --- 10
void look_port_collision(const DoctorInput& input, Evidence& out) {
  for (const Json* pod : input.pods) {
    const PodState state = explain_pod(*pod, input.view);
    if (state.reason.find("free ports") != std::string::npos)
      out.push_back(std::string(name_of(*pod)) + ": " + state.reason);
  }
}

// --- 22: nodes
void look_node_lost(const DoctorInput& input, Evidence& out) {
  for (const Json* pod : input.pods) {
    const PodState state = explain_pod(*pod, input.view);
    if (state.phase == "node lost" || state.phase == "stuck terminating")
      out.push_back(std::string(name_of(*pod)) + ": " + state.phase + ": " + state.reason);
    for_events(input, *pod, {"NodeNotReady", "TaintManagerEviction"}, "node|taint|deletion", out);
  }
}

void look_stuck_terminating(const DoctorInput& input, Evidence& out) {
  for (const Json* pod : input.pods) {
    const int64_t due = parse_rfc3339(text_at(*pod, "metadata.deletionTimestamp"));
    if (due == 0 || input.view.now <= due + 60) continue;
    std::string line =
        std::string(name_of(*pod)) + " should have been gone " + age_text(input.view.now - due) + " ago";
    for (const Json& finalizer : array_at(*pod, "metadata.finalizers"))
      line += ", held by " + scalar_text(&finalizer);
    out.push_back(line);
  }
}

// --- beside the table
void look_phase(const DoctorInput& input, std::initializer_list<std::string_view> phases, Evidence& out) {
  for (const Json* pod : input.pods) {
    const PodState state = explain_pod(*pod, input.view);
    if (std::find(phases.begin(), phases.end(), state.phase) != phases.end())
      out.push_back(std::string(name_of(*pod)) + ": " + state.phase + ": " + state.reason);
  }
}
void look_unschedulable(const DoctorInput& input, Evidence& out) {
  look_phase(input, {"unschedulable"}, out);
}
void look_gated(const DoctorInput& input, Evidence& out) {
  look_phase(input, {"gated", "pending"}, out);
}
void look_image(const DoctorInput& input, Evidence& out) {
  look_phase(input, {"image pull", "bad image"}, out);
}
void look_cannot_start(const DoctorInput& input, Evidence& out) {
  look_phase(input, {"cannot start"}, out);
}
void look_volume(const DoctorInput& input, Evidence& out) {
  look_phase(input, {"volume or network"}, out);
}
void look_init(const DoctorInput& input, Evidence& out) {
  look_phase(input, {"init failed"}, out);
}
void look_evicted(const DoctorInput& input, Evidence& out) {
  look_phase(input, {"evicted"}, out);
}
void look_crash(const DoctorInput& input, Evidence& out) {
  look_phase(input, {"crash loop", "failed", "ended"}, out);
}
void look_claims(const DoctorInput& input, Evidence& out) {
  for (const Json& claim : input.view.claims) {
    const int64_t age = input.view.now - parse_rfc3339(text_at(claim, "metadata.creationTimestamp"));
    const Readiness readiness = check_readiness(claim, input.view);
    if (readiness.state == Readiness::State::kReady || age < 60) continue;
    std::string line = title_of(claim) + " is " + std::string(text_at(claim, "status.phase"));
    for (const Readiness::Detail& detail : readiness.details) line += ": " + detail.text;
    out.push_back(line);
  }
}
std::string without(std::string text, const std::string& name) {
  if (name.empty()) return text;
  for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1))
    text.replace(at, name.size(), "*");
  return text;
}
// What an event says, but for the names of the pod and of its maker, which differ from one to the next.
std::string common_words(const Json& event, const std::string& message) {
  constexpr std::string_view kPods = "pods \"";
  const size_t begin = message.find(kPods);
  std::string pod;
  if (begin != std::string::npos) {
    const size_t name = begin + kPods.size();
    pod = message.substr(name, message.find('"', name) - name);
  }
  return std::string(text_at(event, "involvedObject.kind")) + " " +
         without(without(message, pod), std::string(text_at(event, "involvedObject.name")));
}
void look_quota(const DoctorInput& input, Evidence& out) {
  struct Refusal {
    std::string words, line;
    int64_t times = 0;
  };
  std::vector<Refusal> all;
  for (const Json& event : input.view.events) {
    if (text_at(event, "reason") != "FailedCreate") continue;
    const std::string message = last_line(text_at(event, "message")), words = common_words(event, message);
    auto at = std::find_if(all.begin(), all.end(), [&](const Refusal& r) { return r.words == words; });
    if (at == all.end()) {
      at = all.insert(all.end(),
                      {words, "event on " + std::string(text_at(event, "involvedObject.kind")) + " " +
                                  std::string(text_at(event, "involvedObject.name")) + ": " + message});
    }
    at->times += std::max({int64_t{1}, int_at(event, "count", 1), int_at(event, "series.count", 1)});
  }
  for (const Refusal& refusal : all) {
    // The count first: long lines are cut.
    const size_t colon = refusal.line.find(": ");
    out.push_back(refusal.times < 2
                      ? refusal.line
                      : refusal.line.substr(0, colon) + " (and the like, " + std::to_string(refusal.times) +
                            " times)" + refusal.line.substr(colon));
  }
}
// What no pod can tell: none was made.
void look_no_pods(const DoctorInput& input, Evidence& out) {
  for (const Json& workload : input.workloads) {
    const Readiness readiness = check_readiness(workload, input.view);
    if (has_pods(input, workload) || readiness.state == Readiness::State::kReady) continue;
    std::string line = title_of(workload) + " has no pods: " + readiness.summary;
    for (const Readiness::Detail& detail : readiness.details) {
      if (detail.subject == "controller") line += "; " + detail.text;
    }
    out.push_back(line);
  }
}
void look_jobs(const DoctorInput& input, Evidence& out) {
  for (const Json& object : input.view.others) {
    const bool ours = std::any_of(input.workloads.begin(), input.workloads.end(),
                                  [&](const Json& w) { return title_of(w) == title_of(object); });
    if (kind_of(object) == "Job" && ours && condition_is(object, "Failed", "True"))
      out.push_back(title_of(object) +
                    " failed: " + std::string(text_at(*condition_of(object, "Failed"), "message")));
  }
}

using enum DoctorLevel;
constexpr DoctorRule kPodRules[] = {
    {"group/dead-rank", 1, kError, 90,
     "A rank of a group is not working while its leader looks healthy: requests hang.",
     "See the rank's own log (`hadal deploy logs NAME --rank N --previous`); give every rank probes of its "
     "own, so that the group leaves the Service and is made again.",
     &look_dead_rank},
    {"group/unprobed-ranks", 1, kAdvice, 20, "Workers have no probes: a worker that hangs is not noticed.",
     "Probe every rank: hadal answers /startupz, /readyz and /livez on each; for others, an exec probe "
     "that dials the rendezvous.",
     &look_unprobed_ranks},
    {"engine/hang", 1, kError, 88, "The engine has requests and makes no steps: it hangs.",
     "Look at the ranks' last log lines; restart the group (delete its leader pod), and set livenessProbe "
     "to /livez, which follows the engine's steps.",
     &look_hang},
    {"probe/liveness-kills", 2, kError, 70,
     "The liveness probe kills an engine that may only be busy or loading.",
     "Ask /livez (the scheduler's heartbeat) with timeoutSeconds 5 and failureThreshold 6, and leave "
     "loading to a startupProbe.",
     &look_liveness_kills},
    {"probe/liveness-design", 2, kAdvice, 15, "The liveness probe can kill a healthy rank.",
     "Ask /livez, which generates nothing, with a failureThreshold above 1 and timeoutSeconds below "
     "periodSeconds.",
     &look_liveness_design},
    {"group/recreate-loop", 4, kError, 65,
     "The group is deleted and made again over and over: one rank fails each time.",
     "Find the first rank to fail: `hadal deploy logs NAME --previous`; fix that. restartPolicy None holds "
     "the group still while you look.",
     &look_recreate_loop},
    {"group/restarted-alone", 4, kWarning, 40,
     "A rank restarted alone: its group's collectives are broken, though every pod may look ready.",
     "Set restartPolicy: RecreateGroupOnPodRestart, or delete the group's leader pod now.",
     &look_recreate_skipped},
    {"group/pull-skew", 5, kError, 72,
     "One rank still pulls its image while another waits for it, gives up and restarts.",
     "Pull the image on every node before (a DaemonSet), raise the rendezvous timeout above the pull time, "
     "or use startupPolicy: LeaderReady.",
     &look_pull_skew},
    {"probe/startup-kills", 7, kError, 85,
     "The start-up probe kills the engine before its weights are loaded.",
     "Raise failureThreshold of the startupProbe above (bytes of weights / rate of the storage) with a "
     "margin; `hadal deploy render` computes it.",
     &look_startup_kills},
    {"group/half-scheduled", 8, kError, 80,
     "Only a part of a group found nodes: it holds GPUs and waits for the rest.",
     "Schedule groups as one (Volcano gang with LWS 0.7 or later, or Kueue), and free or add what the line "
     "says is short.",
     &look_half_scheduled},
    {"group/pod-group", 8, kError, 70, "The gang scheduler holds the group back.",
     "Look at the queue's capability and what is in use (`kubectl get queue`); with LWS, turn on "
     "gangSchedulingManagement of its controller: schedulerName alone makes no gang.",
     &look_pod_group},
    {"rollout/no-spare-gpus", 9, kError, 82, "The rolling update waits for GPUs that the old pods hold.",
     "Where there are no spare GPUs set maxSurge 0 and maxUnavailable 1 (or strategy Recreate); to go on "
     "now delete one old group.",
     &look_stuck_rollout},
    {"schedule/host-ports", 10, kError, 75,
     "Host ports collide: two pods with host networking want the same ports of a node.",
     "Give each its own ports, or leave host networking.", &look_port_collision},
    {"node/lost", 22, kError, 95,
     "A node is lost: its pods are moved only after minutes (about 40 s to notice, 300 s of toleration), "
     "and a StatefulSet's pod stays Terminating.",
     "Bring the node back, or delete the Node object (or taint it node.kubernetes.io/out-of-service) so "
     "that its pods are made elsewhere; set tolerationSeconds 30 for unreachable and not-ready.",
     &look_node_lost},
    {"pod/stuck-terminating", 22, kError, 60, "A pod does not go away.",
     "Its node is lost or its finalizer's controller does not run; when the node is surely off, delete it "
     "with --force.",
     &look_stuck_terminating},
    {"schedule/no-node", 0, kError, 68, "No node fits a pod.",
     "Free or add what is short; for taints add the toleration, for selectors and affinity correct the "
     "labels (`kubectl get nodes --show-labels`).",
     &look_unschedulable},
    {"schedule/held", 0, kError, 55, "A pod waits and no scheduler has placed or refused it.",
     "Does the scheduler that it names run? Is it held by a queue (Kueue, a scheduling gate)?", &look_gated},
    {"image/pull", 0, kError, 78, "An image cannot be pulled.",
     "Check the image's name and tag, the pull secret (imagePullSecrets), and that nodes reach the "
     "registry.",
     &look_image},
    {"pod/config", 0, kError, 78,
     "A container cannot be made: a Secret, ConfigMap, key or command that it names is missing.",
     "Create what the message names, or correct the name.", &look_cannot_start},
    {"pod/volume", 0, kError, 70, "A volume cannot be mounted, or the pod's network cannot be made.",
     "Look at the claim and its driver's pods; a ReadWriteOnce volume goes to one node only.", &look_volume},
    {"pod/init", 0, kError, 76, "An init container fails: the rank does not start.",
     "Its last words say why; `hadal deploy logs NAME -c CONTAINER` shows all.", &look_init},
    {"pod/evicted", 0, kError, 66, "A pod was evicted: its node ran out of memory or disk.",
     "Set requests to what is used (shared memory counts), and limits for emptyDir and logs.", &look_evicted},
    {"pod/crash", 0, kError, 30, "A container ends again and again.",
     "Its last words are above; `hadal deploy logs NAME --previous` shows the rest.", &look_crash},
    {"storage/unbound", 0, kError, 74, "A volume claim is not bound.",
     "Does the StorageClass exist and support the access mode (ReadWriteMany for several nodes)? Is the "
     "quota used up?",
     &look_claims},
    {"quota/refused", 0, kError, 73,
     "Pods are refused when they are made: a quota, a policy or an admission rule.",
     "Raise the quota, or correct what the message names; on OpenShift bind the service account to the "
     "SCC.",
     &look_quota},
    {"workload/no-pods", 0, kError, 54, "A workload has no pods.",
     "Its controller makes them: does it run, and does it say why not (`kubectl describe`)? A quota or a "
     "policy may refuse them.",
     &look_no_pods},
    {"download/failed", 0, kError, 79, "A Job failed for good: what waits for it will not start.",
     "See its log (`hadal deploy logs NAME`), correct the cause, delete the Job and apply again: the "
     "download goes on where it stopped.",
     &look_jobs},
};

}  // namespace

std::span<const DoctorRule> doctor_pod_rules() {
  return kPodRules;
}

}  // namespace hadal::cluster
