// URLs that name a Service, and groups whose leader is made of the workers' template.
#include <gtest/gtest.h>

#include <algorithm>

#include "deploy/validate.h"

namespace hadal {
namespace {

std::vector<Finding> url_findings(const std::string& text, std::string_view rule) {
  const ManifestFile file{"a.yaml", text};
  std::vector<Finding> out;
  for (const Finding& f : validate_manifests({&file, 1}, {}).findings) {
    if (f.rule == rule) out.push_back(f);
  }
  return out;
}

std::string service(const std::string& spec = "selector: {app: vl}, ports: [{port: 80, targetPort: 8000}]",
                    const std::string& metadata = "name: vl") {
  return "apiVersion: v1\nkind: Service\nmetadata: {" + metadata + "}\nspec: {" + spec + "}\n---\n";
}
std::string client(const std::string& container, const std::string& metadata = "name: p") {
  return "apiVersion: v1\nkind: Pod\nmetadata: {" + metadata +
         "}\nspec:\n  containers:\n  - {name: c, image: \"r/c:1\", " + container + "}\n";
}
std::string with_url(const std::string& url) {
  return "env: [{name: OPENAI_API_BASE_URLS, value: \"" + url + "\"}]";
}
size_t wrong_ports(const std::string& text) {
  return url_findings(text, "net/url-port").size();
}

TEST(ServiceUrls, PortsAreThoseOfTheService) {
  const auto found = url_findings(service() + client(with_url("http://vl:8000/v1")), "net/url-port");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].line, 11);
  EXPECT_EQ(found[0].severity, Severity::kWarning);
  EXPECT_NE(
      found[0].message.find("http://vl:8000/v1 asks port 8000 of the Service vl, which has port 80 alone"),
      std::string::npos)
      << found[0].message;
  EXPECT_NE(found[0].fix.find("write http://vl:80/v1"), std::string::npos) << found[0].fix;
  for (const char* bad : {"http://vl.default.svc:8000/v1", "https://vl.default.svc.cluster.local/v1",
                          "http://user:key@vl:8000", "http://vl:80/v1;http://vl:8000/v1"})
    EXPECT_EQ(wrong_ports(service() + client(with_url(bad))), 1u) << bad;
  for (const char* good :
       {"http://vl:80/v1", "http://vl/v1", "http://vl", "https://vl", "http://vl:$(PORT)/v1",
        "http://other:8000/v1", "http://vl.example.com:8000/v1", "http://vl.com:8000/v1", "http://vl:http/v1",
        "http://vl.a.b.svc:8000", "http://", "://vl:8000", "http://:8000", "http://vl:99999999999999999999/"})
    EXPECT_EQ(wrong_ports(service() + client(with_url(good))), 0u) << good;
}

TEST(ServiceUrls, NamespacesTellServicesApart) {
  const std::string named = service("selector: {app: vl}, ports: [{port: 80}]", "name: vl, namespace: a");
  EXPECT_EQ(wrong_ports(named + client(with_url("http://vl.a:8000/v1"), "name: p, namespace: b")), 1u);
  EXPECT_EQ(wrong_ports(named + client(with_url("http://vl:8000/v1"), "name: p, namespace: b")), 0u);
  EXPECT_EQ(wrong_ports(named + client(with_url("http://vl.b:8000/v1"), "name: p, namespace: a")), 0u);
}

TEST(ServiceUrls, CommandsAndConfigMapsAreReadAndOtherKindsOfServicesAreLeftAlone) {
  EXPECT_EQ(wrong_ports(service() + client("args: [\"--backend=http://vl:8000\"]")), 1u);
  EXPECT_EQ(wrong_ports(service() + client("command: [sh, -c, \"curl http://vl:8000/v1/models | jq .\"]")),
            1u);
  EXPECT_EQ(
      wrong_ports(service() + "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  nginx.conf: "
                              "|\n    location / {\n      proxy_pass http://vl:8000;\n    }\n"),
      1u);
  const std::string url = client(with_url("http://vl:8000/v1"));
  EXPECT_EQ(wrong_ports(service("clusterIP: None, selector: {app: vl}, ports: [{port: 80}]") + url), 0u);
  EXPECT_EQ(wrong_ports(service("type: ExternalName, externalName: a.b") + url), 0u);
  EXPECT_EQ(
      wrong_ports(service("selector: {app: vl}, ports: [{name: a, port: 80}, {name: b, port: 8000}]") + url),
      0u);
}

