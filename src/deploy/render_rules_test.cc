// Who may reach what, what several deployments share, which fields count: over whole renders.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <set>

#include "base/file.h"
#include "deploy/random_spec.h"
#include "deploy/render.h"
#include "deploy/render/idle_fields.h"
#include "deploy/spec.h"
#include "deploy/spec_check.h"
#include "deploy/spec_table.h"

namespace hadal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string text(const Json& object, std::string_view a, std::string_view b = {}) {
  const Json* found = object.find(a);
  if (found != nullptr && !b.empty()) found = found->find(b);
  return found != nullptr && found->is_string() ? found->as_string() : "";
}

RenderResult render(const std::string& spec_text) {
  const auto spec = parse_deploy_spec(spec_text, "s.yaml");
  EXPECT_TRUE(spec.ok()) << (spec.ok() ? "" : spec.error().message);
  if (!spec.ok()) return {};
  auto rendered = render_spec(*spec);
  EXPECT_TRUE(rendered.ok()) << (rendered.ok() ? "" : rendered.error().message);
  return rendered.ok() ? std::move(*rendered) : RenderResult{};
}

std::string error_of(const std::string& spec_text) {
  const auto spec = parse_deploy_spec(spec_text, "s.yaml");
  if (!spec.ok()) return spec.error().message;
  const auto rendered = render_spec(*spec);
  return rendered.ok() ? "" : rendered.error().message;
}

// The object as JSON; "" where there is none.
std::string json_of(const RenderResult& rendered, std::string_view kind, std::string_view name) {
  for (const RenderedObject& one : rendered.objects) {
    if (text(one.object, "kind") == kind && text(one.object, "metadata", "name") == name)
      return to_json(one.object);
  }
  return "";
}

std::set<std::string> rules_of(const RenderResult& rendered) {
  std::set<std::string> out;
  for (const Finding& finding : rendered.findings) out.insert(finding.rule);
  return out;
}

const std::string kApp = R"("kubernetes.io/metadata.name":"app")",
                  kProm = R"("kubernetes.io/metadata.name":"prom")";
const std::string kTenancy =
    "monitoring: {type: pod-monitor, namespace: prom}\ntenancy: {networkPolicy: true, allowNamespaces: "
    "[app]}\n";

TEST(Policy, GuardsTheRouterThatAnswersNotTheEngines) {
  const RenderResult rendered = render(
      "name: r1\nnamespace: llm\nmodel: deepseek-r1\nengine: sglang\ngpus: 16xH200\ntopology: "
      "prefill-decode\n"
      "network: rdma\n" +
      kTenancy);
  const std::string router = json_of(rendered, "NetworkPolicy", "r1-router");
  EXPECT_THAT(router, HasSubstr(R"("app.kubernetes.io/component":"router")"));
  EXPECT_THAT(router, HasSubstr(kApp));
  for (const char* name : {"r1-prefill", "r1-decode"}) {
    const std::string engine = json_of(rendered, "NetworkPolicy", name);
    EXPECT_THAT(engine, HasSubstr(R"("values":["prefill","decode","router"])")) << name;
    EXPECT_THAT(engine, Not(HasSubstr(kApp))) << name;
    EXPECT_THAT(engine, HasSubstr(R"({"from":[{"namespaceSelector":{"matchLabels":{)" + kProm +
                                  R"(}}}],"ports":[{"protocol":"TCP","port":30000}]})"));
  }
}

TEST(Policy, GuardsDynamosFrontend) {
  const RenderResult rendered =
      render("name: r1\nnamespace: llm\nprofile: dynamo\nmodel: deepseek-r1\nengine: sglang\ngpus: 8xH200\n" +
             kTenancy);
  const std::string frontend = json_of(rendered, "NetworkPolicy", "r1-frontend");
  EXPECT_THAT(frontend, HasSubstr(R"("app.kubernetes.io/component":"frontend")"));
  EXPECT_THAT(frontend, HasSubstr(kApp));
  EXPECT_THAT(frontend, HasSubstr(kProm));
  const std::string worker = json_of(rendered, "NetworkPolicy", "r1");
  EXPECT_THAT(worker, HasSubstr(R"("values":["server","frontend"])"));
  EXPECT_THAT(worker, Not(HasSubstr(kApp)));
}

TEST(Policy, RanksReachOneAnotherAndClientsTheApiAlone) {
  const RenderResult group = render(
      "name: r1\nnamespace: llm\nmodel: deepseek-r1\nengine: sglang\ngpus: 16xH200\nopenWebUI: true\n" +
      kTenancy);
  const std::string policy = json_of(group, "NetworkPolicy", "r1");
  EXPECT_THAT(policy, HasSubstr(R"("values":["server"]}]}}]})"));  // any port
  EXPECT_THAT(policy, HasSubstr(R"("values":["open-webui"])"));
  EXPECT_THAT(json_of(group, "NetworkPolicy", "r1-open-webui"), HasSubstr(kApp));
  // One host: nobody needs any port.
  const RenderResult single =
      render("name: r1\nnamespace: llm\nmodel: deepseek-r1\nengine: sglang\ngpus: 8xH200\n" + kTenancy);
  EXPECT_THAT(json_of(single, "NetworkPolicy", "r1"),
              Not(HasSubstr("podSelector\":{\"matchLabels\":{\"app.kubernetes.io/name\":\"r1\"},")));
}

