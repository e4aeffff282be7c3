#include "deploy/cluster/workload_view.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

constexpr char kLwsName[] = "leaderworkerset.sigs.k8s.io/name";
constexpr char kLwsGroup[] = "leaderworkerset.sigs.k8s.io/group-index";
constexpr char kLwsWorker[] = "leaderworkerset.sigs.k8s.io/worker-index";
constexpr int kMaxGroup = 4096;

int number_of(std::string_view text, int otherwise) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : otherwise;
}

bool has_label(const Json& pod, std::string_view key, std::string_view value) {
  return !value.empty() && label_of(pod, key) == value;
}

bool is_owned(const Json& pod, const Json& owner) {
  for (const Json& reference : array_at(pod, "metadata.ownerReferences")) {
    if (text_at(reference, "uid") == text_at(owner, "metadata.uid") && !text_at(reference, "uid").empty())
      return true;
  }
  return false;
}

std::string role_of(const Json& pod) {
  for (const char* key : {"disaggregatedset.x-k8s.io/role", "nvidia.com/dynamo-component",
                          "nvidia.com/dynamo-component-type", "llm-d.ai/role"}) {
    if (!label_of(pod, key).empty()) return std::string(label_of(pod, key));
  }
  return "";
}

// Ranks of the pods of a workload without groups, by name.
void number_ranks(std::vector<RankView>& ranks) {
  std::sort(ranks.begin(), ranks.end(), [](const auto& a, const auto& b) { return a.pod < b.pod; });
  for (size_t i = 0; i < ranks.size(); ++i) ranks[i].rank = static_cast<int>(i);
}

void add_missing(const Json& workload, std::vector<RankView>& ranks) {
  const int64_t groups = int_at(workload, "spec.replicas", 1);
  const int size = group_size(workload);
  if (groups * size > kMaxGroup) return;
  for (int group = 0; group < groups; ++group) {
    for (int rank = 0; rank < size; ++rank) {
      const bool there = std::any_of(ranks.begin(), ranks.end(),
                                     [&](const RankView& r) { return r.group == group && r.rank == rank; });
      if (there) continue;
      RankView& added = ranks.emplace_back();
      added.group = group;
      added.rank = rank;
      added.is_leader = rank == 0;
      added.state.phase = "absent";
      const bool leader_first = text_at(workload, "spec.startupPolicy") == "LeaderReady" && rank > 0;
      added.state.leader_missing = leader_first;
      added.state.reason = leader_first
                               ? "the pod is made once the leader is ready (startupPolicy: LeaderReady)"
                               : "the pod does not exist yet";
    }
  }
}

}  // namespace

bool is_workload_kind(std::string_view kind) {
  constexpr std::string_view kKinds[] = {"LeaderWorkerSet",
                                         "DisaggregatedSet",
                                         "Deployment",
                                         "StatefulSet",
                                         "DaemonSet",
                                         "Job",
                                         "InferenceService",
                                         "LLMInferenceService",
                                         "DynamoGraphDeployment",
                                         "Pod"};
  return std::find(std::begin(kKinds), std::end(kKinds), kind) != std::end(kKinds);
}

bool is_pod_of(const Json& workload, const Json& pod) {
  if (namespace_of(workload) != namespace_of(pod)) return false;
  const std::string_view kind = kind_of(workload), name = name_of(workload);
  if (kind == "Pod") return name_of(pod) == name;
  if (kind == "LeaderWorkerSet") return has_label(pod, kLwsName, name);
  if (kind == "DisaggregatedSet") return has_label(pod, "disaggregatedset.x-k8s.io/name", name);
  if (kind == "Job")
    return has_label(pod, "batch.kubernetes.io/job-name", name) || has_label(pod, "job-name", name);
  if (kind == "InferenceService") return has_label(pod, "serving.kserve.io/inferenceservice", name);
  if (kind == "LLMInferenceService")
    return has_label(pod, "app.kubernetes.io/name", name) &&
           has_label(pod, "app.kubernetes.io/part-of", "llminferenceservice");
  if (kind == "DynamoGraphDeployment") return has_label(pod, "nvidia.com/dynamo-graph-deployment-name", name);
  if (kind == "StatefulSet" || kind == "DaemonSet") {
    if (!array_at(pod, "metadata.ownerReferences").empty()) return is_owned(pod, workload);
  }
  const Json* selector = json_at(workload, "spec.selector");
  const bool empty = selector == nullptr || object_at(*selector, "matchLabels").empty();
  return !empty && selector_matches(*selector, object_at(pod, "metadata.labels"));
}

int group_size(const Json& workload) {
  if (kind_of(workload) != "LeaderWorkerSet") return 1;
  return static_cast<int>(
      std::clamp<int64_t>(int_at(workload, "spec.leaderWorkerTemplate.size", 1), 1, kMaxGroup));
}

std::vector<RankView> ranks_of(const Json& workload, const ClusterView& view) {
  std::vector<RankView> out;
  bool grouped = false;
  for (const Json& pod : view.pods) {
    if (!is_pod_of(workload, pod)) continue;
    RankView& rank = out.emplace_back();
    rank.role = role_of(pod);
    rank.group = number_of(label_of(pod, kLwsGroup), 0);
    rank.rank = number_of(label_of(pod, kLwsWorker), 0);
    rank.is_leader = label_of(pod, kLwsWorker) == "0";
    rank.pod = name_of(pod);
    rank.state = explain_pod(pod, view);
    grouped |= !label_of(pod, kLwsGroup).empty();
  }
  if (!grouped) number_ranks(out);
  if (kind_of(workload) == "LeaderWorkerSet") add_missing(workload, out);
  std::stable_sort(out.begin(), out.end(), [](const RankView& a, const RankView& b) {
    return std::tie(a.role, a.group, a.rank) < std::tie(b.role, b.group, b.rank);
  });
  return out;
}

std::string rank_title(const Json& workload, const RankView& rank) {
  const std::string_view kind = kind_of(workload);
  const bool grouped = kind == "LeaderWorkerSet" || kind == "DisaggregatedSet" || rank.is_leader;
  if (!grouped) return rank.pod.empty() ? "pod" : rank.pod;
  std::string out = rank.role.empty() ? "" : rank.role + " ";
  out += "group " + std::to_string(rank.group) + " rank " + std::to_string(rank.rank);
  return rank.pod.empty() ? out : out + " (" + rank.pod + ")";
}

}  // namespace hadal::cluster
