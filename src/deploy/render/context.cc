#include "deploy/render/context.h"

#include <algorithm>
#include <cmath>

#include "config/model_catalog.h"
#include "config/nearest_name.h"
#include "deploy/emit.h"
#include "deploy/render/engine.h"
#include "deploy/render/json_build.h"
#include "deploy/render/resolve.h"
#include "deploy/spec_check.h"
#include "deploy/spec_table.h"
#include "plan/weight_map.h"

namespace hadal {
namespace {

template <typename Kind, size_t N>
Kind kind_of(const std::string_view (&names)[N], std::string_view name) {
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<Kind>(i);
  }
  return static_cast<Kind>(0);
}
constexpr std::string_view kEngineNames[] = {"hadal", "sglang", "vllm", "trtllm"};
constexpr std::string_view kProfileNames[] = {"plain", "tke", "openshift", "kserve", "dynamo"};

// "deepseek-ai/DeepSeek-R1" of "hf:deepseek-ai/DeepSeek-R1@main".
std::string without_scheme(std::string_view ref) {
  for (std::string_view scheme : {"hf:", "ms:"}) {
    if (ref.starts_with(scheme)) ref.remove_prefix(scheme.size());
  }
  return std::string(ref.substr(0, ref.find('@')));
}

// The last part of a path or reference that is not empty.
std::string last_part(std::string text) {
  while (text.ends_with("/")) text.pop_back();
  const size_t slash = text.rfind('/');
  return slash == std::string::npos ? text : text.substr(slash + 1);
}

std::string default_served_name(std::string name) {
  std::string out;
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    const bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    out += ok ? c : '-';
  }
  return out.empty() ? "model" : out;
}

// The bytes of a checkpoint with weights of `dtype` over those of the published one; what hadal's map of a
// model leaves out (R1's next-token predictor) shrinks and grows alike.
double type_ratio(const ModelConfig& config, const std::string& dtype) {
  const auto format = parse_weight_format(dtype);
  if (!format.ok() || !format->has_value()) return 1;
  return static_cast<double>(WeightMap(config, *format).whole().total()) /
         static_cast<double>(WeightMap(config, {}).whole().total());
}

Status resolve_model(const DeploySpec& spec, RenderContext& c) {
  const ModelSpec& model = spec.model;
  const CatalogModel* known = find_catalog_model(model.ref);
  if (!model.like.empty()) {
    known = find_catalog_model(model.like);
    if (known == nullptr)
      return invalid_argument(spec.place("model.like"), ": model.like \"", model.like,
                              "\" is no model that hadal knows: see hadal plan --list");
  }
  const bool in_volume = model.ref.starts_with("/");
  const std::string repository =
      model.like.empty() && known != nullptr ? std::string(known->huggingface) : without_scheme(model.ref);
  c.model_mount = "/models";
  c.model_subdir = !model.path.empty() ? model.path : in_volume ? model.ref.substr(1) : last_part(repository);
  while (c.model_subdir.ends_with("/")) c.model_subdir.pop_back();
  if (c.model_subdir.empty() || !check_spec_text(TextRule::kServedFile, c.model_subdir).ok()) {
    return invalid_argument(spec.place("model.ref"), ": the model's directory cannot be told from \"",
                            model.ref, "\": set model.path");
  }
  c.model_dir = c.model_mount + "/" + c.model_subdir;
  c.served_name = model.served_name.empty() ? default_served_name(last_part(repository)) : model.served_name;
  c.model_source = spec.storage.download.source;
  if (c.model_source.empty() && !in_volume) {
    c.model_source = known != nullptr && model.like.empty() && model.ref.find(':') == std::string::npos
                         ? "hf:" + std::string(known->huggingface)
                         : model.ref;
    if (c.model_source.find(':') == std::string::npos) c.model_source = "hf:" + c.model_source;
    if (!model.revision.empty() && c.model_source.find('@') == std::string::npos)
      c.model_source += "@" + model.revision;
  }
  if (known != nullptr) {
    c.weight_bytes = static_cast<double>(known->weight_bytes);
    c.num_parameters = known->num_parameters;
    const auto config = catalog_config(*known);
    c.own_code = config.ok() && config->architecture == Architecture::kDeepseekV3;
    if (config.ok()) c.weight_bytes *= type_ratio(*config, model.dtype);
  }
  if (!model.size.empty()) parse_quantity(model.size, c.weight_bytes);
  return {};
}

