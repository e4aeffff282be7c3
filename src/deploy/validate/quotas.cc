// ResourceQuotas against one another and against what the workloads of their namespace ask for, as the API
// server's admission counts it (k8s.io/kubernetes/pkg/quota/v1/evaluator/core/pods.go): a Pod's requests and
// limits, those of init containers where they are more.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "deploy/validate/formats.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

// The same bound has several names.
std::string bound_name(std::string_view key) {
  if (key == "cpu" || key == "memory" || key == "ephemeral-storage") return "requests." + std::string(key);
  if (key == "count/pods") return "pods";
  return std::string(key);
}

bool is_of_bytes(std::string_view bound) {
  return bound.ends_with(".memory") || bound.ends_with(".ephemeral-storage") ||
         bound.find(".hugepages-") != std::string_view::npos;
}

std::string shown_amount(std::string_view bound, long double amount) {
  const bool bytes = is_of_bytes(bound);
  const auto rounded = static_cast<double>(std::round(amount / (bytes ? 1073741824.0L : 1.0L) * 1000) / 1000);
  std::array<char, 400> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), rounded, std::chars_format::fixed).ptr;
  return std::string(text.data(), end) + (bytes ? "Gi" : "");
}

// "requests" or "limits", and the resource.
struct PodBound {
  std::string_view side, resource;
};

long double amount_in(View container, const PodBound& bound) {
  const View resources = container["resources"];
  View value = resources[bound.side][bound.resource];
  // The API server writes limits into requests that are not there.
  if (!value.exists() && bound.side == "requests") value = resources["limits"][bound.resource];
  const auto quantity = parse_quantity(value.any_text());
  return quantity && quantity->value > 0 ? quantity->value : 0;
}

// nullopt: no bound of Pods.
std::optional<long double> amount_of_pod(View spec, std::string_view bound) {
  if (bound == "pods") return 1;
  const size_t dot = bound.find('.');
  const PodBound wanted{bound.substr(0, dot), dot == std::string_view::npos ? "" : bound.substr(dot + 1)};
  if ((wanted.side != "requests" && wanted.side != "limits") || wanted.resource == "storage")
    return std::nullopt;
  long double running = 0;
  long double starting = 0;
  for (const Value& item : spec["initContainers"].items()) {
    const long double own = amount_in(View(item), wanted);
    if (View(item)["restartPolicy"].text() == "Always") running += own;
    starting = std::max(starting, running + (View(item)["restartPolicy"].text() == "Always" ? 0 : own));
  }
  for (const Value& item : spec["containers"].items()) running += amount_in(View(item), wanted);
  return std::max(running, starting);
}

// How many Pods of the template there are at the least; 0: not known.
int64_t least_pods(const PodTemplate& pod, const ManifestSet& set) {
  const ManifestDocument& d = *pod.document;
  const View spec = d.view()["spec"];
  const auto within = [](int64_t n) { return std::clamp<int64_t>(n, 0, 1'000'000); };
  for (const Value* v = pod.spec; v != nullptr; v = v->parent) {
    const View group = View(v)["leaderWorkerTemplate"];
    if (!group.is_map()) continue;
    const int64_t groups = within(scaled_from(d, set).value_or(View(v)["replicas"].integer_or(1)));
    const int64_t size = std::max<int64_t>(within(group["size"].integer_or(1)), 1);
    if (pod.role == "leader") return groups;
    return groups * (size - (pod.serves ? 0 : 1));
  }
  // What other controllers make of a template is not known here.
  if (pod.inside_crd || pod.partial || d.kind == "PodTemplate" || d.kind == "CronJob") return 0;
  if (d.kind == "DaemonSet") return 1;
  if (d.kind == "Job")
    return within(std::min(spec["parallelism"].integer_or(1), spec["completions"].integer_or(1'000'000)));
  return within(scaled_from(d, set).value_or(pod.num_pods));
}

// The same object may stand in two files (a spec and what was rendered from it): it is one object.
using ObjectKey = std::tuple<std::string_view, std::string_view, std::string_view>;
ObjectKey quota_key(const ManifestDocument& d) {
  return {d.kind, ManifestSet::namespace_of(d), d.name};
}

