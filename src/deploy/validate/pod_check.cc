#include "deploy/validate/pod_check.h"

#include <algorithm>

#include "deploy/validate/formats.h"

namespace hadal {

void PodCheck::run() {
  check_metadata();
  check_volumes();
  add_claim_templates();
  check_containers();
  check_spec();
  check_restart_policy();
  check_scheduling();
  check_tolerations();
  check_spread();
  check_resource_claims();
  check_security_context(spec_["securityContext"], true);
}

void PodCheck::check_metadata() {
  const View metadata(pod_.metadata);
  if (metadata.get() == nullptr || pod_.document->is("", "Pod")) return;
  for (const ValueMember& label : metadata["labels"].members()) {
    const View value(label.value);
    if (!is_qualified_name(label.key))
      reporter_.add_at_key("object/label", label.value, "\"" + label.key + "\" is no label's key");
    if (value.is_string() && !is_label_value(value.text()))
      reporter_.add("object/label", *value, shown_text(value) + " is no label's value");
  }
  for (const ValueMember& note : metadata["annotations"].members()) {
    std::string key = note.key;
    std::transform(key.begin(), key.end(), key.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    if (!is_qualified_name(key))
      reporter_.add_at_key("object/label", note.value, "\"" + note.key + "\" is no annotation's key");
  }
  const View name = metadata["name"];
  const bool of_object = metadata.get() == pod_.document->view()["metadata"].get();  // a ServingRuntime
  if (name.exists() && !of_object) {
    Finding& finding = reporter_.add_at_key("pod/template-name", *name,
                                            "a template's name is ignored: the controller names its Pods");
    Reporter::fix_with(finding, remove_value(reporter_.source(), *name));
  }
}

void PodCheck::check_spec() {
  check_choice(reporter_, spec_["dnsPolicy"], {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"});
  if (spec_["dnsPolicy"].text() == "None" && spec_.at("dnsConfig.nameservers").items().empty())
    reporter_.add("object/combination", *spec_["dnsPolicy"], "dnsPolicy None needs dnsConfig.nameservers");
  check_range(reporter_, spec_["activeDeadlineSeconds"], 1, INT32_MAX);
  if (spec_["shareProcessNamespace"].is_true() && spec_["hostPID"].is_true())
    reporter_.add_at_key("object/combination", *spec_["shareProcessNamespace"],
                         "shareProcessNamespace and hostPID exclude each other");
  check_choice(reporter_, spec_["preemptionPolicy"], {"Never", "PreemptLowerPriority"});
  check_choice(reporter_, spec_.at("os.name"), {"linux", "windows"});
  for (const std::string_view key :
       {"serviceAccountName", "priorityClassName", "runtimeClassName", "schedulerName"}) {
    const View name = spec_[key];
    if (name.is_string() && !name.text().empty() && name.text().find("$(") == std::string_view::npos &&
        !is_dns1123_subdomain(name.text()))
      reporter_.add("object/name", *name, shown_text(name) + " is no name of an object");
  }
  for (const std::string_view key : {"hostname", "subdomain"}) {
    const View name = spec_[key];
    if (name.is_string() && !name.text().empty() && !is_dns1123_label(name.text()))
      reporter_.add("object/name", *name, shown_text(name) + " is no DNS label");
  }
  for (const Value& secret : spec_["imagePullSecrets"].items()) {
    if (secret.is_map() && View(secret)["name"].text().empty())
      reporter_.add("pod/image-pull-secret", secret, "an image pull secret without a name is ignored");
  }
  for (const Value& alias : spec_["hostAliases"].items()) {
    const View ip = View(alias)["ip"];
    if (ip.is_string() && !parse_ip(ip.text()))
      reporter_.add("object/format", *ip, shown_text(ip) + " is no IP address");
  }
}

void PodCheck::check_restart_policy() {
  const View policy = spec_["restartPolicy"];
  const ManifestDocument& d = *pod_.document;
  if (!check_choice(reporter_, policy, {"Always", "OnFailure", "Never"})) return;
  const bool runs_on = d.group == "apps" || d.kind == "ReplicationController";
  const bool ends = d.group == "batch" && (d.kind == "Job" || d.kind == "CronJob");
  // An empty text is read as Always in a Pod, and refused in a Job.
  if (runs_on && !policy.text().empty() && policy.text() != "Always") {
    Finding& finding =
        reporter_.add("pod/restart-policy", *policy,
                      "a " + d.kind + " takes restartPolicy Always alone, not " + std::string(policy.text()),
                      "remove the line; for a task that ends, put it into an init container or a Job");
    Reporter::fix_with(finding, replace_scalar(*policy, "Always", false));
  }
  if (ends && (policy.text().empty() || policy.text() == "Always")) {
    Finding& finding = reporter_.add("pod/restart-policy", policy.exists() ? *policy : *spec_,
                                     std::string("a ") + d.kind + " needs restartPolicy OnFailure or Never" +
                                         (policy.text().empty() ? "" : ", not Always"),
                                     "write restartPolicy: OnFailure");
    Reporter::fix_with(
        finding, policy.exists() ? replace_scalar(*policy, "OnFailure", false)
                                 : insert_member(reporter_.source(), *spec_, "restartPolicy", "OnFailure"));
  }
}

void PodCheck::check_scheduling() {
  for (const ValueMember& label : spec_["nodeSelector"].members()) {
    if (!is_qualified_name(label.key))
      reporter_.add_at_key("object/label", label.value, "\"" + label.key + "\" is no label's key");
    const View value(label.value);
    if (value.is_string() && !is_label_value(value.text()))
      reporter_.add("object/label", *value, shown_text(value) + " is no label's value");
  }
  check_affinity(spec_["affinity"]);
}

void PodCheck::check_affinity(View affinity) {
  const View node = affinity["nodeAffinity"];
  const View required = node["requiredDuringSchedulingIgnoredDuringExecution"];
  if (required.is_map() && required["nodeSelectorTerms"].items().empty())
    reporter_.add("object/required", *required, "nodeSelectorTerms needs at least one term");
  for (const Value& term : required["nodeSelectorTerms"].items()) check_node_term(View(term));
  for (const Value& item : node["preferredDuringSchedulingIgnoredDuringExecution"].items()) {
    check_range(reporter_, View(item)["weight"], 1, 100);
    check_present(reporter_, View(item), "weight");
    check_node_term(View(item)["preference"]);
  }
  for (const std::string_view kind : {"podAffinity", "podAntiAffinity"}) {
    const View pods = affinity[kind];
    for (const Value& term : pods["requiredDuringSchedulingIgnoredDuringExecution"].items())
      check_pod_term(View(term));
    for (const Value& item : pods["preferredDuringSchedulingIgnoredDuringExecution"].items()) {
      check_range(reporter_, View(item)["weight"], 1, 100);
      check_present(reporter_, View(item), "weight");
      if (check_present(reporter_, View(item), "podAffinityTerm"))
        check_pod_term(View(item)["podAffinityTerm"]);
    }
  }
}

void PodCheck::check_node_term(View term) {
  for (const std::string_view list : {"matchExpressions", "matchFields"}) {
    for (const Value& item : term[list].items()) {
      const View e(item);
      check_present(reporter_, e, "key");
      check_present(reporter_, e, "operator");
      if (!check_choice(reporter_, e["operator"], {"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"}))
        continue;
      const std::string_view op = e["operator"].text();
      const size_t count = e["values"].items().size();
      const bool one = op == "Gt" || op == "Lt";
      const bool none = op == "Exists" || op == "DoesNotExist";
      if (op.empty() || (none ? count == 0 : (one ? count == 1 : count > 0))) continue;
      reporter_.add(
          "object/combination", item,
          std::string(op) + (none ? " takes no values" : (one ? " takes one value" : " needs values")));
    }
  }
}

void PodCheck::check_label_key(View key) {
  if (key.is_string() && !key.text().empty() && !is_qualified_name(key.text()))
    reporter_.add("object/label", *key, shown_text(key) + " is no label's key");
}

void PodCheck::check_pod_term(View term) {
  if (!term.is_map()) return;
  if (check_present(reporter_, term, "topologyKey")) check_label_key(term["topologyKey"]);
  check_label_selector(reporter_, term["labelSelector"]);
}

void PodCheck::check_tolerations() {
  for (const Value& item : spec_["tolerations"].items()) {
    const View t(item);
    check_label_key(t["key"]);
    check_choice(reporter_, t["effect"], {"NoSchedule", "PreferNoSchedule", "NoExecute"});
    if (!check_choice(reporter_, t["operator"], {"Exists", "Equal", "Gt", "Lt"})) continue;
    if (t["operator"].text() == "Exists" && !t["value"].text().empty())
      reporter_.add("object/combination", *t["value"], "a toleration with operator Exists takes no value",
                    "remove the value, or write operator: Equal");
    if (t["key"].text().empty() && t["operator"].text() != "Exists")
      reporter_.add("object/combination", item, "a toleration without a key needs operator Exists");
    if (t["tolerationSeconds"].exists() && t["effect"].text() != "NoExecute")
      reporter_.add_at_key("object/combination", *t["tolerationSeconds"],
                           "tolerationSeconds needs effect NoExecute");
  }
}

void PodCheck::check_spread() {
  for (const Value& item : spec_["topologySpreadConstraints"].items()) {
    const View c(item);
    check_range(reporter_, c["maxSkew"], 1, INT32_MAX);
    check_present(reporter_, c, "maxSkew");
    if (check_present(reporter_, c, "topologyKey")) check_label_key(c["topologyKey"]);
    if (check_present(reporter_, c, "whenUnsatisfiable"))
      check_choice(reporter_, c["whenUnsatisfiable"], {"DoNotSchedule", "ScheduleAnyway"});
    check_choice(reporter_, c["nodeAffinityPolicy"], {"Honor", "Ignore"});
    check_choice(reporter_, c["nodeTaintsPolicy"], {"Honor", "Ignore"});
    check_label_selector(reporter_, c["labelSelector"]);
  }
}

void PodCheck::check_resource_claims() {
  std::set<std::string, std::less<>> names;
  for (const Value& item : spec_["resourceClaims"].items()) {
    const View claim(item);
    if (check_present(reporter_, claim, "name") && !names.emplace(claim["name"].text()).second)
      reporter_.add("object/duplicate-name", *claim["name"], "this name stands twice");
    check_one_of(reporter_, claim, {"resourceClaimName", "resourceClaimTemplateName"}, "object/combination",
                 true);
  }
  for (const View container : all_containers(spec_)) {
    for (const Value& item : container.at("resources.claims").items()) {
      const View name = View(item)["name"];
      if (name.is_string() && names.count(name.text()) == 0)
        reporter_.add("pod/unknown-reference", *name,
                      "no resourceClaims entry of this Pod is called " + shown_text(name));
    }
  }
}

}  // namespace hadal
