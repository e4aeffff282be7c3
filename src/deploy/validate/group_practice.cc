// How the Pods of a group fit together: leader and workers alike, restarts, rollouts; and shapes of objects
// of other projects that guides get wrong.
#include <algorithm>
#include <map>

#include "deploy/validate/command_text.h"
#include "deploy/validate/pod_facts.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

using EnvMap = std::map<std::string, const Value*>;

EnvMap env_of(View container) {
  EnvMap out;
  for (const Value& item : container["env"].items()) {
    if (!View(item)["name"].text().empty()) out[std::string(View(item)["name"].text())] = &item;
  }
  return out;
}

std::string value_text(const Value& entry) {
  Json json = value_to_json(entry);
  return to_json(json);
}

// The container that computes: with GPUs or an engine, else the first.
View main_container(View spec) {
  for (const Value& c : spec["containers"].items()) {
    if (is_serving(View(c))) return View(c);
  }
  return spec["containers"].items().empty() ? View() : View(spec["containers"].items()[0]);
}

// What one side alone has may be meant so; what sets up communication and the engine hardly is.
void report_missing(const PodTemplate& leader, const Value& entry, std::string message) {
  const View name = View(entry)["name"];
  Finding& finding = leader.reporter().add("group/env-differs", *name, std::move(message),
                                           "write the same variables in both templates");
  constexpr std::string_view kShared[] = {"NCCL_", "GLOO_",  "UCX_", "NVSHMEM_", "TORCH_", "CUDA_",   "SGL",
                                          "VLLM_", "HADAL_", "TRT",  "OMP_",     "MODEL",  "PYTORCH_"};
  if (std::none_of(std::begin(kShared), std::end(kShared),
                   [&](std::string_view prefix) { return name.text().starts_with(prefix); }))
    finding.severity = Severity::kInfo;
}

void compare_env(const PodTemplate& leader, View a, View b) {
  const EnvMap here = env_of(a);
  const EnvMap there = env_of(b);
  for (const auto& [name, entry] : here) {
    const auto other = there.find(name);
    // Requests come to the leader alone.
    if (name.find("API_KEY") != std::string::npos) continue;
    if (other == there.end()) {
      report_missing(leader, *entry, "the leader has " + name + ", the workers have not");
    } else if (value_text(*entry) != value_text(*other->second)) {
      leader.reporter().add("group/env-differs", *View(*other->second)["name"],
                            name + " differs between leader and workers",
                            "write the same value in both templates");
    }
  }
  for (const auto& [name, entry] : there) {
    if (here.count(name) == 0)
      report_missing(leader, *entry, "the workers have " + name + ", the leader has not");
  }
}

std::map<std::string, std::string> flags_of(const EngineProgram& engine) {
  std::map<std::string, std::string> out;
  for (size_t i = 0; i < engine.words.size(); ++i) {
    const std::string& text = engine.words[i].text;
    const EngineFlag flag = find_engine_flag(engine.dialect(), text);
    if (!text.starts_with("--") && flag.setting == EngineSetting::kNone) continue;
    const size_t equals = text.find('=');
    std::string value = equals != std::string::npos ? text.substr(equals + 1) : "";
    if (value.empty() && i + 1 < engine.words.size() && !engine.words[i + 1].text.starts_with("-"))
      value = engine.words[i + 1].text;
    // Spellings of one setting are one.
    out[flag.setting == EngineSetting::kNone || !flag.taken ? text.substr(0, equals) : flag.name] = value;
  }
  return out;
}

// Only where requests come in.
bool is_leaders_alone(std::string_view flag) {
  constexpr std::string_view kFlags[] = {"--host",
                                         "--port",
                                         "--api-key",
                                         "--served-model-name",
                                         "--node-rank",
                                         "--headless",
                                         "--data-parallel-start-rank",
                                         "--log-requests",
                                         "--enable-metrics",
                                         "--show-time-cost",
                                         "--data-parallel-hybrid-lb"};
  return std::find(std::begin(kFlags), std::end(kFlags), flag) != std::end(kFlags);
}

void compare_flags(const PodTemplate& leader, const EngineProgram& a, const EngineProgram& b) {
  const auto here = flags_of(a);
  const auto there = flags_of(b);
  const auto report = [&](const EngineProgram& side, const std::string& flag, const std::string& what) {
    const CommandWord* word = side.word({flag});
    if (word == nullptr) word = side.setting_word(find_engine_flag(side.dialect(), flag).setting);
    if (word == nullptr) return;
    leader.reporter().add_at_mark("group/flags-differ",
                                  mark_inside(leader.reporter().source(), *word->value, word->text),
                                  flag + what, "start every rank with the same flags");
  };
  for (const auto& [flag, value] : here) {
    if (is_leaders_alone(flag)) continue;
    const auto other = there.find(flag);
    if (other == there.end()) {
      report(a, flag, " is given to the leader and not to the workers");
    } else if (other->second != value) {
      report(b, flag, " differs: " + value + " for the leader, " + other->second + " for the workers");
    }
  }
  for (const auto& [flag, value] : there) {
    if (here.count(flag) == 0 && !is_leaders_alone(flag))
      report(b, flag, " is given to the workers and not to the leader");
  }
}

