#include "deploy/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/yaml_tree.h"
#include "config/flag_table.h"
#include "deploy/render.h"
#include "deploy/spec_check.h"
#include "deploy/spec_table.h"
#include "deploy/validate.h"

namespace hadal {
namespace {

using ::testing::HasSubstr;

std::string error_of(std::string_view text) {
  const auto spec = parse_deploy_spec(text, "s.yaml");
  if (!spec.ok()) return spec.error().message;
  const auto rendered = render_spec(*spec);
  return rendered.ok() ? "" : rendered.error().message;
}

DeploySpec parsed(std::string_view text) {
  auto spec = parse_deploy_spec(text, "s.yaml");
  EXPECT_TRUE(spec.ok()) << (spec.ok() ? "" : spec.error().message);
  return spec.ok() ? std::move(*spec) : DeploySpec{};
}

TEST(Spec, ShortFormsAreTheSameAsLongOnes) {
  const DeploySpec a = parsed(
      "name: x\nmodel: s3://b/p\nstorage: s3\nexposure: Ingress\napiKey: k\nengine: sglang\nopenWebUI: "
      "true\n");
  const DeploySpec b = parsed(
      "name: x\nmodel: {ref: \"s3://b/p\"}\nstorage: {type: s3}\nexposure: {type: Ingress}\n"
      "apiKey: {secret: k}\nengine: {name: sglang}\nopenWebUI: {enabled: true}\n");
  for (const SpecField& field : spec_fields()) EXPECT_EQ(field.get(a), field.get(b)) << field.path;
}

TEST(Spec, NumbersStayAsTheyAreWritten) {
  const DeploySpec spec = parsed(
      "name: x\nmodel: m\nversions: {kubernetes: 1.30, lws: 0.9.0}\nengine: {version: 0123, env: {A: "
      "8.0}}\n");
  EXPECT_EQ(spec.versions.kubernetes, "1.30");
  EXPECT_EQ(spec.engine.version, "0123");
  EXPECT_EQ(spec.engine.env[0].second, "8.0");
}

TEST(Spec, KnowsWhereFieldsStand) {
  const DeploySpec spec = parsed("name: x\nmodel: m\nstorage:\n  size: 7Gi\n");
  EXPECT_EQ(spec.place("storage.size"), "s.yaml:4:9");
  EXPECT_EQ(spec.place("storage.claim"), "s.yaml:3:1");
  EXPECT_EQ(spec.place("gpus"), "s.yaml");
}

struct ErrorCase {
  std::string text, words;
};
class SpecErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(SpecErrors, AreSaidWithPlaceAndFix) {
  EXPECT_THAT(error_of(GetParam().text), HasSubstr(GetParam().words));
}

const std::string kBase = "name: x\nmodel: deepseek-r1\n";
INSTANTIATE_TEST_SUITE_P(
    All, SpecErrors,
    ::testing::Values(
        ErrorCase{"name: x\nmodle: y\n", "s.yaml:2:1: there is no field \"modle\": did you mean model?"},
        ErrorCase{kBase + "storage:\n  tpe: pvc\n",
                  "s.yaml:4:3: there is no field \"storage.tpe\": did you mean type?"},
        ErrorCase{kBase + "storageClass: nfs\n", "s.yaml:3:1: there is no field \"storageClass\""},
        ErrorCase{"name: x\n", "the spec needs model.ref"}, ErrorCase{"model: x\n", "the spec needs name"},
        ErrorCase{"name: X\nmodel: m\n", "s.yaml:1:7: name is \"X\": it must be small letters"},
        ErrorCase{"name: x\nname: y\nmodel: m\n", "s.yaml:2:1: \"name\" is there twice"},
        ErrorCase{kBase + "replicas: two\n", "s.yaml:3:11: replicas is \"two\": it must be a whole number"},
        ErrorCase{kBase + "replicas: -1\n", "from 0 to 1000"},
        ErrorCase{kBase + "profile: eks\n", "s.yaml:3:10: profile is \"eks\": it must be one of plain, tke"},
        ErrorCase{kBase + "topology: grup\n", "did you mean group?"},
        ErrorCase{kBase + "storage: {size: 7Q}\n", "must be a quantity"},
        ErrorCase{kBase + "storage: [pvc]\n", "storage is a list: it must be a mapping of"},
        ErrorCase{kBase + "apiKey: true\n", "quote it"},
        ErrorCase{kBase + "labels: {\"a b\": c}\n", "s.yaml:3:10: \"a b\" in labels must be"},
        ErrorCase{kBase + "engine: {env: {1A: c}}\n", "name of an environment variable"},
        ErrorCase{"name: x\n\tmodel: y\n", "s.yaml:2"}, ErrorCase{"- a\n", "a spec is a mapping"},
        ErrorCase{"", "one YAML document"}, ErrorCase{"apiVersion: v1\nkind: Pod\n", "hadal deploy validate"},
        ErrorCase{kBase + "storage: s3\n", "storage s3 needs uri"},
        ErrorCase{kBase + "exposure: Gateway\n", "needs gateway"},
        ErrorCase{kBase + "exposure: {type: ClusterIP, nodePort: 30000}\n",
                  "goes with NodePort, not ClusterIP"},
        ErrorCase{kBase + "nodes: 2\nnetwork: host\n", "network.interface"},
        ErrorCase{kBase + "network: {type: rdma, gidIndex: 3}\n", "set fabric: roce"},
        ErrorCase{kBase + "rollout: {maxUnavailable: 0}\n", "no pod could ever change"},
        ErrorCase{kBase + "engine: {env: {HF_TOKEN: abc}}\n", "looks like a secret"},
        ErrorCase{kBase + "engine: {env: {NCCL_IB_HCA: mlx5_0}}\n", "comes from the network section"},
        ErrorCase{kBase + "engine: {env: {NCCL_IB_CUDA_SUPPORT: \"1\"}}\n", "obsolete"},
        ErrorCase{kBase + "engine: {name: sglang, extraArgs: [--enable-metric]}\n", "--enable-metrics"},
        ErrorCase{kBase + "engine: {name: sglang, extraArgs: [\"--api-key=abc\"]}\n",
                  "apiKey, from a Secret"},
        ErrorCase{kBase + "engine: {name: vllm, extraArgs: [--tensor_parallel_size=2]}\n",
                  "--tensor_parallel_size is --tensor-parallel-size, which is hadal's to set: use "
                  "engine.tensorParallel"},
        ErrorCase{kBase + "engine: {name: vllm, extraArgs: [--served_model_name, x]}\n", "model.servedName"},
        ErrorCase{kBase + "engine: {name: vllm, extraArgs: [-tp, \"2\"]}\n", "-tp is hadal's to set"},
        ErrorCase{kBase + "engine: {name: vllm, extraArgs: [-pp=2]}\n", "engine.pipelineParallel"},
        ErrorCase{kBase + "engine: {name: vllm, extraArgs: [-dp, \"2\"]}\n", "engine.dataParallel"},
        ErrorCase{kBase + "engine: {name: vllm, extraArgs: [--max_model_len, \"9\"]}\n",
                  "model.contextLength"},
        ErrorCase{kBase + "engine: {name: vllm, extraArgs: [\"--tensor-parallel-size 2\"]}\n", "write two"},
        ErrorCase{kBase + "engine: {name: sglang, extraArgs: [--tensor-parallel=2]}\n",
                  "--tensor-parallel is the beginning of --tensor-parallel-size"},
        ErrorCase{kBase + "profile: dynamo\nengine: {name: sglang, extraArgs: [--tp, \"2\"]}\n",
                  "engine.tensorParallel"},
        ErrorCase{kBase + "profile: dynamo\nengine: {name: vllm, extraArgs: [--model, x]}\n", "model.ref"},
        ErrorCase{kBase + "engine: {name: trtllm, extraArgs: [--tp_size=2]}\n", "engine.tensorParallel"},
        ErrorCase{kBase + "engine: {name: trtllm, extraArgs: [--tensor-parallel-size=2]}\n",
                  "engine.tensorParallel"},
        ErrorCase{kBase + "decode: {extraArgs: [-tp, \"2\"]}\nengine: vllm\n", "engine.tensorParallel"},
        ErrorCase{kBase + "engine: {image: \"UPPER/Case:tag\"}\n",
                  "engine.image is \"UPPER/Case:tag\": it must be an image reference: \"Case\" has capital "
                  "letters"},
        ErrorCase{kBase + "engine: {image: \"nginx@sha256:abc\"}\n", "64 hexadecimal digits"},
        ErrorCase{kBase + "engine: {routerImage: \"A\"}\n", "engine.routerImage is \"A\""},
        ErrorCase{kBase + "engine: {version: a/b}\n", "the tag of an image"},
        ErrorCase{kBase + "openWebUI: {image: \"x:y:z\"}\n", "openWebUI.image"},
        ErrorCase{kBase + "storage: {type: oci, image: \"a//b\"}\n", "storage.image"},
        ErrorCase{kBase + "storage: {download: {image: \"a/B\"}}\n", "storage.download.image"},
        ErrorCase{kBase + "resources: {cpu: 64Gi}\n",
                  "resources.cpu is \"64Gi\": it is an amount of memory; CPU is given in cores, such as 64 "
                  "or 500m"},
        ErrorCase{kBase + "nodes: {cpu: 123Gi}\n", "CPU is given in cores"},
        ErrorCase{kBase + "nodes: {cpu: 64k}\n", "CPU is given in cores"},
        ErrorCase{kBase + "nodes: {cpu: 900000}\n", "more cores than any host"},
        ErrorCase{kBase + "resources: {memory: 64}\n", "write a unit, such as 64Gi"},
        ErrorCase{kBase + "nodes: {memory: 500m}\n", "for mebibytes write 500Mi"},
        ErrorCase{kBase + "storage: {size: 700}\n", "write a unit, such as 700Gi"},
        ErrorCase{kBase + "labels: {app.kubernetes.io/name: y}\n", "hadal's own"},
        // What only the whole tells.
        ErrorCase{kBase + "engine: sglang\ngpus: 4xA100\n", "do not fit"},
        ErrorCase{kBase + "engine: sglang\ngpus: 16xA800\n", "FP8"},
        ErrorCase{kBase + "engine: sglang\ngpus: 8xH9000\n", "does not know the GPU"},
        ErrorCase{kBase + "engine: sglang\ngpus: 8xQuantumCard\n", ", CPU. Others are taken unchecked"},
        ErrorCase{kBase + "engine: sglang\n", "needs gpus"},
        ErrorCase{kBase + "resources: {memory: 64Gi}\n", "do not fit the pod's memory"},
        ErrorCase{kBase + "engine: {env: {SGLANG_USE_MODELSCOPE: \"1\"}}\n", "local directory"},
        ErrorCase{kBase + "engine: sglang\ngpus: 8xMI300X\n", "ROCm image"},
        ErrorCase{kBase + "engine: sglang\ngpus: 8xH200\nnodes: {cpu: 128}\nresources: {cpu: 128}\n",
                  "cannot be scheduled"},
        ErrorCase{kBase + "engine: sglang\ngpus: 8xH200\nresources: {memory: 64Gi, shm: 64Gi}\n",
                  "counts in the pod's memory"},
        ErrorCase{kBase + "engine: sglang\ngpus: 16xH200\ntopology: single\n", "use group"},
        ErrorCase{kBase + "engine: sglang\ngpus: 8xH200\ntopology: group\n", "set nodes to 2"},
        ErrorCase{kBase + "engine: sglang\ngpus: {type: H200, perNode: 8, count: 12}\n", "do not make"},
        ErrorCase{kBase + "topology: prefill-decode\n", "hadal has no separate prefill"},
        ErrorCase{kBase + "engine: sglang\ngpus: 8xH200\nversions: {lws: 0.3.0}\nnodes: 2\n", "0.4 or newer"},
        ErrorCase{
            kBase +
                "engine: sglang\ngpus: 16xH200\nreplicas: 2\nscheduler: volcano\nversions: {lws: 0.6.0}\n",
            "gangs from 0.7"},
        ErrorCase{
            "name: a-name-that-is-far-too-long-for-a-leader-worker-set-x\nmodel: deepseek-r1\nnodes: 2\n",
            "at most"},
        ErrorCase{kBase + "engine: trtllm\ngpus: 8xH200\napiKey: k\n", "checks no API key"},
        ErrorCase{kBase + "engine: vllm\ngpus: 8xH200\nstorage: {size: 100Gi}\n", "storage.size"}));

TEST(Spec, SeveralErrorsAreSaidAtOnce) {
  const std::string text = error_of("name: X\nmodle: y\nstorage: {size: 0}\n");
  EXPECT_THAT(text, HasSubstr("s.yaml:1:7"));
  EXPECT_THAT(text, HasSubstr("s.yaml:2:1"));
  EXPECT_THAT(text, HasSubstr("s.yaml:3:17"));
}

TEST(Spec, TellsSpecsFromManifests) {
  EXPECT_TRUE(is_deploy_spec("name: x\nmodel: y\n"));
  EXPECT_FALSE(is_deploy_spec("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n"));
  EXPECT_FALSE(is_deploy_spec("name: x\n"));
  EXPECT_FALSE(is_deploy_spec("name: [x\n"));
  EXPECT_FALSE(is_deploy_spec(""));
}

TEST(Spec, Versions) {
  EXPECT_TRUE(version_at_least("1.30", "1.9"));
  EXPECT_TRUE(version_at_least("0.9.0", "0.9"));
  EXPECT_TRUE(version_at_least("v1.0", "0.10.3"));
  EXPECT_FALSE(version_at_least("0.6", "0.6.1"));
  EXPECT_FALSE(version_at_least("0.5.1", "0.6"));
}

// Both commands speak of the same cluster where nobody says another.
TEST(Spec, HasTheVersionsThatValidateHas) {
  const VersionsSpec spec;
  const ValidateOptions options;
  EXPECT_EQ(spec.kubernetes, options.kubernetes_version);
  EXPECT_EQ(spec.lws, options.lws_version);
  EXPECT_EQ(spec.kserve, options.kserve_version);
  EXPECT_EQ(spec.volcano, options.volcano_version);
  for (const auto& [flag, version] :
       {std::pair("--kubernetes-version", spec.kubernetes), std::pair("--lws-version", spec.lws),
        std::pair("--kserve-version", spec.kserve), std::pair("--volcano-version", spec.volcano)}) {
    const FlagSpec* row = find_flag(flag, kForValidate);
    ASSERT_NE(row, nullptr) << flag;
    EXPECT_THAT(std::string(row->help), HasSubstr("(default " + version + ")"));
  }
}

TEST(Spec, Quantities) {
  double value = 0;
  ASSERT_TRUE(parse_quantity("700Gi", value));
  EXPECT_EQ(value, 700.0 * 1073741824.0);
  ASSERT_TRUE(parse_quantity("500m", value));
  EXPECT_EQ(value, 0.5);
  ASSERT_TRUE(parse_quantity("1.5T", value));
  EXPECT_EQ(value, 1.5e12);
  for (std::string_view bad :
       {"", "Gi", "1GiB", "1 Gi", "-1", "1e3", "0x1", "1.", ".5", "1KiB", "99999999999999999999"})
    EXPECT_FALSE(parse_quantity(bad, value)) << bad;
}

// The table is the one source: what it says must be so.
TEST(SpecTable, EveryFieldIsReadWhereTheTableSays) {
  for (const SpecField& field : spec_fields()) {
    EXPECT_EQ(find_spec_field(field.path), &field) << field.path << " is there twice";
    EXPECT_FALSE(field.help.empty()) << field.path;
    const std::string_view parent = spec_parent(field.path);
    if (!parent.empty()) {
      EXPECT_NE(find_spec_section(parent), nullptr) << field.path;
    }
  }
  for (const SpecSection& section : spec_sections()) {
    EXPECT_FALSE(spec_children(section.path).empty()) << section.path;
    if (section.shorthand.empty()) continue;
    EXPECT_NE(find_spec_field(std::string(section.path) + "." + std::string(section.shorthand)), nullptr)
        << section.path;
  }
}

TEST(SpecTable, SchemaAndReferenceNameEveryField) {
  const std::string schema = to_json(deploy_spec_schema()), markdown = deploy_spec_markdown();
  ASSERT_TRUE(parse_json(schema).ok());
  for (const SpecField& field : spec_fields()) {
    EXPECT_THAT(schema, HasSubstr("\"" + std::string(spec_key(field.path)) + "\":"));
    EXPECT_THAT(markdown, HasSubstr("`" + std::string(field.path) + "`"));
  }
}

TEST(SpecTable, HostileTextsAreRefused) {
  for (const SpecField& field : spec_fields()) {
    if (field.type != SpecType::kString || !field.choices.empty()) continue;
    for (std::string_view bad : {"a\nb", "a\x01", "\xEE\x80\x80", "\xff"}) {
      EXPECT_FALSE(check_spec_text(field.rule, bad).ok()) << field.path;
    }
  }
}

}  // namespace
}  // namespace hadal
