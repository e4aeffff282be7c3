#include "deploy/cluster/kube_config.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/join_text.h"
#include "base/yaml_tree.h"
#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr size_t kMaxSecretBytes = size_t{1} << 20;

std::string absolute(const std::string& path, const std::string& directory) {
  if (path.empty() || path[0] == '/') return path;
  return (std::filesystem::path(directory) / path).lexically_normal().string();
}

void add_entries(const Json& root, std::string_view list, const char* value_key, const std::string& directory,
                 const std::string& origin, std::vector<KubeConfig::Entry>& out) {
  for (const Json& item : array_at(root, list)) {
    const Json* value = item.find(value_key);
    const std::string_view name = text_at(item, "name");
    const bool known = std::any_of(out.begin(), out.end(), [&](const auto& e) { return e.name == name; });
    if (!known) out.push_back({std::string(name), value == nullptr ? Json() : *value, directory, origin});
  }
}

const KubeConfig::Entry* find_entry(const std::vector<KubeConfig::Entry>& entries, std::string_view name) {
  for (const KubeConfig::Entry& entry : entries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

std::string known_names(const std::vector<KubeConfig::Entry>& entries) {
  std::string out;
  for (const KubeConfig::Entry& entry : entries) out += (out.empty() ? "" : ", ") + entry.name;
  return out.empty() ? "none" : out;
}

// KEY-data (base64) before KEY (a file).
Result<std::string> read_pem(const KubeConfig::Entry& entry, std::string_view key) {
  const std::string data_key = std::string(key) + "-data";
  const std::string_view data = text_at(entry.value, data_key);
  if (!data.empty()) {
    auto decoded = base64_decode(data);
    if (!decoded.ok())
      return invalid_argument(entry.origin, ": ", data_key, " of ", entry.name, ": ",
                              decoded.error().message);
    return decoded;
  }
  const std::string path = absolute(std::string(text_at(entry.value, key)), entry.directory);
  if (path.empty()) return std::string();
  auto text = read_file(path, kMaxSecretBytes);
  if (!text.ok())
    return make_error(text.error().code, entry.origin, ": ", key, " of ", entry.name, ": ",
                      text.error().message);
  return text;
}

Result<KubeCluster> read_cluster(const KubeConfig::Entry& entry) {
  KubeCluster out;
  out.server = text_at(entry.value, "server");
  while (out.server.ends_with('/')) out.server.pop_back();
  if (out.server.empty())
    return invalid_argument(entry.origin, ": cluster ", entry.name, " has no server: add its https address");
  if (out.server.find("://") == std::string::npos) out.server = "http://" + out.server;
  if (!out.server.starts_with("https://") && !out.server.starts_with("http://"))
    return invalid_argument(entry.origin, ": server of cluster ", entry.name, " is \"", out.server,
                            "\": it takes http or https");
  HADAL_ASSIGN(out.ca_pem, read_pem(entry, "certificate-authority"));
  out.insecure = bool_at(entry.value, "insecure-skip-tls-verify");
  if (out.insecure && !out.ca_pem.empty())
    return invalid_argument(entry.origin, ": cluster ", entry.name,
                            " has both a certificate-authority and insecure-skip-tls-verify: keep one");
  out.tls_server_name = text_at(entry.value, "tls-server-name");
  out.proxy_url = text_at(entry.value, "proxy-url");
  for (const Json& extension : array_at(entry.value, "extensions")) {
    const Json* value = extension.find("extension");
    if (text_at(extension, "name") == "client.authentication.k8s.io/exec" && value != nullptr)
      out.exec_config = *value;
  }
  return out;
}

Result<KubeExecPlugin> read_exec(const KubeConfig::Entry& entry, const Json& exec) {
  KubeExecPlugin out;
  out.command = text_at(exec, "command");
  out.api_version = text_at(exec, "apiVersion");
  out.install_hint = text_at(exec, "installHint");
  out.provide_cluster_info = bool_at(exec, "provideClusterInfo");
  if (!text_at(exec, "interactiveMode").empty()) out.interactive_mode = text_at(exec, "interactiveMode");
  const auto wrong = [&](const auto&... what) {
    return invalid_argument(entry.origin, ": exec of user ", entry.name, ": ", what...);
  };
  if (out.command.empty()) return wrong("command is missing");
  if (out.command.find('/') != std::string::npos) out.command = absolute(out.command, entry.directory);
  if (out.api_version != "client.authentication.k8s.io/v1" &&
      out.api_version != "client.authentication.k8s.io/v1beta1") {
    return wrong("apiVersion is \"", out.api_version,
                 "\": it takes client.authentication.k8s.io/v1 or v1beta1; update the plugin's entry");
  }
  if (out.interactive_mode != "Never" && out.interactive_mode != "IfAvailable" &&
      out.interactive_mode != "Always") {
    return wrong("interactiveMode is \"", out.interactive_mode, "\": it takes Never, IfAvailable or Always");
  }
  for (const Json& argument : array_at(exec, "args")) out.arguments.push_back(scalar_text(&argument));
  for (const Json& variable : array_at(exec, "env"))
    out.env.emplace_back(text_at(variable, "name"), scalar_text(variable.find("value")));
  return out;
}

Result<KubeUser> read_user(const KubeConfig::Entry& entry) {
  KubeUser out;
  if (const Json* provider = entry.value.find("auth-provider");
      provider != nullptr && provider->is_object()) {
    return make_error(ErrorCode::kUnsupported, entry.origin, ": user ", entry.name, " uses auth-provider ",
                      text_at(*provider, "name"),
                      ", which Kubernetes removed in 1.26: make the kubeconfig again with your provider's "
                      "current tool (an exec plugin such as kubelogin or gke-gcloud-auth-plugin)");
  }
  out.token = text_at(entry.value, "token");
  out.token_file = absolute(std::string(text_at(entry.value, "tokenFile")), entry.directory);
  out.username = text_at(entry.value, "username");
  out.password = text_at(entry.value, "password");
  HADAL_ASSIGN(out.client_cert_pem, read_pem(entry, "client-certificate"));
  HADAL_ASSIGN(out.client_key_pem, read_pem(entry, "client-key"));
  if (out.client_cert_pem.empty() != out.client_key_pem.empty()) {
    return invalid_argument(
        entry.origin, ": user ", entry.name, " has a client-",
        out.client_key_pem.empty() ? "certificate without a client-key" : "key without a client-certificate");
  }
  if (const Json* exec = entry.value.find("exec"); exec != nullptr && exec->is_object()) {
    out.has_exec = true;
    HADAL_ASSIGN(out.exec, read_exec(entry, *exec));
  }
  if (out.has_exec + !out.username.empty() + (!out.token.empty() || !out.token_file.empty()) > 1) {
    return invalid_argument(entry.origin, ": user ", entry.name,
                            " has more than one of token, username and exec: keep one");
  }
  out.impersonate = text_at(entry.value, "as");
  for (const Json& group : array_at(entry.value, "as-groups"))
    out.impersonate_groups.push_back(scalar_text(&group));
  return out;
}

Result<KubeConfig> load_files(const std::vector<std::string>& paths, bool missing_is_error) {
  std::vector<KubeConfig> configs;
  for (const std::string& path : paths) {
    if (!missing_is_error && !path_exists(path)) continue;
    HADAL_ASSIGN(const std::string text, read_file(path, kMaxConfigBytes));
    HADAL_ASSIGN(KubeConfig config, parse_kube_config(text, path));
    configs.push_back(std::move(config));
  }
  return merge_kube_configs(std::move(configs));
}

Result<KubeTarget> in_cluster_target(const KubeConfigChoice& choice) {
  KubeTarget out;
  out.context = "in-cluster";
  const bool ipv6 = choice.service_host.find(':') != std::string::npos;
  out.cluster.server = "https://" + (ipv6 ? "[" + choice.service_host + "]" : choice.service_host) + ":" +
                       (choice.service_port.empty() ? "443" : choice.service_port);
  HADAL_ASSIGN(out.cluster.ca_pem, read_file(choice.service_account_dir + "/ca.crt", kMaxSecretBytes));
  out.user.token_file = choice.service_account_dir + "/token";
  HADAL_RETURN_IF_ERROR(read_file(out.user.token_file, kMaxSecretBytes).status());
  const auto own = read_file(choice.service_account_dir + "/namespace", 4096);
  out.namespace_name = !choice.namespace_name.empty() ? choice.namespace_name : own.ok() ? *own : "default";
  return out;
}

std::vector<std::string> split_list(const std::string& list) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t colon = std::min(list.find(':', begin), list.size());
    if (colon > begin) out.push_back(list.substr(begin, colon - begin));
    begin = colon + 1;
  }
  return out;
}

}  // namespace

