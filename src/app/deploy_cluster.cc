#include "app/deploy_cluster.h"

#include <cstdio>
#include <filesystem>

#include "base/file.h"
#include "config/flags.h"
#include "deploy/cluster/json_path.h"
#include "deploy/render.h"
#include "deploy/spec.h"
#include "deploy/validate.h"

namespace hadal {

using namespace cluster;

namespace {

constexpr auto kSignalInterval = std::chrono::milliseconds(50);

std::string variable(const Settings& settings, const char* name) {
  const auto found = settings.environment.find(name);
  return found == settings.environment.end() ? "" : found->second;
}

// A spec as the objects of an apply. namespace_name: of --namespace, for a spec that names none.
Result<ApplyInput> render_input(const ManifestFile& file, const std::string& namespace_name) {
  HADAL_ASSIGN(DeploySpec spec, parse_deploy_spec(file.text, file.path));
  if (!namespace_name.empty() && spec.has("namespace") && spec.ns != namespace_name)
    return namespace_mismatch(spec.place("namespace"), "spec", spec.ns, namespace_name);
  if (!namespace_name.empty()) spec.ns = namespace_name;
  HADAL_ASSIGN(RenderResult rendered, render_spec(spec));
  ApplyInput out;
  out.name = spec.name;
  out.namespace_name = spec.ns;
  out.source = std::filesystem::path(file.path).filename().string();
  out.from_spec = true;
  out.findings = std::move(rendered.findings);
  for (RenderedObject& object : rendered.objects) {
    ApplyObject& added = out.objects.emplace_back();
    added.object = std::move(object.object);
    added.wave = object.wave;
    added.origin = file.path;
  }
  return out;
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

int StopOnSignal::exit_code(int code) const {
  return code == 0 || watcher_.signal() == 0 ? code : kExitOnSignal + watcher_.signal();
}

int run_stoppable(const std::function<int(std::stop_token)>& work) {
  const StopOnSignal stop;
  return stop.exit_code(work(stop.token()));
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
  ApplyHooks out;
  out.is_spec = is_deploy_spec;
  out.render = render_input;
  out.validate = [](const std::vector<ManifestFile>& files) { return validate_manifests(files).findings; };
  return out;
}

Status check_namespaces(const ApplyInput& input, const std::string& wanted) {
  if (wanted.empty() || input.from_spec) return {};
  for (const ApplyObject& object : input.objects) {
    const std::string own(text_at(object.object, "metadata.namespace"));
    if (!own.empty() && own != wanted) return namespace_mismatch(object.origin, object.title(), own, wanted);
  }
  return {};
}

Status name_from_spec(Settings& settings) {
  if (settings.deploy.arguments.empty()) return {};
  std::string& argument = settings.deploy.arguments[0];
  const bool is_file = argument.find_first_of("./") != std::string::npos && path_exists(argument);
  if (!is_file) return {};
  HADAL_ASSIGN(const std::vector<ManifestFile> files, read_manifest_files({argument}));
  HADAL_ASSIGN(const ApplyInput input,
               read_apply_input(files, make_apply_hooks(), settings.cluster.namespace_name));
  HADAL_RETURN_IF_ERROR(check_namespaces(input, settings.cluster.namespace_name));
  argument = default_deployment_name(input, files);
  if (settings.cluster.namespace_name.empty()) settings.cluster.namespace_name = input.namespace_name;
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

int input_failed(const Error& error) {
  return deploy_failed(error, error.code == ErrorCode::kInvalidArgument ? 2 : 1);
}

}  // namespace hadal