struct CountedPods {
  const PodTemplate* pod = nullptr;
  int64_t least = 0;
};
using PodsOfNamespaces = std::map<std::string, std::vector<CountedPods>>;

PodsOfNamespaces count_pods(const ManifestSet& set) {
  PodsOfNamespaces out;
  std::map<ObjectKey, const ManifestDocument*> first;
  for (const PodTemplate& pod : set.templates) {
    const ManifestDocument& d = *pod.document;
    if (first.emplace(quota_key(d), &d).first->second != &d) continue;
    if (const int64_t least = least_pods(pod, set); least > 0) out[d.namespace_name].push_back({&pod, least});
  }
  return out;
}

// What one workload asks for of one bound.
struct WorkloadDemand {
  const ManifestDocument* workload = nullptr;
  long double amount = 0;
};

class DemandOfNamespace {
 public:
  DemandOfNamespace(const std::vector<CountedPods>& pods, std::string_view bound) : bound_(bound) {
    for (const CountedPods& counted : pods) {
      const ManifestDocument& d = *counted.pod->document;
      const long double asked =
          amount_of_pod(counted.pod->view(), bound).value_or(0) * static_cast<long double>(counted.least);
      if (asked <= 0) continue;
      if (parts_.empty() || parts_.back().workload != &d) parts_.push_back({&d, 0});
      parts_.back().amount += asked;
    }
    // Jobs end: the largest may run beside nothing else.
    std::stable_sort(parts_.begin(), parts_.end(),
                     [](const WorkloadDemand& a, const WorkloadDemand& b) { return a.amount > b.amount; });
    std::vector<WorkloadDemand> lasting;
    std::copy_if(parts_.begin(), parts_.end(), std::back_inserter(lasting),
                 [](const WorkloadDemand& part) { return part.workload->group != "batch"; });
    long double sum = 0;
    for (const WorkloadDemand& part : lasting) sum += part.amount;
    if (!parts_.empty() && parts_[0].amount > sum) {
      parts_.resize(1);
    } else {
      parts_ = std::move(lasting);
    }
    for (const WorkloadDemand& part : parts_) amount_ += part.amount;
  }

  long double amount() const { return amount_; }
  // What stands in the quota's own file, and so is surely meant to run together.
  long double amount_in_file(const ManifestFile* file) const {
    long double out = 0;
    for (const WorkloadDemand& part : parts_) out += part.workload->file == file ? part.amount : 0;
    return out;
  }
  std::string text() const {
    constexpr size_t kMost = 4;
    std::string out;
    for (size_t i = 0; i < std::min(parts_.size(), kMost); ++i) {
      const ManifestDocument& d = *parts_[i].workload;
      out += (i == 0 ? "" : ", ") + d.kind + " " + d.name + " " + shown_amount(bound_, parts_[i].amount);
    }
    if (parts_.size() > kMost) out += " and " + std::to_string(parts_.size() - kMost) + " more";
    return out;
  }

 private:
  std::string_view bound_;
  std::vector<WorkloadDemand> parts_;
  long double amount_ = 0;
};

struct QuotaBound {
  const ManifestDocument* quota = nullptr;
  const Value* value = nullptr;
  long double amount = 0;
};

void check_several(std::string_view bound, const std::vector<QuotaBound>& quotas) {
  const QuotaBound& least =
      *std::min_element(quotas.begin(), quotas.end(),
                        [](const QuotaBound& a, const QuotaBound& b) { return a.amount < b.amount; });
  for (const QuotaBound& other : quotas) {
    if (other.quota == least.quota) continue;
    Finding& finding = other.quota->reporter->add(
        "quota/several", *other.value,
        "the ResourceQuota " + least.quota->name + " bounds " + std::string(bound) +
            " of this namespace too, to " + shown_amount(bound, least.amount) +
            ": both count all its Pods, so " + shown_amount(bound, least.amount) +
            " is all that there is, not " + shown_amount(bound, least.amount + other.amount));
    if (other.quota->in_kustomization) finding.severity = Severity::kInfo;
  }
}