Result<KubeConfig> parse_kube_config(std::string_view text, const std::string& path) {
  KubeConfig out;
  const YamlStream stream = parse_yaml_stream(text);
  if (!stream.errors.empty()) {
    const YamlParseError& error = stream.errors[0];
    return invalid_argument(path, ":", error.mark.line, ":", error.mark.column, ": ", error.message);
  }
  if (stream.documents.empty() || stream.documents[0].root == nullptr) return out;
  const Json root = yaml_to_json(*stream.documents[0].root, YamlSchema::kKubernetes);
  if (!root.is_object())
    return invalid_argument(path, ": a kubeconfig is a mapping, this is a ", root.kind_name());
  const std::string_view kind = text_at(root, "kind");
  if (!kind.empty() && kind != "Config")
    return invalid_argument(path, ": this is a ", kind, ", not a kubeconfig (kind: Config)");
  const std::string directory = std::filesystem::absolute(path).parent_path().string();
  out.current_context = text_at(root, "current-context");
  add_entries(root, "clusters", "cluster", directory, path, out.clusters);
  add_entries(root, "users", "user", directory, path, out.users);
  add_entries(root, "contexts", "context", directory, path, out.contexts);
  return out;
}

KubeConfig merge_kube_configs(std::vector<KubeConfig> configs) {
  KubeConfig out;
  const auto add = [](const std::vector<KubeConfig::Entry>& from, std::vector<KubeConfig::Entry>& to) {
    for (const KubeConfig::Entry& entry : from) {
      if (find_entry(to, entry.name) == nullptr) to.push_back(entry);
    }
  };
  for (const KubeConfig& config : configs) {
    if (out.current_context.empty()) out.current_context = config.current_context;
    add(config.clusters, out.clusters);
    add(config.users, out.users);
    add(config.contexts, out.contexts);
  }
  return out;
}