TEST(Policy, OutsideClientsAreNotShutOutSilently) {
  const std::string base = "name: r1\nnamespace: llm\nmodel: smollm2-135m\napiKey: k\n" + kTenancy;
  EXPECT_TRUE(rules_of(render(base + "exposure: LoadBalancer\n")).contains("spec/outside"));
  const RenderResult ranges = render(base + "exposure: {type: LoadBalancer, sourceRanges: [10.0.0.0/8]}\n");
  EXPECT_FALSE(rules_of(ranges).contains("spec/outside"));
  EXPECT_THAT(json_of(ranges, "NetworkPolicy", "r1"), HasSubstr(R"({"ipBlock":{"cidr":"10.0.0.0/8"}})"));
}

// Of the NetworkPolicy, who may reach the API's port beside the namespaces that are named.
const std::string kDeployment = "name: r1\nnamespace: llm\nmodel: smollm2-135m\napiKey: k\n" + kTenancy;
std::string peer(const std::string& name) {
  return R"({"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":")" + name + R"("}}})";
}

TEST(Policy, LetsInTheGateway) {
  const std::string gateway =
      kDeployment + "exposure: {type: Gateway, host: a.b.c, gateway: {name: gw, section: s";
  const RenderResult far = render(gateway + ", namespace: edge}}\n");
  EXPECT_THAT(json_of(far, "NetworkPolicy", "r1"), HasSubstr(peer("app") + "," + peer("edge") + "]"));
  EXPECT_TRUE(rules_of(far).contains("spec/gateway-shut-out"));
  const RenderResult near = render(gateway + "}}\n");
  EXPECT_THAT(json_of(near, "NetworkPolicy", "r1"), HasSubstr(peer("app") + "," + peer("llm") + "]"));
  const RenderResult said =
      render(gateway + ", namespace: edge}, controllerNamespace: envoy-gateway-system}\n");
  EXPECT_THAT(json_of(said, "NetworkPolicy", "r1"),
              HasSubstr(peer("app") + "," + peer("envoy-gateway-system") + "]"));
  EXPECT_FALSE(rules_of(said).contains("spec/gateway-shut-out"));
}

TEST(Policy, LetsInTheEndpointPickerAndItsGateway) {
  const std::string pool = kDeployment + "exposure: {type: InferencePool";
  const RenderResult rendered = render(pool + ", host: a.b.c, gateway: {name: gw, namespace: edge}}\n");
  EXPECT_THAT(json_of(rendered, "NetworkPolicy", "r1"), HasSubstr(peer("edge") + R"(,{"podSelector":{}}])"));
  const RenderResult unnamed = render(pool + "}\n");
  EXPECT_THAT(json_of(unnamed, "NetworkPolicy", "r1"), HasSubstr(peer("app") + R"(,{"podSelector":{}}])"));
  EXPECT_TRUE(rules_of(unnamed).contains("spec/gateway-shut-out"));
}

TEST(Policy, SaysThatTheIngressControllerIsShutOut) {
  const std::string ingress = kDeployment + "exposure: {type: Ingress, host: a.b.c, tls: t";
  EXPECT_TRUE(rules_of(render(ingress + "}\n")).contains("spec/ingress-shut-out"));
  const RenderResult said = render(ingress + ", controllerNamespace: ingress-nginx}\n");
  EXPECT_FALSE(rules_of(said).contains("spec/ingress-shut-out"));
  EXPECT_THAT(json_of(said, "NetworkPolicy", "r1"), HasSubstr(peer("ingress-nginx")));
  const RenderResult allowed = render(
      "name: r1\nmodel: smollm2-135m\napiKey: k\ntenancy: {networkPolicy: true, allowNamespaces: "
      "[ingress-nginx]}\n"
      "exposure: {type: Ingress, host: a.b.c, tls: t}\n");
  EXPECT_FALSE(rules_of(allowed).contains("spec/ingress-shut-out"));
  // The chat page has an Ingress of its own, whatever the API has.
  const RenderResult page = render(kDeployment + "openWebUI: {enabled: true, host: chat.b.c}\n");
  EXPECT_TRUE(rules_of(page).contains("spec/ingress-shut-out"));
  const RenderResult page_said = render(kDeployment +
                                        "openWebUI: {enabled: true, host: chat.b.c}\n"
                                        "exposure: {controllerNamespace: ingress-nginx}\n");
  EXPECT_THAT(json_of(page_said, "NetworkPolicy", "r1-open-webui"), HasSubstr(peer("ingress-nginx")));
  EXPECT_THAT(json_of(page_said, "NetworkPolicy", "r1"), Not(HasSubstr(peer("ingress-nginx"))));
}