void resolve_storage(const DeploySpec& spec, RenderContext& c) {
  c.storage_type = spec.storage.type;
  if (c.storage_type.empty()) {
    c.storage_type = !spec.storage.uri.empty() ? "s3" : !spec.storage.image.empty() ? "oci" : "pvc";
  }
  c.claim = spec.storage.claim.empty() ? spec.name + "-model" : spec.storage.claim;
  if (c.storage_type == "s3" && !spec.storage.uri.empty()) c.model_source = spec.storage.uri;
  if (c.storage_type == "oci") {
    c.model_dir = spec.model.path.empty() ? c.model_mount : c.model_mount + "/" + spec.model.path;
  }
}

// KServe mounts what a URI names at /mnt/models.
void resolve_kserve_uri(const DeploySpec& spec, RenderContext& c) {
  if (c.profile != ProfileKind::kKserve || c.storage_type == "host-path") return;
  if (c.storage_type == "pvc") c.model_uri = "pvc://" + c.claim + "/" + c.model_subdir;
  if (c.storage_type == "s3") c.model_uri = c.model_source;
  if (c.storage_type == "oci") c.model_uri = "oci://" + c.mirrored(spec.storage.image);
  if (c.storage_type == "empty-dir")
    c.model_uri = c.model_source.starts_with("hf:") ? "hf://" + c.model_source.substr(3) : c.model_source;
  c.model_dir = "/mnt/models";
}

// trtllm-serve answers under the directory's name, so the directory is mounted under the served name.
void resolve_trtllm_path(RenderContext& c) {
  if (c.engine == EngineKind::kTrtllm && c.profile != ProfileKind::kDynamo && c.storage_type != "oci" &&
      c.model_uri.empty())
    c.model_dir = c.model_mount + "/" + c.served_name;
}

std::string default_image(const RenderContext& c) {
  const EngineSpec& engine = c.spec.engine;
  if (!engine.image.empty()) return engine.image;
  if (c.profile == ProfileKind::kDynamo) {
    constexpr std::string_view kRuntimes[] = {"", "sglang-runtime", "vllm-runtime", "tensorrtllm-runtime"};
    return "nvcr.io/nvidia/ai-dynamo/" + std::string(kRuntimes[static_cast<size_t>(c.engine)]) + ":" +
           (engine.version.empty() ? c.spec.versions.dynamo : engine.version);
  }
  const EngineTraits& traits = engine_traits(c.engine);
  return std::string(traits.repository) + ":" +
         (engine.version.empty() ? std::string(traits.tag) : engine.version);
}

void resolve_names(const DeploySpec& spec, RenderContext& c) {
  const EngineTraits& traits = engine_traits(c.engine);
  c.image = c.mirrored(default_image(c));
  std::string own = spec.storage.download.image;
  if (own.empty()) {
    const EngineTraits& hadal = engine_traits(EngineKind::kHadal);
    own = c.engine == EngineKind::kHadal ? default_image(c)
                                         : std::string(hadal.repository) + ":" + std::string(hadal.tag);
  }
  c.hadal_image = c.mirrored(own);
  c.router_image = spec.engine.router_image.empty() ? c.image : c.mirrored(spec.engine.router_image);
  c.port = spec.engine.port > 0 ? spec.engine.port : traits.port;
  if (c.profile == ProfileKind::kDynamo) c.port = 8000;  // the operator's frontend
  if (c.llm_service && spec.engine.port == 0) c.port = 8000;
  c.service_port = spec.exposure.port > 0 ? spec.exposure.port : c.port;
  c.api_service = spec.name + "-api";
  c.service_account = spec.security.service_account.empty() ? spec.name : spec.security.service_account;
  c.group_secret = spec.group_secret.secret.empty() ? spec.name + "-group" : spec.group_secret.secret;
}

}  // namespace

