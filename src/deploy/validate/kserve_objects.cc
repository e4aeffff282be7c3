// What KServe's webhook refuses of an InferenceService (pkg/apis/serving/v1beta1), and what it takes and does
// not do: deployment modes that do not exist, storage that no downloader reads.
#include <algorithm>

#include "config/nearest_name.h"
#include "deploy/validate/formats.h"
#include "deploy/validate/rule_checks.h"
#include "deploy/validate/rule_help.h"

namespace hadal {
namespace {

constexpr std::string_view kComponents[] = {"predictor", "transformer", "explainer"};
// utils.go, SupportedStorageURIPrefixList; a ClusterStorageContainer may add more.
constexpr std::string_view kSchemes[] = {"gs",      "s3",  "pvc", "file", "https",      "http",     "hdfs",
                                         "webhdfs", "oci", "hf",  "git",  "oci+native", "oci+fetch"};
// Named so from 0.16 on, which takes the old names too.
constexpr std::string_view kNewModes = "0.16.0";

void check_component(Reporter& reporter, View component) {
  const View low = component["minReplicas"];
  const View high = component["maxReplicas"];
  check_range(reporter, low, 0, INT32_MAX);
  check_range(reporter, high, 0, INT32_MAX);
  // maxReplicas 0 is none; a Pod is the least where nothing is said.
  if (high.integer_or(0) > 0 && low.integer_or(1) > *high.integer())
    reporter.add("kserve/replicas", *high,
                 "maxReplicas " + high.any_text() + " is below minReplicas, " +
                     (low.exists() ? low.any_text() : "1 where it is left out"),
                 "raise maxReplicas, or lower minReplicas");
}

void check_mode(const ManifestDocument& d, const RuleContext& context) {
  const View mode = d.view().at("metadata.annotations")["serving.kserve.io/deploymentMode"];
  if (!mode.is_string()) return;
  constexpr std::string_view kOld[] = {"RawDeployment", "Serverless", "ModelMesh"};
  constexpr std::string_view kAll[] = {"Standard", "Knative", "RawDeployment", "Serverless", "ModelMesh"};
  const bool is_old = std::find(std::begin(kOld), std::end(kOld), mode.text()) != std::end(kOld);
  if (is_old) return;
  const bool has_new = compare_versions(context.options.kserve_version, kNewModes) >= 0;
  if (std::find(std::begin(kAll), std::end(kAll), mode.text()) != std::end(kAll)) {
    if (!has_new)
      d.reporter->add("version/field-too-new", *mode,
                      "the mode " + shown_text(mode) + " came with KServe 0.16; the cluster has " +
                          context.options.kserve_version,
                      mode.text() == "Standard" ? "write RawDeployment" : "write Serverless");
    return;
  }
  const std::span<const std::string_view> all(kAll), old(kOld);
  const std::string nearest = nearest_name(mode.text(), has_new ? all : old);
  Finding& finding =
      d.reporter->add("kserve/deployment-mode", *mode,
                      shown_text(mode) + " is no deployment mode: KServe takes its default without a word",
                      !nearest.empty() ? "write " + nearest
                      : has_new        ? "write Standard, Knative or ModelMesh"
                                       : "write RawDeployment, Serverless or ModelMesh");
  if (!nearest.empty()) Reporter::fix_with(finding, replace_scalar(*mode, nearest, false));
}

void check_uri(Reporter& reporter, View uri) {
  const std::string_view text = uri.text();
  if (text.empty() || text.find_first_of("${<") != std::string_view::npos) return;
  const size_t end =
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
  if (end == std::string_view::npos || end == 0 || text[end] != ':') return;  // a path
  const std::string scheme(text.substr(0, end));
  const bool known = std::find(std::begin(kSchemes), std::end(kSchemes), scheme) != std::end(kSchemes);
  const std::string_view rest = text.substr(end + 1);
  if (!rest.starts_with("//")) {
    reporter.add("kserve/storage-uri", *uri,
                 shown_text(uri) + " is no address: \"" + scheme + ":\" is followed by \"//\"",
                 "write " + scheme + "://" +
                     std::string(rest.substr(std::min(rest.find_first_not_of('/'), rest.size()))));
  } else if (rest.find_first_not_of('/') == std::string_view::npos) {
    reporter.add("kserve/storage-uri", *uri, shown_text(uri) + " names no place",
                 "write the bucket and the path");
  } else if (!known) {
    const std::string nearest = nearest_name(scheme, kSchemes);
    Finding& finding = reporter.add(
        "kserve/storage-uri", *uri, "KServe downloads from no " + scheme + "://",
        nearest.empty()
            ? "write one of hf, s3, gs, pvc, oci, https, hdfs, or add a ClusterStorageContainer for it"
            : "write " + nearest + "://");
    // A ClusterStorageContainer of the cluster may read it.
    finding.severity = Severity::kWarning;
  }
}

}  // namespace

void check_kserve_object(const ManifestDocument& d, const RuleContext& context) {
  if (d.group != "serving.kserve.io") return;
  const View spec = d.view()["spec"];
  if (d.kind == "InferenceService") {
    for (const std::string_view name : kComponents) {
      const View component = spec[name];
      check_component(*d.reporter, component);
      // "model", or the older one of each framework.
      for (const ValueMember& member : component.members()) {
        check_uri(*d.reporter, View(member.value)["storageUri"]);
        for (const Value& item : View(member.value)["storageUris"].items())
          check_uri(*d.reporter, View(item)["uri"]);
      }
      for (const Value& item : component["storageUris"].items()) check_uri(*d.reporter, View(item)["uri"]);
    }
  }
  if (d.kind == "InferenceService" || d.kind == "InferenceGraph") check_mode(d, context);
  if (d.kind == "LLMInferenceService" || d.kind == "LLMInferenceServiceConfig")
    check_uri(*d.reporter, spec.at("model.uri"));
}

}  // namespace hadal