void check_lws_restart(const ManifestDocument& d) {
  const View group = d.view().at("spec.leaderWorkerTemplate");
  const View policy = group["restartPolicy"];
  if (group["size"].integer_or(1) < 2) return;
  if (policy.text() == "None" || policy.text() == "Default")
    d.reporter->add("lws/restart-alone", *policy,
                    "a Pod that restarts alone does not join the ranks that run on",
                    "write RecreateGroupOnPodRestart");
}

// A Deployment's default rollout starts a new Pod before the old one ends.
void check_rollout(const ManifestDocument& d, const RuleContext& context) {
  if (!d.is("apps", "Deployment")) return;
  const View spec = d.view()["spec"];
  const auto pods = context.set.templates_of(d);
  if (pods.empty() || gpus_of_pod(pods[0]->view()) < 8) return;
  const View strategy = spec["strategy"];
  if (strategy["type"].text() == "Recreate") return;
  const View surge = strategy.at("rollingUpdate.maxSurge");
  if (surge.exists() && scaled_value(surge, 100, true) == 0) return;
  d.reporter->add("rollout/surge-needs-gpus", strategy.exists() ? *strategy : *spec,
                  "a rollout needs a whole further node's GPUs before the old Pod ends",
                  "write strategy: {type: Recreate}, or maxSurge: 0 with maxUnavailable: 1");
}

// OpenShift AI's DataScienceCluster: managementState and name belong to serving, beside ingressGateway.
void check_data_science_cluster(const ManifestDocument& d) {
  if (d.kind != "DataScienceCluster") return;
  const View gateway = d.view().at("spec.components.kserve.serving.ingressGateway");
  for (const View wrong : {gateway, gateway["certificate"]}) {
    for (const std::string_view key : {"managementState", "name"}) {
      if (wrong[key].exists())
        d.reporter->add_at_key("object/wrong-parent", *wrong[key],
                               "\"" + std::string(key) + "\" belongs to serving, not here",
                               "move it beside ingressGateway");
    }
  }
}

void check_dynamo_network(const ManifestDocument& d) {
  if (d.group != "nvidia.com") return;
  for_each_value(*d.root, [&](const Value& value) {
    const View nodes = View(value)["multinode"]["nodeCount"];
    if (nodes.integer_or(1) < 2) return;
    bool rdma = false;
    for_each_value(value, [&](const Value& inner) {
      rdma = rdma || (inner.key_text != nullptr && inner.key_text->find("rdma") != std::string::npos);
      rdma = rdma || (inner.is_string() && inner.scalar.as_string().find("rdma") != std::string::npos);
    });
    if (!rdma)
      d.reporter->add("net/multinode-without-rdma", *nodes,
                      "several nodes and no RDMA device: NCCL and the KV transfer fall back to TCP",
                      "ask for rdma/ib (or your device plugin's name) in resources");
  });
}

}  // namespace

void check_engine_parity(const ManifestDocument& d, const RuleContext& context) {
  if (d.kind != "LeaderWorkerSet") return;
  const PodTemplate* leader = nullptr;
  const PodTemplate* worker = nullptr;
  for (const PodTemplate* pod : context.set.templates_of(d)) {
    if (pod->role == "leader") leader = pod;
    if (pod->role == "worker") worker = pod;
  }
  if (leader == nullptr || worker == nullptr) return;
  const View a = main_container(leader->view());
  const View b = main_container(worker->view());
  // One that only routes is another program.
  if (gpus_of(a) == 0 || gpus_of(b) == 0) return;
  compare_env(*leader, a, b);
  const EngineProgram x = engine_command(a);
  const EngineProgram y = engine_command(b);
  if (x.kind != EngineName::kNone && x.kind == y.kind) compare_flags(*leader, x, y);
}

void check_group_practice(const ManifestDocument& d, const RuleContext& context) {
  if (d.is("leaderworkerset.x-k8s.io", "LeaderWorkerSet")) check_lws_restart(d);
  check_rollout(d, context);
  check_data_science_cluster(d);
  check_dynamo_network(d);
}

}  // namespace hadal