void check_demand(std::string_view bound, const std::vector<QuotaBound>& quotas,
                  const std::vector<CountedPods>& pods) {
  const DemandOfNamespace demand(pods, bound);
  for (const QuotaBound& quota : quotas) {
    if (demand.amount() <= quota.amount) continue;
    const std::string asked = shown_amount(bound, demand.amount());
    Finding& finding = quota.quota->reporter->add(
        "quota/too-small", *quota.value,
        "the namespace gets " + shown_amount(bound, quota.amount) + " of " + std::string(bound) +
            ", and its workloads in these files ask for " + asked + " (" + demand.text() + ")",
        "raise it to " + asked + " or more, or give some of them another namespace");
    // Files of a folder may be a choice, and a kustomization may change the numbers.
    if (demand.amount_in_file(quota.quota->file) <= quota.amount) finding.severity = Severity::kWarning;
    if (quota.quota->in_kustomization) finding.severity = Severity::kInfo;
  }
}

// The server refuses Pods of which a container does not say what such a quota counts. A LimitRange says it
// for them.
void check_values(std::string_view bound, const QuotaBound& quota, const std::vector<CountedPods>& pods) {
  if (bound != "requests.cpu" && bound != "requests.memory" && bound != "limits.cpu" &&
      bound != "limits.memory")
    return;
  const size_t dot = bound.find('.');
  const PodBound wanted{bound.substr(0, dot), bound.substr(dot + 1)};
  for (const CountedPods& counted : pods) {
    // Of the whole Pod: resources that its containers share.
    if (counted.pod->view()["resources"].exists()) continue;
    for (const View container : all_containers(counted.pod->view())) {
      const View resources = container["resources"];
      if (resources[wanted.side][wanted.resource].exists() || resources["limits"][wanted.resource].exists())
        continue;
      const View name = container["name"];
      Finding& finding = counted.pod->reporter().add(
          "quota/value-missing", name.exists() ? *name : *container,
          "the container says nothing of " + std::string(bound) + ", which the ResourceQuota " +
              quota.quota->name + " of its namespace counts: the Pod is refused",
          "add resources." + std::string(bound) + ", or a LimitRange with a default for it to the namespace");
      if (counted.pod->document->in_kustomization) finding.severity = Severity::kInfo;
    }
  }
}

}  // namespace

void check_quotas(const RuleContext& context) {
  std::map<std::pair<std::string, std::string>, std::vector<QuotaBound>> bounds;  // namespace, bound
  std::set<ObjectKey> seen;
  std::set<std::string> ranged;  // namespaces with a LimitRange
  for (const ManifestDocument& d : context.set.documents) {
    if (d.is("", "LimitRange")) ranged.insert(d.namespace_name);
    if (!d.is("", "ResourceQuota") || !seen.insert(quota_key(d)).second) continue;
    const View spec = d.view()["spec"];
    // Scopes choose Pods by what these files may not say.
    if (!spec["scopes"].items().empty() || spec["scopeSelector"].exists()) continue;
    for (const ValueMember& entry : spec["hard"].members()) {
      const auto amount = parse_quantity(View(entry.value).any_text());
      if (amount)
        bounds[{d.namespace_name, bound_name(entry.key)}].push_back({&d, &entry.value, amount->value});
    }
  }
  if (bounds.empty()) return;
  // Each looks at all Pods; a cluster has far fewer.
  constexpr size_t kMostDemands = 500;
  const PodsOfNamespaces pods = count_pods(context.set);
  size_t num_demands = 0;
  for (const auto& [place, quotas] : bounds) {
    check_several(place.second, quotas);
    const auto found = pods.find(place.first);
    if (found != pods.end() && ++num_demands <= kMostDemands) {
      check_demand(place.second, quotas, found->second);
      if (ranged.count(place.first) == 0) check_values(place.second, quotas[0], found->second);
    }
  }
}

}  // namespace hadal
