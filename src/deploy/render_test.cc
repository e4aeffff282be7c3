// What must hold for every render, whatever the spec: checked over random specs and the examples.
#include "deploy/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "base/file.h"
#include "base/yaml_tree.h"
#include "deploy/emit.h"
#include "deploy/emit_files.h"
#include "deploy/random_spec.h"
#include "deploy/render_test_util.h"
#include "deploy/spec.h"
#include "deploy/spec_table.h"

namespace hadal {
namespace {

using ::testing::HasSubstr;

template <typename Visit>
void walk(const Json& value, const Visit& visit) {
  visit(value);
  if (value.is_array()) {
    for (const Json& item : value.as_array()) walk(item, visit);
  } else if (value.is_object()) {
    for (const auto& [key, member] : value.as_object()) walk(member, visit);
  }
}

struct PodTemplate {
  Json labels, spec;
  bool lws = false;
  bool dynamo = false;
};

class Invariants {
 public:
  explicit Invariants(const std::vector<RenderedObject>& objects) : objects_(objects) {}

  void check() {
    for (const RenderedObject& object : objects_) collect(object.object);
    for (const RenderedObject& object : objects_) check_object(object);
    for (const PodTemplate& pod : pods_) check_pod(pod);
  }

 private:
  void collect(const Json& object) {
    const std::string kind = text(object, "kind");
    const std::string name = text(object, "metadata/name");
    EXPECT_TRUE(names_.insert(kind + "/" + name).second) << kind << " " << name << " is there twice";
    EXPECT_FALSE(name.empty());
    EXPECT_LE(name.size(), 253u);
    if (kind == "Deployment" || kind == "DaemonSet" || kind == "Job")
      add_pod(at(object, "spec/template"), false);
    if (kind == "LeaderWorkerSet") add_group(at(object, "spec/leaderWorkerTemplate"));
    if (kind == "DisaggregatedSet") {
      for (const Json& role : at(object, "spec/roles").as_array())
        add_group(at(role, "spec/leaderWorkerTemplate"));
    }
    if (kind == "DynamoGraphDeployment") {
      for (const Json& component : at(object, "spec/components").as_array()) {
        add_pod(at(component, "podTemplate"), false);
        pods_.back().dynamo = true;
      }
    }
    if (kind == "InferenceService") kserve_ = at(object, "spec/predictor");
    if (kind == "LLMInferenceService") {
      pods_.push_back({at(object, "spec/labels"), at(object, "spec/template"), true});
      if (at(object, "spec/prefill").is_object())
        pods_.push_back({at(object, "spec/prefill/labels"), at(object, "spec/prefill/template"), true});
      check_kserve_worker(at(object, "spec"));
      if (at(object, "spec/prefill").is_object()) check_kserve_worker(at(object, "spec/prefill"));
    }
    if (kind == "ServingRuntime") runtime_ = at(object, "spec/containers");
    if (!runtime_.is_null() && !kserve_.is_null()) {
      Json spec = kserve_;
      spec.set("containers", runtime_);
      pods_.push_back({at(kserve_, "labels"), std::move(spec)});
      kserve_ = runtime_ = Json();
    }
  }

  // The same as the leader but for probes; nothing that KServe's template, merged under it, contradicts.
  static void check_kserve_worker(const Json& role) {
    const Json& leader = at(role, "template/containers/0");
    for (std::string_view name : {"startupProbe", "readinessProbe", "livenessProbe"})
      EXPECT_TRUE(at(leader, std::string(name) + "/httpGet").is_object()) << name;
    EXPECT_TRUE(at(leader, "lifecycle/preStop/exec").is_object());
    if (!at(role, "worker").is_object()) return;
    EXPECT_EQ(without_probes(at(role, "worker")), without_probes(at(role, "template")));
    EXPECT_TRUE(at(role, "worker/containers/0/lifecycle/preStop/exec").is_object());
  }

