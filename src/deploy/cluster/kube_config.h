// KubeConfig: which cluster to talk to and as whom, out of kubeconfig files as kubectl reads them
// (kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig) or out of a pod's service
// account. Values; any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hadal::cluster {

// A credential plugin (client.authentication.k8s.io).
struct KubeExecPlugin {
  std::string command;  // a name without slashes is looked up in PATH
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> env;
  std::string api_version;
  std::string install_hint;
  bool provide_cluster_info = false;
  std::string interactive_mode = "IfAvailable";  // Never, IfAvailable, Always
};

struct KubeCluster {
  std::string server;  // "https://host:port/prefix", no slash at the end
  std::string ca_pem;
  bool insecure = false;
  std::string tls_server_name;
  std::string proxy_url;
  Json exec_config;  // of the extension client.authentication.k8s.io/exec; null: none
};

// Who we are: at most one of token, token_file, username, exec; a certificate beside it.
struct KubeUser {
  std::string token;
  std::string token_file;  // read again from time to time: it is rotated
  std::string username, password;
  std::string client_cert_pem, client_key_pem;
  bool has_exec = false;
  KubeExecPlugin exec;
  std::string impersonate;
  std::vector<std::string> impersonate_groups;
};

struct KubeTarget {
  std::string context;  // "in-cluster" for a service account
  KubeCluster cluster;
  KubeUser user;
  std::string namespace_name;  // never empty
};

// One file: its entries by name, not yet looked at (kubeconfigs hold many that are not used).
struct KubeConfig {
  struct Entry {
    std::string name;
    Json value;             // what stands under "cluster", "user" or "context"
    std::string directory;  // relative paths are of the file's directory
    std::string origin;     // the file
  };
  std::string current_context;
  std::vector<Entry> clusters, users, contexts;
};

// path: for messages and for relative paths. Errors: kInvalidArgument with file:line:column.
Result<KubeConfig> parse_kube_config(std::string_view text, const std::string& path);
// The first file that has a value, or an entry of a name, wins; entries are never mixed.
KubeConfig merge_kube_configs(std::vector<KubeConfig> configs);

struct KubeConfigChoice {
  std::string kubeconfig;                  // --kubeconfig: this file alone
  std::string context;                     // --context; "": the current one
  std::string namespace_name;              // --namespace; "": the context's, else "default"
  std::string kubeconfig_list;             // KUBECONFIG: files with colons between
  std::string home;                        // for ~/.kube/config
  std::string service_host, service_port;  // KUBERNETES_SERVICE_*: inside a pod
  std::string service_account_dir = "/var/run/secrets/kubernetes.io/serviceaccount";
};

// Reads the certificates and keys that the context's entries name. Errors name the file, the entry, the fix.
Result<KubeTarget> resolve_kube_target(const KubeConfig& config, const KubeConfigChoice& choice);
// From the files the choice names, or, without any, from the pod's service account.
Result<KubeTarget> load_kube_target(const KubeConfigChoice& choice);

}  // namespace hadal::cluster
