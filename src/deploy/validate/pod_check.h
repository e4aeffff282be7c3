// PodCheck: what the API server's validation of Pods asks beyond the schema
// (k8s.io/kubernetes/pkg/apis/core/validation), for every template anywhere: an LWS's server does not ask it,
// and its controller fails later. One caller at a time.
#pragma once

#include <map>
#include <set>
#include <string>

#include "deploy/validate/manifest_set.h"
#include "deploy/validate/rule_help.h"

namespace hadal {

class PodCheck {
 public:
  explicit PodCheck(const PodTemplate& pod) : pod_(pod), spec_(pod.spec), reporter_(pod.reporter()) {}
  void run();

 private:
  // pod_check.cc: the Pod itself.
  void check_spec();
  void check_metadata();
  void check_restart_policy();
  void check_scheduling();
  void check_affinity(View affinity);
  void check_node_term(View term);
  void check_label_key(View key);
  void check_pod_term(View term);
  void check_tolerations();
  void check_spread();
  void check_resource_claims();
  // pod_volumes.cc
  void check_volumes();
  void add_claim_templates();
  void check_volume_source(View volume, std::string_view source);
  void check_projected(View projected);
  void check_volume_mounts(View container);
  // pod_containers.cc
  void check_containers();
  void check_container(View container, bool init);
  void check_image(View image);
  void check_env(View container);
  void check_ports(View container);
  void check_probe(View container, std::string_view name);
  void check_handler(View handler, View container, bool hook);
  void check_port_reference(View port, View container);
  void check_lifecycle(View container);
  void check_sleeping_command(View hook, int64_t grace);
  void check_resources(View container);
  void check_resource_name(const ValueMember& entry);
  void check_limit_and_request(View limits, View requests, const std::string& name);
  void check_capabilities(View list);
  void check_security_context(View context, bool of_pod);

  const PodTemplate& pod_;
  View spec_;
  Reporter& reporter_;
  std::set<std::string, std::less<>> volume_names_;
  std::set<std::string, std::less<>> container_names_;
  std::map<std::string, int> host_ports_;
};

}  // namespace hadal
