#include "deploy/cluster/kube_config.h"

#include <gtest/gtest.h>

#include "base/temp_dir.h"
#include "deploy/cluster/child_process.h"
#include "deploy/cluster/json_path.h"
#include "deploy/cluster/kube_credential.h"
#include "deploy/cluster/kube_path.h"

namespace hadal::cluster {
namespace {

constexpr char kTwo[] = R"(
apiVersion: v1
kind: Config
current-context: one
contexts:
- {name: one, context: {cluster: c, user: red, namespace: llm}}
- {name: two, context: {cluster: c, user: gone}}
clusters:
- {name: c, cluster: {server: "https://one:6443/", tls-server-name: inner}}
users:
- {name: red, user: {token: first}}
)";

KubeConfig parsed(std::string_view text, const std::string& path = "/etc/kube/config") {
  auto out = parse_kube_config(text, path);
  EXPECT_TRUE(out.ok()) << out.error().message;
  return out.ok() ? *out : KubeConfig();
}

std::string failure(const KubeConfig& config, const KubeConfigChoice& choice = {}) {
  const auto out = resolve_kube_target(config, choice);
  return out.ok() ? "" : out.error().message;
}

TEST(KubeConfig, TakesTheCurrentContext) {
  const auto target = resolve_kube_target(parsed(kTwo), {});
  ASSERT_TRUE(target.ok()) << target.error().message;
  EXPECT_EQ(target->context, "one");
  EXPECT_EQ(target->cluster.server, "https://one:6443");
  EXPECT_EQ(target->cluster.tls_server_name, "inner");
  EXPECT_EQ(target->user.token, "first");
  EXPECT_EQ(target->namespace_name, "llm");
  KubeConfigChoice choice;
  choice.namespace_name = "other";
  EXPECT_EQ(resolve_kube_target(parsed(kTwo), choice)->namespace_name, "other");
}

TEST(KubeConfig, TheFirstFileWinsAndEntriesAreNotMixed) {
  const KubeConfig second = parsed(R"(
current-context: two
users:
- {name: red, user: {token: second, username: u}}
- {name: gone, user: {token: found}}
clusters: [{name: c, cluster: {server: "https://second"}}]
)");
  const KubeConfig merged = merge_kube_configs({parsed(kTwo), second});
  EXPECT_EQ(merged.current_context, "one");
  const auto one = resolve_kube_target(merged, {});
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->user.token, "first");
  EXPECT_EQ(one->user.username, "");
  EXPECT_EQ(one->cluster.server, "https://one:6443");
  KubeConfigChoice choice;
  choice.context = "two";
  EXPECT_EQ(resolve_kube_target(merged, choice)->user.token, "found");
  EXPECT_EQ(merge_kube_configs({second, parsed(kTwo)}).current_context, "two");
}