// KServe makes the route, whatever the exposure says; decode stands behind its sidecar and is scraped past
// it.
TEST(Policy, LetsInKservesGateway) {
  const std::string base =
      "name: r1\nnamespace: llm\nprofile: kserve\nmodel: deepseek-r1\nengine: vllm\ngpus: 8xH200\n"
      "topology: prefill-decode\nstorage: {claim: ai, create: false, download: false}\n" +
      kTenancy;
  EXPECT_TRUE(rules_of(render(base)).contains("spec/gateway-shut-out"));
  const RenderResult said = render(base + "exposure: {controllerNamespace: kserve}\n");
  EXPECT_FALSE(rules_of(said).contains("spec/gateway-shut-out"));
  const std::string decode = json_of(said, "NetworkPolicy", "r1-decode");
  EXPECT_THAT(decode, HasSubstr(peer("kserve")));
  EXPECT_THAT(decode, HasSubstr(kProm + R"(}}}],"ports":[{"protocol":"TCP","port":8001}]})"));
}

TEST(Policy, LetsInOpenshiftsRouters) {
  const std::string routers =
      R"({"namespaceSelector":{"matchLabels":{"policy-group.network.openshift.io/ingress":""}},"podSelector":{}})";
  const std::string base = kDeployment + "profile: openshift\n";
  EXPECT_THAT(json_of(render(base + "exposure: Route\n"), "NetworkPolicy", "r1"), HasSubstr(routers));
  const RenderResult page = render(base + "openWebUI: {enabled: true, host: chat.b.c}\n");
  EXPECT_THAT(json_of(page, "NetworkPolicy", "r1-open-webui"), HasSubstr(routers));
  EXPECT_THAT(json_of(page, "NetworkPolicy", "r1"), Not(HasSubstr(routers)));
}

TEST(Policy, LetsInNetworksThatAreNamed) {
  const RenderResult rendered = render(
      "name: r1\nnamespace: llm\nmodel: smollm2-135m\napiKey: k\nexposure: NodePort\n"
      "tenancy: {networkPolicy: true, allowCidrs: [10.1.0.0/16]}\n");
  EXPECT_THAT(json_of(rendered, "NetworkPolicy", "r1"),
              HasSubstr(R"("from":[{"ipBlock":{"cidr":"10.1.0.0/16"}}])"));
  EXPECT_FALSE(rules_of(rendered).contains("spec/outside"));
}

TEST(Policy, OpensForPrometheusWhatAMonitorScrapes) {
  const RenderResult rendered = render(
      "name: r1\nnamespace: llm\nmodel: deepseek-r1\nengine: sglang\ngpus: 16xH200\n"
      "topology: prefill-decode\nnetwork: rdma\n" +
      kTenancy);
  const std::string prometheus =
      R"({"from":[{"namespaceSelector":{"matchLabels":{)" + kProm + R"(}}}],"ports":[)";
  const std::string router = json_of(rendered, "NetworkPolicy", "r1-router");
  EXPECT_THAT(router, HasSubstr(prometheus + R"({"protocol":"TCP","port":"metrics"}]})"));
  EXPECT_THAT(router, Not(HasSubstr(prometheus + R"({"protocol":"TCP","port":30000}]})")));
  const std::string monitor = json_of(rendered, "PodMonitor", "r1-router");
  EXPECT_THAT(monitor, HasSubstr(R"("port":"metrics")"));
  EXPECT_THAT(monitor, HasSubstr(R"("app.kubernetes.io/component":"router"})"));
  // By the deployment's label the rules know that an engine answers.
  EXPECT_THAT(monitor, HasSubstr(R"("podTargetLabels":["app.kubernetes.io/component"])"));
}

TEST(Dynamo, TheFrontendAnswersUntilTheRoutersKnow) {
  const RenderResult rendered =
      render("name: r1\nnamespace: llm\nprofile: dynamo\nmodel: deepseek-r1\nengine: sglang\ngpus: 8xH200\n");
  const std::string graph = json_of(rendered, "DynamoGraphDeployment", "r1");
  const std::string frontend = graph.substr(0, graph.find(R"("name":"worker")"));
  EXPECT_THAT(frontend, HasSubstr(R"("lifecycle":{"preStop":{"sleep":{"seconds":15}}})"));
  EXPECT_THAT(frontend, HasSubstr(R"("terminationGracePeriodSeconds":945)"));
}

TEST(Shared, ObjectsOfSeveralDeploymentsCarryNothingOfOne) {
  const auto namespaces = [](const std::string& name) {
    return render(
        "name: " + name +
        "\nnamespace: llm\nmodel: deepseek-r1\nengine: sglang\ngpus: 16xH200\nlabels: {team: " + name +
        "}\nnetwork: rdma\nscheduler: {type: volcano, queue: llm, createQueue: true}\n"
        "exposure: {type: Gateway, gateway: {name: gw, create: true, class: eg}}\n");
  };
  const RenderResult a = namespaces("a"), b = namespaces("b");
  EXPECT_EQ(json_of(a, "Namespace", "llm"), json_of(b, "Namespace", "llm"));
  EXPECT_EQ(json_of(a, "Queue", "llm"), json_of(b, "Queue", "llm"));
  EXPECT_EQ(json_of(a, "Gateway", "gw"), json_of(b, "Gateway", "gw"));
  EXPECT_NE(json_of(a, "Namespace", "llm"), "");
}

