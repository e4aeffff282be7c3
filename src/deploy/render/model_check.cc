// What a spec says of its model against what is known of it. Errors with the place, the reason and the fix.
#include "config/model_catalog.h"
#include "deploy/render/resolve.h"
#include "hub/model_ref.h"

namespace hadal {
namespace {

// What the download's container would refuse is refused here.
Status check_reference(const DeploySpec& spec, RenderContext& c) {
  const std::string& source = c.model_source;
  bool fetched = false;
  for (const char* scheme : {"hf:", "ms:", "s3://", "http://", "https://"})
    fetched |= source.starts_with(scheme);
  if (!fetched) return {};
  const auto ref = parse_model_ref({source});
  if (ref.ok()) return {};
  const std::string_view field = source == spec.storage.uri               ? "storage.uri"
                                 : source == spec.storage.download.source ? "storage.download.source"
                                                                          : "model.ref";
  if (source.starts_with("s3://")) {
    // Its store may be laxer than S3 is, and others than hadal may read it.
    c.warn(field, "bucket-name", ref.error().message, "name a bucket that S3 allows");
    return {};
  }
  return invalid_argument(spec.place(field), ": ", field, ": ", ref.error().message);
}

// A path in the volume says that somebody has filled it; a claim made here is empty, and nothing fills it.
Status check_filled(const DeploySpec& spec, const RenderContext& c) {
  const bool claim = c.storage_type == "pvc" || c.storage_type == "pvc-per-node";
  const bool empty = (claim && spec.storage.create) || c.storage_type == "empty-dir";
  if (!spec.model.ref.starts_with("/") || !empty || !c.model_source.empty()) return {};
  if (spec.has("storage.download.enabled") && !spec.storage.download.enabled) return {};  // the user says so
  return invalid_argument(spec.place("model.ref"), ": ", spec.model.ref,
                          " is a path in a volume, and the volume that is rendered here is empty: name the "
                          "claim that holds the model, with "
                          "storage: {claim: NAME, create: false}, or where the model is fetched from, with "
                          "storage.download.source");
}

bool lets_long(const DeploySpec& spec) {
  for (const auto& [name, value] : spec.engine.env) {
    if (name == "VLLM_ALLOW_LONG_MAX_MODEL_LEN" || name == "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN")
      return true;
  }
  return false;
}

// Every engine refuses to start with more positions than the model was made for.
Status check_context(const DeploySpec& spec, RenderContext& c) {
  const bool alike = !spec.model.like.empty();
  const CatalogModel* model = find_catalog_model(alike ? spec.model.like : spec.model.ref);
  if (model == nullptr || spec.model.context_length == 0) return {};
  HADAL_ASSIGN(const ModelConfig config, catalog_config(*model));
  const int64_t most = config.max_position_embeddings;
  if (most <= 0 || spec.model.context_length <= most) return {};
  const std::string words = std::string(model->name) + " has " + std::to_string(most) +
                            " positions, and contextLength is " + std::to_string(spec.model.context_length);
  if (alike || lets_long(spec)) {
    c.warn("model.contextLength", "long-context",
           words +
               ": beyond its own positions a model answers nonsense, unless the checkpoint was made for more",
           "set contextLength to " + std::to_string(most) +
               " or less, or see that the checkpoint's config.json has more");
    return {};
  }
  return invalid_argument(
      spec.place("model.contextLength"), ": ", words,
      ": no engine starts with more than the model has. Set it to ", most,
      " or less; for a checkpoint that was made for more, name that one, with model.like");
}

}  // namespace

Status check_model(const DeploySpec& spec, RenderContext& c) {
  HADAL_RETURN_IF_ERROR(check_reference(spec, c));
  HADAL_RETURN_IF_ERROR(check_filled(spec, c));
  if (!spec.model.kv_dtype.empty() && spec.model.kv_dtype != "auto" && c.engine == EngineKind::kTrtllm)
    return invalid_argument(spec.place("model.kvDtype"),
                            ": TensorRT-LLM takes the type of its KV cache from a file of options alone "
                            "(kv_cache_config.dtype): leave kvDtype out, or use engine sglang or vllm");
  return check_context(spec, c);
}

}  // namespace hadal
