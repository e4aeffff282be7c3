#include "deploy/cluster/kube_credential.h"

#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "deploy/cluster/child_process.h"
#include "deploy/cluster/json_path.h"

namespace hadal::cluster {
namespace {

// A token file is read again after this long; Kubernetes rotates its own well before they end.
constexpr int64_t kTokenFileSeconds = 60;
// A credential this close to its end is not used any more.
constexpr int64_t kMarginSeconds = 10;
constexpr size_t kMaxTokenBytes = size_t{1} << 20;
constexpr auto kInteractiveTimeout = std::chrono::minutes(5);

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

bool is_token(std::string_view text) {
  for (char c : text) {
    if (c <= ' ' || c > '~') return false;
  }
  return !text.empty();
}

}  // namespace

Result<KubeCredential> parse_exec_credential(std::string_view text, std::string_view api_version) {
  auto parsed = parse_json(text);
  if (!parsed.ok()) return invalid_argument("it did not print an ExecCredential as JSON");
  if (text_at(*parsed, "kind") != "ExecCredential")
    return invalid_argument("it printed a \"", text_at(*parsed, "kind"), "\", not an ExecCredential");
  if (text_at(*parsed, "apiVersion") != api_version)
    return invalid_argument("it speaks ", text_at(*parsed, "apiVersion"), ", the kubeconfig says ",
                            api_version);
  KubeCredential out;
  const std::string_view token = text_at(*parsed, "status.token");
  out.client_cert_pem = text_at(*parsed, "status.clientCertificateData");
  out.client_key_pem = text_at(*parsed, "status.clientKeyData");
  if (token.empty() && out.client_cert_pem.empty())
    return invalid_argument("it gave neither a token nor a certificate");
  if (out.client_cert_pem.empty() != out.client_key_pem.empty())
    return invalid_argument("it gave a certificate without its key, or a key without its certificate");
  if (!token.empty() && !is_token(token))
    return invalid_argument("its token holds characters that no token has");
  if (!token.empty()) out.authorization = "Bearer " + std::string(token);
  const std::string_view expires = text_at(*parsed, "status.expirationTimestamp");
  out.expires = parse_rfc3339(expires);
  if (!expires.empty() && out.expires == 0)
    return invalid_argument("its expirationTimestamp \"", expires, "\" is no time");
  return out;
}

std::string exec_info_json(const KubeTarget& target, bool interactive) {
  Json info(JsonObject{{"apiVersion", target.user.exec.api_version}, {"kind", "ExecCredential"}});
  Json spec(JsonObject{{"interactive", interactive}});
  if (target.user.exec.provide_cluster_info) {
    Json cluster(JsonObject{{"server", target.cluster.server}});
    if (!target.cluster.tls_server_name.empty())
      cluster.set("tls-server-name", target.cluster.tls_server_name);
    if (target.cluster.insecure) cluster.set("insecure-skip-tls-verify", true);
    if (!target.cluster.ca_pem.empty())
      cluster.set("certificate-authority-data", base64_encode(target.cluster.ca_pem));
    if (!target.cluster.proxy_url.empty()) cluster.set("proxy-url", target.cluster.proxy_url);
    cluster.set("config", target.cluster.exec_config);
    spec.set("cluster", std::move(cluster));
  }
  info.set("spec", std::move(spec));
  return to_json(info);
}

KubeCredentialSource::KubeCredentialSource(KubeTarget target, std::vector<std::string> process_environment,
                                           std::chrono::milliseconds timeout)
    : target_(std::move(target)), environment_(std::move(process_environment)), timeout_(timeout) {}

Result<KubeCredential> KubeCredentialSource::get() {
  std::lock_guard lock(mutex_);
  const int64_t now = ::time(nullptr);
  const bool old_file = !target_.user.token_file.empty() && now - made_at_ >= kTokenFileSeconds;
  const bool expired = credential_.expires != 0 && now >= credential_.expires - kMarginSeconds;
  if (have_ && !old_file && !expired) return credential_;
  HADAL_ASSIGN(credential_, make());
  have_ = true;
  made_at_ = now;
  return credential_;
}

bool KubeCredentialSource::refresh() {
  std::lock_guard lock(mutex_);
  have_ = false;
  return target_.user.has_exec || !target_.user.token_file.empty();
}

Result<KubeCredential> KubeCredentialSource::make() {
  const KubeUser& user = target_.user;
  if (user.has_exec) return run_plugin();
  KubeCredential out;
  out.client_cert_pem = user.client_cert_pem;
  out.client_key_pem = user.client_key_pem;
  std::string token = user.token;
  if (!user.token_file.empty()) {
    // A file that cannot be read leaves the token beside it, as client-go has it.
    auto text = read_file(user.token_file, kMaxTokenBytes);
    if (text.ok()) token = trimmed(std::move(*text));
    if (token.empty())
      return make_error(ErrorCode::kUnauthenticated, "no token in ", user.token_file,
                        text.ok() ? ": the file is empty" : ": " + text.error().message);
  }
  if (!token.empty() && !is_token(token))
    return make_error(ErrorCode::kUnauthenticated, "the token of context ", target_.context,
                      " holds characters that no token has: was it pasted with a line end?");
  if (!token.empty()) out.authorization = "Bearer " + token;
  if (!user.username.empty())
    out.authorization = "Basic " + base64_encode(user.username + ":" + user.password);
  return out;
}

Result<KubeCredential> KubeCredentialSource::run_plugin() {
  const KubeExecPlugin& plugin = target_.user.exec;
  const bool terminal = ::isatty(STDIN_FILENO) == 1;
  const bool interactive = plugin.interactive_mode != "Never" && terminal;
  const auto failed = [&](const auto&... what) {
    return make_error(ErrorCode::kUnauthenticated, "the credential plugin ", plugin.command, " of context ",
                      target_.context, ": ", what..., plugin.install_hint.empty() ? "" : "\n",
                      plugin.install_hint);
  };
  if (plugin.interactive_mode == "Always" && !terminal)
    return failed("it needs a terminal (interactiveMode: Always) and there is none");
  ChildProcessOptions options;
  options.command = plugin.command;
  options.arguments = plugin.arguments;
  options.environment = environment_;
  for (const auto& [name, value] : plugin.env) set_variable(options.environment, name, value);
  set_variable(options.environment, "KUBERNETES_EXEC_INFO", exec_info_json(target_, interactive));
  options.inherit_stdin = interactive;
  options.timeout = interactive ? std::chrono::milliseconds(kInteractiveTimeout) : timeout_;
  const auto result = run_child_process(options);
  if (!result.ok()) return failed(result.error().message);
  if (result->exit_code != 0) return failed("it ended with exit code ", result->exit_code);
  auto credential = parse_exec_credential(result->output, plugin.api_version);
  if (!credential.ok()) return failed(credential.error().message);
  return credential;
}

}  // namespace hadal::cluster