  static std::string without_probes(Json pod) {
    for (auto& [key, value] : pod.as_object()) {
      if (key != "containers") continue;
      for (std::string_view name : {"startupProbe", "readinessProbe", "livenessProbe"})
        value.as_array()[0].set(name, Json());
    }
    return to_json(pod);
  }

  void add_pod(const Json& pod, bool lws) {
    ASSERT_TRUE(pod.is_object());
    pods_.push_back({at(pod, "metadata/labels"), at(pod, "spec"), lws});
  }

  void add_group(const Json& group) {
    Json leader = at(group, "leaderTemplate"), worker = at(group, "workerTemplate");
    add_pod(leader, true);
    add_pod(worker, true);
    EXPECT_EQ(without_claims(leader), without_claims(worker)) << "leader and worker drift";
    EXPECT_GE(at(group, "size").as_int(), 1);
  }

  static std::string without_claims(const Json& pod) {
    std::string out = to_json(pod);
    for (size_t begin = out.find("\"claimName\""); begin != std::string::npos;
         begin = out.find("\"claimName\"", begin + 5))
      out.erase(begin, out.find('}', begin) - begin);
    return out;
  }

  // ----- objects

  void check_object(const RenderedObject& rendered) {
    const Json& object = rendered.object;
    const std::string kind = text(object, "kind");
    SCOPED_TRACE(kind + " " + text(object, "metadata/name"));
    EXPECT_EQ(text(object, "metadata/labels/app.kubernetes.io/managed-by"), "hadal");
    // Objects that several deployments may share belong to none.
    const bool shared = kind == "Namespace" || kind == "Queue" || kind == "Gateway";
    EXPECT_EQ(text(object, "metadata/labels/hadal.dev/deployment").empty(), shared);
    EXPECT_GE(rendered.wave, 0);
    EXPECT_LE(rendered.wave, 5);
    for (const FieldComment& comment : rendered.comments) {
      std::string path = comment.path;
      std::replace(path.begin(), path.end(), '.', '/');
      if (path.find("io/") == std::string::npos && path.find("com/") == std::string::npos &&
          path.find("dev/") == std::string::npos) {
        EXPECT_FALSE(at(object, path).is_null() && !path.ends_with("priority"))
            << "comment on nothing: " << comment.path;
      }
    }
    if (kind == "Deployment" || kind == "DaemonSet") {
      EXPECT_TRUE(
          selects(at(object, "spec/selector/matchLabels"), at(object, "spec/template/metadata/labels")));
    }
    if (kind == "DaemonSet") {
      EXPECT_EQ(text(object, "spec/template/spec/restartPolicy"), "");
    }
    if (kind == "Job") {
      EXPECT_EQ(text(object, "spec/template/spec/restartPolicy"), "OnFailure");
    }
    if (kind == "LeaderWorkerSet") check_group(object);
    if (kind == "Service") check_service(object);
    if (kind == "PodDisruptionBudget" || kind == "NetworkPolicy") {
      const Json& selector =
          at(object, kind == "NetworkPolicy" ? "spec/podSelector/matchLabels" : "spec/selector/matchLabels");
      EXPECT_TRUE(any_pod(selector)) << to_json(selector);
    }
    if (kind == "PodMonitor") check_pod_monitor(object);
    if (kind == "ServiceMonitor") check_service_monitor(object);
    check_scaler(object, kind);
    check_route(object, kind);
  }

  void check_scaler(const Json& object, const std::string& kind) {
    if (kind == "HorizontalPodAutoscaler") {
      EXPECT_THAT(to_json(object), ::testing::Not(HasSubstr("\"Resource\"")));
      EXPECT_LE(at(object, "spec/minReplicas").as_int(), at(object, "spec/maxReplicas").as_int());
      check_target(object);
    }
    if (kind == "ScaledObject") {
      check_target(object);
      for (const Json& trigger : at(object, "spec/triggers").as_array()) {
        for (const auto& [key, value] : at(trigger, "metadata").as_object())
          EXPECT_TRUE(value.is_string()) << key;
      }
    }
  }