std::string engine_group(const std::string& side, int size, const std::string& program,
                         const std::string& rest = "") {
  const std::string spec =
      "{metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: \"r/c:1\", command: [" + program +
      "]" + rest + "}]}}";
  return "apiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\nmetadata: {name: g}\nspec: "
         "{leaderWorkerTemplate: {size: " +
         std::to_string(size) + ", " + (side == "both" ? "leaderTemplate: " + spec + ", " : "") +
         "workerTemplate: " + spec + "}}\n---\n";
}
constexpr char kSglangProgram[] = "python3, -m, sglang.launch_server, --model-path, o/m, --port, \"30000\"";
constexpr char kVllmProgram[] = "vllm, serve, o/m";

TEST(Groups, WithoutALeaderTemplateTheWorkersIsTheLeadersToo) {
  const std::string all = "selector: {leaderworkerset.sigs.k8s.io/name: g}, ports: [{port: 30000}]";
  const std::string first =
      "selector: {leaderworkerset.sigs.k8s.io/name: g, leaderworkerset.sigs.k8s.io/worker-index: \"0\"}, "
      "ports: "
      "[{port: 30000}]";
  for (const char* side : {"both", "one"}) {
    const std::string lws = engine_group(side, 2, kSglangProgram);
    EXPECT_EQ(url_findings(lws + service(all), "service/selects-workers").size(), 1u) << side;
    EXPECT_EQ(url_findings(lws + service(first), "service/selects-workers").size(), 0u) << side;
    EXPECT_EQ(url_findings(lws + service(all), "service/selects-nothing").size(), 0u) << side;
    EXPECT_EQ(url_findings(lws, "probe/no-readiness").size(), 1u) << side;
    EXPECT_EQ(
        url_findings(engine_group(side, 1, kSglangProgram) + service(all), "service/selects-workers").size(),
        0u)
        << side;
    const std::string ports = ", ports: [{containerPort: 9}]";
    EXPECT_EQ(url_findings(engine_group(side, 2, kSglangProgram, ports), "engine/port").size(), 1u) << side;
    EXPECT_EQ(url_findings(engine_group(side, 2, kSglangProgram, ports) +
                               service("selector: {app: x}, ports: [{port: 31}]"),
                           "service/target-port-closed")
                  .size(),
              1u)
        << side;
  }
  // A probe in the template of both would be asked of vLLM's workers, which do not answer.
  const auto vllm = url_findings(engine_group("one", 2, kVllmProgram), "probe/no-readiness");
  ASSERT_EQ(vllm.size(), 1u);
  EXPECT_NE(vllm[0].fix.find("leaderTemplate"), std::string::npos) << vllm[0].fix;
  const auto sglang = url_findings(engine_group("one", 2, kSglangProgram), "probe/no-readiness");
  EXPECT_EQ(sglang[0].fix.find("leaderTemplate"), std::string::npos) << sglang[0].fix;
}

TEST(Probes, TimeoutsThatMayBeMeantAreLeftToTheUser) {
  const auto fix = [](int timeout) {
    const auto found =
        url_findings(client("readinessProbe: {httpGet: {path: /health, port: 80}, periodSeconds: 10, "
                            "timeoutSeconds: " +
                            std::to_string(timeout) + "}"),
                     "probe/timeout-over-period");
    return found.size() == 1 ? (found[0].safe_fix ? "safe: " : "open: ") + found[0].fix : std::string();
  };
  EXPECT_EQ(fix(10), "");
  EXPECT_NE(fix(30).find("open: raise periodSeconds to 30"), std::string::npos) << fix(30);
  EXPECT_NE(fix(1800).find("safe: "), std::string::npos) << fix(1800);
}

TEST(Groups, InsideADisaggregatedSetTheyAreReadTheSameWay) {
  const auto set = [](const std::string& side) {
    std::string role = engine_group(side, 2, kSglangProgram);
    role = role.substr(role.find("{leaderWorkerTemplate"));
    role.resize(role.find('\n'));
    std::string other = role;
    return "apiVersion: disaggregatedset.x-k8s.io/v1\nkind: DisaggregatedSet\nmetadata: {name: s}\nspec:\n  "
           "roles:\n  - {name: prefill, spec: " +
           role + "}\n  - {name: decode, spec: " + other + "}\n";
  };
  EXPECT_EQ(url_findings(set("both"), "probe/no-readiness").size(), 2u);
  EXPECT_EQ(url_findings(set("one"), "probe/no-readiness").size(), 2u);
}

}  // namespace
}  // namespace hadal