TEST(KubeConfig, ReadsFilesBesideItself) {
  const TempDir dir;
  dir.write("ca.pem", "CA");
  dir.write("key", "KEY");
  dir.write("config", R"(
current-context: x
contexts: [{name: x, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://h", certificate-authority: ca.pem}}]
users: [{name: u, user: {client-certificate-data: Q0VSVA==, client-key: key, tokenFile: tok}}]
)");
  KubeConfigChoice choice;
  choice.kubeconfig_list = "/nonexistent/a::" + dir.file("config");
  const auto target = load_kube_target(choice);
  ASSERT_TRUE(target.ok()) << target.error().message;
  EXPECT_EQ(target->cluster.ca_pem, "CA");
  EXPECT_EQ(target->user.client_cert_pem, "CERT");
  EXPECT_EQ(target->user.client_key_pem, "KEY");
  EXPECT_EQ(target->user.token_file, dir.file("tok"));
}

TEST(KubeConfig, ErrorsNameTheEntryAndTheFix) {
  const KubeConfig config = parsed(kTwo);
  KubeConfigChoice choice;
  choice.context = "tow";
  EXPECT_NE(failure(config, choice).find("known: one, two"), std::string::npos);
  choice.context = "two";
  EXPECT_NE(failure(config, choice).find("names user \"gone\""), std::string::npos);
  const auto with_user = [](const std::string& user) {
    return parsed(
        "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: \"https://h\"}}]\nusers: [{name: u, user: " +
        user + "}]\n");
  };
  EXPECT_NE(failure(with_user("{auth-provider: {name: gcp}}")).find("auth-provider gcp"), std::string::npos);
  EXPECT_NE(failure(with_user("{client-certificate-data: Q0VSVA==}")).find("without a client-key"),
            std::string::npos);
  EXPECT_NE(failure(with_user("{client-certificate-data: '***', client-key-data: eA==}")).find("not base64"),
            std::string::npos);
  EXPECT_NE(failure(with_user("{token: t, exec: {command: c, apiVersion: client.authentication.k8s.io/v1}}"))
                .find("more than one"),
            std::string::npos);
  EXPECT_NE(failure(with_user("{exec: {command: c, apiVersion: client.authentication.k8s.io/v1alpha1}}"))
                .find("v1 or v1beta1"),
            std::string::npos);
  EXPECT_NE(
      failure(with_user("{exec: {apiVersion: client.authentication.k8s.io/v1}}")).find("command is missing"),
      std::string::npos);
  EXPECT_FALSE(parse_kube_config("kind: Pod", "x").ok());
  EXPECT_FALSE(parse_kube_config("a: [", "x").ok());
  EXPECT_FALSE(load_kube_target({}).ok());
}

TEST(KubeConfig, InAPodItsServiceAccount) {
  const TempDir dir;
  dir.write("ca.crt", "CA");
  dir.write("token", "sa-token\n");
  dir.write("namespace", "llm");
  KubeConfigChoice choice;
  choice.service_host = "fd00::1";
  choice.service_port = "443";
  choice.service_account_dir = dir.path();
  const auto target = load_kube_target(choice);
  ASSERT_TRUE(target.ok()) << target.error().message;
  EXPECT_EQ(target->cluster.server, "https://[fd00::1]:443");
  EXPECT_EQ(target->namespace_name, "llm");
  KubeCredentialSource source(*target, {});
  EXPECT_EQ(source.get()->authorization, "Bearer sa-token");
  dir.write("token", "rotated");
  EXPECT_TRUE(source.refresh());
  EXPECT_EQ(source.get()->authorization, "Bearer rotated");
}

TEST(KubeCredential, ReadsWhatPluginsPrint) {
  constexpr char kV1[] = "client.authentication.k8s.io/v1";
  const auto good = parse_exec_credential(
      R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t","expirationTimestamp":"2030-01-01T00:00:00Z"}})",
      kV1);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good->authorization, "Bearer t");
  EXPECT_EQ(good->expires, 1893456000);
  const auto with = [&](const std::string& status) {
    return parse_exec_credential(
        R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":)" + status + "}",
        kV1);
  };
  EXPECT_FALSE(with("{}").ok());
  EXPECT_FALSE(with(R"({"clientCertificateData":"c"})").ok());
  EXPECT_TRUE(with(R"({"clientCertificateData":"c","clientKeyData":"k"})").ok());
  EXPECT_FALSE(with(R"({"token":"a\nb"})").ok());
  EXPECT_FALSE(with(R"({"token":"t","expirationTimestamp":"soon"})").ok());
  EXPECT_FALSE(parse_exec_credential("{}", kV1).ok());
}

TEST(KubeCredential, Basic) {
  KubeTarget target;
  target.user.username = "u";
  target.user.password = "p:w";
  KubeCredentialSource source(target, {});
  EXPECT_EQ(source.get()->authorization, "Basic dTpwOnc=");
  EXPECT_FALSE(source.refresh());
}

TEST(ChildProcess, IsBoundedAndTakesItsOutput) {
  ChildProcessOptions options;
  options.command = "/bin/sh";
  options.arguments = {"-c", "echo \"$A $B\"; exit 3"};
  options.environment = {"A=old", "B=b"};
  set_variable(options.environment, "A", "new");
  const auto done = run_child_process(options);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->output, "new b\n");
  EXPECT_EQ(done->exit_code, 3);
  options.arguments = {"-c", "sleep 30"};
  options.timeout = std::chrono::milliseconds(50);
  EXPECT_EQ(run_child_process(options).error().code, ErrorCode::kDeadlineExceeded);
  options.arguments = {"-c", "head -c 100000 /dev/zero"};
  options.timeout = std::chrono::seconds(20);
  options.max_output = 1000;
  EXPECT_EQ(run_child_process(options).error().code, ErrorCode::kTooLarge);
  options.command = "no-such-program-x";
  EXPECT_EQ(run_child_process(options).error().code, ErrorCode::kNotFound);
}

TEST(KubePath, BuildsAddresses) {
  const KubeResource& deployment = *well_known_resource("Deployment");
  EXPECT_EQ(object_path(deployment, "llm", "a"), "/apis/apps/v1/namespaces/llm/deployments/a");
  EXPECT_EQ(collection_path(deployment, ""), "/apis/apps/v1/deployments");
  EXPECT_EQ(object_path(*well_known_resource("Node"), "llm", "n"), "/api/v1/nodes/n");
  EXPECT_EQ(object_path(*well_known_resource("Pod"), "l/m", "x?y"), "/api/v1/namespaces/l%2Fm/pods/x%3Fy");
  EXPECT_EQ(query_text({{"labelSelector", "a=b,c"}, {"limit", "5"}}), "?labelSelector=a%3Db%2Cc&limit=5");
  EXPECT_FALSE(is_path_segment(".."));
  EXPECT_FALSE(is_path_segment("a/b"));
  EXPECT_TRUE(is_path_segment("system:node"));
}

TEST(JsonPath, TimesAndBase64) {
  EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05Z"), 1767323045);
  EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05.123456Z"), 1767323045);
  EXPECT_EQ(parse_rfc3339("2026-01-02T05:04:05+02:00"), 1767323045);
  EXPECT_EQ(format_rfc3339(1767323045), "2026-01-02T03:04:05Z");
  EXPECT_EQ(parse_rfc3339("yesterday"), 0);
  for (const std::string text : {"", "a", "ab", "abc", "abcd", "\xff\x00z"}) {
    const auto back = base64_decode(base64_encode(text));
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(*back, text);
  }
  EXPECT_EQ(base64_encode("hello"), "aGVsbG8=");
  EXPECT_FALSE(base64_decode("a").ok());
  EXPECT_FALSE(base64_decode("a=bc").ok());
  EXPECT_EQ(age_text(59), "59s");
  EXPECT_EQ(age_text(3 * 3600 + 300), "3h5m");
  const Json object = *parse_json(R"({"a":[{"b":"x"}],"metadata":{"labels":{"a.b/c":"d"}}})");
  EXPECT_EQ(text_at(object, "a.0.b"), "x");
  EXPECT_EQ(text_at(object, "a.1.b"), "");
  EXPECT_EQ(label_of(object, "a.b/c"), "d");
  EXPECT_TRUE(selector_matches(
      *parse_json(R"({"matchExpressions":[{"key":"k","operator":"NotIn","values":["v"]}]})"), {{"k", "w"}}));
  EXPECT_FALSE(
      selector_matches(*parse_json(R"({"matchExpressions":[{"key":"k","operator":"Exists"}]})"), {}));
}

}  // namespace
}  // namespace hadal::cluster