  void check_route(const Json& object, const std::string& kind) {
    if (kind == "Ingress") {
      const Json& backend = at(object, "spec/rules/0/http/paths/0/backend/service");
      EXPECT_TRUE(has_service_port(text(backend, "name"), text(backend, "port/name"), 0)) << to_json(backend);
      EXPECT_FALSE(text(object, "spec/rules/0/http/paths/0/pathType").empty());
    }
    if (kind == "HTTPRoute") {
      const Json& backend = at(object, "spec/rules/0/backendRefs/0");
      if (text(backend, "kind").empty()) {
        EXPECT_TRUE(has_service_port(text(backend, "name"), "", at(backend, "port").as_int()));
      }
      EXPECT_EQ(text(object, "spec/rules/0/timeouts/request"), "0s");
    }
    if (kind == "Route") {
      EXPECT_TRUE(has_service_port(text(object, "spec/to/name"), text(object, "spec/port/targetPort"), 0));
    }
    if (kind == "SecurityContextConstraints") {
      EXPECT_FALSE(at(object, "allowPrivilegedContainer").as_bool());
    }
  }

  void check_group(const Json& object) {
    EXPECT_LE(text(object, "metadata/name").size(), 51u);
    const Json& update = at(object, "spec/rolloutStrategy/rollingUpdateConfiguration");
    EXPECT_GT(at(update, "maxUnavailable").as_int() + at(update, "maxSurge").as_int(), 0);
    const Json& replicas = at(object, "spec/replicas");
    if (replicas.is_int()) {
      EXPECT_LE(at(update, "maxUnavailable").as_int(), std::max<int64_t>(1, replicas.as_int()));
    }
    EXPECT_FALSE(names_.contains("Service/" + text(object, "metadata/name")))
        << "the group's headless Service has this name";
  }

  static bool selects(const Json& selector, const Json& labels, bool lws = false) {
    if (!selector.is_object() || !labels.is_object()) return false;
    for (const auto& [key, value] : selector.as_object()) {
      if (lws && key == "leaderworkerset.sigs.k8s.io/worker-index") continue;
      const Json* found = labels.find(key);
      if (found == nullptr || !(*found == value)) return false;
    }
    return true;
  }

  bool any_pod(const Json& selector, std::string_view port = {}) const {
    for (const PodTemplate& pod : pods_) {
      if (!selects(selector, pod.labels, pod.lws)) continue;
      if (port.empty() || ports_of(pod).contains(std::string(port))) return true;
    }
    return false;
  }

  static std::set<std::string> ports_of(const PodTemplate& pod) {
    std::set<std::string> out;
    for (const Json& container : at(pod.spec, "containers").as_array()) {
      const Json& ports = at(container, "ports");
      if (!ports.is_array()) continue;
      for (const Json& port : ports.as_array()) {
        EXPECT_TRUE(out.insert(text(port, "name")).second) << "port name twice";
        EXPECT_LE(text(port, "name").size(), 15u);
        if (at(pod.spec, "hostNetwork").is_bool() && at(port, "hostPort").is_int()) {
          EXPECT_EQ(at(port, "hostPort"), at(port, "containerPort"));
        }
      }
    }
    return out;
  }

  void check_service(const Json& object) {
    EXPECT_LE(text(object, "metadata/name").size(), 63u);
    for (const Json& port : at(object, "spec/ports").as_array()) {
      EXPECT_TRUE(any_pod(at(object, "spec/selector"), text(port, "targetPort")))
          << "selects nothing with port " << text(port, "targetPort") << ": "
          << to_json(at(object, "spec/selector"));
    }
  }

  void check_pod_monitor(const Json& object) {
    const std::string port = text(object, "spec/podMetricsEndpoints/0/port");
    EXPECT_TRUE(any_pod(at(object, "spec/selector/matchLabels"), port));
    EXPECT_EQ(text(object, "spec/namespaceSelector/matchNames/0"), text(object, "metadata/namespace"));
  }