TEST(Shared, OpenshiftsProjectsAreNotRendered) {
  const std::string base = "name: a\nnamespace: llm\nmodel: smollm2-135m\nprofile: openshift\n";
  EXPECT_EQ(json_of(render(base), "Namespace", "llm"), "");
  EXPECT_NE(json_of(render(base + "createNamespace: true\n"), "Namespace", "llm"), "");
}

TEST(HostPath, HostsFeedOneAnother) {
  const std::string base = "name: a\nnamespace: llm\nmodel: smollm2-135m\nstorage: host-path\n";
  const RenderResult rendered = render(base + "tenancy: {networkPolicy: true}\n");
  const std::string set = json_of(rendered, "DaemonSet", "a-precache");
  EXPECT_THAT(set, HasSubstr(R"("--seed-from","http://a-precache:8081")"));
  const std::string service = json_of(rendered, "Service", "a-precache");
  EXPECT_THAT(service, HasSubstr(R"("clusterIP":"None","publishNotReadyAddresses":true)"));
  EXPECT_THAT(json_of(rendered, "NetworkPolicy", "a-precache"), HasSubstr(R"("values":["precache"])"));
  // What listens is not root; the step that is has one capability and ends.
  const size_t running = set.find(R"("containers")");
  ASSERT_NE(running, std::string::npos);
  EXPECT_THAT(set.substr(running), Not(HasSubstr(R"("runAsUser":0)")));
  EXPECT_THAT(set, HasSubstr(R"("capabilities":{"drop":["ALL"],"add":["CHOWN"]})"));
}

TEST(HostPath, NodesAreThoseOfTheProfile) {
  const std::string base =
      "name: a\nmodel: r1-distill-qwen-7b\nengine: vllm\ngpus: 1xL40S\nstorage: host-path\n";
  EXPECT_THAT(json_of(render(base), "DaemonSet", "a-precache"), HasSubstr("nvidia.com/gpu.present"));
  const std::string tke = json_of(render(base + "profile: tke\n"), "DaemonSet", "a-precache");
  EXPECT_THAT(tke, HasSubstr(R"("key":"nvidia-device-enable","operator":"In","values":["enable","true"])"));
  const std::string own =
      json_of(render(base + "profile: tke\nnodes: {selector: {gpu: mine}}\n"), "DaemonSet", "a-precache");
  EXPECT_THAT(own, Not(HasSubstr("nvidia-device-enable")));
  const RenderResult openshift = render(base + "profile: openshift\n");
  EXPECT_TRUE(rules_of(openshift).contains("spec/selinux"));
  EXPECT_THAT(json_of(openshift, "Deployment", "a"), HasSubstr(R"("runAsUser":10001)"));
}

TEST(Network, TcpBetweenHostsIsSaid) {
  const std::string base = "name: a\nmodel: deepseek-r1\nengine: sglang\ngpus: 16xH200\nprofile: tke\n";
  EXPECT_TRUE(rules_of(render(base)).contains("spec/tcp"));
  EXPECT_TRUE(rules_of(render(base + "network: {type: host, interface: eth0}\n")).contains("spec/tcp"));
  const RenderResult rdma = render(base + "network: {type: host, interface: eth0, resource: rdma/ib}\n");
  EXPECT_FALSE(rules_of(rdma).contains("spec/tcp"));
  EXPECT_THAT(json_of(rdma, "LeaderWorkerSet", "a"), HasSubstr("IPC_LOCK"));
  EXPECT_THAT(json_of(render(base + "network: rdma\n"), "LeaderWorkerSet", "a"),
              HasSubstr("tke.cloud.tencent.com/tke-shared-rdma"));
}

TEST(Claims, ASurgeMountsTheClaimTwice) {
  const std::string base =
      "name: a\nmodel: r1-distill-qwen-7b\nengine: vllm\ngpus: 1xL40S\nrollout: {strategy: rolling, "
      "maxSurge: 1, "
      "maxUnavailable: 0}\n";
  EXPECT_THAT(json_of(render(base), "PersistentVolumeClaim", "a-model"), HasSubstr("ReadWriteMany"));
  EXPECT_THAT(error_of(base + "storage: {type: pvc-per-node, size: 40Gi}\n"), HasSubstr("ReadWriteOnce"));
}

TEST(Exposure, ClassesOfBalancersHavePrefixes) {
  const std::string base = "name: a\nmodel: smollm2-135m\napiKey: k\n";
  EXPECT_THAT(json_of(render(base + "exposure: {type: LoadBalancer, class: service.k8s.aws/nlb}\n"),
                      "Service", "a-api"),
              HasSubstr(R"("loadBalancerClass":"service.k8s.aws/nlb")"));
  EXPECT_THAT(error_of(base + "exposure: {type: Ingress, class: a/b}\n"), HasSubstr("ingressClassName"));
}

TEST(Exposure, ACertificateOfTheGatewayIsNotAskedForTwice) {
  const std::string base =
      "name: a\nmodel: smollm2-135m\napiKey: k\nexposure: {type: Gateway, gateway: {name: gw";
  EXPECT_TRUE(render(base + ", section: https}}\n").findings.empty());
  const RenderResult open = render(base + "}}\n");
  ASSERT_EQ(open.findings.size(), 1u);
  EXPECT_THAT(open.findings[0].fix, HasSubstr("exposure.gateway.section"));
  EXPECT_THAT(error_of(base + "}, tls: t}\n"), HasSubstr("gateway.section"));
}

// ----- every field counts or is refused

bool may_restate(std::string_view path) {
  // Facts about the world and wishes that are checked: see idle_fields.cc.
  constexpr std::string_view kFree[] = {"specVersion", "name",        "profile",         "topology",
                                        "model.ref",   "model.dtype", "model.size",      "model.like",
                                        "gpus.type",   "gpus.count",  "createNamespace", "gpus.perNode",
                                        "nodes.count", "nodes.cpu",   "nodes.memory",    "storage.readGBs"};
  return path.starts_with("versions.") ||
         std::find(std::begin(kFree), std::end(kFree), path) != std::end(kFree);
}

std::vector<std::string> choices_of(const SpecField& field) {
  std::vector<std::string> out{""};
  for (char c : field.choices) {
    if (c == '|') {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

// A value that is not the one that is there.
Json changed(const SpecField& field, const Json& now, std::mt19937& random) {
  const auto number = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  if (field.type == SpecType::kBool) return !now.as_bool();
  if (field.type == SpecType::kInteger)
    return number(static_cast<int64_t>(field.min),
                  std::min<int64_t>(static_cast<int64_t>(field.max), 40'000));
  if (field.type == SpecType::kNumber)
    return field.min + (field.max - field.min) / static_cast<double>(number(2, 9));
  if (field.type == SpecType::kQuantity) return std::to_string(number(500, 900)) + "Gi";
  if (field.type == SpecType::kStringList) {
    for (std::string_view word : {"other", "10.1.0.0/16"}) {
      if (check_spec_text(field.rule, word).ok()) return JsonArray{word};
    }
  }
  if (field.type == SpecType::kStringMap || field.type == SpecType::kSecretEnv)
    return JsonObject{{"other", Json("thing")}};
  for (std::string_view word : {"other", "other.example.com/thing", "/other", "1.33", "http://other"}) {
    if (check_spec_text(field.rule, word).ok()) return word;
  }
  return "other";
}

bool same_objects(const RenderResult& a, const RenderResult& b) {
  if (a.objects.size() != b.objects.size() || a.findings.size() != b.findings.size()) return false;
  for (size_t i = 0; i < a.objects.size(); ++i) {
    if (!(a.objects[i].object == b.objects[i].object)) return false;
  }
  for (size_t i = 0; i < a.findings.size(); ++i) {
    if (a.findings[i].message != b.findings[i].message) return false;
  }
  return true;
}

TEST(Dtype, IsThatOfTheCheckpoint) {
  const auto rendered = [](const std::string& model) {
    const auto spec =
        parse_deploy_spec("name: a\nmodel: " + model + "\nengine: sglang\ngpus: 8xH200\n", "a.yaml");
    return spec.ok() ? render_spec(*spec).status() : spec.status();
  };
  for (const char* dtype : {"int4", "int8", "bf16"}) {
    const Status refused = rendered("{ref: deepseek-r1, dtype: " + std::string(dtype) + "}");
    ASSERT_FALSE(refused.ok()) << dtype;
    EXPECT_THAT(refused.error().message, HasSubstr("published weights of deepseek-r1 are fp8")) << dtype;
  }
  EXPECT_TRUE(rendered("{ref: deepseek-r1, dtype: fp8}").ok());
  EXPECT_TRUE(rendered("{ref: hf:org/R1-INT8, like: deepseek-r1, dtype: int8, size: 680Gi}").ok());
}

TEST(Dtype, OfAnotherCheckpointScalesItsBytes) {
  const auto size_of = [](const std::string& model) {
    const RenderResult rendered =
        render("name: a\nmodel: " + model +
               "\nengine: sglang\ngpus: 16xB200\ntopology: group\nstorage: {storageClass: nfs}\n");
    for (const RenderedObject& one : rendered.objects) {
      if (text(one.object, "kind") == "PersistentVolumeClaim") {
        double bytes = 0;
        EXPECT_TRUE(parse_quantity(
            one.object.find("spec")->find("resources")->find("requests")->find("storage")->as_string(),
            bytes));
        return bytes;
      }
    }
    ADD_FAILURE() << "no claim";
    return 0.0;
  };
  const double published = size_of("{ref: deepseek-r1}");
  EXPECT_NEAR(size_of("{ref: hf:org/R1-BF16, like: deepseek-r1, dtype: bf16}") / published, 1.95, 0.07);
  EXPECT_NEAR(size_of("{ref: hf:org/R1-INT4, like: deepseek-r1, dtype: int4}") / published, 0.52, 0.05);
  EXPECT_EQ(size_of("{ref: hf:org/R1-FP8, like: deepseek-r1, dtype: fp8}"), published);
}

struct ModelCase {
  const char* spec;
  const char* says;
};
class ModelErrors : public ::testing::TestWithParam<ModelCase> {};
TEST_P(ModelErrors, AreSaid) {
  EXPECT_THAT(error_of(std::string("name: a\n") + GetParam().spec + "\n"), HasSubstr(GetParam().says))
      << GetParam().spec;
}
INSTANTIATE_TEST_SUITE_P(
    All, ModelErrors,
    ::testing::Values(
        ModelCase{"model: {ref: r1-distill-qwen-70b, size: 100Gi}\nengine: hadal",
                  "did you mean r1-distill-"},
        ModelCase{"model: {ref: \"hf:me/mine; rm\", size: 100Gi}", "is no model"},
        ModelCase{"model: {ref: /foo, size: 15Gi}\nstorage: {storageClass: nfs}",
                  "the volume that is rendered here is empty"},
        ModelCase{"model: {ref: r1-distill-qwen-7b, contextLength: 200000}\nengine: vllm\ngpus: 1xH100",
                  "r1-distill-qwen-7b has 131072 positions"},
        ModelCase{"model: {ref: r1-distill-qwen-7b, kvDtype: fp8}\nengine: trtllm\ngpus: 1xH100",
                  "kv_cache_config.dtype"},
        ModelCase{"model: r1-distill-qwen-7b\nengine: {name: vllm, memoryFraction: 0.2}\ngpus: 1xL40S",
                  "set memoryFraction to 0.4"},
        ModelCase{"model: {ref: \"hf:foo/bar\", size: 300Gi}\nengine: vllm\ngpus: 1xL40S",
                  "of weights (model.size) do not fit"},
        ModelCase{
            "model: r1-distill-qwen-7b\nengine: vllm\ngpus: 2xL40S\nnodes: {count: 2, cpu: 8, memory: 64Gi}",
            "s.yaml:5:35: /dev/shm of 8Gi counts in the pod's memory of 6Gi, its share of nodes.memory 64Gi "
            "(1 of a host's 8 GPUs)"},
        ModelCase{"model: r1-distill-qwen-7b\nreplicas: 2\nstorage: {accessMode: ReadWriteOnce}",
                  "all but those of one host stay Pending"}));

TEST(Model, WhatIsRightIsTaken) {
  EXPECT_EQ(error_of("name: a\nmodel: {ref: /foo, size: 15Gi}\nstorage: {claim: mine, create: false}\n"), "");
  EXPECT_EQ(error_of("name: a\nmodel: {ref: /foo, size: 15Gi}\nstorage: {download: {enabled: false}}\n"), "");
  EXPECT_EQ(
      error_of(
          "name: a\nmodel: {ref: r1-distill-qwen-7b, contextLength: 131072}\nengine: vllm\ngpus: 1xH100\n"),
      "");
  const auto rules =
      rules_of(render("name: a\nmodel: {ref: hf:me/long, like: r1-distill-qwen-7b, contextLength: "
                      "200000}\nengine: vllm\ngpus: 1xH100\n"));
  EXPECT_TRUE(rules.contains("spec/long-context"));
}

TEST(Network, RoceNeedsNoFurtherWord) {
  EXPECT_EQ(error_of("name: a\nmodel: deepseek-r1\nengine: sglang\ngpus: 16xH20\ntopology: group\n"
                     "network: {type: rdma, resource: rdma/hca, fabric: roce}\n"),
            "");
}

TEST(Ingress, EachControllerIsToldInItsOwnWords) {
  const auto annotations = [](const std::string& more) {
    return json_of(render("name: a\nmodel: r1-distill-qwen-7b\nexposure: {type: Ingress, host: a.b.c" + more),
                   "Ingress", "a");
  };
  EXPECT_THAT(annotations("}\n"), HasSubstr("nginx.ingress.kubernetes.io/proxy-read-timeout"));
  EXPECT_THAT(annotations("}\n"), HasSubstr(R"("nginx.org/proxy-buffering":"False")"));
  EXPECT_THAT(annotations(", class: nginx-internal}\n"),
              HasSubstr("nginx.ingress.kubernetes.io/proxy-buffering"));
  EXPECT_THAT(annotations(", class: alb}\n"), HasSubstr(R"("alb.ingress.kubernetes.io/target-type":"ip")"));
  EXPECT_THAT(annotations(", class: haproxy}\n"), HasSubstr("haproxy.org/timeout-server"));
  EXPECT_THAT(annotations("}\nprofile: openshift\n"), HasSubstr("haproxy.router.openshift.io/timeout"));
  EXPECT_THAT(annotations(", class: traefik}\n"), Not(HasSubstr("nginx")));
  const std::string base =
      "name: a\nmodel: r1-distill-qwen-7b\nexposure: {type: Ingress, host: a.b.c, class: ";
  EXPECT_TRUE(rules_of(render(base + "gce}\n")).contains("spec/ingress-timeout"));
  EXPECT_FALSE(rules_of(render(base + "gce, annotations: {a.b/c: d}}\n")).contains("spec/ingress-timeout"));
  EXPECT_FALSE(rules_of(render(base + "nginx}\n")).contains("spec/ingress-timeout"));
}

TEST(Dashboard, UidsTellNamespacesApart) {
  const auto uid = [](const std::string& name, const std::string& ns) {
    const std::string json =
        json_of(render("name: " + name + "\nnamespace: " + ns +
                       "\nmodel: r1-distill-qwen-7b\nmonitoring: {type: pod-monitor, dashboard: true}\n"),
                "ConfigMap", name + "-dashboard");
    const size_t at = json.find("hadal-" + ns.substr(0, 4));
    return at == std::string::npos ? std::string() : json.substr(at, json.find('\\', at) - at);
  };
  EXPECT_EQ(uid("a", "prod"), "hadal-prod-a");
  const std::string one = uid("deepseek-r1-of-the-eu", "production-language-models"),
                    two = uid("deepseek-r1-of-the-us", "production-language-models");
  EXPECT_EQ(one.size(), 40u) << one;
  EXPECT_NE(one, two);
}

TEST(Gpus, NeedAKind) {
  for (const char* gpus : {"{count: 8}", "{perNode: 4}"}) {
    const auto spec =
        parse_deploy_spec("name: a\nmodel: r1-distill-qwen-7b\ngpus: " + std::string(gpus) + "\n", "a.yaml");
    ASSERT_FALSE(spec.ok()) << gpus;
    EXPECT_THAT(spec.error().message, HasSubstr("a.yaml:3:")) << gpus;
    EXPECT_THAT(spec.error().message, HasSubstr("gpus.type"));
  }
}

// The one step that runs as root gives the model's directory to the pods' user, with all that lies in it.
TEST(HostPath, IsNeverADirectoryOfTheHosts) {
  const auto parsed = [](const std::string& path, const std::string& model) {
    return parse_deploy_spec("name: a\nmodel: {ref: smollm2-135m" +
                                 (model.empty() ? "" : ", path: \"" + model + "\"") +
                                 "}\nstorage: {type: host-path, hostPath: " + path + "}\n",
                             "a.yaml");
  };
  for (const char* path : {"/", "//", "/./", "/etc", "/etc/", "/usr/share", "//usr//share/", "/var",
                           "/var/lib", "/var/lib/kubelet/pods", "/home", "/dev/shm"}) {
    const auto spec = parsed(path, "");
    ASSERT_FALSE(spec.ok()) << path;
    EXPECT_THAT(spec.error().message, HasSubstr("name a directory for models")) << path;
  }
  for (const char* model : {".", "./", "a/.", "a//b", "a/"})
    EXPECT_FALSE(parsed("/data", model).ok()) << model;
  for (const char* path :
       {"/data", "/data/models", "/mnt/nvme0", "/var/lib/hadal", "/home/models", "/usrdata"})
    EXPECT_TRUE(parsed(path, "a/b").ok()) << path;
}

TEST(Fields, CountOrAreRefused) {
  int specs = 0, silent = 0;
  for (unsigned seed = 1000; specs < 4; ++seed) {
    std::mt19937 random(seed);
    const std::string spec_text = random_spec(random);
    const auto spec = parse_deploy_spec(spec_text, "s.yaml");
    if (!spec.ok()) continue;
    const auto base = render_spec(*spec);
    if (!base.ok()) continue;
    ++specs;
    for (const SpecField& field : spec_fields()) {
      if (may_restate(field.path) || spec->has(field.path)) continue;
      // One value may restate what holds anyway; not all of them.
      const std::vector<std::string> names =
          field.choices.empty() ? std::vector<std::string>(4) : choices_of(field);
      int taken = 0, idle = 0;
      for (const std::string& name : names) {
        const Json now = field.get(*spec), value = name.empty() ? changed(field, now, random) : Json(name);
        if (value == now || (value.is_bool() && !value.as_bool() && field.path != "engine.logRequests"))
          continue;
        DeploySpec other = *spec;
        field.set(other, value);
        other.places[std::string(field.path)] = {};
        if (!check_deploy_spec(other).ok()) continue;
        ++taken;
        const auto again = render_spec(other);
        if (again.ok() && same_objects(*again, *base)) ++idle;
      }
      if (taken == 0 || idle < taken) continue;
      ++silent;
      ADD_FAILURE() << field.path << " is taken and does nothing in\n" << spec_text;
    }
  }
  EXPECT_EQ(silent, 0);
}

struct IdleCase {
  std::string field, where;
};
class IdleFields : public ::testing::TestWithParam<IdleCase> {};

TEST_P(IdleFields, AreRefusedWithThePlaceWhereTheyWouldCount) {
  const std::string top = GetParam().field.substr(0, GetParam().field.find(':'));
  std::string spec;
  for (const std::string line : {"name: w", "model: r1-distill-qwen-7b", "engine: vllm", "gpus: 1xL40S"}) {
    if (!line.starts_with(top + ":")) spec += line + "\n";
  }
  EXPECT_THAT(error_of(spec + GetParam().field + "\n"), HasSubstr(GetParam().where));
}

INSTANTIATE_TEST_SUITE_P(
    All, IdleFields,
    ::testing::Values(
        IdleCase{"tenancy: {allowNamespaces: [a]}", "restricts nothing"},
        IdleCase{"tenancy: {allowCidrs: [10.0.0.0/8]}", "goes with tenancy.networkPolicy"},
        IdleCase{"exposure: {type: Ingress, controllerNamespace: x}", "goes with tenancy.allowNamespaces"},
        IdleCase{"rollout: {partition: 1}",
                 "rollout.partition has no effect here: it goes with several hosts"},
        IdleCase{"scheduler: {exclusiveTopology: rack}", "scheduler.exclusiveTopology has no effect here"},
        IdleCase{"network: rdma",
                 "network.type has no effect here: it goes with instances over several hosts"},
        IdleCase{"groupSecret: x", "groups of engine hadal"},
        IdleCase{"autoscaling: {max: 5}", "autoscaling.type"},
        IdleCase{"scheduler: {queue: q}", "scheduler.queue has no effect"},
        IdleCase{"storage: {type: pvc, hostPath: /x}", "storage host-path"},
        IdleCase{"kserve: InferenceService", "profile kserve"},
        IdleCase{"monitoring: {gpuRules: true}", "monitoring"},
        IdleCase{"monitoring: {labels: {a: b}}", "monitoring pod-monitor or service-monitor"},
        IdleCase{"engine: {name: vllm, transferBackend: mooncake}", "prefill-decode"},
        IdleCase{"engine: {name: vllm, routerImage: \"a/b:1\"}", "prefill-decode"},
        IdleCase{"storage: {type: host-path, size: 5Gi}", "storage.size has no effect"},
        IdleCase{"storage: {type: host-path, storageClass: x}", "storage.storageClass has no effect"},
        IdleCase{"storage: {claim: x, create: false, download: {enabled: false, tokenSecret: t}}",
                 "tokenSecret has no"},
        IdleCase{"preflight: true", "engine hadal"},
        IdleCase{"openWebUI: {host: a.b.c}", "openWebUI.enabled"},
        IdleCase{"exposure: {type: LoadBalancer, path: /x}", "exposure.path has no effect"},
        IdleCase{"pdb: {enabled: false, minAvailable: 1}", "pdb.enabled"},
        IdleCase{"autoscaling: {type: keda}", "the monitor adds"}));

// docs/deploy.md lists the rights to every kind that random specs and the examples render.
TEST(Docs, NameTheRightToEveryKind) {
  std::set<std::string> kinds;
  const auto add = [&](const std::string& spec_text) {
    const auto spec = parse_deploy_spec(spec_text, "s.yaml");
    if (!spec.ok()) return;
    const auto rendered = render_spec(*spec);
    if (!rendered.ok()) return;
    for (const RenderedObject& one : rendered->objects)
      kinds.insert(text(one.object, "apiVersion") + " " + text(one.object, "kind"));
  };
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    add(random_spec(random));
  }
  for (const auto& entry : std::filesystem::directory_iterator(HADAL_SOURCE_DIR "/examples")) {
    if (entry.path().extension() == ".yaml") add(*read_file(entry.path().string()));
  }
  EXPECT_GE(kinds.size(), 25u);
  const std::string page = *read_file(HADAL_SOURCE_DIR "/docs/deploy.md");
  for (const std::string& one : kinds) {
    const size_t space = one.find(' '), slash = one.find('/');
    const std::string group = slash == std::string::npos ? "\"\"" : one.substr(0, slash);
    std::string resource = one.substr(space + 1);
    for (char& c : resource) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (resource.ends_with("cy")) {
      resource.replace(resource.size() - 1, 1, "ies");
    } else {
      resource += resource.ends_with("s") ? (resource == "securitycontextconstraints" ? "" : "es") : "s";
    }
    bool found = false;
    for (size_t line = page.find("- {apiGroups: ["); line != std::string::npos;
         line = page.find("- {apiGroups: [", line + 1)) {
      const std::string row = page.substr(line, page.find('\n', line) - line);
      found = found || (row.find(group) != std::string::npos && row.find(resource) != std::string::npos &&
                        row.find("create") != std::string::npos);
    }
    EXPECT_TRUE(found) << "no row lets create " << resource << " of " << group;
  }
}

TEST(Messages, SayWhatIsWrong) {
  const std::string base = "name: x\nmodel: r1-distill-qwen-7b\n";
  EXPECT_THAT(error_of(base + "registry: \"https://reg.example.com\"\n"), HasSubstr("without https://"));
  EXPECT_EQ(error_of(base + "registry: reg.example.com:5000/team/\n"), "");
  EXPECT_THAT(error_of(base + "engine: vllm\ngpus: 0xH100\n"), HasSubstr("asks for 0 GPUs"));
  EXPECT_THAT(error_of(base + "resources: {memory: 32Gi, shm: 64Gi}\n"), HasSubstr("/dev/shm of 64Gi"));
  EXPECT_THAT(error_of("name: x\nmodel:\n\tref: y\n"), HasSubstr("s.yaml:3:1: a tab"));
  const std::string name = error_of("name: A_b\nmodel: m\n");
  EXPECT_THAT(name, HasSubstr("at most 52"));
  EXPECT_THAT(name, Not(HasSubstr("needs name")));
}

}  // namespace
}  // namespace hadal
