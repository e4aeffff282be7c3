#include "deploy/cluster/doctor.h"

#include <algorithm>
#include <set>

#include "deploy/cluster/cluster_reader.h"
#include "deploy/cluster/inventory.h"
#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

constexpr size_t kMaxEvidence = 6;
constexpr size_t kMaxLogEvidence = 3;
constexpr size_t kMaxShownLine = 300;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool contains_ignoring_case(std::string_view line, std::string_view word) {
  return std::search(line.begin(), line.end(), word.begin(), word.end(),
                     [](char a, char b) { return lower(a) == lower(b); }) != line.end();
}

bool has_all(std::string_view line, std::string_view words) {
  while (!words.empty()) {
    const size_t end = std::min(words.find('&'), words.size());
    if (!contains_ignoring_case(line, words.substr(0, end))) return false;
    words.remove_prefix(std::min(words.size(), end + 1));
  }
  return true;
}

// Lines of logs are untrusted: no control characters reach a terminal.
std::string printable(std::string_view line) {
  std::string out;
  for (const char c : line.substr(0, kMaxShownLine))
    out += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? ' ' : c;
  return line.size() > kMaxShownLine ? out + "..." : out;
}

DoctorInput make_input(const DoctorSnapshot& snapshot) {
  DoctorInput out{snapshot, make_cluster_view(snapshot.objects, snapshot.time), {}, {}, {}};
  if (!snapshot.name.empty()) {
    Inventory none;
    out.workloads = find_workloads(snapshot.objects, nullptr, snapshot.name);
    for (const Json& object : snapshot.objects) {
      const std::string_view owner = annotation_of(object, kOwnerAnnotation);
      const bool ours =
          owner == snapshot.namespace_name + "/" + snapshot.name && is_workload_kind(kind_of(object));
      if (ours && name_of(object) != snapshot.name) out.workloads.push_back(object);
    }
  } else {
    for (const Json& object : snapshot.objects) {
      if (is_workload_kind(kind_of(object)) && kind_of(object) != "Pod") out.workloads.push_back(object);
    }
  }
  return out;
}

void add_members(DoctorInput& input) {
  std::set<const Json*> seen;
  for (const Json& workload : input.workloads) {
    for (RankView& rank : ranks_of(workload, input.view)) {
      const Json* found = nullptr;
      for (const Json& pod : input.view.pods) {
        if (name_of(pod) == rank.pod && namespace_of(pod) == namespace_of(workload)) found = &pod;
      }
      if (found != nullptr && seen.insert(found).second) input.pods.push_back(found);
      input.members.push_back({&workload, std::move(rank), found});
    }
  }
  if (!input.snapshot.name.empty()) return;
  for (const Json& pod : input.view.pods) {
    if (seen.insert(&pod).second) input.pods.push_back(&pod);
  }
}

// What a container wrote: a log, or the message it left when it ended.
struct Words {
  const Json* pod;
  std::string container;  // "POD/CONTAINER"
  std::string title;
  std::string_view text;
  bool previous;  // of a run before this one
};

// The pod of a log's key, "POD/CONTAINER previous"; null: not one of those looked at.
const Json* pod_of_log(const DoctorInput& input, const std::string& key) {
  const std::string_view name = std::string_view(key).substr(0, key.find('/'));
  for (const Json* pod : input.pods) {
    if (name_of(*pod) == name) return pod;
  }
  return nullptr;
}

// Logs cannot always be read (no right, the container is gone); the pod keeps the message.
void add_termination_messages(const Json& pod, std::vector<Words>& out) {
  for (const char* list : {"status.initContainerStatuses", "status.containerStatuses"}) {
    for (const Json& status : array_at(pod, list)) {
      for (const char* at : {"state.terminated", "lastState.terminated"}) {
        const Json* ended = json_at(status, at);
        if (ended == nullptr || int_at(*ended, "exitCode") == 0) continue;
        const std::string container = std::string(name_of(pod)) + "/" + std::string(text_at(status, "name"));
        out.push_back({&pod, container, "last words of " + container, text_at(*ended, "message"),
                       std::string_view(at).starts_with("lastState")});
      }
    }
  }
}

std::vector<Words> words_of(const DoctorInput& input) {
  std::vector<Words> out;
  for (const auto& [key, text] : input.snapshot.logs) {
    const Json* pod = pod_of_log(input, key);
    if (pod != nullptr)
      out.push_back({pod, key.substr(0, key.find(' ')), "log of " + key, text, key.ends_with(" previous")});
  }
  for (const Json* pod : input.pods) add_termination_messages(*pod, out);
  return out;
}

// The last line with a rule's words that was not seen in that container's other texts; count: how many.
std::string_view find_line(const Words& words, const DoctorLogRule& rule, std::set<std::string>& seen,
                           int& count) {
  std::string_view rest = words.text, last;
  std::vector<std::string_view> found;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(rest.size(), end + 1));
    if (line_matches(line, rule.words)) found.push_back(line);
  }
  for (const std::string_view line : found) {
    if (!seen.contains(words.container + "\n" + std::string(line))) ++count, last = line;
  }
  for (const std::string_view line : found) seen.insert(words.container + "\n" + std::string(line));
  return last;
}