  void check_service_monitor(const Json& object) {
    bool found = false;
    for (const RenderedObject& other : objects_) {
      if (text(other.object, "kind") != "Service") continue;
      if (!selects(at(object, "spec/selector/matchLabels"), at(other.object, "metadata/labels"))) continue;
      found = found ||
              has_service_port(text(other.object, "metadata/name"), text(object, "spec/endpoints/0/port"), 0);
    }
    EXPECT_TRUE(found) << "selects no Service";
    EXPECT_TRUE(at(object, "spec/namespaceSelector/matchNames").is_array());
  }

  bool has_service_port(const std::string& name, const std::string& port_name, int64_t number) const {
    for (const RenderedObject& other : objects_) {
      if (text(other.object, "kind") != "Service" || text(other.object, "metadata/name") != name) continue;
      for (const Json& port : at(other.object, "spec/ports").as_array()) {
        if (!port_name.empty() ? text(port, "name") == port_name : at(port, "port").as_int() == number)
          return true;
      }
    }
    return false;
  }

  void check_target(const Json& scaler) {
    EXPECT_FALSE(names_.contains("HorizontalPodAutoscaler/" + text(scaler, "metadata/name")) &&
                 names_.contains("ScaledObject/" + text(scaler, "metadata/name")));
    const std::string kind = text(scaler, "spec/scaleTargetRef/kind"),
                      name = text(scaler, "spec/scaleTargetRef/name");
    bool found = false;
    for (const RenderedObject& other : objects_) {
      if (text(other.object, "kind") != kind || text(other.object, "metadata/name") != name) continue;
      found = true;
      EXPECT_TRUE(at(other.object, "spec/replicas").is_null()) << "replicas would fight the autoscaler";
    }
    // KServe's controller makes the Deployment.
    EXPECT_TRUE(found || names_.contains("InferenceService/" + name.substr(0, name.rfind("-predictor"))))
        << kind << " " << name;
  }

  // ----- pods

  void check_pod(const PodTemplate& pod) {
    const Json& spec = pod.spec;
    SCOPED_TRACE(to_json(pod.labels));
    const bool host = at(spec, "hostNetwork").is_bool();
    EXPECT_EQ(host, text(spec, "dnsPolicy") == "ClusterFirstWithHostNet");
    EXPECT_TRUE(at(spec, "hostPID").is_null());
    EXPECT_TRUE(at(spec, "securityContext/seccompProfile").is_object());
    std::set<std::string> volumes;
    double shm = 0;
    for (const Json& volume : at(spec, "volumes").as_array()) {
      EXPECT_TRUE(volumes.insert(text(volume, "name")).second);
      double size = 0;
      if (text(volume, "emptyDir/medium") == "Memory" &&
          parse_quantity(text(volume, "emptyDir/sizeLimit"), size))
        shm += size;
      if (at(volume, "persistentVolumeClaim").is_object())
        claims_.insert(text(volume, "persistentVolumeClaim/claimName"));
    }
    const std::set<std::string> ports = ports_of(pod);
    for (std::string_view list : {"initContainers", "containers"}) {
      if (!at(spec, list).is_array()) continue;
      for (const Json& container : at(spec, list).as_array()) {
        SCOPED_TRACE(text(container, "name"));
        check_container(container, pod, volumes, ports, shm);
      }
    }
  }

  void check_container(const Json& container, const PodTemplate& pod, const std::set<std::string>& volumes,
                       const std::set<std::string>& ports, double shm) {
    const Json& security = at(container, "securityContext");
    EXPECT_FALSE(at(security, "allowPrivilegeEscalation").as_bool());
    EXPECT_EQ(to_json(at(security, "capabilities/drop")), "[\"ALL\"]");
    EXPECT_TRUE(at(security, "privileged").is_null());
    std::set<std::string> variables, mounts;
    if (at(container, "env").is_array()) {
      for (const Json& variable : at(container, "env").as_array()) {
        const std::string name = text(variable, "name");
        EXPECT_TRUE(variables.insert(name).second) << "variable twice: " << name;
        if (name.ends_with("_KEY") || name.ends_with("_SECRET") || name.ends_with("_TOKEN")) {
          EXPECT_TRUE(at(variable, "valueFrom/secretKeyRef").is_object()) << name << " is in the open";
        }
        EXPECT_NE(at(variable, "value").is_string(), at(variable, "valueFrom").is_object()) << name;
      }
    }
    if (at(container, "volumeMounts").is_array()) {
      for (const Json& mount : at(container, "volumeMounts").as_array()) {
        EXPECT_TRUE(volumes.contains(text(mount, "name"))) << text(mount, "name");
        EXPECT_TRUE(mounts.insert(text(mount, "mountPath")).second);
      }
    }
    check_resources(at(container, "resources"), shm);
    check_probes(container, pod, ports);
  }

