#include "app/deploy_cluster.h"

#include <cstdio>

#include "config/flags.h"

namespace hadal {

using namespace cluster;

namespace {

constexpr auto kSignalInterval = std::chrono::milliseconds(50);

std::string variable(const Settings& settings, const char* name) {
  const auto found = settings.environment.find(name);
  return found == settings.environment.end() ? "" : found->second;
}

}  // namespace

StopOnSignal::StopOnSignal()
    : thread_([this](std::stop_token done) {
        while (!done.stop_requested() && !watcher_.wait_for(kSignalInterval)) {
        }
        if (watcher_.signalled()) stop_.request_stop();
      }) {}

StopOnSignal::~StopOnSignal() {
  thread_.request_stop();
  thread_.join();
}

Result<KubeClient> make_kube_client(const Settings& settings, std::stop_token stop) {
  KubeConfigChoice choice;
  choice.kubeconfig = settings.cluster.kubeconfig;
  choice.context = settings.cluster.context;
  choice.namespace_name = settings.cluster.namespace_name;
  choice.kubeconfig_list = variable(settings, "KUBECONFIG");
  choice.home = variable(settings, "HOME");
  choice.service_host = variable(settings, "KUBERNETES_SERVICE_HOST");
  choice.service_port = variable(settings, "KUBERNETES_SERVICE_PORT");
  HADAL_ASSIGN(KubeTarget target, load_kube_target(choice));
  auto credentials = std::make_shared<KubeCredentialSource>(target, inherited_environment());
  return KubeClient(std::move(target), std::move(credentials), {}, std::move(stop));
}

ApplyHooks make_apply_hooks() {
  return {};
}

void print_line(const std::string& line) {
  std::fprintf(stdout, "%s\n", line.c_str());
  std::fflush(stdout);
}

int deploy_failed(const Error& error, int code) {
  std::fprintf(stderr, "hadal deploy: %s\n", error.message.c_str());
  return code;
}

}  // namespace hadal