Result<KubeTarget> resolve_kube_target(const KubeConfig& config, const KubeConfigChoice& choice) {
  KubeTarget out;
  out.context = choice.context.empty() ? config.current_context : choice.context;
  if (out.context.empty())
    return invalid_argument("the kubeconfig has no current-context: choose one with --context (known: ",
                            known_names(config.contexts), ")");
  const KubeConfig::Entry* context = find_entry(config.contexts, out.context);
  if (context == nullptr)
    return make_error(ErrorCode::kNotFound, "there is no context \"", out.context,
                      "\" in the kubeconfig (known: ", known_names(config.contexts), ")");
  const std::string_view cluster_name = text_at(context->value, "cluster");
  const KubeConfig::Entry* cluster = find_entry(config.clusters, cluster_name);
  if (cluster == nullptr)
    return invalid_argument(context->origin, ": context ", out.context, " names cluster \"", cluster_name,
                            "\", which is not there (known: ", known_names(config.clusters), ")");
  HADAL_ASSIGN(out.cluster, read_cluster(*cluster));
  const std::string_view user_name = text_at(context->value, "user");
  const KubeConfig::Entry* user = find_entry(config.users, user_name);
  if (user == nullptr && !user_name.empty())
    return invalid_argument(context->origin, ": context ", out.context, " names user \"", user_name,
                            "\", which is not there (known: ", known_names(config.users), ")");
  if (user != nullptr) {
    HADAL_ASSIGN(out.user, read_user(*user));
  }
  out.namespace_name = choice.namespace_name;
  if (out.namespace_name.empty()) out.namespace_name = text_at(context->value, "namespace");
  if (out.namespace_name.empty()) out.namespace_name = "default";
  return out;
}

Result<KubeTarget> load_kube_target(const KubeConfigChoice& choice) {
  std::vector<std::string> paths;
  if (!choice.kubeconfig.empty()) {
    paths = {choice.kubeconfig};
  } else if (!choice.kubeconfig_list.empty()) {
    paths = split_list(choice.kubeconfig_list);
  } else if (!choice.home.empty()) {
    paths = {choice.home + "/.kube/config"};
  }
  const bool found = std::any_of(paths.begin(), paths.end(), path_exists);
  if (!found && choice.kubeconfig.empty()) {
    if (!choice.service_host.empty()) return in_cluster_target(choice);
    const std::string searched = join_text(paths, ", ");
    return make_error(ErrorCode::kNotFound, "no kubeconfig: looked for ",
                      searched.empty() ? "KUBECONFIG" : searched,
                      "; give one with --kubeconfig FILE or KUBECONFIG");
  }
  HADAL_ASSIGN(const KubeConfig config, load_files(paths, !choice.kubeconfig.empty()));
  return resolve_kube_target(config, choice);
}

}  // namespace hadal::cluster