  void check_resources(const Json& resources, double shm) {
    double memory = 0;
    ASSERT_TRUE(parse_quantity(text(resources, "limits/memory"), memory));
    EXPECT_TRUE(shm == 0 || memory > shm || memory < 9e9) << "shm counts in the limit";
    for (const auto& [key, value] : at(resources, "limits").as_object()) {
      if (key.find('/') == std::string::npos) continue;
      EXPECT_EQ(value, *at(resources, "requests").find(key)) << key;
    }
    for (const auto& [key, value] : at(resources, "requests").as_object()) {
      if (key.find('/') != std::string::npos) {
        EXPECT_NE(at(resources, "limits").find(key), nullptr) << key;
      }
    }
  }

  void check_probes(const Json& container, const PodTemplate& pod, const std::set<std::string>& ports) {
    for (std::string_view name : {"startupProbe", "readinessProbe", "livenessProbe"}) {
      const Json& probe = at(container, name);
      if (probe.is_null()) continue;
      EXPECT_LE(at(probe, "timeoutSeconds").as_int(), at(probe, "periodSeconds").as_int()) << name;
      EXPECT_EQ(at(probe, "httpGet").is_object() + at(probe, "exec").is_object() +
                    at(probe, "tcpSocket").is_object(),
                1);
      for (std::string_view handler : {"httpGet/port", "tcpSocket/port"}) {
        if (at(probe, handler).is_string()) {
          EXPECT_TRUE(ports.contains(text(probe, handler))) << name;
        }
      }
      if (at(probe, "terminationGracePeriodSeconds").is_int()) {
        EXPECT_EQ(name, "livenessProbe");
      }
    }
    const Json& sleep = at(container, "lifecycle/preStop/sleep/seconds");
    if (sleep.is_int()) {
      EXPECT_LT(sleep.as_int(), at(pod.spec, "terminationGracePeriodSeconds").as_int());
    }
  }

