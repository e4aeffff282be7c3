// Reads what a namespace holds, kind by kind; kinds the cluster does not have, or that we may not see, are
// left out and named. One thread.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "deploy/cluster/inventory.h"
#include "deploy/cluster/kube_client.h"

namespace hadal::cluster {

struct ClusterObjects {
  std::vector<Json> objects;
  std::vector<std::string> unseen_kinds;  // "Node"
  std::vector<std::string> unseen;        // a line a reason: "nodes, pods: forbidden: ..."
};
// Errors: the connection, the credential.
Result<ClusterObjects> read_cluster_objects(KubeClient& client, const std::string& namespace_name,
                                            const std::vector<std::string>& kinds);

// The workloads of a deployment: those of its inventory, or else those of that very name.
std::vector<Json> find_workloads(const std::vector<Json>& objects, const Inventory* inventory,
                                 const std::string& name);

// What a pod's port answers, through the API server's proxy; also with status 503, which a pod that starts
// has. Errors: the connection, no right to the proxy, no answer from the pod.
Result<std::string> get_from_pod(KubeClient& client, const Json& pod, int port, const std::string& path);
// The port that a pod's probes ask, else its port named http or metrics; 0: none.
int http_port_of(const Json& pod);
// "loading weights, 35%" out of a /startupz answer of hadal's.
std::string startup_text(const Json& answer);

}  // namespace hadal::cluster
