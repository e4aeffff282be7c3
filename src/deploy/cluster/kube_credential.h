// KubeCredential: what a request carries to say who we are, and KubeCredentialSource, which gets it: from the
// kubeconfig's own words, from a file that is rotated, or from a credential plugin that is run. The source
// may be used by several threads.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "deploy/cluster/kube_config.h"

namespace hadal::cluster {

struct KubeCredential {
  std::string authorization;  // the header's value; "": none
  std::string client_cert_pem, client_key_pem;
  int64_t expires = 0;  // seconds since 1970; 0: not known to expire
};

// What a plugin printed. Errors: kInvalidArgument, saying what is wrong with it (never the credential).
Result<KubeCredential> parse_exec_credential(std::string_view text, std::string_view api_version);
// KUBERNETES_EXEC_INFO for the plugin.
std::string exec_info_json(const KubeTarget& target, bool interactive);

class KubeCredentialSource {
 public:
  // process_environment: "NAME=value" of this process, which a plugin inherits. timeout: of one run of it.
  KubeCredentialSource(KubeTarget target, std::vector<std::string> process_environment,
                       std::chrono::milliseconds timeout = std::chrono::seconds(60));
  // The credential, kept until shortly before it ends. Errors: kUnauthenticated, saying what to do.
  Result<KubeCredential> get();
  // The server refused the credential it was sent: the next get() makes a new one. Whether there can be one.
  bool refresh();

 private:
  Result<KubeCredential> make();
  Result<KubeCredential> run_plugin();

  const KubeTarget target_;
  const std::vector<std::string> environment_;
  const std::chrono::milliseconds timeout_;
  std::mutex mutex_;
  bool have_ = false;
  int64_t made_at_ = 0;
  KubeCredential credential_;
};

}  // namespace hadal::cluster