  const std::vector<RenderedObject>& objects_;
  std::vector<PodTemplate> pods_;
  std::set<std::string> names_, claims_;
  Json kserve_, runtime_;
};

// Every string in double quotes, and the documents the same for both kinds of reader.
void check_yaml(const std::vector<RenderedObject>& objects) {
  const std::string yaml = to_manifest_yaml(objects);
  const YamlStream stream = parse_yaml_stream(yaml);
  ASSERT_TRUE(stream.errors.empty()) << stream.errors[0].message;
  ASSERT_EQ(stream.documents.size(), objects.size());
  for (size_t i = 0; i < objects.size(); ++i) {
    const YamlNode& root = *stream.documents[i].root;
    for (YamlSchema schema : {YamlSchema::kCore, YamlSchema::kKubernetes})
      EXPECT_EQ(to_json(yaml_to_json(root, schema)), to_json(objects[i].object));
  }
  const auto check_styles = [](const auto& self, const YamlNode& node) -> void {
    if (node.is_scalar() && yaml_scalar(node, YamlSchema::kCore).is_string()) {
      EXPECT_EQ(node.style, YamlNode::Style::kDoubleQuoted) << node.text;
    }
    for (const auto& item : node.items) self(self, *item);
    for (const auto& [key, value] : node.entries) self(self, *value);
  };
  for (const YamlDocument& document : stream.documents) check_styles(check_styles, *document.root);
}

void check_render(const DeploySpec& spec, const RenderResult& rendered) {
  Invariants(rendered.objects).check();
  check_yaml(rendered.objects);
  const auto again = render_spec(spec);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(to_manifest_yaml(again->objects), to_manifest_yaml(rendered.objects)) << "two renders differ";
  for (const RenderedFile& file : helm_files(spec, rendered))
    EXPECT_EQ(file.text.find("\xEE\x80\x80"), std::string::npos) << file.path;
  EXPECT_GE(kustomize_files(spec, rendered).size(), 3u);
}

TEST(Render, RandomSpecsKeepEveryRule) {
  int rendered_specs = 0;
  constexpr unsigned kSpecs = 400;
  for (unsigned seed = 1; seed <= kSpecs && !::testing::Test::HasFailure(); ++seed) {
    std::mt19937 random(seed);
    const std::string text = random_spec(random);
    SCOPED_TRACE("seed " + std::to_string(seed) + ":\n" + text);
    const auto spec = parse_deploy_spec(text, "random.yaml");
    if (!spec.ok()) {
      EXPECT_THAT(spec.error().message, HasSubstr("random.yaml"));
      continue;
    }
    const auto rendered = render_spec(*spec);
    if (!rendered.ok()) {
      EXPECT_THAT(rendered.error().message, HasSubstr("random.yaml"));
      continue;
    }
    ++rendered_specs;
    check_render(*spec, *rendered);
  }
  EXPECT_GT(rendered_specs, static_cast<int>(kSpecs) / 4);
}

// Bytes changed, taken out and doubled: refused in words or rendered, never a crash.
TEST(Render, BrokenSpecsAreRefusedInWords) {
  for (unsigned seed = 1; seed <= 3000; ++seed) {
    std::mt19937 random(seed);
    std::string text = random_spec(random);
    const auto number = [&](size_t high) { return std::uniform_int_distribution<size_t>(0, high)(random); };
    for (size_t changes = number(3) + 1; changes > 0 && !text.empty(); --changes) {
      const size_t at_byte = number(text.size() - 1);
      switch (number(2)) {
        case 0:
          text[at_byte] = static_cast<char>(number(255));
          break;
        case 1:
          text.erase(at_byte, number(8));
          break;
        default:
          text.insert(at_byte, text.substr(number(text.size() - 1), number(20)));
          break;
      }
    }
    const auto spec = parse_deploy_spec(text, "broken.yaml");
    if (!spec.ok()) {
      EXPECT_FALSE(spec.error().message.empty());
      continue;
    }
    const auto rendered = render_spec(*spec);
    if (rendered.ok()) {
      check_yaml(rendered->objects);
    } else {
      EXPECT_THAT(rendered.error().message, HasSubstr("broken.yaml")) << text;
    }
  }
}

std::vector<std::string> example_paths() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(HADAL_SOURCE_DIR "/examples")) {
    if (entry.path().extension() == ".yaml") out.push_back(entry.path().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// examples/rendered is written by tools/golden/render_examples.sh.
TEST(Render, ExamplesAreAsCommitted) {
  const auto paths = example_paths();
  EXPECT_GE(paths.size(), 10u);
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    const std::string name = std::filesystem::path(path).filename().string();
    const auto spec = parse_deploy_spec(*read_file(path), "examples/" + name);
    ASSERT_TRUE(spec.ok()) << spec.error().message;
    const auto rendered = render_spec(*spec);
    ASSERT_TRUE(rendered.ok()) << rendered.error().message;
    check_render(*spec, *rendered);
    const auto golden = read_file(HADAL_SOURCE_DIR "/examples/rendered/" + name);
    ASSERT_TRUE(golden.ok()) << "run tools/golden/render_examples.sh";
    EXPECT_EQ(to_manifest_yaml(rendered->objects), *golden)
        << "run tools/golden/render_examples.sh and look at the difference";
  }
}

}  // namespace
}  // namespace hadal
