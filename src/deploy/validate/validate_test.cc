#include "deploy/validate.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "base/temp_dir.h"
#include "deploy/validate/edits.h"
#include "deploy/validate/fix.h"
#include "deploy/validate/formats.h"
#include "deploy/validate/report_format.h"
#include "deploy/validate/rule_table.h"
#include "deploy/validate/schema.h"

namespace hadal {
namespace {

constexpr char kPod[] = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n";

std::vector<std::string> errors_of(const std::string& text, const ValidateOptions& options = {}) {
  const ManifestFile file{"a.yaml", text};
  std::vector<std::string> out;
  for (const Finding& f : validate_manifests({&file, 1}, options).findings) {
    if (f.severity == Severity::kError) out.push_back(f.rule + "@" + std::to_string(f.line));
  }
  return out;
}

std::string fixed(const std::string& text) {
  std::vector<ManifestFile> files{{"a.yaml", text}};
  apply_safe_fixes(files, {});
  return files[0].text;
}

using Errors = std::vector<std::string>;

TEST(Validate, SoundObjectsHaveNoErrors) {
  EXPECT_EQ(errors_of(std::string(kPod) + "  containers: [{name: c, image: x}]\n"), Errors{});
  EXPECT_EQ(errors_of("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: "
                      "{name: a}, data: {k: v}}\n"),
            Errors{});
  EXPECT_EQ(
      errors_of("{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"generateName\": \"a-\"}}"),
      Errors{});
}

TEST(Validate, UnknownFieldsTypesAndMissingFieldsHaveTheirPlace) {
  EXPECT_EQ(errors_of(std::string(kPod) + "  containers:\n  - name: c\n    imag: x\n"),
            (Errors{"object/required@6", "schema/unknown-field@7"}));
  EXPECT_EQ(
      errors_of(std::string(kPod) + "  containers:\n  - {name: c, image: x, env: [{name: A, value: 1}]}\n"),
      Errors{"schema/type@6"});
  EXPECT_EQ(errors_of(std::string(kPod) + "  hostNetwork: \"yes\"\n  containers: [{name: c, image: x}]\n"),
            Errors{"schema/type@5"});
}

TEST(Validate, CustomKindsHaveTheirRules) {
  const std::string head =
      "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\nspec:\n  scaleTargetRef: "
      "{name: x}\n";
  const std::string trigger = "  triggers: [{type: cron, metadata: {start: \"0 1 * * *\"}}]\n";
  EXPECT_EQ(errors_of(head + trigger), Errors{});
  EXPECT_EQ(errors_of(head + "  minReplicaCount: 5\n  maxReplicaCount: 2\n" + trigger),
            Errors{"schema/cel@4"});
  EXPECT_EQ(
      errors_of(
          "apiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\nmetadata: {name: a}\nspec:\n  "
          "leaderWorkerTemplate:\n    size: 2\n"
          "    restartPolicy: Sometimes\n    workerTemplate: {spec: {containers: [{name: c, image: x}]}}\n"),
      Errors{"schema/enum@7"});
}

TEST(Validate, TemplatesInsideCustomKindsFollowPodRules) {
  const auto lws = [](const std::string& container) {
    return errors_of(
        "apiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\nmetadata: {name: a}\nspec:\n  "
        "leaderWorkerTemplate:\n    size: 2\n"
        "    workerTemplate:\n      spec:\n        containers:\n        - " +
        container + "\n");
  };
  EXPECT_EQ(lws("{name: c, image: x, volumeMounts: [{name: v, mountPath: /v}]}"),
            Errors{"pod/unknown-volume@10"});
  EXPECT_EQ(lws("{name: c, image: x, resources: {requests: {nvidia.com/gpu: 8}}}"),
            Errors{"pod/extended-resource-limit@10"});
  EXPECT_EQ(lws("{name: c, image: x, livenessProbe: {httpGet: {port: 80}, exec: {command: [a]}}}"),
            Errors{"pod/one-handler@10"});
}

TEST(Validate, GoesOnAfterYamlErrors) {
  const std::string text =
      "a: [1\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: B}\nspec: {containers: [{name: c, image: "
      "x}]}\n";
  EXPECT_EQ(errors_of(text), (Errors{"yaml/syntax@2", "object/name@5"}));
  EXPECT_EQ(errors_of("a: {{ .Values.x }}\n"), Errors{});
  EXPECT_EQ(errors_of("{{- if x }}\na: 1\n{{- end }}\n"), Errors{});
}

TEST(Validate, DisabledRulesAreLeftOut) {
  ValidateOptions options;
  options.disabled_rules = {"object/*"};
  EXPECT_EQ(errors_of(std::string(kPod) + "  containers: [{name: C, image: x}]\n", options), Errors{});
}

TEST(Validate, RemovedVersionsDependOnTheCluster) {
  const std::string text =
      "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: a}\nspec: {minAvailable: 1, "
      "selector: {matchLabels: {a: b}}}\n";
  EXPECT_EQ(errors_of(text), Errors{"object/removed-api@1"});
  EXPECT_TRUE(fixed(text).starts_with("apiVersion: policy/v1\n"));
  ValidateOptions old;
  old.kubernetes_version = "1.24";
  const auto errors = errors_of(text, old);
  EXPECT_EQ(std::count(errors.begin(), errors.end(), "object/removed-api@1"), 0);
}

TEST(Fix, KeepsCommentsAndLayout) {
  const std::string text = std::string(kPod) +
                           "  # why\n  containers:\n  - name: c   # the container\n    image: x\n    env:\n  "
                           "  - {name: A, value: 1}   # one\n"
                           "    livnessProbe:\n      tcpSocket: {port: 80}\n";
  std::string want = text;
  want.replace(want.find("value: 1}"), 9, "value: \"1\"}");
  want.replace(want.find("livnessProbe"), 12, "livenessProbe");
  EXPECT_EQ(fixed(text), want);
}

TEST(Edits, RemoveKeepsTheRest) {
  const auto removed = [](const std::string& text, std::string_view path) {
    const YamlStream stream = parse_yaml_stream(text);
    Value root = to_value(*stream.documents.at(0).root);
    link_parents(root);
    const auto edit = remove_value(text, *View(root).at(path));
    return edit ? apply_edits(text, {*edit}) : "none";
  };
  EXPECT_EQ(removed("a: 1\nb: 2\nc: 3\n", "b"), "a: 1\nc: 3\n");
  EXPECT_EQ(removed("a: {x: 1, z: 2}\n", "a.z"), "a: {x: 1}\n");
  EXPECT_EQ(removed("a: {x: 1, z: 2}\n", "a.x"), "a: {z: 2}\n");
  EXPECT_EQ(removed("a:\n  b:\n    c: 1\n  d: 2\n", "a.b"), "a:\n  d: 2\n");
  EXPECT_EQ(removed("a: 1\n", "a"), "none");
}

TEST(Schemas, CrdsOfUsersAreUsed) {
  const TempDir dir;
  ASSERT_TRUE(write_file(dir.path() + "/crd.yaml", R"(apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size]
            x-kubernetes-validations: [{rule: "self.size <= self.max", message: "too large"}]
            properties:
              size: {type: integer, minimum: 1}
              max: {type: integer, default: 10}
              when: {type: string, format: date-time}
              port: {x-kubernetes-int-or-string: true}
              tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              one: {oneOf: [{required: [a]}, {required: [b]}], type: object, properties: {a: {type: string}, b: {type: string}}}
)")
                  .ok());
  const auto schemas = SchemaSet::load({dir.path()});
  ASSERT_TRUE(schemas.ok()) << schemas.error().message;
  ValidateOptions options;
  options.schemas = schemas->get();
  const auto widget = [&](const std::string& spec) {
    return errors_of("apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec: " + spec + "\n",
                     options);
  };
  EXPECT_EQ(widget("{size: 5, free: {any: [1]}, port: http, tags: [a, b], when: \"2024-01-01T00:00:00Z\"}"),
            Errors{});
  EXPECT_EQ(widget("{size: 11}"), Errors{"schema/cel@4"});
  EXPECT_EQ(widget("{size: 0}"), Errors{"schema/range@4"});
  EXPECT_EQ(widget("{}"), Errors{"schema/required@4"});
  EXPECT_EQ(widget("{size: 1, when: yesterday}"), Errors{"schema/format@4"});
  EXPECT_EQ(widget("{size: 1, tags: [a, a]}"), Errors{"schema/duplicate-item@4"});
  EXPECT_EQ(widget("{size: 1, one: {a: x, b: z}}"), Errors{"schema/combination@4"});
  EXPECT_EQ(widget("{size: 1, port: 1.5}"), Errors{"schema/type@4"});
  EXPECT_FALSE(SchemaSet::load({"/nothing/there"}).ok());
}

TEST(Schemas, BuiltInKindsAreThere) {
  const auto schemas = SchemaSet::builtin();
  for (const auto& [group, version, kind] :
       std::vector<std::array<const char*, 3>>{{"", "v1", "Pod"},
                                               {"apps", "v1", "Deployment"},
                                               {"leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet"},
                                               {"serving.kserve.io", "v1beta1", "InferenceService"},
                                               {"monitoring.coreos.com", "v1", "PrometheusRule"},
                                               {"keda.sh", "v1alpha1", "ScaledObject"},
                                               {"security.openshift.io", "v1", "SecurityContextConstraints"}})
    EXPECT_NE(schemas->find(group, version, kind), nullptr) << kind;
  EXPECT_NE(schemas->pod_spec(), Schema::kNone);
}

TEST(Formats, Quantities) {
  for (const char* good : {"1", "0.5", "500m", "64Gi", "1e3", "1E3", "12E", "-1", "+1.5k", ".5"})
    EXPECT_TRUE(parse_quantity(good)) << good;
  for (const char* bad : {"", "Gi", "64 GB", "64GB", "1.2.3", "1KI", "1e", "0x10"})
    EXPECT_FALSE(parse_quantity(bad)) << bad;
}

TEST(Formats, Durations) {
  EXPECT_EQ(parse_go_duration("1h30m"), 5'400'000'000'000);
  EXPECT_EQ(parse_go_duration("1.5s"), 1'500'000'000);
  for (const char* bad : {"", "15 s", "5min", "1d", "h"}) EXPECT_FALSE(parse_go_duration(bad)) << bad;
  EXPECT_EQ(parse_prometheus_duration("1d12h"), 129'600'000);
  for (const char* bad : {"15 s", "5min", "1m1h", ""}) EXPECT_FALSE(parse_prometheus_duration(bad)) << bad;
}

TEST(Report, SarifHasRulesAndPlaces) {
  const ManifestFile file{"dir/a b.yaml", std::string(kPod) + "  containers: [{name: C, image: x}]\n"};
  const ValidationReport report = validate_manifests({&file, 1});
  const Result<Json> sarif = parse_json(report_sarif(report.findings, "1.0.0"));
  ASSERT_TRUE(sarif.ok());
  EXPECT_EQ(sarif->find("version")->as_string(), "2.1.0");
  const Json& run = sarif->find("runs")->as_array()[0];
  EXPECT_EQ(run.find("results")->as_array().size(), report.findings.size());
  const Json& place =
      *run.find("results")->as_array()[0].find("locations")->as_array()[0].find("physicalLocation");
  EXPECT_EQ(place.find("artifactLocation")->find("uri")->as_string(), "dir/a%20b.yaml");
  EXPECT_EQ(place.find("region")->find("startLine")->as_int(), 5);
}

TEST(Rules, AreUniqueAndDocumented) {
  std::set<std::string_view> ids;
  for (const RuleInfo& rule : all_rules()) {
    EXPECT_TRUE(ids.insert(rule.id).second) << rule.id;
    EXPECT_FALSE(rule.what.empty() || rule.why.empty() || rule.fix.empty()) << rule.id;
  }
  EXPECT_EQ(*read_file(HADAL_SOURCE_DIR "/docs/validate-rules.md"), rules_markdown())
      << "write it anew: hadal deploy rules --format markdown > docs/validate-rules.md";
}

}  // namespace
}  // namespace hadal
