// RenderContext: a spec with every default resolved: what one instance is, where it runs, what it is called.
// Made once by make_context, const for the renderers of each part. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "deploy/finding.h"
#include "deploy/render.h"
#include "deploy/spec.h"

namespace hadal {

enum class EngineKind { kHadal, kSglang, kVllm, kTrtllm };
enum class ProfileKind { kPlain, kTke, kOpenshift, kKserve, kDynamo };
enum class RoleKind { kServer, kPrefill, kDecode };

// Instances of one kind: all of them, or those that prefill or decode.
struct RoleContext {
  RoleKind kind = RoleKind::kServer;
  std::string component;  // "server", "prefill", "decode": app.kubernetes.io/component
  std::string workload;   // name of its Deployment or LeaderWorkerSet
  int64_t replicas = 1;
  int64_t nodes = 1;          // hosts of one instance
  int64_t gpus_per_node = 0;  // of one pod
  int64_t tp = 1, pp = 1, dp = 1, ep = 1;
  double memory_fraction = 0;
  int64_t fitted_context =
      0;  // tokens: the longest request that fits, where that is less than the model's own
  std::vector<std::string> extra_args;
  int64_t gpus() const { return nodes * gpus_per_node; }
  bool is_group() const { return nodes > 1; }
};

struct TimeBudgets {
  int64_t startup = 0;  // seconds from the container's start to ready
  int64_t longest_request = 0;
  int64_t warm_up = 0;        // seconds from loaded to ready
  int64_t grace = 0;          // terminationGracePeriodSeconds
  int64_t download = 0;       // seconds until the download counts as failed
  std::string startup_words;  // how it was computed
};

struct RenderContext {
  explicit RenderContext(const DeploySpec& the_spec) : spec(the_spec) {}

  const DeploySpec& spec;
  EngineKind engine = EngineKind::kHadal;
  ProfileKind profile = ProfileKind::kPlain;
  std::vector<RoleContext> roles;  // one, or prefill and decode
  bool split = false;              // prefill-decode
  bool llm_service = false;        // kserve: LLMInferenceService

  std::string gpu_name;       // "H200"; "" CPU
  std::string gpu_resource;   // "nvidia.com/gpu"
  int64_t gpus_per_host = 0;  // of the usual host
  std::string served_name;    // "deepseek-r1"
  std::string model_mount;    // "/models"
  std::string model_dir;      // "/models/DeepSeek-R1"
  std::string model_subdir;   // "DeepSeek-R1"
  std::string model_source;   // REF of hadal pull
  std::string model_uri;      // KServe fetches and mounts the model from here; "": a volume of ours
  std::string storage_type;
  std::string claim;
  double weight_bytes = 0;  // 0: unknown
  int64_t num_parameters = 0;
  bool own_code = false;  // the checkpoint brings Python code that engines of Python ask leave to run
  std::string image;      // of the engine
  std::string hadal_image;
  std::string router_image;
  int64_t port = 0;
  int64_t service_port = 0;
  std::string api_service;  // what clients and routes talk to
  std::string service_account;
  std::string group_secret;
  TimeBudgets time;
  std::vector<Finding> findings;

  bool any_group() const;
  bool uses_lws() const;  // a LeaderWorkerSet or DisaggregatedSet of ours
  bool on_gpus() const { return !gpu_name.empty(); }
  const RoleContext& role() const { return roles.front(); }
  int64_t total_gpus() const;
  // The labels that select this deployment's pods of a component, for ever the same.
  Json selector(std::string_view component) const;
  // Those and the others that objects carry.
  Json labels(std::string_view component) const;
  // {name, namespace, labels}.
  Json metadata(std::string_view name, std::string_view component) const;
  // Cluster-scoped.
  Json cluster_metadata(std::string_view name, std::string_view component) const;
  // Of objects that several deployments may share, such as a Namespace: nothing of this one's, or each apply
  // would take them from the others.
  Json shared_metadata(std::string_view name) const;
  // The image through the mirror, where one is given.
  std::string mirrored(std::string_view reference) const;
  void warn(std::string_view field, std::string rule, std::string message, std::string fix);
};

// Errors: kInvalidArgument and kUnsupported with the place, the reason and the fix.
Result<RenderContext> make_context(const DeploySpec& spec);

inline constexpr double kGibibyte = 1024.0 * 1024 * 1024;

// Ports beside the API's.
inline constexpr int64_t kDistPort = 20000;      // rendezvous of the hosts of a group
inline constexpr int64_t kBootstrapPort = 8998;  // sglang: prefill's rendezvous with decode
inline constexpr int64_t kPeerPort = 8081;       // hadal pull --serve
inline constexpr int64_t kWebUiPort = 8080;

// Adds an object: its comments are taken out of it. `note`: a comment above its first line.
void add_object(RenderResult& out, Json object, int wave, std::string_view note = {});

}  // namespace hadal