void add_log_finding(const std::vector<Words>& all, const DoctorLogRule& rule, std::vector<Diagnosis>& out) {
  std::vector<std::string> evidence;
  std::set<std::string> seen;
  std::set<const Json*> pods, sick;
  int num_lines = 0;
  for (const Words& words : all) {
    const Json& pod = *words.pod;
    const bool healthy = condition_is(pod, "Ready", "True") || text_at(pod, "status.phase") == "Succeeded";
    if (healthy && !words.previous && !rule.healthy_too) continue;
    const std::string_view line = find_line(words, rule, seen, num_lines);
    if (line.empty()) continue;
    pods.insert(&pod);
    if (!healthy) sick.insert(&pod);
    if (evidence.size() < kMaxLogEvidence) evidence.push_back(words.title + ": " + printable(line));
  }
  if (evidence.empty()) return;
  if (num_lines > static_cast<int>(evidence.size()))
    evidence.push_back(std::to_string(num_lines) + " such lines of " + std::to_string(pods.size()) +
                       (pods.size() == 1 ? " pod" : " pods"));
  const bool downgraded = sick.empty() && rule.level == DoctorLevel::kError;
  out.push_back(
      {std::string(rule.id), rule.pain, downgraded ? DoctorLevel::kWarning : rule.level,
       std::string(rule.cause), std::string(rule.next_step), std::move(evidence),
       rule.priority + static_cast<int>(std::min<size_t>(pods.size(), 5)) + (sick.empty() ? 0 : 10)});
}

void add_finding(const DoctorInput& input, const DoctorRule& rule, std::vector<Diagnosis>& out) {
  std::vector<std::string> evidence;
  rule.look(input, evidence);
  if (evidence.empty()) return;
  const size_t count = evidence.size();
  if (count > kMaxEvidence) {
    evidence.resize(kMaxEvidence);
    evidence.push_back("and " + std::to_string(count - kMaxEvidence) + " more");
  }
  for (std::string& line : evidence) line = printable(line);
  out.push_back({std::string(rule.id), rule.pain, rule.level, std::string(rule.cause),
                 std::string(rule.next_step), std::move(evidence),
                 rule.priority + static_cast<int>(std::min<size_t>(count, 5))});
}

std::string_view level_word(DoctorLevel level) {
  return level == DoctorLevel::kError ? "error" : level == DoctorLevel::kWarning ? "warning" : "advice";
}

}  // namespace

bool line_matches(std::string_view line, std::string_view words) {
  while (!words.empty()) {
    const size_t end = std::min(words.find('|'), words.size());
    if (has_all(line, words.substr(0, end))) return true;
    words.remove_prefix(std::min(words.size(), end + 1));
  }
  return false;
}

bool has_pods(const DoctorInput& input, const Json& workload) {
  return std::any_of(input.members.begin(), input.members.end(), [&](const DoctorInput::Member& m) {
    return m.workload == &workload && m.pod != nullptr;
  });
}

bool DoctorReport::is_wrong() const {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Diagnosis& d) { return d.level != DoctorLevel::kAdvice; });
}

DoctorReport examine(const DoctorSnapshot& snapshot) {
  DoctorInput input = make_input(snapshot);
  add_members(input);
  keep_own_objects(input);
  DoctorReport out;
  out.unseen = snapshot.unseen;
  out.num_pods = static_cast<int>(input.pods.size());
  for (const Json* pod : input.pods) {
    const PodState state = explain_pod(*pod, input.view);
    out.num_ready += state.kind == PodState::Kind::kReady || state.kind == PodState::Kind::kDone;
  }
  for (const auto rules : {doctor_pod_rules(), doctor_config_rules(), doctor_exit_rules()}) {
    for (const DoctorRule& rule : rules) add_finding(input, rule, out.findings);
  }
  const std::vector<Words> words = words_of(input);
  for (const DoctorLogRule& rule : doctor_log_rules()) add_log_finding(words, rule, out.findings);
  std::stable_sort(out.findings.begin(), out.findings.end(), [](const Diagnosis& a, const Diagnosis& b) {
    return a.level != b.level ? a.level < b.level : a.score > b.score;
  });
  return out;
}

Json DoctorReport::json() const {
  JsonArray list;
  for (const Diagnosis& d : findings) {
    JsonArray evidence;
    for (const std::string& line : d.evidence) evidence.push_back(line);
    list.push_back(JsonObject{{"rule", d.rule},
                              {"pain", d.pain},
                              {"level", level_word(d.level)},
                              {"score", d.score},
                              {"cause", d.cause},
                              {"nextStep", d.next_step},
                              {"evidence", std::move(evidence)}});
  }
  JsonArray hidden;
  for (const std::string& line : unseen) hidden.push_back(line);
  return JsonObject{{"pods", num_pods},
                    {"ready", num_ready},
                    {"wrong", is_wrong()},
                    {"findings", std::move(list)},
                    {"unseen", std::move(hidden)}};
}

std::string DoctorReport::text() const {
  std::string out = std::to_string(num_ready) + " of " + std::to_string(num_pods) + " pods are ready\n";
  int number = 0;
  for (const Diagnosis& d : findings) {
    out += "\n" + std::to_string(++number) + ". " + std::string(level_word(d.level)) + " [" + d.rule + "] " +
           d.cause + "\n";
    for (const std::string& line : d.evidence) out += "   seen: " + line + "\n";
    out += "   do:   " + d.next_step + "\n";
  }
  if (findings.empty())
    out += num_ready == num_pods ? "nothing is wrong that hadal knows of\n"
                                 : "no known cause: look at `hadal deploy status` and `hadal deploy logs`\n";
  for (const std::string& line : unseen) out += "not looked at: " + line + "\n";
  return out;
}

}  // namespace hadal::cluster