bool RenderContext::any_group() const {
  return std::any_of(roles.begin(), roles.end(), [](const RoleContext& one) { return one.is_group(); });
}

bool RenderContext::uses_lws() const {
  return profile != ProfileKind::kDynamo && !llm_service && any_group();
}

int64_t RenderContext::total_gpus() const {
  int64_t total = 0;
  for (const RoleContext& one : roles) total += one.gpus() * one.replicas;
  return total;
}

Json RenderContext::selector(std::string_view component) const {
  return obj({{"app.kubernetes.io/name", spec.name}, {"app.kubernetes.io/component", component}});
}

Json RenderContext::labels(std::string_view component) const {
  Json out = selector(component);
  out.set("app.kubernetes.io/part-of", spec.name);
  out.set("app.kubernetes.io/managed-by", "hadal");
  // What `hadal deploy` prunes by.
  out.set("hadal.dev/deployment", spec.name);
  merge_missing(out, map_json(spec.labels));
  return out;
}

Json RenderContext::metadata(std::string_view name, std::string_view component) const {
  return obj({{"name", name}, {"namespace", spec.ns}, {"labels", labels(component)}});
}

Json RenderContext::cluster_metadata(std::string_view name, std::string_view component) const {
  return obj({{"name", name}, {"labels", labels(component)}});
}

Json RenderContext::shared_metadata(std::string_view name) const {
  return obj({{"name", name}, {"labels", obj({{"app.kubernetes.io/managed-by", "hadal"}})}});
}

std::string RenderContext::mirrored(std::string_view reference) const {
  if (spec.registry.empty()) return std::string(reference);
  const size_t slash = reference.find('/');
  const std::string_view first = reference.substr(0, slash);
  // The first part is a registry where it could be a host's name.
  if (slash != std::string_view::npos && (first.find('.') != std::string_view::npos ||
                                          first.find(':') != std::string_view::npos || first == "localhost"))
    reference.remove_prefix(slash + 1);
  std::string registry = spec.registry;
  while (registry.ends_with("/")) registry.pop_back();
  return registry + "/" + std::string(reference);
}

void RenderContext::warn(std::string_view field, std::string rule, std::string message, std::string fix) {
  Finding finding;
  finding.rule = "spec/" + std::move(rule);
  finding.severity = Severity::kWarning;
  finding.file = spec.file;
  for (std::string_view path = field; !path.empty(); path = spec_parent(path)) {
    const auto found = spec.places.find(path);
    if (found == spec.places.end()) continue;
    finding.line = found->second.line;
    finding.column = found->second.column;
    break;
  }
  finding.path = field;
  finding.message = std::move(message);
  finding.fix = std::move(fix);
  findings.push_back(std::move(finding));
}

Result<RenderContext> make_context(const DeploySpec& spec) {
  RenderContext c(spec);
  c.engine = kind_of<EngineKind>(kEngineNames, spec.engine.name);
  c.profile = kind_of<ProfileKind>(kProfileNames, spec.profile);
  HADAL_RETURN_IF_ERROR(resolve_model(spec, c));
  resolve_storage(spec, c);
  HADAL_RETURN_IF_ERROR(resolve_gpus(spec, c));
  HADAL_RETURN_IF_ERROR(resolve_roles(spec, c));
  c.llm_service =
      c.profile == ProfileKind::kKserve &&
      (spec.kserve.api == "LLMInferenceService" || (spec.kserve.api.empty() && (c.split || c.any_group())));
  resolve_kserve_uri(spec, c);
  resolve_trtllm_path(c);
  resolve_names(spec, c);
  HADAL_RETURN_IF_ERROR(check_support(spec, c));
  resolve_times(spec, c);
  HADAL_RETURN_IF_ERROR(check_fit(spec, c));
  return c;
}

void add_object(RenderResult& out, Json object, int wave, std::string_view note) {
  RenderedObject rendered;
  if (!note.empty()) rendered.comments.push_back({"apiVersion", std::string(note)});
  for (FieldComment& comment : take_comments(object)) rendered.comments.push_back(std::move(comment));
  rendered.object = std::move(object);
  rendered.wave = wave;
  out.objects.push_back(std::move(rendered));
}

}  // namespace hadal
